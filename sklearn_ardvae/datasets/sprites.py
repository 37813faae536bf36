"""Rendered two-dimensional sprites with known factors."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from ._bunch import OWN_LICENSE, FactorGrid, factor_bunch, loader
from ._checks import check_option
from ._colors import hue_palette
from .factor_files import DSPRITES_GRID

__all__ = ["SHAPE_AREAS", "make_color_sprites", "make_sprites"]

# Pixels from a sprite's centroid to its farthest point, at scale 1.
_RADIUS = 16.0
_OVERSAMPLING = 4

# A heart is a square with a half disc on each of two neighbouring sides. With sides of
# 1 and the corner between those two on top, its centroid is above the square's by
_HEART_RISE = (
    (np.pi / 4.0) / (1.0 + np.pi / 4.0) * (0.5 + 2.0 / (3.0 * np.pi)) / np.sqrt(2.0)
)
# and its bottom tip, the farthest point from the centroid, at a distance of 1 if
_HEART_SIDE = 1.0 / (np.sqrt(0.5) + _HEART_RISE)

# The areas of the three shapes where the farthest point is at a distance of 1.
SHAPE_AREAS = {
    "square": 2.0,
    "ellipse": 0.5 * np.pi,
    "heart": _HEART_SIDE**2 * (1.0 + np.pi / 4.0),
}

_COLOR_GRID = FactorGrid(
    ("color", "shape", "position_x", "position_y", "depth"),
    (
        np.arange(8) / 8,
        np.array(["square", "ellipse", "heart"]),
        np.linspace(0.0, 1.0, 16),
        np.linspace(0.0, 1.0, 16),
        np.linspace(1.0, 2.0, 8),
    ),
)

_Inside = Callable[[NDArray, NDArray], NDArray[np.bool_]]


def _in_square(x: NDArray, y: NDArray) -> NDArray[np.bool_]:
    return np.maximum(np.abs(x), np.abs(y)) <= np.sqrt(0.5)


def _in_ellipse(x: NDArray, y: NDArray) -> NDArray[np.bool_]:
    return x**2 + (2.0 * y) ** 2 <= 1.0


def _in_heart(x: NDArray, y: NDArray) -> NDArray[np.bool_]:
    y = y + _HEART_RISE * _HEART_SIDE
    u, v = (x + y) / np.sqrt(2.0), (y - x) / np.sqrt(2.0)
    half = 0.5 * _HEART_SIDE
    square = np.maximum(np.abs(u), np.abs(v)) <= half
    return (
        square
        | ((u - half) ** 2 + v**2 <= half**2)
        | (u**2 + (v - half) ** 2 <= half**2)
    )


_INSIDE: dict[str, _Inside] = {
    "square": _in_square,
    "ellipse": _in_ellipse,
    "heart": _in_heart,
}


def _coverage(shape: str, radius: float, angle: float, size: int) -> NDArray:
    """Return the share of each pixel of a square window that a sprite covers.

    The centroid lies in the middle; y grows upwards, angles counter-clockwise.
    """
    n = size * _OVERSAMPLING
    axis = ((np.arange(n) + 0.5) / _OVERSAMPLING - 0.5 * size) / radius
    x, y = axis[None, :], -axis[:, None]
    # A whole turn is none exactly, for rounding decides about points on an edge.
    angle = np.remainder(angle, 2.0 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    inside = _INSIDE[shape](cos * x + sin * y, cos * y - sin * x)
    blocks = inside.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING)
    return blocks.mean(axis=(1, 3))


def _paste(
    windows: NDArray, kinds: NDArray, top: NDArray, left: NDArray, size: int
) -> NDArray:
    """Return black images, each with the window of its kind at its place."""
    out = np.zeros((len(kinds), size, size), windows.dtype)
    places = sliding_window_view(out, windows.shape[1:], axis=(1, 2), writeable=True)
    places[np.arange(len(kinds)), top, left] = windows[kinds]
    return out


@lru_cache(maxsize=1)
def _dsprites_windows() -> NDArray[np.uint8]:
    """Return the sprites of each shape, scale and orientation, in that order."""
    shapes, scales, angles, _, _ = DSPRITES_GRID.values
    # An odd width, for centres lie in the middle of a pixel.
    size = 2 * int(_RADIUS) + 1
    windows = [
        _coverage(shape, _RADIUS * scale, angle, size) >= 0.5
        for shape in shapes
        for scale in scales
        for angle in angles
    ]
    return np.array(windows, np.uint8)


@loader
def make_sprites(
    subset: int | ArrayLike | None = 10_000,
    *,
    dtype: str = "float32",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Render binary sprites on the factor grid of dSprites.

    One white square, ellipse or heart on black, 64 x 64 pixels, with the five factors
    of dSprites [1]_ in their order: 3 shapes, 6 scales from 0.5 to 1, 40 orientations
    from 0 to 2 pi (the first and the last are the same angle), 32 positions across and
    32 down. The images are NOT those of dSprites pixel by pixel: shapes and sizes are
    this package's own. For the originals see :func:`fetch_dsprites`.

    A sprite's farthest point is 16 pixels from its centroid at scale 1. The centroid
    lies in the middle of a pixel and moves by one pixel for each position, column 16 to
    47 and row 16 to 47 downwards, so that no sprite leaves the frame. A pixel is white
    if the sprite covers half of it, judged on 4 x 4 points.

    Parameters
    ----------
    subset : int, array-like of int, or None, default=10000
        Which of the 737 280 rows: so many different ones drawn at random, in the order
        drawn; or those of the given indices, which may repeat; or all, which are 3 GB
        as "uint8" and 12 GB as "float32". Only what is asked for is rendered.
    dtype : {"float32", "uint8"}, default="float32"
        The values are 0 and 1 either way.
    return_X_y : bool, default=False
        Return ``(data, factors)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws the rows, where `subset` is a number.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, 4096); ``factors`` (n_samples, 5), the index of each
        factor's value; ``factor_values``, the values; ``factor_names``;
        ``factor_sizes`` (3, 6, 40, 32, 32); ``indices`` (n_samples,), the rows, which
        are ``np.ravel_multi_index(factors.T, factor_sizes)``; ``input_shape``
        (1, 64, 64); ``n_true`` 5; ``license``; ``DESCR``.

    Raises
    ------
    TypeError, ValueError
        If `subset` is not a number of rows or a list of rows that there are.

    References
    ----------
    .. [1] Matthey, Higgins, Hassabis, Lerchner, "dSprites: disentanglement testing
       sprites dataset", 2017.

    Examples
    --------
    >>> from sklearn_ardvae.datasets import make_sprites
    >>> sprites = make_sprites(100, random_state=0)
    >>> sprites.data.shape, sprites.input_shape
    ((100, 4096), (1, 64, 64))
    >>> sprites.factor_names
    ['shape', 'scale', 'orientation', 'position_x', 'position_y']
    """
    check_option("dtype", dtype, ("float32", "uint8"))
    rows = DSPRITES_GRID.rows(subset, random_state)
    kinds, left, top = np.unravel_index(rows, (3 * 6 * 40, 32, 32))
    images = _paste(_dsprites_windows(), kinds, top, left, 64)
    return factor_bunch(
        images[:, None],
        rows,
        DSPRITES_GRID,
        dtype=dtype,
        top=1,
        return_X_y=return_X_y,
        n_true=5,
        license=OWN_LICENSE,
        doc=make_sprites.__doc__,
    )


@lru_cache(maxsize=1)
def _color_windows() -> NDArray[np.float32]:
    """Return the sprites of each shape and depth, in that order."""
    _, shapes, _, _, depths = _COLOR_GRID.values
    windows = [
        _coverage(shape, _RADIUS / depth, 0.0, 2 * int(_RADIUS) + 1)
        for shape in shapes
        for depth in depths
    ]
    return np.array(windows, np.float32)


@loader
def make_color_sprites(
    subset: int | ArrayLike | None = 10_000,
    *,
    dtype: str = "float32",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Render coloured sprites with the five factors of the NGVAE paper.

    Colour, shape, two positions and depth, as in the experiments of [1]_, which does
    not state sizes, palette or grid. Here: one upright square, ellipse or heart on
    black, 64 x 64 pixels, anti-aliased; 8 hues, 3 shapes, 16 positions across, 16 down,
    8 depths, in that order. So the images are NOT those of the paper pixel by pixel.

    A sprite at depth d, 1 to 2, reaches 16 / d pixels from its centroid, which moves by
    two pixels for each position: column and row 16 to 46.

    Parameters
    ----------
    subset : int, array-like of int, or None, default=10000
        Which of the 49 152 rows, as in :func:`make_sprites`.
    dtype : {"float32", "uint8"}, default="float32"
        "float32" is in [0, 1], "uint8" in 0 to 255.
    return_X_y : bool, default=False
        Return ``(data, factors)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws the rows, where `subset` is a number.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, 12288), the red, green and blue planes of an image one
        after the other; ``factors`` (n_samples, 5), the index of each factor's value;
        the rest as in :func:`make_sprites`, with ``input_shape`` (3, 64, 64).

    Raises
    ------
    TypeError, ValueError
        If `subset` is not a number of rows or a list of rows that there are.

    References
    ----------
    .. [1] Jouffroy, Giremus, Berthoumieu, Bach, Hugget, "Automatic selection of latent
       variables in variational auto-encoders" (NGVAE).
    """
    check_option("dtype", dtype, ("float32", "uint8"))
    rows = _COLOR_GRID.rows(subset, random_state)
    color, shape, across, down, depth = _COLOR_GRID.factors(rows).T
    palette = hue_palette(_COLOR_GRID.values[0])
    images = np.empty((len(rows), 3, 64, 64), np.uint8)
    for start in range(0, len(rows), 1024):
        part = slice(start, start + 1024)
        coverage = _paste(
            _color_windows(),
            8 * shape[part] + depth[part],
            2 * down[part],
            2 * across[part],
            64,
        )
        tint = palette[color[part]][:, :, None, None]
        images[part] = np.rint(coverage[:, None] * tint)
    return factor_bunch(
        images,
        rows,
        _COLOR_GRID,
        dtype=dtype,
        top=255,
        return_X_y=return_X_y,
        n_true=5,
        license=OWN_LICENSE,
        doc=make_color_sprites.__doc__,
    )
