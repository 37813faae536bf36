"""How many dimensions: how sure the count is, and how many there are where."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .drawing import ACTIVE, EMPHASIS, OTHER, SEQUENTIAL, places
from .pipelines import Source

__all__ = ["DimensionDisplay"]

# Probabilities below this are not shown beyond the last that is above.
_SHOWN = 0.002


class DimensionDisplay:
    """The probability of each number of dimensions, and dimensions around each row.

    Parameters
    ----------
    n_active : int
        Active axes that were found.
    count_probabilities : array-like of shape (n_counts,), default=None
        Of 0, 1, 2, ... dimensions.
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
        One for the probabilities and one for the codes, of what there is.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        Holds them.
    bars_ : matplotlib BarContainer or None
        Probabilities.
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
    >>> display = DimensionDisplay.from_estimator(model, X).plot()
    >>> len(display.axes_)  # a VAE does not say how sure it is
    1
    """

    def __init__(
        self,
        n_active: int,
        *,
        count_probabilities: ArrayLike | None = None,
        codes: ArrayLike | None = None,
        local_dimension: ArrayLike | None = None,
        intrinsic_dimension: float | None = None,
        axis_labels: ArrayLike | None = None,
    ) -> None:
        self.n_active = n_active
        self.count_probabilities = count_probabilities
        self.codes = codes
        self.local_dimension = local_dimension
        self.intrinsic_dimension = intrinsic_dimension
        self.axis_labels = axis_labels

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike | None = None
    ) -> DimensionDisplay:
        """Ask a fitted estimator.

        Parameters
        ----------
        estimator : estimator or Pipeline
            One of this package, or a pipeline that ends in one, fitted. Fits that
            compare their axes with PCA's, as ``ARDVAE()``, have probabilities.
        X : array-like of shape (n_samples, n_features), default=None
            Data, for local dimensions.

        Returns
        -------
        DimensionDisplay

        Raises
        ------
        ValueError
            If there is nothing to draw: no probabilities, and no X.
        """
        source = Source.of(estimator)
        model = source.model
        odds = getattr(model, "count_probabilities_", None)
        name = type(model).__name__
        if odds is None and X is None:
            raise ValueError(
                f"This {name} has no count_probabilities_; pass X, for local "
                "dimensions."
            )
        found: dict[str, Any] = {}
        if X is not None:
            rows = source.rows(X)
            columns = source.active_columns()
            found = {
                "codes": np.asarray(model.transform(rows))[:, columns[:2]],
                "local_dimension": model.local_dimension(rows),
                "intrinsic_dimension": model.intrinsic_dimension_,
                "axis_labels": source.axis_labels()[:2],
            }
        return cls(model.n_active_components_, count_probabilities=odds, **found)

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
        if self.count_probabilities is not None:
            draws.append(self._plot_odds)
        if self.codes is not None and self.local_dimension is not None:
            draws.append(self._plot_codes)
        if not draws:
            raise ValueError(
                "There is nothing to draw: give count_probabilities, or codes and "
                "local_dimension."
            )
        self.bars_ = self.points_ = None
        self.axes_ = places(ax, len(draws), 2, (4.6, 3.6))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        for panel, draw in zip(self.axes_, draws, strict=True):
            draw(panel)
        return self

    def _plot_odds(self, panel: Any) -> None:
        odds = np.asarray(self.count_probabilities)
        shown = np.flatnonzero(odds >= _SHOWN)
        counts = np.arange(max(0, shown[0] - 1), shown[-1] + 2)
        counts = counts[counts < len(odds)]
        colors = np.where(counts == self.n_active, ACTIVE, OTHER).tolist()
        self.bars_ = panel.bar(counts, odds[counts], color=colors, zorder=2)
        panel.set_xticks(counts[:: -(-len(counts) // 12)])
        panel.set(
            xlabel="number of axes (found: in colour)",
            ylabel="probability",
            ylim=(0.0, None),
            title=f"{self.n_active} active axes",
        )
        intrinsic = self.intrinsic_dimension
        if intrinsic is not None and np.isfinite(intrinsic):
            label = f"intrinsic dimension {intrinsic:.1f}"
            panel.axvline(intrinsic, color=EMPHASIS, ls="--", label=label)
            panel.legend(fontsize="small")

    def _plot_codes(self, panel: Any) -> None:
        codes = np.asarray(self.codes)
        local = np.asarray(self.local_dimension, dtype=float)
        labels = ["first axis", "second axis"]
        if self.axis_labels is not None:
            labels = [str(label) for label in np.asarray(self.axis_labels)]
        first = codes[:, 0]
        self.points_ = panel.scatter(
            first,
            local if codes.shape[1] == 1 else codes[:, 1],
            c=local,
            s=12,
            linewidths=0,
            cmap=SEQUENTIAL,
        )
        panel.figure.colorbar(self.points_, ax=panel, label="local dimension")
        second = "local dimension" if codes.shape[1] == 1 else labels[1]
        panel.set(xlabel=labels[0], ylabel=second, title=self._title(local))

    def _title(self, local: NDArray) -> str:
        if np.isnan(local).all():
            return "too few rows for a local dimension"
        low, high = np.nanquantile(local, [0.05, 0.95])
        return f"local dimension {low:.1f} to {high:.1f} (90 % of rows)"
