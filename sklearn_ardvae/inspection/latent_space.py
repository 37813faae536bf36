"""Codes, two axes at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length, check_scalar

from .drawing import ACTIVE, CATEGORIES, SEQUENTIAL, colors_of, places
from .pipelines import Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LatentSpaceDisplay"]

_IN_A_ROW = 3
# Classes up to which each has its own colour and form; yellow stays out.
_COLORS, _MARKERS = CATEGORIES[:7], "o^sD"
_MOST_CLASSES = len(_COLORS) * len(_MARKERS)


class LatentSpaceDisplay:
    """Pairs of latent axes, coloured by y, with the ellipses of the posteriors.

    Of a single axis a histogram is drawn.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_axes)
        Codes, or the means of their posteriors.
    std : array-like of shape (n_samples, n_axes), default=None
        Deviations of the posteriors; None draws no ellipses.
    y : array-like of shape (n_samples,), default=None
        Classes, at most 28, or numbers, by which points are coloured.
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
        Of each pair, the points of each class, or all of them.
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
    >>> display = LatentSpaceDisplay.from_estimator(model, X / 16, y).plot()
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
    ) -> LatentSpaceDisplay:
        """Take the codes of X on the most relevant axes.

        Parameters
        ----------
        estimator : estimator or Pipeline
            One of this package, or a pipeline that ends in one, fitted.
        X : array-like of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers.
        n_axes : int, default=2
            How many of the active axes, most relevant first, >= 1.

        Returns
        -------
        LatentSpaceDisplay

        Raises
        ------
        ValueError
            If no axis is active.
        """
        check_scalar(n_axes, "n_axes", int, min_val=1)
        source = Source.of(estimator)
        columns = source.active_columns()[:n_axes]
        q = source.model.code_posterior(source.rows(X))
        std = q.std[:, columns]
        return cls(
            q.mean[:, columns],
            std if std.any() else None,
            y,
            axis_labels=source.axis_labels()[:n_axes],
        )

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
        check_scalar(max_ellipses, "max_ellipses", int, min_val=0)
        codes = np.asarray(self.codes)
        n, n_axes = codes.shape
        groups = _Groups(self.y, n)
        if self.axis_labels is None:
            labels = [f"axis {i}" for i in range(n_axes)]
        else:
            labels = [str(label) for label in np.asarray(self.axis_labels)]
        pairs = list(combinations(range(n_axes), 2)) or [(0, 0)]
        size = (3.3, 3.0) if len(pairs) > 1 else (6.0, 4.6)
        self.axes_ = places(ax, len(pairs), _IN_A_ROW, size)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.points_, self.ellipses_ = [], []
        some = np.unique(np.linspace(0, n - 1, min(n, max_ellipses)).astype(int))
        for panel, (i, j) in zip(self.axes_, pairs, strict=True):
            panel.set_xlabel(labels[i])
            if i == j:
                groups.histogram(panel, codes[:, i])
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


class _Groups:
    """Which colour each row has, and what it means."""

    def __init__(self, y: ArrayLike | None, n: int) -> None:
        self.classes: NDArray[Any] | None = None
        self.y: NDArray[Any] | None = None
        self.of_row = np.zeros(n, dtype=np.intp)
        if y is None:
            self.colors = _rgba([ACTIVE])[self.of_row]
            return
        self.y = np.asarray(y)
        check_consistent_length(self.y, self.of_row)
        classes, of_row = np.unique(self.y, return_inverse=True)
        if len(classes) <= _MOST_CLASSES and type_of_target(self.y) != "continuous":
            self.classes, self.of_row = classes, of_row
            self.colors = _rgba(_COLORS)[of_row % len(_COLORS)]
        elif np.issubdtype(self.y.dtype, np.number):
            self.colors = colors_of(self.y.astype(float), SEQUENTIAL)
        else:
            raise ValueError(
                f"y holds {len(classes)} classes, but {_MOST_CLASSES} are the most "
                "that can be told apart: group them, or pass numbers."
            )

    def scatter(self, panel: Axes, xy: NDArray) -> list[Any]:
        how: dict[str, Any] = {"s": 14, "alpha": 0.85, "linewidths": 0, "zorder": 2}
        if self.classes is None:
            if self.y is not None:
                how |= {"c": self.y, "cmap": SEQUENTIAL}
            else:
                how["color"] = ACTIVE
            return [panel.scatter(*xy.T, **how)]
        drawn = []
        for k, name in enumerate(self.classes):
            rows = self.of_row == k
            how["color"] = _COLORS[k % len(_COLORS)]
            how["marker"] = _MARKERS[k // len(_COLORS)]
            drawn.append(panel.scatter(*xy[rows].T, label=str(name), **how))
        return drawn

    def histogram(self, panel: Axes, codes: NDArray) -> None:
        if self.classes is None:
            panel.hist(codes, 30, color=ACTIVE)
        else:
            of_class = [codes[self.of_row == k] for k in range(len(self.classes))]
            colors = [_COLORS[k % len(_COLORS)] for k in range(len(self.classes))]
            names = [str(name) for name in self.classes]
            panel.hist(of_class, 30, stacked=True, color=colors, label=names)
        panel.set_ylabel("rows")

    def explain(self, panels: NDArray[np.object_]) -> None:
        """Say what the colours are: beside the last panel, or by a scale."""
        if self.classes is not None:
            panels[-1].legend(
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                frameon=False,
                fontsize="small",
                markerscale=1.4,
            )
        elif self.y is not None and panels[-1].collections:
            points = panels[-1].collections[-1]
            panels[0].figure.colorbar(points, ax=list(panels), label="y")


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
    ellipses.set(facecolor=colors, edgecolor="black")
    panel.add_collection(ellipses)
    panel.update_datalim(np.concatenate((at - std, at + std)))
    return ellipses


def _rgba(colors: Sequence[str]) -> NDArray[np.floating]:
    from matplotlib.colors import to_rgba_array

    return to_rgba_array(list(colors))
