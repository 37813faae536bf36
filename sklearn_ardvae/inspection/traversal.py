"""What each latent axis does to the data."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_scalar

from .drawing import (
    SEQUENTIAL,
    add_scale,
    axis_names,
    colors_of,
    faint,
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
    limits_of,
    spread_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LatentTraversalDisplay"]

_PANELS_IN_A_ROW = 3


class LatentTraversalDisplay(RowsDisplay):
    """Data along each active axis, the other axes held where they are.

    Images: a row for each axis, from its low end to its high one. Curves: a panel for
    each axis, a line for each step. Tables: a panel for each axis, which shows by how
    many of its own deviations each feature moves at each step.

    Parameters
    ----------
    values : array-like of shape (n_axes, n_steps, n_features)
        Decoded data at each step along each axis.
    steps : array-like of shape (n_steps,)
        Where the steps are, in deviations of the codes from the place that the axes
        go through, increasing.
    base : array-like of shape (n_features,)
        Decoded data at that place.
    axis_labels : array-like of str of shape (n_axes,), default=None
        Names of the axes.
    feature_scales : array-like of shape (n_features,), default=None
        Deviations of the features, > 0, in which effects in tables are shown; None
        shows them in the units of the data.
    %(row_parameters)s

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for images, one for each axis of curves and tables.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        Holds them.
    artists_ : ndarray of shape (n_axes, n_steps)
        The images, the lines, or the points of a step of tables.

    See Also
    --------
    RelevanceDisplay : How much the axes matter.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import ARDVAE
    >>> from sklearn_ardvae.inspection import LatentTraversalDisplay
    >>> X = load_digits().data / 16
    >>> model = ARDVAE(8, beta=0.05, max_iter=2, random_state=0).fit(X)
    >>> display = LatentTraversalDisplay.from_estimator(
    ...     model, X, n_axes=2, image_shape=(8, 8)
    ... )
    >>> display.artists_.shape
    (2, 7)
    """

    def __init__(
        self,
        values: ArrayLike,
        steps: ArrayLike,
        base: ArrayLike,
        *,
        axis_labels: ArrayLike | None = None,
        feature_scales: ArrayLike | None = None,
        kind: Kind = "auto",
        image_shape: tuple[int, ...] | None = None,
        feature_names: ArrayLike | None = None,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self.values = values
        self.steps = steps
        self.base = base
        self.axis_labels = axis_labels
        self.feature_scales = feature_scales
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
        n_axes: int | None = 12,
        n_steps: int = 7,
        span: float = 3.0,
        around: int | None = None,
        kind: Kind = "auto",
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> LatentTraversalDisplay:
        """Draw what the axes of a fitted estimator do.

        Parameters
        ----------
        estimator : estimator or Pipeline
            One of this package, or a pipeline that ends in one, fitted. What is decoded
            is in the units of the pipeline's data, if its steps can be undone.
        X : array-like of shape (n_samples, n_features)
            Data whose codes say where the axes go through, and how far: two rows at
            least.
        n_axes : int or None, default=12
            How many of the active axes, most relevant first, >= 1; None takes all of
            them, however many.
        n_steps : int, default=7
            Steps along an axis, >= 2.
        span : float, default=3.0
            How far they go, > 0, in standard deviations of the codes of X.
        around : int, default=None
            The row of X through whose code the axes go, from 0 to n_samples - 1; None
            goes through the mean code.
        kind : {"auto", "image", "curve", "table"}, default="auto"
            How rows are drawn. ``"auto"`` follows `image_shape`, or else the
            estimator's `input_shape`: ``"curve"`` if that is (n,) or (1, n); without
            either, ``"table"``.
        image_shape : tuple of int, default=None
            (height, width), (channels, height, width) or (height, width, channels);
            None is the estimator's `input_shape`, if that is one of an image.
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw, see `plot`.
        **kwargs : dict
            What else `plot` takes.

        Returns
        -------
        LatentTraversalDisplay

        Raises
        ------
        ValueError
            If no axis is active.
        """
        if n_axes is not None:
            check_scalar(n_axes, "n_axes", Integral, min_val=1)
        check_scalar(n_steps, "n_steps", Integral, min_val=2)
        if not (isinstance(span, Real) and 0.0 < float(span) < np.inf):
            raise ValueError(f"span must be a finite number above 0; got {span!r}.")
        source = Source.of(estimator)
        rows = source.rows(X)
        columns = source.active_columns()
        codes = np.asarray(source.model.transform(rows))
        if len(codes) < 2:
            raise ValueError(
                "X has 1 row, but the deviations of the codes need 2 at least: pass "
                "more, and around=0 to go through the first."
            )
        if around is not None:
            check_scalar(around, "around", Integral, min_val=0, max_val=len(codes) - 1)
        middle = codes.mean(axis=0) if around is None else codes[around]
        steps = np.linspace(-span, span, n_steps)
        columns = columns[:n_axes]
        moved = np.tile(middle, (len(columns), n_steps, 1))
        for i, column in enumerate(columns):
            moved[i, :, column] += steps * codes[:, column].std()
        flat = np.concatenate((middle[np.newaxis], moved.reshape(-1, len(middle))))
        decoded = source.shown(source.model.inverse_transform(flat))
        data = source.given(X, rows)
        scales = spread_of(data)
        return cls(
            decoded[1:].reshape(len(columns), n_steps, -1),
            steps,
            decoded[0],
            axis_labels=source.axis_labels()[:n_axes],
            feature_scales=np.where(scales > 0.0, scales, 1.0),
            limits=limits_of(data),
            **kind_of_rows(source, data.shape[1], kind, image_shape),
        ).plot(ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        cmap: str | None = None,
        max_features: int = 16,
    ) -> LatentTraversalDisplay:
        """Draw the traversals.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw: one, which is divided for curves and tables, or one for each
            axis of these. None makes a new figure.
        cmap : str, default=None
            Colours of grey images (None: ``"gray"``), or of the steps (None:
            ``"viridis"``).
        max_features : int, default=16
            Features of tables that are shown, >= 1: those that move most along any
            axis.

        Returns
        -------
        LatentTraversalDisplay
        """
        check_scalar(max_features, "max_features", Integral, min_val=1)
        values = np.asarray(self.values)
        n_axes, _, n_features = values.shape
        kind = self._kind_of(n_features)
        steps = np.asarray(self.steps, dtype=float)
        labels = axis_names(self.axis_labels, n_axes)
        if kind == "image":
            return self._plot_images(ax, values, steps, labels, cmap or "gray")
        # One panel alone has names and scale beside it.
        width = 4.4 if n_axes == 1 else 3.2
        height = 2.5 if kind == "curve" else 1.0 + 0.2 * min(max_features, n_features)
        self.axes_ = places(ax, n_axes, _PANELS_IN_A_ROW, (width, height))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        cmap = cmap or SEQUENTIAL
        edges = at_the_edge(ax, n_axes, _PANELS_IN_A_ROW)
        if kind == "curve":
            self._plot_curves(values, steps, cmap, edges)
        else:
            self._plot_effects(values, cmap, max_features, edges)
        for panel, label in zip(self.axes_, labels, strict=True):
            panel.set_title(label, fontsize="medium")
        ends = (float(steps[0]), float(steps[-1]))
        add_scale(self.axes_, ends, cmap, "deviations along the axis")
        return self

    def _plot_images(
        self,
        ax: Axes | None,
        values: NDArray,
        steps: NDArray,
        labels: list[str],
        cmap: str,
    ) -> LatentTraversalDisplay:
        assert self.image_shape is not None
        n_axes, n_steps, _ = values.shape
        height, width = height_and_width(self.image_shape)
        size = (1.4 + 0.75 * n_steps, 0.7 + 0.75 * n_axes * height / width)
        ax = one_place(ax, size, "compressed")
        self.axes_ = np.array([ax], dtype=object)
        self.ax_, self.figure_ = ax, ax.figure
        self.artists_ = draw_images(
            ax, values, self.image_shape, self._limits(values), cmap
        )
        ax.set_yticks(np.arange(n_axes), labels)
        ax.set_xticks(
            np.arange(n_steps), [f"{step:+.2g}" if step else "0" for step in steps]
        )
        ax.set_xlabel("deviations along the axis")
        return self

    def _plot_curves(
        self,
        values: NDArray,
        steps: NDArray,
        cmap: str,
        edges: list[tuple[bool, bool]],
    ) -> None:
        colors = colors_of(steps, cmap)
        self.artists_ = np.empty(values.shape[:2], dtype=object)
        low, high = values.min(), values.max()
        margin = 0.05 * (high - low)
        for i, (panel, (_, is_last)) in enumerate(zip(self.axes_, edges, strict=True)):
            for j, color in enumerate(colors):
                (self.artists_[i, j],) = panel.plot(values[i, j], color=color, lw=1.3)
            panel.set_ylim(low - margin, high + margin)
            panel.set_xlabel("feature" if is_last else "", fontsize="small")

    def _plot_effects(
        self,
        values: NDArray,
        cmap: str,
        max_features: int,
        edges: list[tuple[bool, bool]],
    ) -> None:
        effects = values - np.asarray(self.base)
        unit = "effect, units of X"
        if self.feature_scales is not None:
            effects = effects / np.asarray(self.feature_scales)
            unit = "effect, deviations"
        most = np.abs(effects).max(axis=(0, 1))
        shown = np.sort(np.argsort(-most, kind="stable")[:max_features])
        names = np.array(shortened(self._names(values.shape[2])))[shown]
        heights = np.arange(len(shown))
        colors = colors_of(np.asarray(self.steps, dtype=float), cmap)
        self.artists_ = np.empty(values.shape[:2], dtype=object)
        reach = 1.08 * (most.max() or 1.0)
        for i, (panel, (is_first, is_last)) in enumerate(
            zip(self.axes_, edges, strict=True)
        ):
            some = effects[i][:, shown]
            panel.axvline(0.0, color=faint(), lw=1.0, zorder=1)
            panel.hlines(
                heights, some.min(0), some.max(0), color=faint(), lw=2, zorder=2
            )
            for j, color in enumerate(colors):
                self.artists_[i, j] = panel.scatter(
                    some[j], heights, color=color, s=16, zorder=3
                )
            panel.set(xlim=(-reach, reach), ylim=(len(shown) - 0.4, -0.6))
            panel.set_yticks(heights, names if is_first else [""] * len(names))
            if is_last:
                panel.set_xlabel(unit, fontsize="small")
