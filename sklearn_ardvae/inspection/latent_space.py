"""Codes, two axes at a time."""

from __future__ import annotations

from itertools import combinations
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_scalar

from .drawing import axis_names, foreground
from .groups import Groups
from .pipelines import Source
from .places import places

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LatentSpaceDisplay"]

_IN_A_ROW = 3


class LatentSpaceDisplay:
    """Pairs of latent axes, coloured by y, with the ellipses of the posteriors.

    Of a single axis a histogram is drawn, or, if y is numbers, y over the axis.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_axes)
        Codes, or the means of their posteriors.
    std : array-like of shape (n_samples, n_axes), default=None
        Deviations of the posteriors; None draws no ellipses.
    y : array-like of shape (n_samples,), default=None
        Classes, at most 28, or numbers, by which points are coloured; those of rows
        without one (None, NaN) are grey. Up to 28 different whole numbers are classes,
        too.
    axis_labels : array-like of str of shape (n_axes,), default=None
        Names of the axes.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each pair.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        Holds them.
    points_ : list of list of matplotlib PathCollection
        Of each pair, the points of each class, or all of them, and at last those
        without y; of a single axis, those over which y is drawn.
    ellipses_ : list of matplotlib EllipseCollection
        Of each pair; empty without `std`.

    See Also
    --------
    LatentTraversalDisplay : What the axes do.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import VAE
    >>> from sklearn_ardvae.inspection import LatentSpaceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = VAE(8, max_iter=2, random_state=0).fit(X / 16)
    >>> display = LatentSpaceDisplay.from_estimator(model, X / 16, y)
    >>> len(display.points_[0])
    10
    """

    def __init__(
        self,
        codes: ArrayLike,
        std: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        axis_labels: ArrayLike | None = None,
    ) -> None:
        self.codes = codes
        self.std = std
        self.y = y
        self.axis_labels = axis_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        n_axes: int = 2,
        ax: Any = None,
        **kwargs: Any,
    ) -> LatentSpaceDisplay:
        """Draw the codes of X on the most relevant axes.

        Parameters
        ----------
        estimator : estimator or Pipeline
            One of this package, or a pipeline that ends in one, fitted.
        X : array-like of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers, see above.
        n_axes : int, default=2
            How many of the active axes, most relevant first, >= 1.
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw, see `plot`.
        **kwargs : dict
            What else `plot` takes.

        Returns
        -------
        LatentSpaceDisplay

        Raises
        ------
        ValueError
            If no axis is active.
        """
        check_scalar(n_axes, "n_axes", Integral, min_val=1)
        source = Source.of(estimator)
        columns = source.active_columns()[:n_axes]
        q = source.model.code_posterior(source.rows(X))
        std = q.std[:, columns]
        return cls(
            q.mean[:, columns],
            std if std.any() else None,
            y,
            axis_labels=source.axis_labels()[:n_axes],
        ).plot(ax, **kwargs)

    def plot(
        self, ax: Any = None, *, n_deviations: float = 1.0, max_ellipses: int = 300
    ) -> LatentSpaceDisplay:
        """Draw points and ellipses.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw: one, which is divided if there are several pairs, or one for
            each pair. None makes a new figure.
        n_deviations : float, default=1.0
            Half axes of the ellipses, in deviations of the posterior, > 0.
        max_ellipses : int, default=300
            Of more rows, so many have an ellipse, at equal distances in their order;
            0 draws none.

        Returns
        -------
        LatentSpaceDisplay
        """
        check_scalar(
            n_deviations, "n_deviations", Real, min_val=0, include_boundaries="neither"
        )
        check_scalar(max_ellipses, "max_ellipses", Integral, min_val=0)
        codes = np.asarray(self.codes)
        n, n_axes = codes.shape
        groups = Groups(self.y, n)
        labels = axis_names(self.axis_labels, n_axes)
        pairs = list(combinations(range(n_axes), 2)) or [(0, 0)]
        width, height = (3.3, 3.0) if len(pairs) > 1 else (5.4, 4.6)
        width += groups.legend_width / min(len(pairs), _IN_A_ROW)
        self.axes_ = places(ax, len(pairs), _IN_A_ROW, (width, height))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.points_, self.ellipses_ = [], []
        some = np.unique(np.linspace(0, n - 1, min(n, max_ellipses)).astype(int))
        for panel, (i, j) in zip(self.axes_, pairs, strict=True):
            panel.set_xlabel(labels[i])
            if i == j:
                self.points_.append(groups.one_axis(panel, codes[:, i]))
                continue
            xy = codes[:, [i, j]]
            if self.std is not None and max_ellipses:
                std = n_deviations * np.asarray(self.std)[:, [i, j]]
                self.ellipses_.append(
                    _draw_ellipses(panel, xy[some], std[some], groups.colors[some])
                )
            self.points_.append(groups.scatter(panel, xy))
            panel.set_ylabel(labels[j])
        groups.explain(self.axes_)
        return self


def _draw_ellipses(panel: Axes, at: NDArray, std: NDArray, colors: NDArray) -> Any:
    from matplotlib.collections import EllipseCollection

    ellipses = EllipseCollection(
        2.0 * std[:, 0],
        2.0 * std[:, 1],
        np.zeros(len(at)),
        units="xy",
        offsets=at,
        offset_transform=panel.transData,
        alpha=0.15,
        linewidths=0.3,
        zorder=1,
    )
    ellipses.set(facecolor=colors, edgecolor=foreground())
    panel.add_collection(ellipses)
    panel.update_datalim(np.concatenate((at - std, at + std)))
    return ellipses
