"""The relevance of the latent axes, as bars."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_scalar

from .drawing import ACTIVE, EMPHASIS, faint, foreground, legend_above
from .pipelines import Source
from .places import one_place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RelevanceDisplay"]

# Inactive axes that are shown beside the active ones, and how many there are at least.
_MORE, _LEAST = 4, 10


class RelevanceDisplay:
    """Relevance of each latent axis, and the cumulative share of the total.

    Bars are the relevances, most relevant first, those of the active axes in colour;
    the line is the share of the total that the axes up to there explain.

    Parameters
    ----------
    relevance : array-like of shape (n_components,)
        Relevances, >= 0, in squared units of the data.
    active : array-like of int
        Indices of the active axes.
    threshold : float, default=None
        The share that the active axes must exceed, in (0, 1]; None where another rule
        tells them.
    intervals : array-like of shape (n_components, 2), default=None
        Lower and upper ends of an interval of each relevance.
    confidence : float, default=None
        The probability of the intervals, in (0, 1); shown in the legend.
    estimator_name : str, default=None
        Shown in the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the bars.
    cumulative_ax_ : matplotlib Axes
        With the cumulative share, on the right.
    figure_ : matplotlib Figure
        Holds them.
    bars_ : matplotlib BarContainer
        The bars, most relevant first.
    line_ : matplotlib Line2D
        The cumulative share.

    See Also
    --------
    LatentTraversalDisplay : What the axes do.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import ARDVAE
    >>> from sklearn_ardvae.inspection import RelevanceDisplay
    >>> X = load_digits().data / 16
    >>> model = ARDVAE(8, beta=0.05, max_iter=2, random_state=0).fit(X)
    >>> display = RelevanceDisplay.from_estimator(model)
    >>> len(display.bars_)
    8
    """

    def __init__(
        self,
        relevance: ArrayLike,
        active: ArrayLike,
        *,
        threshold: float | None = None,
        intervals: ArrayLike | None = None,
        confidence: float | None = None,
        estimator_name: str | None = None,
    ) -> None:
        self.relevance = relevance
        self.active = active
        self.threshold = threshold
        self.intervals = intervals
        self.confidence = confidence
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        confidence: float = 0.95,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> RelevanceDisplay:
        """Draw the relevances of a fitted estimator.

        Parameters
        ----------
        estimator : estimator or Pipeline
            One of this package, or a pipeline that ends in one, fitted.
        confidence : float, default=0.95
            Of the intervals, in (0, 1). `ARDVAE` and `ARDVAECV` have them: those of
            the prior variance of each axis, see `prior_variance_interval`.
        ax : matplotlib Axes, default=None
            Where to draw, see `plot`.
        **kwargs : dict
            What else `plot` takes.

        Returns
        -------
        RelevanceDisplay
        """
        check_scalar(
            confidence,
            "confidence",
            Real,
            min_val=0.0,
            max_val=1.0,
            include_boundaries="neither",
        )
        model = Source.of(estimator).model
        own_rule = model.module_.is_active() is not None
        intervals = None
        if hasattr(model, "prior_variance_interval"):
            variance = model.prior_variance_.astype(np.float64)
            of_variance = model.prior_variance_interval(confidence)
            scale = model.relevance_ / np.where(variance > 0.0, variance, 1.0)
            intervals = scale[:, np.newaxis] * of_variance
        return cls(
            model.relevance_,
            model.active_components_,
            threshold=None if own_rule else model._relevance_rule()[0],
            intervals=intervals,
            confidence=None if intervals is None else confidence,
            estimator_name=type(model).__name__,
        ).plot(ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, n_axes: int | None = None
    ) -> RelevanceDisplay:
        """Draw the bars and the line.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        n_axes : int, default=None
            How many axes to show, >= 1. None shows the active ones and 4 more, and at
            least 10.

        Returns
        -------
        RelevanceDisplay
        """
        if n_axes is not None:
            check_scalar(n_axes, "n_axes", Integral, min_val=1)
        relevance = np.asarray(self.relevance)
        ranked = np.argsort(-relevance, kind="stable")
        active = np.asarray(self.active, dtype=np.intp)
        shown = max(len(active) + _MORE, _LEAST) if n_axes is None else n_axes
        shown = min(shown, len(relevance))
        # An axis that a method of its own keeps may have little relevance.
        ranked = np.concatenate((active, ranked[~np.isin(ranked, active)]))
        total = relevance.sum(dtype=np.float64) or 1.0
        cumulative = relevance[ranked].cumsum(dtype=np.float64)[:shown] / total
        ranked = ranked[:shown]
        ax = self.ax_ = one_place(ax, (6.4, 4.0))
        self.figure_ = ax.figure
        places = np.arange(1, shown + 1)
        is_active = np.isin(ranked, active)
        colors = np.where(is_active, ACTIVE, faint()).tolist()
        self.bars_ = ax.bar(places, relevance[ranked], color=colors, zorder=2)
        if self.intervals is not None:
            ends = np.asarray(self.intervals)[ranked]
            sure = "" if self.confidence is None else f"{100 * self.confidence:.4g}% "
            label = sure + "interval"
            color = foreground()
            ax.vlines(places, *ends.T, color=color, lw=1.2, zorder=3, label=label)
        right = self.cumulative_ax_ = ax.twinx()
        (self.line_,) = right.plot(
            places, cumulative, color=EMPHASIS, marker="o", ms=3.5, lw=1.2
        )
        if self.threshold is not None:
            label = f"{100 * self.threshold:.4g}% of the total"
            right.axhline(self.threshold, color=EMPHASIS, ls=":", lw=1.2, label=label)
        right.set_ylim(0.0, 1.05)
        right.set_ylabel("cumulative share (line)", color=EMPHASIS)
        shares = np.linspace(0.0, 1.0, 6)
        right.set_yticks(shares, [f"{share:.0%}" for share in shares])
        ax.set_ylim(bottom=0.0)
        every = -(-shown // 20)
        name = "" if self.estimator_name is None else f"{self.estimator_name}: "
        ax.set_xticks(places[::every], ranked[::every])
        ax.set(
            xlabel="latent axis, most relevant first",
            ylabel="relevance, units of X\N{SUPERSCRIPT TWO} (bars)",
            title=name + f"{len(active)} of {len(relevance)} axes active",
        )
        of_both = (panel.get_legend_handles_labels()[0] for panel in (right, ax))
        legend_above(ax, [handle for some in of_both for handle in some])
        return self
