"""How many dimensions data have around each row, from its nearest neighbours."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_array, check_scalar

from .._warnings import warn
from ..log_ratios import calibrated_dimension, log_ratios, nearest, parts_of_rows

__all__ = ["intrinsic_dimension", "local_dimension"]

# Neighbours of a row by default: those of most studies, and more for covariances. For
# all rows together few are precise enough, and see least of bends and edges.
_N_NEIGHBORS = {"mle": 20, "twonn": 20, "pca": 50, "calibrated": 20}
_OF_ALL_ROWS = {**_N_NEIGHBORS, "calibrated": 5}
# Share of the largest eigenvalue, and share of the largest ratios, of the papers.
_THRESHOLD = 0.05
_DISCARDED = 0.1

Method = Literal["mle", "twonn", "pca", "calibrated"]


def local_dimension(
    X: ArrayLike,
    *,
    method: Method = "mle",
    n_neighbors: int | None = None,
    smooth: bool = True,
    threshold: float | None = None,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    r"""Estimate the intrinsic dimension of data around each row.

    Where data are evenly spread over m dimensions, the number of neighbours within r
    grows as :math:`r^m`, so that the logarithms of ratios of distances
    :math:`r_1 < \dots < r_k` from a row are exponential of rate m. From N of them,
    m is estimated as

    .. math::
        \hat m = \frac{N - 1}{\sum \log(\text{ratio})},

    without bias if they are independent. ``"mle"`` takes the ratios
    :math:`r_k / r_j`, j < k, of a row (Levina and Bickel, in the unbiased form) or, if
    smoothed, those of the row and its k neighbours together (which averages the
    inverse estimates, as MacKay and Ghahramani do). ``"twonn"`` takes the one ratio
    :math:`r_2 / r_1` of each of these k + 1 rows (Facco et al.): it looks least far,
    and is least precise. ``"pca"`` counts the eigenvalues of the covariance of the row
    and its neighbours that exceed a share of the largest (Fukunaga and Olsen).

    Noise has all dimensions of the space: where it is not far below the distances of
    neighbours, estimates grow. Take the codes of an autoencoder then, not the data.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Data or codes, finite, in units that may be compared: distances mix features.
        Rows that are equal count once and get the same estimate.
    method : {"mle", "twonn", "pca", "calibrated"}, default="mle"
        See above.
    n_neighbors : int or None, default=None
        k, >= 3 and less than the different rows of X. None is 20, and 50 for
        ``"pca"``, which cannot find more dimensions than k and misses some if k is
        less than about three times their number. More are more precise where data
        are flat and evenly spread, and wrong where they bend or end within the k
        nearest neighbours: the estimate at an edge is too small.
    smooth : bool, default=True
        Whether to estimate from the ratios of the row's neighbours too, or to average
        the counts of ``"pca"`` over them. ``"twonn"`` is always smoothed. Estimates
        of k = 20 scatter by a quarter of their size without it, by 7 or 8 % with it.
    threshold : float or None, default=None
        Share of the largest eigenvalue in (0, 1), for ``"pca"`` only; None is 0.05
        (Fukunaga and Olsen).
    n_jobs : int or None, default=None
        For the search for neighbours, see `sklearn.neighbors.NearestNeighbors`.

    Returns
    -------
    ndarray of shape (n_samples,)
        Estimates, > 0; whole numbers >= 1 for ``"pca"`` without smoothing. They may
        exceed n_features. Infinite, with a warning, for rows of which all distances
        that count are equal, as in a lattice.

    References
    ----------
    Levina, Bickel: Maximum likelihood estimation of intrinsic dimension, NeurIPS 2004,
    equation 8. MacKay, Ghahramani: Comments on "Maximum likelihood estimation of
    intrinsic dimension", 2005. Facco et al.: Estimating the intrinsic dimension of
    datasets by a minimal neighborhood information, Scientific Reports 7, 2017.
    Fukunaga, Olsen: An algorithm for finding intrinsic dimensionality of data, IEEE
    Transactions on Computers C-20, 1971.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae.metrics import local_dimension
    >>> rng = np.random.default_rng(0)
    >>> line, cube = np.zeros((300, 3)), rng.random((2000, 3))
    >>> line[:, 0] = 5.0 + rng.random(300)
    >>> found = local_dimension(np.vstack([line, cube]))
    >>> np.median(found[:300]).round(1), np.median(found[300:]).round(1)
    (np.float64(1.0), np.float64(2.9))
    """
    if method == "twonn" and not smooth:
        raise ValueError(
            "method='twonn' has one ratio for each row, of which none alone gives an "
            "estimate; leave smooth=True."
        )
    k, threshold = _check_options(method, n_neighbors, threshold, _N_NEIGHBORS)
    rows, inverse = _distinct_rows(X, k)
    distances, neighbors = nearest(rows, k, n_jobs)
    if method == "pca":
        found = _count_eigenvalues(rows, neighbors, threshold)
        if smooth:
            found = (found + found[neighbors].sum(axis=1)) / (k + 1)
        return found[inverse]
    last = 2 if method == "twonn" else k
    sums, n_ratios = log_ratios(distances, 1, last), last - 1
    if smooth:
        sums, n_ratios = sums + sums[neighbors].sum(axis=1), n_ratios * (k + 1)
    if method == "calibrated":
        found = calibrated_dimension(sums / (n_ratios - 1), len(rows), 1, last)
    else:
        found = np.full(len(sums), np.inf)
        np.divide(n_ratios - 1, sums, out=found, where=sums > 0.0)
    if not np.all(np.isfinite(found)):
        warn(
            f"{np.count_nonzero(np.isinf(found[inverse]))} rows of X are as far from "
            "all neighbours that count, as in a lattice, and have an infinite "
            "dimension: raise n_neighbors, or add noise below the spacing.",
        )
    return found[inverse]


def intrinsic_dimension(
    X: ArrayLike,
    *,
    method: Method = "twonn",
    n_neighbors: int | None = None,
    threshold: float | None = None,
    n_jobs: int | None = None,
) -> float:
    r"""Estimate the intrinsic dimension of data as a whole, one number for all rows.

    ``"mle"`` is the inverse of the mean over rows of the inverse estimates of Levina
    and Bickel, as MacKay and Ghahramani propose,

    .. math::
        \hat m = \left[ \frac{1}{n (k - 1)} \sum_{i=1}^n \sum_{j=1}^{k-1}
        \log \frac{r_{ik}}{r_{ij}} \right]^{-1}.

    ``"twonn"`` is the slope through the origin of :math:`-\log(1 - F(\mu))` against
    :math:`\log \mu`, with the ratios :math:`\mu = r_2 / r_1` of all rows, their
    empirical distribution F, and without the largest tenth of them (Facco et al.).
    ``"calibrated"`` solves, for the m of the sphere of :func:`local_dimension`,

    .. math::
        \frac{1}{n (k - 1)} \sum_{i=1}^n \sum_{j=1}^{k-1} \log \frac{r_{ik}}{r_{ij}}
        = \frac{1}{k - 1} \sum_{j=1}^{k-1} \log \frac{\rho_k}{\rho_j}, \qquad
        I_{\rho_j^2 / 4}\left(\tfrac m2, \tfrac m2\right) = e^{\psi(j) - \psi(n)},

    with the chords :math:`\rho_j` that hold the first j of n - 1 rows (I is the
    regularised incomplete beta function: the share of the sphere within a chord); ours.
    ``"pca"`` is the median over rows of :func:`local_dimension`, not smoothed. All
    suppose one dimension everywhere: see :func:`local_dimension` for the others.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        As for :func:`local_dimension`.
    method : {"mle", "twonn", "pca", "calibrated"}, default="twonn"
        See above.
    n_neighbors : int or None, default=None
        k, >= 3 and less than the different rows of X, for ``"mle"`` (None is 20),
        ``"pca"`` (None is 50) and ``"calibrated"`` (None is 5) only.
    threshold : float or None, default=None
        As for :func:`local_dimension`.
    n_jobs : int or None, default=None
        As for :func:`local_dimension`.

    Returns
    -------
    float
        Estimate, > 0; infinite if the distances of neighbours are equal everywhere.
        Too small for many dimensions, but with ``"calibrated"``: the number of rows
        would have to grow exponentially.

    References
    ----------
    As for :func:`local_dimension`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_swiss_roll
    >>> from sklearn_ardvae.metrics import intrinsic_dimension
    >>> roll, _ = make_swiss_roll(2000, random_state=0)
    >>> [round(intrinsic_dimension(roll, method=m)) for m in ("mle", "twonn", "pca")]
    [2, 2, 2]
    """
    if method == "twonn" and n_neighbors is not None:
        raise ValueError(
            f"n_neighbors={n_neighbors}: method='twonn' takes two neighbours; leave "
            "it out."
        )
    k, threshold = _check_options(method, n_neighbors, threshold, _OF_ALL_ROWS)
    k = 2 if method == "twonn" else k
    rows, _ = _distinct_rows(X, k)
    distances, neighbors = nearest(rows, k, n_jobs)
    if method == "pca":
        return float(np.median(_count_eigenvalues(rows, neighbors, threshold)))
    sums = log_ratios(distances, 1, k)
    if method == "calibrated":
        mean = sums.mean() / (k - 1)
        return float(calibrated_dimension(mean, len(rows), 1, k))
    if method == "mle":
        total = sums.sum()
        return float((k - 1) * len(sums) / total) if total > 0.0 else np.inf
    n_kept = int(len(sums) * (1.0 - _DISCARDED))
    logs = np.sort(sums)[:n_kept]
    heights = -np.log1p(-np.arange(1, n_kept + 1) / len(sums))
    size = logs @ logs
    return float(logs @ heights / size) if size > 0.0 else np.inf


def _check_options(
    method: str,
    n_neighbors: int | None,
    threshold: float | None,
    defaults: dict[str, int],
) -> tuple[int, float]:
    """Return the number of neighbours and the threshold."""
    if method not in defaults:
        raise ValueError(f"method must be one of {sorted(defaults)}; got {method!r}.")
    if n_neighbors is None:
        n_neighbors = defaults[method]
    check_scalar(n_neighbors, "n_neighbors", Integral, min_val=3)
    if threshold is None:
        return n_neighbors, _THRESHOLD
    if method != "pca":
        raise ValueError(
            f"threshold={threshold} is for method='pca'; leave it out for {method!r}."
        )
    bounds = {"min_val": 0.0, "max_val": 1.0, "include_boundaries": "neither"}
    check_scalar(threshold, "threshold", Real, **bounds)
    return n_neighbors, threshold


def _distinct_rows(X: ArrayLike, n_neighbors: int) -> tuple[NDArray, NDArray]:
    """Return different rows, centred and of size 1, and which one each row of X is."""
    given: NDArray = check_array(X, dtype=np.float64, input_name="X")
    rows = given - given.mean(axis=0)
    largest = np.abs(rows).max()
    rows, inverse = np.unique(
        rows / (largest if largest > 0.0 else 1.0), axis=0, return_inverse=True
    )
    if len(rows) <= n_neighbors:
        raise ValueError(
            f"X has {len(rows)} different rows of {len(given)}; "
            f"n_neighbors={n_neighbors} needs {n_neighbors + 1} or more."
        )
    return rows, inverse.ravel()


def _count_eigenvalues(
    rows: NDArray, neighbors: NDArray, threshold: float
) -> NDArray[np.float64]:
    """Count the eigenvalues of neighbourhoods' covariances above the threshold."""
    counts = []
    for part in parts_of_rows(rows, neighbors.shape[1]):
        near = np.concatenate([rows[part, None], rows[neighbors[part]]], axis=1)
        near -= near.mean(axis=1, keepdims=True)
        turned = near.transpose(0, 2, 1)
        products = near @ turned if near.shape[1] < near.shape[2] else turned @ near
        eigenvalues = np.linalg.eigvalsh(products)
        counts.append(np.sum(eigenvalues > threshold * eigenvalues[:, -1:], axis=1))
    return np.concatenate(counts).astype(np.float64)
