"""Notes when epochs begin and training ends, for skorch, pythae and loops by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from measure import Parts, Seconds, Turns, between, now
from skorch.callbacks import Callback

#: Of a fit to convergence, rather few.
MANY = 100
# The first epoch also pays for what is set up when it is needed.
_WARM_UP = 1


class Stopwatch(Callback):
    """Knows what of a fit is start, epochs, and what comes after.

    It is a callback of skorch's, and has the hooks of pythae's.
    """

    def __init__(self) -> None:
        self.times: list[Seconds] = [now()]
        self.trained: Seconds | None = None

    def on_epoch_begin(self, *args: Any, **kwargs: Any) -> None:
        self.times.append(now())

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        self.trained = now()

    def parts(self) -> Parts:
        """Return the seconds of an epoch, and of a fit with `MANY` of them.

        The latter are those until now, and what is missing of epochs.
        """
        start, *epochs = self.times
        epoch = between(epochs[_WARM_UP], epochs[-1], len(epochs) - 1 - _WARM_UP)
        fit = between(start, now())
        missing = MANY - len(epochs)
        whole = Seconds(*(f + missing * e for f, e in zip(fit, epoch, strict=True)))
        return {"an epoch": epoch, f"{MANY} epochs and the rest": whole}

    def stages(self) -> Parts:
        """Return the seconds before, in an epoch, and after training."""
        start, *epochs = self.times
        assert self.trained is not None
        return {
            "start": between(start, epochs[0]),
            "an epoch": between(epochs[0], self.trained, len(epochs)),
            "after": between(self.trained, now()),
        }


class Alternation(Stopwatch):
    """Lets a loop run one of its epochs before each epoch of a fit.

    Neighbours are then as near as can be.

    Parameters
    ----------
    loop : iterator
        Runs an epoch at each step.
    """

    def __init__(self, loop: Iterator[None]) -> None:
        super().__init__()
        self.loop = loop
        self.resumed: list[Seconds] = []

    def on_epoch_begin(self, *args: Any, **kwargs: Any) -> None:
        super().on_epoch_begin()
        next(self.loop)
        self.resumed.append(now())

    def turns(self, name: str, other: str) -> Turns:
        """Return the seconds of epochs but the first two, and of a fit of `MANY`.

        The latter are as many times the median, and what comes before and after.
        """
        start, *epochs = self.times
        assert self.trained is not None
        mine = [between(*pair) for pair in zip(self.resumed, epochs[1:], strict=False)]
        others = [between(*pair) for pair in zip(epochs, self.resumed, strict=True)]
        before, after = between(start, epochs[0]), between(self.trained, now())
        rest = np.add(before, after)
        sides = {name: mine[2:], other: others[2:-1]}
        fits = {side: MANY * np.median(found, axis=0) for side, found in sides.items()}
        fits[name] += rest
        return {
            "an epoch": sides,
            f"{MANY} epochs and the rest": {
                side: [Seconds(*map(float, s))] for side, s in fits.items()
            },
        }
