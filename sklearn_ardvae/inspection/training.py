"""The course of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .drawing import ACTIVE, EMPHASIS, count_whole, legend_above
from .pipelines import Source
from .places import at_the_edge, places

__all__ = ["TrainingDisplay"]

_IN_A_ROW = 4
_OF_STEPS, _OF_VALIDATION = "train_", "valid_"
# What terms are called where it is not their own name.
_TITLES = {"kl": "KL", "mmd": "MMD", "l0": "L0", "n_active": "active axes"}


class TrainingDisplay:
    """Loss terms, active axes and what else a fit notes of each epoch.

    A panel for each term of the loss, of the rows that the steps see and of the
    validation rows, and one for each other entry of `history_`: the number of active
    axes, the learning rate, and of fits that decide by evidence this and beta.

    Parameters
    ----------
    history : dict of {str: sequence of float}
        As `history_`: values of each epoch, NaN where there is none.
    estimator_name : str, default=None
        Shown in the title of the first panel.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each term or entry.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        Holds them.
    lines_ : dict of {str: matplotlib Line2D}
        By the names in `history`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import ARDVAE
    >>> from sklearn_ardvae.inspection import TrainingDisplay
    >>> X = load_digits().data / 16
    >>> model = ARDVAE(8, beta=0.05, max_iter=3, random_state=0).fit(X)
    >>> display = TrainingDisplay.from_estimator(model)
    >>> sorted(display.lines_)[:3]
    ['learning_rate', 'n_active', 'train_kl']
    """

    def __init__(
        self,
        history: Mapping[str, Sequence[float]],
        *,
        estimator_name: str | None = None,
    ) -> None:
        self.history = history
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> TrainingDisplay:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator or Pipeline
            One of this package, or a pipeline that ends in one, fitted.
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw, see `plot`.

        Returns
        -------
        TrainingDisplay
        """
        model = Source.of(estimator).model
        display = cls(model.history_, estimator_name=type(model).__name__)
        return display.plot(ax)

    def plot(self, ax: Any = None) -> TrainingDisplay:
        """Draw the history.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw: one, which is divided, or one for each term or entry. None
            makes a new figure.

        Returns
        -------
        TrainingDisplay
        """
        panels: dict[str, list[str]] = {}
        for name in self.history:
            term = name.removeprefix(_OF_STEPS).removeprefix(_OF_VALIDATION)
            panels.setdefault(term, []).append(name)
        self.axes_ = places(ax, len(panels), _IN_A_ROW, (3.2, 2.2))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.lines_: dict[str, Any] = {}
        for panel, (term, names) in zip(self.axes_, panels.items(), strict=True):
            drawn = []
            for name in names:
                values = np.asarray(self.history[name], dtype=float)
                of_validation = name.startswith(_OF_VALIDATION)
                (self.lines_[name],) = panel.plot(
                    np.arange(1, len(values) + 1),
                    values,
                    color=EMPHASIS if of_validation else ACTIVE,
                    ls="--" if of_validation else "-",
                    lw=1.3,
                    marker="." if _has_lone(values) else "",
                    label="validation rows" if of_validation else "training rows",
                )
                drawn.append(values)
            _scale(panel, np.concatenate(drawn))
            title = _TITLES.get(term, term.replace("_", " "))
            panel.set_title(title, fontsize="medium")
            panel.tick_params(labelsize="small")
            if term == "n_active":
                count_whole(panel.yaxis)
        edges = at_the_edge(ax, len(panels), _IN_A_ROW)
        for panel, (_, is_last) in zip(self.axes_, edges, strict=True):
            if is_last:
                panel.set_xlabel("epoch")
        if self.estimator_name is not None:
            first = self.axes_[0]
            first.set_title(
                f"{self.estimator_name}: {first.get_title()}", fontsize="medium"
            )
        legend_above(self.axes_[0])
        return self


def _has_lone(values: Any) -> bool:
    """Whether there is a value with none beside it, which no line shows."""
    known = np.isfinite(np.concatenate(([np.nan], values, [np.nan])))
    return bool(np.any(known[1:-1] & ~known[:-2] & ~known[2:]))


def _scale(panel: Any, values: Any) -> None:
    """Give values that go over decades a logarithmic axis."""
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0.0 and values.max() > 30.0 * values.min():
        panel.set_yscale("log")
