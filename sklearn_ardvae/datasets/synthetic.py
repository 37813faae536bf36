"""Synthetic data of the papers: Gaussian bumps and shifted sines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from ._bunch import loader, noisy_bunch, plain_summary
from ._checks import check_count, check_number, check_option

__all__ = ["make_gaussian_bumps", "make_shift"]


@loader
def make_gaussian_bumps(
    n_grid: int = 10,
    *,
    n_test: int = 10_000,
    diagonal_test: bool = False,
    standardize: str | None = "train",
    image_size: int = 64,
    width: float = 0.2,
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    r"""Draw Gaussian bumps whose two coordinates are the only factors.

    The data of the VRRAE paper [1]_: on the grid :math:`[-1, 1]^2`,

    .. math::
        x(s, t) = \exp\left(-\frac{(s - s_0)^2 + (t - t_0)^2}{2 w^2}\right),

    with training centres :math:`(s_0, t_0)` on a regular grid over
    :math:`[-0.5, 0.5]^2` and test centres drawn uniformly from it.

    Parameters
    ----------
    n_grid : int, default=10
        Training centres along each coordinate: ``n_grid ** 2`` training images.
    n_test : int, default=10000
        Number of test images, 0 for none.
    diagonal_test : bool, default=False
        If True, the two coordinates of a test centre are equal, as in the paper's code,
        which draws both from one random key: its test set only covers the diagonal.
    standardize : {"train", "each"} or None, default="train"
        Subtract one mean from all pixels and divide by one standard deviation: those of
        the training images, or of training and test images each their own as in the
        paper's code, or not at all.
    image_size : int, default=64
        Pixels along each side.
    width : float, default=0.2
        Standard deviation w of the bump, in units of the grid. Must be positive.
    return_X_y : bool, default=False
        Return ``(data, factors)`` of the training images instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws the test centres.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_grid ** 2, image_size ** 2) and ``data_test`` (n_test, ...),
        float32; ``factors`` and ``factors_test``, the centres (s_0, t_0) in columns; s
        runs along a row of pixels, t down the rows; ``factor_names``; ``mean`` and
        ``scale``, what was subtracted from and divided out of ``data``; ``input_shape``
        (1, image_size, image_size); ``n_true`` 2; ``DESCR``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    .. [1] Mounayer et al., "Variational rank reduction autoencoders",
       arXiv 2505.09458, 2025.

    Examples
    --------
    >>> from sklearn_ardvae.datasets import make_gaussian_bumps
    >>> bumps = make_gaussian_bumps(n_test=0)
    >>> print(bumps.data.shape, f"{bumps.mean:.5f} {bumps.scale:.5f}")
    (100, 4096) 0.06074 0.16356
    """
    n_grid = check_count("n_grid", n_grid, 2)
    n_test = check_count("n_test", n_test, 0)
    check_option("standardize", standardize, ("train", "each", None))
    image_size = check_count("image_size", image_size, 2)
    width = check_number("width", width, above=0.0)
    random_state = check_random_state(random_state)
    axis = np.linspace(-0.5, 0.5, n_grid)
    centers = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    centers_test = random_state.uniform(-0.5, 0.5, (n_test, 2))
    if diagonal_test:
        centers_test[:, 1] = centers_test[:, 0]
    data = _bumps(centers, image_size, width)
    data_test = _bumps(centers_test, image_size, width)
    mean, scale = 0.0, 1.0
    if standardize is not None:
        mean, scale = data.mean(dtype=float), data.std(dtype=float)
        data = (data - mean) / scale
        own = standardize == "each" and n_test > 0
        mean_test = data_test.mean(dtype=float) if own else mean
        scale_test = data_test.std(dtype=float) if own else scale
        data_test = (data_test - mean_test) / scale_test
    data, data_test = data.astype(np.float32), data_test.astype(np.float32)
    if return_X_y:
        return data, centers
    return Bunch(
        data=data,
        factors=centers,
        data_test=data_test,
        factors_test=centers_test,
        factor_names=["s", "t"],
        mean=float(mean),
        scale=float(scale),
        input_shape=(1, image_size, image_size),
        n_true=2,
        DESCR=plain_summary(make_gaussian_bumps.__doc__),
    )


def _bumps(centers: NDArray, image_size: int, width: float) -> NDArray:
    axis = np.linspace(-1.0, 1.0, image_size)
    # A bump is the product of one in each coordinate.
    across, down = (
        np.exp(-0.5 * ((axis - centers[:, i, None]) / width) ** 2) for i in range(2)
    )
    return (down[:, :, None] * across[:, None, :]).reshape(-1, image_size**2)


@loader
def make_shift(
    n_samples: int = 199,
    *,
    n_features: int = 200,
    max_shift: float = 1.8,
    noise: float = 0.0,
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    r"""Draw shifted sines: one factor on a curve in a plane.

    One of the generators of the RRAE papers' code [1]_,

    .. math::
        x_{ij} = \sin(t_j - \pi p_i)
        = \cos(\pi p_i) \sin t_j - \sin(\pi p_i) \cos t_j,

    with :math:`t_j` equally spaced from 0 to 2 pi, both included, and :math:`p_i`
    equally spaced from 0 to `max_shift`, without it. The second form shows that the
    data have rank 2 exactly, with one factor.

    Parameters
    ----------
    n_samples : int, default=199
        Number of shifts, at least 2.
    n_features : int, default=200
        Number of points t, at least 3.
    max_shift : float, default=1.8
        The shifts end before it, in half periods. Must be positive.
    noise : float, default=0.0
        Standard deviation of normal noise added to each value.
    return_X_y : bool, default=False
        Return ``(data, factors)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws the noise.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, n_features), float32; ``factors`` (n_samples, 1), the
        shifts p; ``factor_names``; ``n_true`` 1; ``n_linear`` 2, the rank without
        noise; ``DESCR``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    .. [1] Mounayer et al., "Rank reduction autoencoders", arXiv 2405.13980, 2024.
    """
    n_samples = check_count("n_samples", n_samples, 2)
    n_features = check_count("n_features", n_features, 3)
    max_shift = check_number("max_shift", max_shift, above=0.0)
    noise = check_number("noise", noise, at_least=0.0)
    random_state = check_random_state(random_state)
    t = np.linspace(0.0, 2.0 * np.pi, n_features)
    p = np.linspace(0.0, max_shift, n_samples, endpoint=False)[:, None]
    data = np.sin(t - np.pi * p)
    return noisy_bunch(
        data,
        p,
        noise,
        random_state,
        return_X_y=return_X_y,
        doc=make_shift.__doc__,
        factor_names=["shift"],
        n_true=1,
        n_linear=2,
    )
