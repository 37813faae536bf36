"""How far generated data are from real data: Frechet distance, and protocols."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from sklearn.utils.validation import check_array

from .._warnings import warn
from ..density import NAMED_DENSITIES, check_density, draw_from_density
from ..randomness import draw_seed
from ._factors import check_codes, check_counts
from .features import extract_features

__all__ = [
    "frechet_distance",
    "frechet_distance_from_moments",
    "interpolated_samples",
    "random_samples",
]

# The most features for which QR and singular values, rather than Cholesky and
# eigenvalues, take no more than a second.
_EXACT_WIDTH = 512


def frechet_distance(
    X: ArrayLike,
    X_generated: ArrayLike,
    *,
    features: str | Callable[[NDArray], ArrayLike] = "identity",
    y: ArrayLike | None = None,
    input_shape: tuple[int, ...] | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    r"""Frechet distance between Gaussians fitted to two sets of features.

    .. math::
        \|m_1 - m_2\|^2 + \mathrm{tr}\left( C_1 + C_2 - 2 (C_1 C_2)^{1/2} \right)

    with sample covariances (n - 1). The trace of the root is computed as the sum of
    the singular values of :math:`R_1 R_2^\top`, where :math:`C = R^\top R`: real, and
    exact for covariances of deficient rank too. (Beyond 512 features, as square roots
    of eigenvalues, which is faster and precise to about 1e-8 of the largest variance
    for each feature.) In Inception features it is the FID. Its bias grows as 1 / n, so
    that only sets of equal size compare.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Real data.
    X_generated : array-like of shape (n_generated, ...)
        Generated data, in the same units.
    features : str or callable, default="identity"
        What is compared: ``"identity"``, ``"pca"``, ``"classifier"``, ``"inception"``
        or a function, see :func:`extract_features`. Papers use ``"inception"`` with
        10 000 samples.
    y : array-like of shape (n_samples,), default=None
        Labels of X, for ``features="classifier"`` only.
    input_shape : tuple of int, default=None
        Shape of one image, see :func:`extract_features`.
    random_state : int, RandomState instance or None, default=None
        Seeds the features.

    Returns
    -------
    float
        Distance, >= 0, in squared units of the features; lower is better.

    Warns
    -----
    UserWarning
        If a set has no more rows than features: its covariance is singular and the
        bias large.

    References
    ----------
    Heusel et al.: GANs trained by a two time-scale update rule, NeurIPS 2017,
    equation 6. Dowson, Landau: The Frechet distance between multivariate normal
    distributions, J. Multivariate Analysis, 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae.metrics import frechet_distance
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> round(frechet_distance(X, X + [3.0, 0.0, 4.0]), 6)
    25.0
    """
    settings: dict[str, Any] = {
        "y": y,
        "input_shape": input_shape,
        "random_state": random_state,
    }
    sets = extract_features(X, X_generated, features=features, **settings)
    for name, found in zip(("X", "X_generated"), sets, strict=True):
        n, width = found.shape
        if n < 2:
            raise ValueError(f"{name} has {n} row; a covariance needs two or more.")
        if n <= width:
            warn(
                f"{name} has {n} rows of {width} features: their covariance is "
                "singular and the Frechet distance biased upwards. Give more rows or "
                "fewer features, or use kernel_inception_distance.",
            )
    means = [found.mean(axis=0) for found in sets]
    roots = [_root(f - m) for f, m in zip(sets, means, strict=True)]
    return _distance(means[0] - means[1], *roots)


def frechet_distance_from_moments(
    mean: ArrayLike,
    covariance: ArrayLike,
    mean_generated: ArrayLike,
    covariance_generated: ArrayLike,
) -> float:
    r"""Frechet distance between two Gaussians, as from published statistics.

    Parameters
    ----------
    mean, mean_generated : array-like of shape (n_features,)
        Means.
    covariance, covariance_generated : array-like of shape (n_features, n_features)
        Covariances, symmetric and positive semi-definite.

    Returns
    -------
    float
        Distance, >= 0, see :func:`frechet_distance`.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import frechet_distance_from_moments
    >>> identity = [[1.0, 0.0], [0.0, 1.0]]
    >>> round(frechet_distance_from_moments([0, 0], identity, [3, 4], identity), 6)
    25.0
    """
    means, roots = [], []
    for m, c in ((mean, covariance), (mean_generated, covariance_generated)):
        m = check_array(m, dtype=np.float64, ensure_2d=False, input_name="mean")
        c = check_array(c, dtype=np.float64, input_name="covariance")
        if m.ndim != 1 or c.shape != (len(m), len(m)):
            raise ValueError(
                f"A mean of shape {m.shape} does not fit a covariance of {c.shape}."
            )
        values, vectors = linalg.eigh(c)
        if values[0] < -1e-6 * max(values[-1], 0.0) or not np.allclose(c, c.T):
            raise ValueError(
                "A covariance is not symmetric and positive semi-definite: its "
                f"eigenvalues go from {values[0]:.3g} to {values[-1]:.3g}."
            )
        means.append(m)
        roots.append(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)
    if len(means[0]) != len(means[1]):
        raise ValueError(
            f"mean has {len(means[0])} features, mean_generated {len(means[1])}."
        )
    return _distance(means[0] - means[1], *roots)


def _root(centred: NDArray) -> NDArray:
    """Return R of at most n_features rows with R.T @ R the sample covariance."""
    n, width = centred.shape
    if n <= width:
        return centred / np.sqrt(n - 1)
    if width > _EXACT_WIDTH:
        with contextlib.suppress(linalg.LinAlgError):
            covariance = centred.T @ centred / (n - 1)
            return linalg.cholesky(covariance, check_finite=False)
    upper = linalg.qr(centred, mode="r", check_finite=False)[0]
    return upper[:width] / np.sqrt(n - 1)


def _distance(shift: NDArray, first: NDArray, second: NDArray) -> float:
    traces = np.sum(first**2) + np.sum(second**2)
    product = first @ second.T
    if min(product.shape) <= _EXACT_WIDTH:
        root = linalg.svdvals(product, check_finite=False).sum()
    else:
        if product.shape[0] > product.shape[1]:
            product = product.T
        squares = linalg.eigh(
            product @ product.T, eigvals_only=True, driver="evd", check_finite=False
        )
        root = np.sqrt(np.maximum(squares, 0.0)).sum()
    # Of equal sets the difference is rounding, of either sign.
    return float(shift @ shift + max(traces - 2.0 * root, 0.0))


def interpolated_samples(
    decode: Callable[[NDArray], ArrayLike],
    codes: ArrayLike,
    *,
    n_pairs: int = 250,
    n_points: int = 5,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray:
    """Decode points between random pairs of codes: VRRAE's interpolation protocol.

    Compare the result with the training data by :func:`frechet_distance`, with
    ``features="classifier"``, to have the paper's interpolation distance.

    Parameters
    ----------
    decode : callable
        Maps codes (n, n_codes) to data (n, ...): ``model.inverse_transform``.
    codes : array-like of shape (n_samples, n_codes)
        Codes of the training data, of at least two samples.
    n_pairs : int, default=250
        Pairs of different samples, >= 1 (VRRAE paper).
    n_points : int, default=5
        Points between the two codes of a pair, >= 1 (VRRAE paper), equally spaced
        and without the codes themselves: at 1/6, ..., 5/6. (The paper does not say.)
    random_state : int, RandomState instance or None, default=None
        Draws the pairs.

    Returns
    -------
    ndarray of shape (n_pairs * n_points, ...)
        Data, pair by pair.

    References
    ----------
    Mounayer et al.: Variational rank reduction autoencoders, arXiv 2505.09458.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import interpolated_samples
    >>> interpolated_samples(
    ...     lambda z: z, [[0.0], [4.0]], n_pairs=1, n_points=3, random_state=1
    ... ).ravel()
    array([1., 2., 3.])
    """
    check_counts(n_pairs=n_pairs, n_points=n_points)
    codes = check_codes(codes, min_rows=2)
    rng = np.random.default_rng(draw_seed(random_state))
    first = rng.integers(len(codes), size=n_pairs)
    second = (first + rng.integers(1, len(codes), size=n_pairs)) % len(codes)
    share = np.arange(1, n_points + 1)[:, None] / (n_points + 1)
    points = codes[first, None] + share * (codes[second] - codes[first])[:, None]
    return np.asarray(decode(points.reshape(-1, codes.shape[1])))


def random_samples(
    decode: Callable[[NDArray], ArrayLike],
    codes: ArrayLike,
    *,
    n_samples: int = 1250,
    density: object = "gmm",
    random_state: int | np.random.RandomState | None = None,
) -> NDArray:
    """Decode draws from a density of the codes: VRRAE's random generation protocol.

    Parameters
    ----------
    decode : callable
        Maps codes (n, n_codes) to data (n, ...): ``model.inverse_transform``.
    codes : array-like of shape (n_samples, n_codes)
        Codes of the training data.
    n_samples : int, default=1250
        >= 1 (the text of the VRRAE paper; a caption has 20 000).
    density : "gmm", "second_stage" or estimator with ``sample``, default="gmm"
        ``"gmm"``: a Gaussian mixture of 10 components, or of one for each 20 codes
        if that is less; the paper does not give their number. ``"second_stage"``: a
        `SecondStageVAE`. An estimator that is not fitted is fitted to the codes, on a
        copy.
    random_state : int, RandomState instance or None, default=None
        Seeds the density.

    Returns
    -------
    ndarray of shape (n_samples, ...)
        Data.

    References
    ----------
    Mounayer et al.: Variational rank reduction autoencoders, arXiv 2505.09458.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae.metrics import random_samples
    >>> codes = np.random.default_rng(0).random((100, 2))
    >>> random_samples(lambda z: z, codes, n_samples=7, random_state=0).shape
    (7, 2)
    """
    check_counts(n_samples=n_samples)
    check_density(density, NAMED_DENSITIES)
    codes = check_codes(codes, min_rows=2)
    seed = draw_seed(random_state)
    return np.asarray(decode(draw_from_density(density, n_samples, seed, codes)))
