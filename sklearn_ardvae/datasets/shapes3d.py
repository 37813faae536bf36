"""Rendered rooms with a solid in them, on the factor grid of 3D Shapes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from ._bunch import OWN_LICENSE, factor_bunch, loader
from ._checks import check_option
from ._colors import hue_palette
from .factor_files import SHAPES3D_GRID

__all__ = ["make_shapes3d"]

_SIZE = 64
_OVERSAMPLING = 2
# Lengths in half widths of an object of scale 1; the floor is the plane z = 0, the
# middle of the object above its origin.
_ROOM = 5.0
_CAMERA_DISTANCE = 6.2
_CAMERA_HEIGHT = 3.4
_TARGET_HEIGHT = 1.15
_VIEW = 0.52  # tangent of half the angle of view
_LIGHT = np.array([-0.45, -0.55, 0.9]) / np.linalg.norm([-0.45, -0.55, 0.9])
_AMBIENT = 0.4
_TINY = 1e-9

_Hit = tuple[NDArray, NDArray]


def _smaller_root(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """Return the smaller t with a t^2 + 2 b t + c = 0, infinity if there is none."""
    discriminant = b**2 - a * c
    root = np.sqrt(np.maximum(discriminant, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (-b - root) / a
    return np.where((discriminant > 0.0) & (a > _TINY), t, np.inf)


def _nearest(candidates: list[_Hit]) -> _Hit:
    t, normal = candidates[0]
    for other_t, other_normal in candidates[1:]:
        closer = other_t < t
        t = np.where(closer, other_t, t)
        normal = np.where(closer[:, None], other_normal, normal)
    return t, normal


def _hit_sphere(origin: NDArray, ray: NDArray, height: float, radius: float) -> _Hit:
    """Where rays meet the sphere above the origin at `height`."""
    away = origin - np.array([0.0, 0.0, height])
    t = _smaller_root(
        np.sum(ray**2, 1), np.sum(ray * away, 1), np.sum(away**2, 1) - radius**2
    )
    t = np.where(t > _TINY, t, np.inf)
    point = away + np.where(np.isfinite(t), t, 0.0)[:, None] * ray
    return t, point / radius


def _hit_tube(
    origin: NDArray, ray: NDArray, low: float, high: float, radius: float
) -> _Hit:
    """Where rays meet the upright cylinder between two heights, without its lids."""
    flat, away = ray[:, :2], origin[:, :2]
    t = _smaller_root(
        np.sum(flat**2, 1), np.sum(flat * away, 1), np.sum(away**2, 1) - radius**2
    )
    finite = np.where(np.isfinite(t), t, 0.0)
    z = origin[:, 2] + finite * ray[:, 2]
    t = np.where((z >= low) & (z <= high) & (t > _TINY), t, np.inf)
    normal = np.zeros_like(ray)
    normal[:, :2] = (away + finite[:, None] * flat) / radius
    return t, normal


def _hit_lid(origin: NDArray, ray: NDArray, height: float, radius: float) -> _Hit:
    """Where rays meet the upper lid of an upright cylinder."""
    with np.errstate(divide="ignore"):
        t = (height - origin[:, 2]) / ray[:, 2]
    finite = np.where(np.isfinite(t), t, 0.0)
    point = origin[:, :2] + finite[:, None] * ray[:, :2]
    met = (np.sum(point**2, 1) <= radius**2) & (t > _TINY)
    return np.where(met, t, np.inf), np.broadcast_to([0.0, 0.0, 1.0], ray.shape)


def _hit_cube(origin: NDArray, ray: NDArray, half: float) -> _Hit:
    """Where rays meet the cube that stands on the floor, by the slab method."""
    with np.errstate(divide="ignore"):
        inverse = 1.0 / np.where(ray == 0.0, _TINY, ray)
    low, high = np.array([-half, -half, 0.0]), np.array([half, half, 2.0 * half])
    one, other = (low - origin) * inverse, (high - origin) * inverse
    enter, leave = np.minimum(one, other), np.maximum(one, other).min(1)
    axis = enter.argmax(1)
    t = enter.max(1)
    normal = np.zeros_like(ray)
    chosen = np.arange(len(ray))
    normal[chosen, axis] = -np.sign(ray[chosen, axis])
    return np.where((t <= leave) & (t > _TINY), t, np.inf), normal


def _hit_object(shape: str, scale: float, origin: NDArray, ray: NDArray) -> _Hit:
    """Return the distance along each ray to the object, and its outward normal."""
    if shape == "cube":
        return _hit_cube(origin, ray, 0.85 * scale)
    if shape == "sphere":
        return _hit_sphere(origin, ray, scale, scale)
    if shape == "cylinder":
        side = _hit_tube(origin, ray, 0.0, 2.0 * scale, 0.85 * scale)
        return _nearest([side, _hit_lid(origin, ray, 2.0 * scale, 0.85 * scale)])
    radius, height = 0.65 * scale, 2.4 * scale
    return _nearest(
        [
            _hit_tube(origin, ray, radius, height - radius, radius),
            _hit_sphere(origin, ray, radius, radius),
            _hit_sphere(origin, ray, height - radius, radius),
        ]
    )


def _hit_walls(origin: NDArray, ray: NDArray) -> _Hit:
    """Return where rays from inside leave the square room, and the wall's normal."""
    flat = np.where(ray[:, :2] == 0.0, _TINY, ray[:, :2])
    t = (np.sign(flat) * _ROOM - origin[:, :2]) / flat
    axis = t.argmin(1)
    normal = np.zeros_like(ray)
    chosen = np.arange(len(ray))
    normal[chosen, axis] = -np.sign(flat[chosen, axis])
    return t.min(1), normal


def _camera(angle: float) -> _Hit:
    """Return the camera's place, and the directions of its rays, (n, 3)."""
    azimuth = np.deg2rad(angle)
    place = np.array(
        [
            _CAMERA_DISTANCE * np.sin(azimuth),
            -_CAMERA_DISTANCE * np.cos(azimuth),
            _CAMERA_HEIGHT,
        ]
    )
    # The camera may stand outside the room, where a wall would hide it: walls are seen
    # from inside only, since rays take the wall that they leave the room by.
    forward = np.array([0.0, 0.0, _TARGET_HEIGHT]) - place
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    n = _SIZE * _OVERSAMPLING
    axis = _VIEW * (2.0 * (np.arange(n) + 0.5) / n - 1.0)
    ray = forward + axis[None, :, None] * right - axis[:, None, None] * up
    ray /= np.linalg.norm(ray, axis=2, keepdims=True)
    return place, ray.reshape(-1, 3)


def _lambert(normal: NDArray, lit: NDArray | float = 1.0) -> NDArray:
    diffuse = np.maximum(normal @ _LIGHT, 0.0) * lit
    return _AMBIENT + (1.0 - _AMBIENT) * diffuse


@lru_cache(maxsize=480)
def _light_of(scale: float, shape: str, angle: float) -> NDArray[np.float32]:
    """Return how brightly floor, wall and object show in each pixel, (3, 64 * 64).

    The colour of a pixel is the sum of the three hues with these weights.
    """
    place, ray = _camera(angle)
    origin = np.broadcast_to(place, ray.shape)
    object_t, object_normal = _hit_object(shape, scale, origin, ray)
    wall_t, wall_normal = _hit_walls(origin, ray)
    with np.errstate(divide="ignore"):
        floor_t = -origin[:, 2] / ray[:, 2]
    floor_t = np.where(floor_t > 0.0, floor_t, np.inf)
    part = np.argmin([floor_t, wall_t, object_t], axis=0)
    on_floor = part == 0
    shadow = np.ones(len(ray))
    ground = origin[on_floor] + floor_t[on_floor, None] * ray[on_floor]
    ground[:, 2] = 1e-6
    to_light = np.broadcast_to(_LIGHT, ground.shape)
    shadow[on_floor] = np.isinf(_hit_object(shape, scale, ground, to_light)[0])
    up = np.broadcast_to([0.0, 0.0, 1.0], ray.shape)
    brightness = np.stack(
        [_lambert(up, shadow), _lambert(wall_normal), _lambert(object_normal)]
    )
    weights = brightness * (part == np.arange(3)[:, None])
    n, k = _SIZE, _OVERSAMPLING
    return (
        weights.reshape(3, n, k, n, k)
        .mean(axis=(2, 4))
        .reshape(3, n * n)
        .astype(np.float32)
    )


@loader
def make_shapes3d(
    subset: int | ArrayLike | None = 10_000,
    *,
    dtype: str = "float32",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Render a solid in a room on the factor grid of 3D Shapes.

    A cube, cylinder, sphere or capsule on the floor of a square room, 64 x 64 pixels in
    colour, with the six factors of 3D Shapes [1]_ in their order: 10 hues of the floor,
    10 of the wall, 10 of the object (0, 0.1, ..., 0.9), 8 scales from 0.75 to 1.25, 4
    shapes, 15 orientations of the camera around the object from -30 to 30 degrees. The
    images are NOT those of 3D Shapes pixel by pixel: camera, light and proportions are
    this package's own. For the originals see :func:`fetch_3dshapes`.

    Rays are cast through 2 x 2 points of each pixel; a surface of hue h shows
    ``hsv(h, 1, 1) * (0.4 + 0.6 * max(0, cosine of its normal and the light))``, and the
    object throws a shadow on the floor.

    Parameters
    ----------
    subset : int, array-like of int, or None, default=10000
        Which of the 480 000 rows: so many different ones drawn at random, in the order
        drawn; or those of the given indices, which may repeat; or all, which are 5.9 GB
        as "uint8" and 23.6 GB as "float32". Only what is asked for is rendered.
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
        after the other; ``factors`` (n_samples, 6), the index of each factor's value;
        ``factor_values``, the values; ``factor_names``; ``factor_sizes``
        (10, 10, 10, 8, 4, 15); ``indices`` (n_samples,), the rows, which are
        ``np.ravel_multi_index(factors.T, factor_sizes)``; ``input_shape`` (3, 64, 64);
        ``n_true`` 6; ``license``; ``DESCR``.

    Raises
    ------
    TypeError, ValueError
        If `subset` is not a number of rows or a list of rows that there are.

    References
    ----------
    .. [1] Burgess, Kim, "3D Shapes dataset", 2018.

    Examples
    --------
    >>> from sklearn_ardvae.datasets import make_shapes3d
    >>> make_shapes3d([0, 479_999]).factors
    array([[ 0,  0,  0,  0,  0,  0],
           [ 9,  9,  9,  7,  3, 14]])
    """
    check_option("dtype", dtype, ("float32", "uint8"))
    rows = SHAPES3D_GRID.rows(subset, random_state)
    palette = hue_palette(SHAPES3D_GRID.values[0])
    factors = SHAPES3D_GRID.factors(rows)
    _, _, _, scales, shapes, angles = SHAPES3D_GRID.values
    scenes, scene_of_row = np.unique(factors[:, 3:], axis=0, return_inverse=True)
    scene_of_row = scene_of_row.ravel()  # numpy 2.0 keeps the axes
    order = np.argsort(scene_of_row, kind="stable")
    ends = np.searchsorted(scene_of_row[order], np.arange(1, len(scenes)))
    images = np.empty((len(rows), 3, _SIZE, _SIZE), np.uint8)
    for (scale, shape, angle), members in zip(
        scenes, np.split(order, ends), strict=True
    ):
        light = _light_of(float(scales[scale]), str(shapes[shape]), angles[angle])
        for start in range(0, len(members), 256):
            part = members[start : start + 256]
            tints = palette[factors[part, :3]].transpose(0, 2, 1)
            images[part] = np.rint(tints @ light).reshape(-1, 3, _SIZE, _SIZE)
    return factor_bunch(
        images,
        rows,
        SHAPES3D_GRID,
        dtype=dtype,
        top=255,
        return_X_y=return_X_y,
        n_true=6,
        license=OWN_LICENSE,
        doc=make_shapes3d.__doc__,
    )
