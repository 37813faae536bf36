"""Data beside what is left of them behind the latent axes."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_scalar

from .drawing import (
    ACTIVE,
    EMPHASIS,
    faint,
    legend_above,
    points_of,
    shortened,
)
from .pipelines import Source
from .places import at_the_edge, one_place, places
from .rows import (
    Kind,
    RowsDisplay,
    draw_images,
    height_and_width,
    kind_of_rows,
    spread_of,
)

__all__ = ["ReconstructionDisplay"]

_IN_A_ROW = 4


class ReconstructionDisplay(RowsDisplay):
    """Rows of data and their reconstructions.

    Images: reconstructions below the images that they are of. Curves: a panel for each
    row. Tables: a panel for each feature, reconstructed against given, and its
    coefficient of determination, R squared.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Data.
    reconstructed : array-like of shape (n_samples, n_features)
        Their reconstructions.
    %(row_parameters)s

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for images, one for each row of curves and for each feature of tables.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        Holds them.
    artists_ : ndarray of shape (n_shown, 2)
        Of images and of curves: each row and its reconstruction. Of tables of shape
        (n_shown,): the points of each feature.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import ARDVAE
    >>> from sklearn_ardvae.inspection import ReconstructionDisplay
    >>> X = load_digits().data / 16
    >>> model = ARDVAE(8, beta=0.05, max_iter=2, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(
    ...     model, X[:10], image_shape=(8, 8)
    ... )
    >>> display.artists_.shape
    (10, 2)
    """

    def __init__(
        self,
        X: ArrayLike,
        reconstructed: ArrayLike,
        *,
        kind: Kind = "auto",
        image_shape: tuple[int, ...] | None = None,
        feature_names: ArrayLike | None = None,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self.X = X
        self.reconstructed = reconstructed
        self.kind = kind
        self.image_shape = image_shape
        self.feature_names = feature_names
        self.limits = limits

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        kind: Kind = "auto",
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> ReconstructionDisplay:
        """Draw rows and what a fitted estimator makes of them.

        Parameters
        ----------
        estimator : estimator or Pipeline
            One of this package, or a pipeline that ends in one, fitted. Rows are shown
            in the units of the pipeline's data, if its steps can be undone.
        X : array-like of shape (n_samples, n_features)
            Data.
        kind : {"auto", "image", "curve", "table"}, default="auto"
            How rows are drawn, see `LatentTraversalDisplay.from_estimator`.
        image_shape : tuple of int, default=None
            (height, width), (channels, height, width) or (height, width, channels);
            None is the estimator's `input_shape`, if that is one of an image.
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw, see `plot`.
        **kwargs : dict
            What else `plot` takes.

        Returns
        -------
        ReconstructionDisplay
        """
        source = Source.of(estimator)
        rows = source.rows(X)
        reconstructed = source.shown(source.model.reconstruct(rows))
        given = source.given(X, rows)
        return cls(
            given,
            reconstructed,
            **kind_of_rows(source, given.shape[1], kind, image_shape),
        ).plot(ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        n_columns: int = 10,
        max_images: int = 100,
        max_panels: int = 16,
        cmap: str = "gray",
    ) -> ReconstructionDisplay:
        """Draw rows and reconstructions.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw: one, which is divided for curves and tables, or one for each
            panel of these. None makes a new figure.
        n_columns : int, default=10
            Images side by side, >= 1.
        max_images : int, default=100
            Images that are shown at most, the first ones, >= 1.
        max_panels : int, default=16
            Curves, the first ones, or features of tables that are shown at most, >= 1:
            those of which the largest share of the variance is lost.
        cmap : str, default="gray"
            Colours of grey images.

        Returns
        -------
        ReconstructionDisplay
        """
        check_scalar(n_columns, "n_columns", Integral, min_val=1)
        check_scalar(max_images, "max_images", Integral, min_val=1)
        check_scalar(max_panels, "max_panels", Integral, min_val=1)
        X, reconstructed = np.asarray(self.X), np.asarray(self.reconstructed)
        if X.ndim != 2 or X.shape != reconstructed.shape:
            raise ValueError(
                f"X of shape {X.shape} and reconstructed of shape "
                f"{reconstructed.shape} must have one shape (n_samples, n_features)."
            )
        kind = self._kind_of(X.shape[1])
        if kind == "image":
            some = slice(max_images)
            self._plot_images(ax, X[some], reconstructed[some], n_columns, cmap)
        elif kind == "curve":
            self._plot_curves(ax, X[:max_panels], reconstructed[:max_panels])
        else:
            self._plot_features(ax, X, reconstructed, max_panels)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        return self

    def _plot_images(
        self, ax: Any, X: NDArray, reconstructed: NDArray, n_columns: int, cmap: str
    ) -> None:
        assert self.image_shape is not None
        n, n_features = X.shape
        n_columns = min(n_columns, n)
        n_rows = -(-n // n_columns)
        limits = self._limits(X)
        sheet = np.full((n_rows, 2, n_columns, n_features), np.nan)
        for i, j in np.ndindex(n_rows, n_columns):
            k = i * n_columns + j
            if k < n:
                sheet[i, 0, j], sheet[i, 1, j] = X[k], reconstructed[k]
        height, width = height_and_width(self.image_shape)
        size = (0.9 + 0.7 * n_columns, 0.3 + 1.4 * n_rows * height / width)
        place = one_place(ax, size, "compressed")
        self.axes_ = np.array([place], dtype=object)
        drawn = draw_images(
            place,
            sheet.reshape(2 * n_rows, n_columns, n_features),
            self.image_shape,
            limits,
            cmap,
        )
        pairs = drawn.reshape(n_rows, 2, n_columns).swapaxes(1, 2).reshape(-1, 2)
        self.artists_ = pairs[:n]
        names = ["given", "reconstructed"] * n_rows
        place.set_yticks(np.arange(2 * n_rows), names)

    def _plot_curves(self, ax: Any, X: NDArray, reconstructed: NDArray) -> None:
        self.axes_ = places(ax, len(X), _IN_A_ROW, (2.6, 2.0))
        self.artists_ = np.empty((len(X), 2), dtype=object)
        edges = at_the_edge(ax, len(X), _IN_A_ROW)
        for i, (panel, (_, is_last)) in enumerate(zip(self.axes_, edges, strict=True)):
            (self.artists_[i, 0],) = panel.plot(
                X[i], color=faint(), lw=2.5, label="given"
            )
            (self.artists_[i, 1],) = panel.plot(
                reconstructed[i], color=ACTIVE, lw=1.3, label="reconstructed"
            )
            panel.set_xlabel("feature" if is_last else "")
        legend_above(self.axes_[0])

    def _plot_features(
        self, ax: Any, X: NDArray, reconstructed: NDArray, max_panels: int
    ) -> None:
        variances = np.square(spread_of(X))
        lost = np.square(X - reconstructed).mean(axis=0)
        varies = variances > 0.0
        shares = np.divide(lost, variances, out=np.zeros_like(lost), where=varies)
        shown = np.sort(np.argsort(-shares, kind="stable")[:max_panels])
        names = shortened(self._names(X.shape[1]))
        self.axes_ = places(ax, len(shown), _IN_A_ROW, (2.5, 2.3))
        self.artists_ = np.empty(len(shown), dtype=object)
        edges = at_the_edge(ax, len(shown), _IN_A_ROW)
        for i, (panel, feature) in enumerate(zip(self.axes_, shown, strict=True)):
            given, made = X[:, feature], reconstructed[:, feature]
            ends = [min(given.min(), made.min()), max(given.max(), made.max())]
            look = points_of(len(X), area=8.0)
            self.artists_[i] = panel.scatter(given, made, color=ACTIVE, **look)
            panel.plot(ends, ends, color=EMPHASIS, lw=1.0)
            kept = "constant"
            if varies[feature]:
                # 0 is added as -0 would be written as such.
                share = round(1.0 - shares[feature], 2) + 0.0
                kept = f"R\N{SUPERSCRIPT TWO} = {share:.2f}"
            panel.set_title(f"{names[feature]}\n{kept}", fontsize="small")
            panel.tick_params(labelsize="small")
            is_first, is_last = edges[i]
            panel.set_ylabel("reconstructed" if is_first else "")
            panel.set_xlabel("given" if is_last else "")
