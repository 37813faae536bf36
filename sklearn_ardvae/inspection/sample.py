"""Data that a model draws."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_scalar

from ..estimator.validation import validate_rows
from .drawing import ACTIVE, faint, legend_above, shortened
from .pipelines import Source
from .places import one_place, places
from .rows import (
    Kind,
    RowsDisplay,
    draw_images,
    height_and_width,
    kind_of_rows,
)

__all__ = ["SampleDisplay"]


class SampleDisplay(RowsDisplay):
    """Samples of a model, beside data if they are given.

    Images: side by side. Curves: one over the other, in front of the data. Tables: a
    histogram of each feature, in front of that of the data.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_features)
        Drawn from a model.
    X : array-like of shape (n_rows, n_features), default=None
        Data, to compare curves and tables with; of images they tell what is black and
        white.
    %(row_parameters)s

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for images and curves, one for each feature of tables.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        Holds them.
    artists_ : ndarray of object
        The images or lines, of shape (n_samples,), or what ``Axes.hist`` returns for
        each feature of tables.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import ARDVAE
    >>> from sklearn_ardvae.inspection import SampleDisplay
    >>> X = load_digits().data / 16
    >>> model = ARDVAE(8, beta=0.05, max_iter=2, random_state=0).fit(X)
    >>> display = SampleDisplay.from_estimator(
    ...     model, n_samples=20, image_shape=(8, 8), random_state=0
    ... )
    >>> len(display.artists_)
    20
    """

    def __init__(
        self,
        samples: ArrayLike,
        *,
        X: ArrayLike | None = None,
        kind: Kind = "auto",
        image_shape: tuple[int, ...] | None = None,
        feature_names: ArrayLike | None = None,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self.samples = samples
        self.X = X
        self.kind = kind
        self.image_shape = image_shape
        self.feature_names = feature_names
        self.limits = limits

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike | None = None,
        *,
        n_samples: int = 40,
        density: Any = None,
        random_state: int | np.random.RandomState | None = None,
        kind: Kind = "auto",
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> SampleDisplay:
        """Draw samples of a fitted estimator.

        Parameters
        ----------
        estimator : estimator or Pipeline
            One of this package, or a pipeline that ends in one, fitted. Samples are
            shown in the units of the pipeline's data, if its steps can be undone.
        X : array-like of shape (n_rows, n_features), default=None
            Data, to compare curves and tables with, and what `density` is fitted to; of
            images they tell what is black and white.
        n_samples : int, default=40
            How many, >= 1; for histograms of tables take some hundreds.
        density : str or estimator, default=None
            What codes are drawn from, see the `sample` of the estimator.
        random_state : int, RandomState instance or None, default=None
            Draws them.
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
        SampleDisplay
        """
        source = Source.of(estimator)
        rows = None if X is None else source.rows(X)
        if rows is not None:
            validate_rows(source.model, rows, reset=False)
        drawn = source.model.sample(n_samples, random_state, density=density, X=rows)
        samples = source.shown(drawn)
        given = None if X is None else source.given(X, rows)
        return cls(
            samples,
            X=given,
            **kind_of_rows(source, samples.shape[1], kind, image_shape),
        ).plot(ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        n_columns: int = 10,
        max_panels: int = 16,
        cmap: str = "gray",
    ) -> SampleDisplay:
        """Draw the samples.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw: one, which is divided for tables, or one for each feature of
            these. None makes a new figure.
        n_columns : int, default=10
            Images side by side, >= 1.
        max_panels : int, default=16
            Features of tables, the first ones, that are shown at most, >= 1.
        cmap : str, default="gray"
            Colours of grey images.

        Returns
        -------
        SampleDisplay
        """
        check_scalar(n_columns, "n_columns", Integral, min_val=1)
        check_scalar(max_panels, "max_panels", Integral, min_val=1)
        samples = np.asarray(self.samples)
        kind = self._kind_of(samples.shape[1])
        if kind == "table":
            self._plot_features(ax, samples, max_panels)
        elif kind == "image":
            self._plot_images(ax, samples, n_columns, cmap)
        else:
            self._plot_curves(ax, samples)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        return self

    def _plot_images(
        self, ax: Any, samples: NDArray, n_columns: int, cmap: str
    ) -> None:
        assert self.image_shape is not None
        n, n_features = samples.shape
        n_columns = min(n_columns, n)
        n_rows = -(-n // n_columns)
        sheet = np.full((n_rows * n_columns, n_features), np.nan)
        sheet[:n] = samples
        height, width = height_and_width(self.image_shape)
        size = (0.2 + 0.7 * n_columns, 0.2 + 0.7 * n_rows * height / width)
        place = one_place(ax, size, "compressed")
        self.axes_ = np.array([place], dtype=object)
        self.artists_ = draw_images(
            place,
            sheet.reshape(n_rows, n_columns, n_features),
            self.image_shape,
            self._limits(samples if self.X is None else np.asarray(self.X)),
            cmap,
        ).ravel()[:n]

    def _plot_curves(self, ax: Any, samples: NDArray) -> None:
        place = one_place(ax, (6.4, 4.0))
        self.axes_ = np.array([place], dtype=object)
        if self.X is not None:
            some = np.asarray(self.X)[: len(samples)]
            lines = place.plot(some.T, color=faint(), lw=0.8, zorder=1)
            lines[0].set_label("data")
        drawn = place.plot(samples.T, color=ACTIVE, lw=0.8, alpha=0.7, zorder=2)
        drawn[0].set_label("samples")
        self.artists_ = np.array(drawn, dtype=object)
        place.set_xlabel("feature")
        legend_above(place)

    def _plot_features(self, ax: Any, samples: NDArray, max_panels: int) -> None:
        names = shortened(self._names(samples.shape[1]))[:max_panels]
        self.axes_ = places(ax, len(names), 4, (2.5, 2.0))
        self.artists_ = np.empty(len(names), dtype=object)
        data = None if self.X is None else np.asarray(self.X)
        for i, (panel, name) in enumerate(zip(self.axes_, names, strict=True)):
            drawn = samples[:, i]
            both = drawn if data is None else np.concatenate((drawn, data[:, i]))
            edges = np.histogram_bin_edges(both, 20)
            how = {"bins": edges, "density": True}
            if data is not None:
                panel.hist(data[:, i], **how, color=faint(), label="data")
            self.artists_[i] = panel.hist(
                drawn, **how, histtype="step", color=ACTIVE, lw=1.5, label="samples"
            )
            panel.set_title(name, fontsize="small")
            panel.tick_params(labelsize="small")
            panel.set_yticks([])
        legend_above(self.axes_[0])
