"""Manifolds of known dimension, to judge an estimate of the dimension against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from ._bunch import loader, noisy_bunch
from ._checks import check_count, check_number, check_option
from ._manifold_kinds import (
    RANDOM_MAPS,
    SHAPES,
    draw_points,
    most_spanned,
    network_span,
    random_network,
)

__all__ = ["make_manifold", "make_network_manifold"]


@loader
def make_network_manifold(
    n_samples: int = 10_000,
    *,
    n_dimensions: int = 8,
    n_features: int = 128,
    n_hidden: int = 128,
    negative_slope: float = 0.2,
    noise: float = 0.0,
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    r"""Draw normal latents through a random network, as the LMGAE paper does.

    .. math::
        z \sim N(0, I_n), \qquad
        x = W_3\, a(W_2\, a(W_1 z)), \qquad
        a(h) = \max(h, s h),

    with two hidden layers of leaky rectifiers [1]_. The paper states neither the number
    of features nor the law of the weights: here weights are normal of variance 2 over
    the number of inputs, there are no biases, and the data are divided by their
    standard deviation over all rows and features. A row's scale is not lost: the map is
    positively homogeneous.

    Network and rows are both drawn from `random_state`; for rows of one network to
    train and to test on, draw them together and split them.

    Parameters
    ----------
    n_samples : int, default=10000
        Number of rows. The paper's order of magnitude is 70 000.
    n_dimensions : int, default=8
        Number n of latents, up to `n_features` and `n_hidden`. The paper has 8 and 16.
    n_features : int, default=128
        Width of the data.
    n_hidden : int, default=128
        Units in each hidden layer.
    negative_slope : float, default=0.2
        The slope s of the rectifiers below zero. Must be positive.
    noise : float, default=0.0
        Standard deviation of normal noise added to each value, relative to that of the
        data.
    return_X_y : bool, default=False
        Return ``(data, factors)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws latents, network and noise.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, n_features), float32; ``factors`` (n_samples,
        n_dimensions), the latents; ``factor_names``; ``n_true``, n_dimensions;
        ``n_linear``, the most dimensions that a linear map can show without noise;
        ``noise_variance``, of each value; ``DESCR``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    .. [1] Mondal, Chowdhury, Jayendran, Singla, Asnani, Prathosh, "MaskAAE: latent
       space optimization for adversarial auto-encoders", UAI 2020, arXiv 1912.04564.

    Examples
    --------
    >>> from sklearn_ardvae.datasets import make_network_manifold
    >>> manifold = make_network_manifold(500, n_dimensions=3, random_state=0)
    >>> manifold.data.shape, manifold.n_true
    ((500, 128), 3)
    """
    n_samples = check_count("n_samples", n_samples, 2)
    n_features = check_count("n_features", n_features, 1)
    n_hidden = check_count("n_hidden", n_hidden, 1)
    n_dimensions = check_count(
        "n_dimensions", n_dimensions, 1, min(n_features, n_hidden)
    )
    negative_slope = check_number("negative_slope", negative_slope, above=0.0)
    noise = check_number("noise", noise, at_least=0.0)
    random_state = check_random_state(random_state)
    factors = random_state.standard_normal((n_samples, n_dimensions))
    data = random_network(factors, n_features, n_hidden, negative_slope, random_state)
    return _manifold_bunch(
        data,
        factors,
        noise,
        random_state,
        return_X_y=return_X_y,
        doc=make_network_manifold.__doc__,
        n_true=n_dimensions,
        n_linear=min(n_features, network_span(n_dimensions, n_hidden)),
    )


@loader
def make_manifold(
    kind: str | Sequence[str] = "network",
    n_samples: int = 10_000,
    *,
    n_dimensions: int | Sequence[int] = 8,
    n_features: int = 128,
    noise: float = 0.0,
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    r"""Draw points of a manifold of known dimension, in a space of any width.

    With n for `n_dimensions` and :math:`z` for n latents, the kinds are

    - "linear": normal points of an n-dimensional flat; spans n dimensions;
    - "swiss_roll": an Archimedean spiral of one and a half turns, times n - 1 straight
      edges of a third of its length, uniform; spans n + 1;
    - "sphere": the unit sphere :math:`S^n`, uniform; spans n + 1;
    - "torus": a product of n circles of equal size, uniform; spans 2n;
    - "network": :func:`make_network_manifold`; spans 128, or `n_features` if that is
      less, or 2 for n = 1;
    - "shallow_relu_network": :math:`B\, a(A z + c)` with one hidden layer of 100 leaky
      rectifiers of slope 0.1, z normal; spans up to 100;
    - "tanh_network": :math:`C \tanh(B \tanh(A z))` with two hidden layers of 64, z
      uniform in a cube; spans up to 64;
    - "shallow_tanh_network": :math:`B \tanh(A z + c)` with one hidden layer of 64, z
      uniform in a cube; spans up to 64;
    - "random_sines": :math:`\sin(A z + c)`, z normal; spans `n_features`;
    - "mixed_sines": :math:`B \sin(A z + c)` with 64 sines, z uniform in a cube; spans
      up to 64;
    - "quadratic": :math:`A z + (A z)(B z) / 2`, a product feature by feature, z normal;
      spans n (n + 3) / 2, or `n_features` if that is less.

    The matrices A, B, C and the vector c are drawn at random (see Notes). What smooth
    maps span beyond some dimensions is of little variance.

    A sequence of kinds gives the product of the manifolds: their coordinates side by
    side, drawn independently. Each factor of it is centred and scaled to a total
    variance of its dimension, so that all take an equal share in the data for their
    size. The coordinates are turned to `n_features` by a random matrix Q of orthonormal
    columns, which keeps all distances, and all is divided by one number to give the
    data a standard deviation of 1.

    Parameters
    ----------
    kind : str or sequence of str, default="network"
        One of the kinds above, or several for their product.
    n_samples : int, default=10000
        Number of rows, at least 2.
    n_dimensions : int or sequence of int, default=8
        Dimension of the manifold, at least 1; for a product, one for each of its
        factors, or one number for all.
    n_features : int, default=128
        Width of the data, not less than what a flat, roll, sphere or torus spans. The
        other kinds get equal shares of what those leave in a product, not less than
        their dimension.
    noise : float, default=0.0
        Standard deviation of normal noise added to each value, relative to that of the
        data.
    return_X_y : bool, default=False
        Return ``(data, factors)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws points, rotation and noise.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, n_features), float32; ``factors``, coordinates on the
        manifold: the angle along the spiral and the places along the edges (n), the
        point in space of "sphere" (n + 1), the n angles of "torus", the n latents of
        the other kinds, side by side for a product; ``factor_names``; ``n_true``, the
        dimension of the manifold, for a product the sum; ``n_linear``, the number of
        dimensions that it spans without noise ("up to": at most), which is what a count
        of principal components finds; ``noise_variance``, of each value; ``DESCR``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    Entries of A are normal, of variance 1 / n for sines and "quadratic", as there those
    of B, 1.44 / n for "tanh_network", 4 / n for "shallow_tanh_network" and 1 for
    "shallow_relu_network". The other matrices have entries of variance 1, but for B of
    "tanh_network", 1.44 / 64. Phases c are uniform; biases c are normal, of standard
    deviation 0.3 for "shallow_tanh_network" and sqrt(n) / 2 for "shallow_relu_network".
    The cube has edges from -sqrt(3) to sqrt(3), for "shallow_tanh_network" from -1 to
    1. For n above the number of hidden units there are n of these.

    Examples
    --------
    >>> from sklearn_ardvae.datasets import make_manifold
    >>> torus = make_manifold("torus", 500, n_dimensions=3, random_state=0)
    >>> torus.n_true, torus.n_linear
    (3, 6)
    >>> make_manifold(
    ...     ("sphere", "swiss_roll"), 500, n_dimensions=(2, 3), random_state=0
    ... ).n_true
    5
    """
    kinds, dimensions = _check_kinds(kind, n_dimensions)
    n_samples = check_count("n_samples", n_samples, 2)
    n_features = check_count("n_features", n_features, 1)
    noise = check_number("noise", noise, at_least=0.0)
    widths = _widths(kinds, dimensions, n_features)
    random_state = check_random_state(random_state)
    parts, factors, n_linear = [], [], 0
    for k, n, width in zip(kinds, dimensions, widths, strict=True):
        points, coordinates = draw_points(k, n_samples, n, width, random_state)
        points = points - points.mean(0)
        parts.append(points * np.sqrt(n / points.var(0).sum()))
        factors.append(coordinates)
        n_linear += min(width, most_spanned(k, n))
    points = np.hstack(parts)
    shape = (n_features, points.shape[1])
    frame = np.linalg.qr(random_state.standard_normal(shape)).Q
    return _manifold_bunch(
        points @ frame.T,
        np.hstack(factors),
        noise,
        random_state,
        return_X_y=return_X_y,
        doc=make_manifold.__doc__,
        n_true=sum(dimensions),
        n_linear=n_linear,
    )


def _manifold_bunch(
    data: NDArray,
    factors: NDArray,
    noise: float,
    random_state: np.random.RandomState,
    **kwargs: Any,
) -> Bunch | tuple[NDArray, NDArray]:
    """Return points, scaled to a standard deviation of 1, as a generator does."""
    return noisy_bunch(
        data / data.std(),
        factors,
        noise,
        random_state,
        factor_names=[f"factor_{i}" for i in range(factors.shape[1])],
        noise_variance=noise**2,
        **kwargs,
    )


def _check_kinds(
    kind: str | Sequence[str], n_dimensions: int | Sequence[int]
) -> tuple[list[str], list[int]]:
    """Return the factors of the product and their dimensions."""
    kinds = [kind] if isinstance(kind, str) else list(kind)
    if not kinds:
        raise ValueError("kind must hold at least one kind of manifold; got none.")
    for k in kinds:
        check_option("kind", k, [*RANDOM_MAPS, *SHAPES])
    if np.ndim(n_dimensions) == 0:
        dimensions = [n_dimensions] * len(kinds)
    else:
        dimensions = list(cast("Sequence[int]", n_dimensions))
    if len(dimensions) != len(kinds):
        raise ValueError(
            f"n_dimensions={n_dimensions!r} has {len(dimensions)} entries for the "
            f"{len(kinds)} manifolds of kind={kind!r}; give one number, or one each."
        )
    return kinds, [check_count("n_dimensions", n, 1) for n in dimensions]


def _widths(kinds: list[str], dimensions: list[int], n_features: int) -> list[int]:
    """Return how many features each factor of the product gets.

    Random maps share what the shapes leave.
    """
    maps = [n for k, n in zip(kinds, dimensions, strict=True) if k in RANDOM_MAPS]
    spans = [
        0 if k in RANDOM_MAPS else int(most_spanned(k, n))
        for k, n in zip(kinds, dimensions, strict=True)
    ]
    share = (n_features - sum(spans)) // max(len(maps), 1)
    if share < max(maps, default=0):
        least = sum(spans) + len(maps) * max(maps, default=0)
        raise ValueError(
            f"n_features must be at least {least} for kind={kinds} with "
            f"n_dimensions={dimensions}; got {n_features}."
        )
    return [share if k in RANDOM_MAPS else s for k, s in zip(kinds, spans, strict=True)]
