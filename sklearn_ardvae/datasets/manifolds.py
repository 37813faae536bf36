"""Manifolds of known dimension, to judge an estimate of the dimension against."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from ._bunch import plain_summary
from ._checks import check_count, check_number, check_option

__all__ = ["make_manifold", "make_network_manifold"]

_Sampled = tuple[NDArray[np.float64], NDArray[np.float64]]


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
    data = _network(factors, n_features, n_hidden, negative_slope, random_state)
    return _manifold_bunch(
        data / data.std(),
        factors,
        noise,
        random_state,
        return_X_y,
        n_true=n_dimensions,
        n_linear=min(n_features, _network_span(n_dimensions, n_hidden)),
        DESCR=plain_summary(make_network_manifold.__doc__),
    )


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

    With n for `n_dimensions`, the kinds are

    - "linear": normal points of an n-dimensional flat; spans n dimensions;
    - "network": :func:`make_network_manifold`; spans 128, or `n_features` if that is
      less, or 2 for n = 1;
    - "swiss_roll": an Archimedean spiral of one and a half turns, times n - 1 straight
      edges of a third of its length, uniform; spans n + 1;
    - "sphere": the unit sphere :math:`S^n`, uniform; spans n + 1;
    - "torus": a product of n circles of equal size, uniform; spans 2n.

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
        Width of the data, not less than what the manifold spans. Networks get equal
        shares of what other factors of a product leave, not less than their dimension.
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
        manifold: the normal variables of "linear" and "network" (n), the angle along
        the spiral and the places along the edges (n), the point in space of "sphere"
        (n + 1), the n angles of "torus", side by side for a product; ``factor_names``;
        ``n_true``, the dimension of the manifold, for a product the sum; ``n_linear``,
        the number of dimensions that it spans without noise, which is what a count of
        principal components finds; ``noise_variance``, of each value; ``DESCR``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

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
    widths = _spanned(kinds, dimensions, n_features)
    random_state = check_random_state(random_state)
    parts, factors = [], []
    for k, n, width in zip(kinds, dimensions, widths, strict=True):
        if k == "network":
            coordinates = random_state.standard_normal((n_samples, n))
            points = _network(coordinates, width, max(n, 128), 0.2, random_state)
        else:
            points, coordinates = _SAMPLERS[k](n_samples, n, random_state)
        points = points - points.mean(0)
        parts.append(points * np.sqrt(n / points.var(0).sum()))
        factors.append(coordinates)
    points = np.hstack(parts)
    frame = np.linalg.qr(random_state.standard_normal((n_features, sum(widths)))).Q
    data = points @ frame.T
    return _manifold_bunch(
        data / data.std(),
        np.hstack(factors),
        noise,
        random_state,
        return_X_y,
        n_true=sum(dimensions),
        n_linear=sum(widths),
        DESCR=plain_summary(make_manifold.__doc__),
    )


def _check_kinds(
    kind: str | Sequence[str], n_dimensions: int | Sequence[int]
) -> tuple[list[str], list[int]]:
    """Return the factors of the product and their dimensions."""
    kinds = [kind] if isinstance(kind, str) else list(kind)
    if not kinds:
        raise ValueError("kind must hold at least one kind of manifold; got none.")
    for k in kinds:
        check_option("kind", k, ["network", *_SAMPLERS])
    if np.ndim(n_dimensions) == 0:
        dimensions = [n_dimensions] * len(kinds)
    else:
        dimensions = list(n_dimensions)
    if len(dimensions) != len(kinds):
        raise ValueError(
            f"n_dimensions={n_dimensions!r} has {len(dimensions)} entries for the "
            f"{len(kinds)} manifolds of kind={kind!r}; give one number, or one each."
        )
    return kinds, [check_count("n_dimensions", n, 1) for n in dimensions]


def _spanned(kinds: list[str], dimensions: list[int], n_features: int) -> list[int]:
    """Return how many dimensions each factor of the product spans.

    Networks share what the others leave.
    """
    networks = kinds.count("network")
    pairs = list(zip(kinds, dimensions, strict=True))
    least = sum(n if k == "network" else _SPANS[k](n) for k, n in pairs)
    fixed = sum(_SPANS[k](n) for k, n in pairs if k != "network")
    share = (n_features - fixed) // max(networks, 1)
    if any(share < n for k, n in pairs if k == "network") or fixed > n_features:
        raise ValueError(
            f"n_features must be at least {least} for kind={kinds} with "
            f"n_dimensions={dimensions}, equally shared by networks; got {n_features}."
        )
    return [
        min(share, _network_span(n)) if k == "network" else _SPANS[k](n)
        for k, n in pairs
    ]


def _network_span(n: int, n_hidden: int = 128) -> int:
    # One latent without biases is two rays.
    return 2 if n == 1 else max(n, n_hidden)


def _network(
    z: NDArray,
    n_features: int,
    n_hidden: int,
    negative_slope: float,
    random_state: np.random.RandomState,
) -> NDArray:
    h = z
    for n_outputs in (n_hidden, n_hidden, n_features):
        if h is not z:
            h = np.maximum(h, negative_slope * h)
        n_inputs = h.shape[1]
        weights = random_state.standard_normal((n_inputs, n_outputs))
        h = h @ (np.sqrt(2.0 / n_inputs) * weights)
    return h


def _sample_linear(
    n_samples: int, n: int, random_state: np.random.RandomState
) -> _Sampled:
    z = random_state.standard_normal((n_samples, n))
    return z, z


def _sample_swiss_roll(
    n_samples: int, n: int, random_state: np.random.RandomState
) -> _Sampled:
    # The arc of r = t is about t^2 / 2 long, so that uniform t^2 is uniform arc length.
    start, end = 1.5 * np.pi, 4.5 * np.pi
    t = np.sqrt(random_state.uniform(start**2, end**2, n_samples))
    edge = (end**2 - start**2) / 6.0
    straight = random_state.uniform(0.0, edge, (n_samples, n - 1))
    points = np.column_stack([t * np.cos(t), t * np.sin(t), straight])
    return points, np.column_stack([t, straight])


def _sample_sphere(
    n_samples: int, n: int, random_state: np.random.RandomState
) -> _Sampled:
    z = random_state.standard_normal((n_samples, n + 1))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    return z, z


def _sample_torus(
    n_samples: int, n: int, random_state: np.random.RandomState
) -> _Sampled:
    angles = random_state.uniform(0.0, 2.0 * np.pi, (n_samples, n))
    return np.hstack([np.cos(angles), np.sin(angles)]), angles


_SAMPLERS: dict[str, Callable[..., _Sampled]] = {
    "linear": _sample_linear,
    "swiss_roll": _sample_swiss_roll,
    "sphere": _sample_sphere,
    "torus": _sample_torus,
}
# The number of dimensions that an n-dimensional manifold of a kind spans.
_SPANS: dict[str, Callable[[int], int]] = {
    "linear": lambda n: n,
    "swiss_roll": lambda n: n + 1,
    "sphere": lambda n: n + 1,
    "torus": lambda n: 2 * n,
}


def _manifold_bunch(
    data: NDArray,
    factors: NDArray,
    noise: float,
    random_state: np.random.RandomState,
    return_X_y: bool,
    *,
    n_true: int,
    n_linear: int,
    DESCR: str,
) -> Bunch | tuple[NDArray, NDArray]:
    if noise > 0.0:
        data = data + noise * random_state.standard_normal(data.shape)
    data = data.astype(np.float32)
    if return_X_y:
        return data, factors
    return Bunch(
        data=data,
        factors=factors,
        factor_names=[f"factor_{i}" for i in range(factors.shape[1])],
        n_true=n_true,
        n_linear=n_linear,
        noise_variance=noise**2,
        DESCR=DESCR,
    )
