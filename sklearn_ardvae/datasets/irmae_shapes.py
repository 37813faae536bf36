"""Rendered circles and squares of any colour, place and size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from ._bunch import OWN_LICENSE, loader, plain_summary
from ._checks import check_count

__all__ = ["make_irmae_shapes"]


@loader
def make_irmae_shapes(
    n_samples: int = 10_000,
    *,
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Render circles and squares with seven factors, as the IRMAE paper does.

    One circle or square of any colour on black, 32 x 32 pixels: shape (0 or 1 with
    equal odds), red, green and blue (0 to 1), centre across and down (8 to 24 pixels),
    size (3 to 8 pixels: radius, or half the side), each uniform and independent [1]_.
    The shape is a choice between two sheets, each of six dimensions; counted as a
    factor it makes seven.

    Edges are anti-aliased, so that the image is a continuous function of the last six
    factors: a pixel of a square has the exact share that is covered, a pixel of a
    circle ``clip(size + 1/2 - distance of its middle to the centre, 0, 1)``. The images
    are NOT those of the paper pixel by pixel.

    Parameters
    ----------
    n_samples : int, default=10000
        Number of images.
    return_X_y : bool, default=False
        Return ``(data, factors)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws the factors.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, 3072), float32 in [0, 1], the red, green and blue planes of
        an image one after the other; ``factors`` (n_samples, 7), their values;
        ``factor_names``; ``input_shape`` (3, 32, 32); ``n_true`` 7; ``license``;
        ``DESCR``.

    Raises
    ------
    TypeError, ValueError
        If `n_samples` is not a positive integer.

    References
    ----------
    .. [1] Jing, Zbontar, LeCun, "Implicit rank-minimizing autoencoder", NeurIPS 2020.
    """
    n_samples = check_count("n_samples", n_samples, 1)
    random_state = check_random_state(random_state)
    circle = random_state.randint(2, size=n_samples) == 0
    color = random_state.uniform(size=(n_samples, 3))
    center = random_state.uniform(8.0, 24.0, (n_samples, 2))
    size = random_state.uniform(3.0, 8.0, n_samples)
    data = np.empty((n_samples, 3, 32, 32), np.float32)
    for start in range(0, n_samples, 1024):
        part = slice(start, start + 1024)
        coverage = _circle_or_square(circle[part], center[part], size[part])
        data[part] = color[part, :, None, None] * coverage[:, None]
    factors = np.column_stack([~circle, color, center, size])
    if return_X_y:
        return data.reshape(n_samples, -1), factors
    return Bunch(
        data=data.reshape(n_samples, -1),
        factors=factors,
        factor_names=["shape", "red", "green", "blue", "x", "y", "size"],
        input_shape=(3, 32, 32),
        n_true=7,
        license=OWN_LICENSE,
        DESCR=plain_summary(make_irmae_shapes.__doc__),
    )


def _circle_or_square(circle: NDArray, center: NDArray, size: NDArray) -> NDArray:
    """Return the share of each of 32 x 32 pixels that is covered."""
    edge = np.arange(32.0)
    low, high = center - size[:, None], center + size[:, None]
    # Of the unit intervals between edges, what lies between low and high.
    across, down = (
        np.clip(
            np.minimum(high[:, i, None], edge + 1.0)
            - np.maximum(low[:, i, None], edge),
            0.0,
            1.0,
        )
        for i in range(2)
    )
    square = down[:, :, None] * across[:, None, :]
    away = edge + 0.5 - center[:, :, None]
    distance = np.hypot(away[:, 1, :, None], away[:, 0, None, :])
    disc = np.clip(size[:, None, None] + 0.5 - distance, 0.0, 1.0)
    return np.where(circle[:, None, None], disc, square)
