"""How many dimensions: how sure the count is, and how many there are where."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .drawing import (
    ACTIVE,
    EMPHASIS,
    SEQUENTIAL,
    add_scale,
    ends_of,
    faint,
    legend_above,
    points_of,
)
from .pipelines import Source
from .places import places

__all__ = ["DimensionDisplay"]

# Probabilities below this are not shown beyond the last that is above.
_SHOWN = 0.002


class DimensionDisplay:
    """The probability of each number of dimensions, and dimensions around each row.

    Of several fits, the share of them that found each number.

    Parameters
    ----------
    n_active : int
        Active axes that were found.
    count_probabilities : array-like of shape (n_counts,), default=None
        Of 0, 1, 2, ... dimensions.
    counts : array-like of int of shape (n_fits,), default=None
        Active axes of each of several fits, whose shares are drawn in the place of
        probabilities.
    codes : array-like of shape (n_samples, n_axes), default=None
        Codes of rows; the first two axes are shown.
    local_dimension : array-like of shape (n_samples,), default=None
        The dimension of the data around each row; with `codes`.
    intrinsic_dimension : float, default=None
        The dimension of the data as a whole.
    axis_labels : array-like of str of shape (n_axes,), default=None
        Names of the axes.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for the probabilities or shares and one for the codes, of what there is.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        Holds them.
    bars_ : matplotlib BarContainer or None
        Probabilities or shares.
    points_ : matplotlib PathCollection or None
        Codes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import VAE
    >>> from sklearn_ardvae.inspection import DimensionDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 6))
    >>> model = VAE(4, max_iter=5, random_state=0).fit(X)
    >>> display = DimensionDisplay.from_estimator(model, X)
    >>> len(display.axes_)  # a VAE does not say how sure it is
    1
    """

    def __init__(
        self,
        n_active: int,
        *,
        count_probabilities: ArrayLike | None = None,
        counts: ArrayLike | None = None,
        codes: ArrayLike | None = None,
        local_dimension: ArrayLike | None = None,
        intrinsic_dimension: float | None = None,
        axis_labels: ArrayLike | None = None,
    ) -> None:
        self.n_active = n_active
        self.count_probabilities = count_probabilities
        self.counts = counts
        self.codes = codes
        self.local_dimension = local_dimension
        self.intrinsic_dimension = intrinsic_dimension
        self.axis_labels = axis_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike | None = None,
        *,
        ax: Any = None,
    ) -> DimensionDisplay:
        """Draw what a fitted estimator, or an ensemble of them, knows of dimensions.

        Parameters
        ----------
        estimator : estimator, Pipeline, or list of them
            One of this package, or a pipeline that ends in one, fitted. Fits that
            compare their axes with PCA's, as ``ARDVAE()``, have probabilities. Of a
            list, as `fit_together` returns, the counts are drawn, and codes and
            dimensions are those of the first with the most frequent count (of two, the
            smaller). Fits may agree on a count that is wrong: the share that has it is
            no probability.
        X : array-like of shape (n_samples, n_features), default=None
            Data, for local dimensions. Where no axis is active, there are no codes to
            draw them over, and only probabilities or counts are drawn.
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw, see `plot`.

        Returns
        -------
        DimensionDisplay

        Raises
        ------
        ValueError
            If there is nothing to draw: no probabilities, and no X or no active axis.
        """
        if isinstance(estimator, list | tuple):
            source, counts = _most_frequent([Source.of(each) for each in estimator])
        else:
            source, counts = Source.of(estimator), None
        model = source.model
        odds = None
        if counts is None:
            odds = getattr(model, "count_probabilities_", None)
        name = type(model).__name__
        if odds is None and counts is None and X is None:
            raise ValueError(
                f"This {name} has no count_probabilities_; pass X, for local "
                "dimensions."
            )
        found: dict[str, Any] = {}
        if X is not None:
            rows = source.rows(X)
            found = {
                "local_dimension": model.local_dimension(rows),
                "intrinsic_dimension": model.intrinsic_dimension_,
            }
            if model.n_active_components_ or (odds is None and counts is None):
                columns = source.active_columns()[:2]
                found["codes"] = np.asarray(model.transform(rows))[:, columns]
                found["axis_labels"] = source.axis_labels()[:2]
        found |= {"count_probabilities": odds, "counts": counts}
        return cls(model.n_active_components_, **found).plot(ax)

    def plot(self, ax: Any = None) -> DimensionDisplay:
        """Draw what there is.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw: one, which is divided if there are two panels, or one for
            each. None makes a new figure.

        Returns
        -------
        DimensionDisplay
        """
        draws = []
        if self.count_probabilities is not None or self.counts is not None:
            draws.append(self._plot_odds)
        if self.codes is not None and self.local_dimension is not None:
            draws.append(self._plot_codes)
        if not draws:
            raise ValueError(
                "There is nothing to draw: give count_probabilities, counts, or codes "
                "and local_dimension."
            )
        self.bars_ = self.points_ = None
        self.axes_ = places(ax, len(draws), 2, (4.6, 3.6))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        for panel, draw in zip(self.axes_, draws, strict=True):
            draw(panel)
        return self

    def _plot_odds(self, panel: Any) -> None:
        if self.counts is None:
            odds, what = np.asarray(self.count_probabilities), "probability"
        else:
            found = np.asarray(self.counts)
            odds, what = np.bincount(found) / len(found), f"share of {len(found)} fits"
        shown = np.flatnonzero(odds >= _SHOWN)
        counts = np.arange(max(0, shown[0] - 1), shown[-1] + 2)
        counts = counts[counts < len(odds)]
        colors = np.where(counts == self.n_active, ACTIVE, faint()).tolist()
        self.bars_ = panel.bar(counts, odds[counts], color=colors, zorder=2)
        panel.set_xticks(counts[:: -(-len(counts) // 12)])
        panel.set(
            xlabel="number of axes (found: in colour)",
            ylabel=what,
            ylim=(0.0, None),
            title=f"active axes: {self.n_active}",
        )
        intrinsic = self.intrinsic_dimension
        if intrinsic is not None and np.isfinite(intrinsic):
            label = f"intrinsic dimension {intrinsic:.1f}"
            panel.axvline(intrinsic, color=EMPHASIS, ls="--", label=label)
            legend_above(panel)

    def _plot_codes(self, panel: Any) -> None:
        codes = np.asarray(self.codes)
        local = np.asarray(self.local_dimension, dtype=float)
        labels = ["first axis", "second axis"]
        if self.axis_labels is not None:
            labels = [str(label) for label in np.asarray(self.axis_labels)]
        first = codes[:, 0]
        low, high = ends_of(local)
        self.points_ = panel.scatter(
            first,
            local if codes.shape[1] == 1 else codes[:, 1],
            c=local,
            cmap=SEQUENTIAL,
            vmin=low,
            vmax=high,
            **points_of(len(codes)),
        )
        add_scale([panel], (low, high), SEQUENTIAL, "local dimension")
        second = "local dimension" if codes.shape[1] == 1 else labels[1]
        panel.set(xlabel=labels[0], ylabel=second, title=self._title(local))

    def _title(self, local: NDArray) -> str:
        if np.isnan(local).all():
            return "too few rows for a local dimension"
        low, high = np.nanquantile(local, [0.05, 0.95])
        return f"90% of rows: {low:.1f} to {high:.1f}"


def _most_frequent(sources: list[Source]) -> tuple[Source, NDArray[np.intp]]:
    """Return the first source with the most frequent count, and the counts of all."""
    if not sources:
        raise ValueError(
            "estimator is an empty list: pass one fitted estimator or more."
        )
    counts = np.array([source.model.n_active_components_ for source in sources])
    usual = np.bincount(counts).argmax()
    return sources[int(np.flatnonzero(counts == usual)[0])], counts
