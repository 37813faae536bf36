"""How rows of data are shown: as images, as curves, or as features with names."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .pipelines import Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Kind",
    "RowsDisplay",
    "draw_images",
    "height_and_width",
    "kind_of_rows",
    "limits_of",
    "spread_of",
]

Kind = Literal["auto", "image", "curve", "table"]
_KINDS = ("auto", "image", "curve", "table")
_SHAPES = "(height, width), (channels, height, width) or (height, width, channels)"
# Numbers of channels that there are colours for.
_GREY, _COLORED = 1, (3, 4)
# Of the size of an image, what is left between two of them.
_GAP = 0.06

_PARAMETERS = """
kind : {"auto", "image", "curve", "table"}, default="auto"
    How rows are drawn. ``"auto"`` is ``"image"`` if there is an `image_shape`, else
    ``"table"``: features by their names.
image_shape : tuple of int, default=None
    (height, width), (channels, height, width) or (height, width, channels) of images,
    as rows hold them; of 1, 3 or 4 channels, which are taken to come first if both
    ends could be them.
feature_names : array-like of str of shape (n_features,), default=None
    Names of the columns of tables.
limits : (float, float), default=None
    Values that are black and white in images; None takes those of the data, or 0 and
    1 if the data lie between.
"""


class RowsDisplay:
    """Base of displays that show rows: what they are told of them."""

    kind: Kind
    image_shape: tuple[int, ...] | None
    feature_names: ArrayLike | None
    limits: tuple[float, float] | None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__doc__:
            doc = inspect.cleandoc(cls.__doc__)
            cls.__doc__ = doc.replace("%(row_parameters)s", _PARAMETERS.strip())

    def _kind_of(self, n_features: int) -> str:
        """Return how rows are drawn, after a check of what was given."""
        if self.kind not in _KINDS:
            raise ValueError(f"kind must be one of {_KINDS}; got {self.kind!r}.")
        shape = self.image_shape
        if self.kind == "auto":
            kind = "table" if shape is None else "image"
        else:
            kind = self.kind
        if kind == "image":
            if shape is None:
                raise ValueError(f"kind='image' needs image_shape={_SHAPES}.")
            _check_image_shape(shape, n_features)
        return kind

    def _names(self, n_features: int) -> list[str]:
        if self.feature_names is None:
            return [f"x{i}" for i in range(n_features)]
        names = [str(name) for name in np.asarray(self.feature_names)]
        if len(names) != n_features:
            raise ValueError(
                f"feature_names holds {len(names)} names for {n_features} features."
            )
        return names

    def _limits(self, *rows: NDArray) -> tuple[float, float]:
        """Return what is black and what is white."""
        if self.limits is None:
            return limits_of(*rows)
        limits = np.asarray(self.limits, dtype=float)
        finite = limits.shape == (2,) and bool(np.isfinite(limits).all())
        if not finite or limits[0] >= limits[1]:
            raise ValueError(
                "limits must be two numbers, the one of black and the larger one of "
                f"white; got {self.limits!r}."
            )
        return float(limits[0]), float(limits[1])


def limits_of(*rows: NDArray) -> tuple[float, float]:
    """Return the range of some rows; 0 and 1 if they lie between."""
    low = min(float(some.min()) for some in rows)
    high = max(float(some.max()) for some in rows)
    return (0.0, 1.0) if low >= 0.0 and high <= 1.0 else (low, high)


def spread_of(rows: NDArray) -> NDArray[np.floating]:
    """Return the standard deviation of each feature, 0 of constant ones."""
    # Of these, too, it would be a rounding error.
    return np.where(np.ptp(rows, axis=0) > 0, rows.std(axis=0), 0.0)


def kind_of_rows(
    source: Source,
    n_features: int,
    kind: Kind,
    image_shape: tuple[int, ...] | None,
) -> dict[str, Any]:
    """Return what a display is told of rows, by what an estimator knows of them.

    Parameters
    ----------
    source : Source
    n_features : int
        Of a row as it is shown.
    kind : {"auto", "image", "curve", "table"}
        What the user says.
    image_shape : tuple of int or None
        Of the user, too; None asks the estimator's `input_shape`.
    """
    shape = source.model.input_shape
    if image_shape is None and shape is not None and math.prod(shape) == n_features:
        is_image = len(shape) == 2 or (len(shape) == 3 and _channels(shape) is not None)
        is_flat = len(shape) == 1 or (len(shape) == 2 and shape[0] == 1)
        if is_image and not is_flat and kind in ("auto", "image"):
            image_shape = tuple(shape)
        elif is_flat and kind == "auto":
            kind = "curve"
    names = source.feature_names
    return {"kind": kind, "image_shape": image_shape, "feature_names": names}


def _check_image_shape(shape: tuple[int, ...], n_features: int) -> None:
    sizes = np.ravel(shape)
    is_shape = len(sizes) in (2, 3) and bool(np.all(sizes > 0))
    if not is_shape or np.ndim(shape) != 1 or math.prod(shape) != n_features:
        raise ValueError(
            f"image_shape={shape!r} must be {_SHAPES}, of {n_features} numbers in all."
        )
    if len(shape) == 3 and _channels(shape) is None:
        raise ValueError(
            f"image_shape={shape!r} has {shape[0]} channels, or {shape[2]} if they "
            "come last, but only images of 1, 3 or 4 can be shown: pick some, or set "
            "kind='table'."
        )


def _channels(shape: Sequence[int]) -> int | None:
    """Return which of three sizes is that of the channels, None if none can be."""
    return next((i for i in (0, 2) if shape[i] in (_GREY, *_COLORED)), None)


def height_and_width(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the size of an image of a valid shape."""
    sizes = list(shape)
    if len(sizes) == 3:
        del sizes[_channels(shape) or 0]
    return sizes[0], sizes[1]


def as_pixels(
    rows: NDArray, shape: tuple[int, ...], limits: tuple[float, float]
) -> NDArray:
    """Return images as matplotlib has them: channels last, colours from 0 to 1.

    Parameters
    ----------
    rows : ndarray of shape (..., n_features)
    shape : tuple of int
        (height, width), or with the channels before or after these.
    limits : (float, float)
        What is 0 and what is 1 of a colour; grey images stay as they are.
    """
    size = height_and_width(shape)
    if math.prod(shape) == math.prod(size):
        return rows.reshape(*rows.shape[:-1], *size)
    images = rows.reshape(*rows.shape[:-1], *shape)
    if _channels(shape) == 0:
        images = np.moveaxis(images, -3, -1)
    low, high = limits
    return np.clip((images - low) / ((high - low) or 1.0), 0.0, 1.0)


def draw_images(
    ax: Axes,
    rows: NDArray,
    shape: tuple[int, ...],
    limits: tuple[float, float],
    cmap: str,
) -> NDArray[np.object_]:
    """Draw images side by side and below each other, in one axes.

    Parameters
    ----------
    ax : Axes
    rows : ndarray of shape (n_rows, n_columns, n_features)
        NaN where there is no image.
    shape : tuple of int
    limits : (float, float)
    cmap : str
        Of grey images.

    Returns
    -------
    ndarray of AxesImage of shape (n_rows, n_columns)
        Image (i, j) is centred at x = j and y = i; None where there is none.
    """
    pixels = as_pixels(rows, shape, limits)
    n_rows, n_columns = rows.shape[:2]
    height, width = height_and_width(shape)
    half = 0.5 / (1.0 + _GAP)
    drawn = np.empty((n_rows, n_columns), dtype=object)
    for i, j in np.ndindex(n_rows, n_columns):
        if np.isnan(rows[i, j]).all():
            continue
        drawn[i, j] = ax.imshow(
            pixels[i, j],
            cmap=cmap,
            vmin=limits[0],
            vmax=limits[1],
            extent=(j - half, j + half, i + half, i - half),
            interpolation="nearest",
        )
    ax.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5))
    ax.set_aspect(height / width)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set(xticks=[], yticks=[])
    return drawn
