"""Fits that take their gradient steps together, as one batched computation.

Each fit runs in a thread of its own, but only one of them at a time: it goes on until
it has the batches of an epoch, and waits for the others to come so far. Then one of
them makes the steps of all. Nothing else of a fit knows of the others.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sklearn import config_context, get_config

from .._warnings import Held, held_warnings, warn
from .stacked import Member, StackedNets

if TYPE_CHECKING:
    from .batches import TensorBatches
    from .net import AutoencoderNet

__all__ = ["run_in_lockstep", "steps_with_others"]

# Fewer are faster by themselves.
_FEWEST = 3
# Seconds.
_LOOK_UP = 0.1

_of_this_thread = threading.local()

T = TypeVar("T")


def run_in_lockstep(fits: Sequence[Callable[[], T]]) -> list[T]:
    """Call functions that fit, each in a thread, and let them share their steps.

    Parameters
    ----------
    fits : sequence of callable
        Of no arguments.

    Returns
    -------
    list
        What they return, in order.

    Raises
    ------
    Exception
        The first in order that one of them raised, after all have ended.
    """
    if len(fits) < _FEWEST:
        return [fit() for fit in fits]
    return _Lockstep(len(fits)).run(fits)


def steps_with_others(net: AutoencoderNet, batches: TensorBatches) -> int | None:
    """Make the steps of an epoch together with other nets, if this is wanted.

    Returns
    -------
    int or None
        How many steps were made; None if the net is to make them by itself.
    """
    lockstep = getattr(_of_this_thread, "lockstep", None)
    return None if lockstep is None else lockstep.wait_for_steps(net, batches)


@dataclass
class _Epoch:
    """What waits for its steps, and how many were made."""

    member: Member
    batches: TensorBatches
    is_over: bool = False
    n_batches: int | None = None
    error: BaseException | None = None


class _Lockstep:
    """Threads of which one runs at a time: the one that holds `turn`."""

    def __init__(self, n_fits: int) -> None:
        self.turn = threading.Condition()
        self.n_running = n_fits
        self.waiting: list[_Epoch] = []
        self.is_interrupted = False

    def run(self, fits: Sequence[Callable[[], Any]]) -> list[Any]:
        results: list[Any] = [None] * len(fits)
        errors: list[BaseException | None] = [None] * len(fits)
        warnings: list[Held] = [[] for _ in fits]
        over = [threading.Event() for _ in fits]
        config = get_config()
        outer = getattr(_of_this_thread, "lockstep", None)

        def run_one(place: int) -> None:
            _of_this_thread.lockstep = self
            try:
                with self.turn, config_context(**config), held_warnings() as held:
                    warnings[place] = held
                    try:
                        results[place] = fits[place]()
                    except BaseException as error:
                        errors[place] = error
                    self.n_running -= 1
                    self.turn.notify_all()
            finally:
                over[place].set()

        threads = [
            threading.Thread(
                target=run_one, args=(place,), name=f"fit {place}", daemon=True
            )
            for place in range(len(fits))
        ]
        try:
            for thread in threads:
                thread.start()
            # Not `join`, in which Ctrl-C, before Python 3.13, marks a living thread as
            # dead.
            for is_over in over:
                # Ctrl-C may come to any thread, and wakes this one only if it is it.
                while not is_over.wait(_LOOK_UP):
                    if outer is not None and outer.is_interrupted:
                        raise KeyboardInterrupt
        except KeyboardInterrupt:
            self.is_interrupted = True
            with self.turn:
                self.turn.notify_all()
            for thread, is_over in zip(threads, over, strict=True):
                if thread.ident is not None:  # else Ctrl-C came before it was started
                    is_over.wait()
            raise
        for message, category in itertools.chain.from_iterable(warnings):
            warn(message, category)
        for error in errors:
            if error is not None:
                raise error
        return results

    def wait_for_steps(self, net: AutoencoderNet, batches: TensorBatches) -> int | None:
        # A fit may train several nets, one after the other.
        member = getattr(_of_this_thread, "member", None)
        if member is None or member.net is not net:
            member = _of_this_thread.member = Member(net)
        epoch = _Epoch(member, batches)
        self.waiting.append(epoch)
        while not epoch.is_over:
            if self.is_interrupted:
                raise KeyboardInterrupt
            if len(self.waiting) == self.n_running:
                self._make_steps()
            else:
                self.turn.wait()
        if epoch.error is not None:
            raise epoch.error
        return epoch.n_batches

    def _make_steps(self) -> None:
        """Make the steps of all that wait; few of a kind make their own."""
        kinds: list[tuple[Any, list[_Epoch]]] = []
        for epoch in self.waiting:
            kind = epoch.member.kind
            for known, like_it in kinds:
                if kind is not None and kind == known:
                    like_it.append(epoch)
                    break
            else:
                kinds.append((kind, [epoch]))
        for _, epochs in kinds:
            if len(epochs) >= _FEWEST:
                self._make_steps_of_kind(epochs)
        for epoch in self.waiting:
            epoch.is_over = True
        self.waiting = []
        self.turn.notify_all()

    def _make_steps_of_kind(self, epochs: list[_Epoch]) -> None:
        try:
            stack = StackedNets([epoch.member for epoch in epochs])
            counts = stack.run([epoch.batches for epoch in epochs])
        except BaseException as error:
            for epoch in epochs:
                epoch.error = error
            return
        for epoch, n_batches in zip(epochs, counts, strict=True):
            epoch.n_batches = n_batches
