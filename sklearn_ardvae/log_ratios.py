"""Log ratios of the distances of nearest neighbours, and what they say of dimension."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, digamma
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

__all__ = [
    "calibrated_dimension",
    "log_ratios",
    "nearest",
    "parts_of_rows",
    "sphere_log_ratio",
]

_ROUNDING = 1e-9
# Numbers in one block of neighbours' features.
_BLOCK = 2**17
# Dimensions that are told apart; between these, and in logarithms, the expected ratio
# is straight to 1e-4.
_DIMENSIONS = np.geomspace(0.25, 1e4, 400)


def nearest(
    rows: NDArray,
    n_neighbors: int,
    n_jobs: int | None = None,
    *,
    with_all_digits: bool = True,
) -> tuple[NDArray, NDArray]:
    """Return distances and indices of the nearest other rows, (n_rows, k).

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        float64, all different, centred.
    n_neighbors : int
        k.
    n_jobs : int or None
        For the search.
    with_all_digits : bool
        Whether distances are needed that are far below the size of the rows. In many
        features they are found from products, which lose digits.
    """
    search = NearestNeighbors(n_neighbors=n_neighbors, n_jobs=n_jobs).fit(rows)
    if not with_all_digits:
        return search.kneighbors()
    neighbors = search.kneighbors(return_distance=False)
    distances = np.concatenate(
        [
            np.linalg.norm(rows[neighbors[part]] - rows[part, None], axis=2)
            for part in parts_of_rows(rows, n_neighbors)
        ]
    )
    distances.sort(axis=1)
    return distances, neighbors


def parts_of_rows(rows: NDArray, n_neighbors: int) -> Iterator[slice]:
    """Yield slices of rows of which the neighbours' features fit in a block."""
    size = max(1, _BLOCK // (n_neighbors * rows.shape[1]))
    return gen_batches(len(rows), size)


def log_ratios(distances: NDArray, first: int, last: int) -> NDArray:
    r"""Return the sum over j of :math:`\log(r_{last} / r_j)`, first <= j < last.

    Parameters
    ----------
    distances : ndarray of shape (n_rows, n_neighbors)
        Of the nearest neighbours, in order.
    first, last : int
        Neighbours, counted from 1.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    farthest = distances[:, last - 1, None]
    # Rows that differ by less than their digits are at a distance of 0.
    least = np.finfo(float).eps * farthest
    nearer = np.maximum(distances[:, first - 1 : last - 1], least)
    ratios = np.divide(farthest, nearer, out=np.ones_like(nearer), where=nearer > 0.0)
    logs = np.log(ratios)
    # Of equal distances, what is left is rounding.
    logs[logs < _ROUNDING] = 0.0
    return logs.sum(axis=1)


def sphere_log_ratio(
    n_dimensions: ArrayLike, n_rows: int, first: int, last: int
) -> NDArray[np.float64]:
    r"""Return the mean log ratio that rows spread evenly over a sphere have.

    Within the chord r of a point of the unit sphere of m dimensions lies the share
    :math:`I_{r^2 / 4}(m / 2, m / 2)` of it (a regularised incomplete beta function).
    Of n - 1 other rows, the j-th share in order has the mean logarithm
    :math:`\psi(j) - \psi(n)`, which gives the j-th distance.

    Parameters
    ----------
    n_dimensions : array-like
        m, > 0.
    n_rows : int
        n.
    first, last : int
        As for :func:`log_ratios`, of which this is the expectation over the number of
        ratios.
    """
    m = np.asarray(n_dimensions, dtype=np.float64)[..., None]
    shares = np.exp(digamma(np.arange(first, last + 1)) - digamma(n_rows))
    logs = 0.5 * np.log(betaincinv(m / 2.0, m / 2.0, shares))
    return (logs[..., -1:] - logs[..., :-1]).mean(axis=-1)


def calibrated_dimension(
    mean_log_ratio: ArrayLike, n_rows: int, first: int, last: int
) -> NDArray[np.float64]:
    """Return the dimension of the sphere whose rows have this mean log ratio.

    Parameters
    ----------
    mean_log_ratio : array-like
        Of distances, >= 0. Infinitely many dimensions make it 0.
    n_rows, first, last : int
        As for :func:`sphere_log_ratio`.
    """
    found = np.asarray(mean_log_ratio, dtype=np.float64)
    expected = _expected_log_ratios(n_rows, first, last)
    with np.errstate(divide="ignore"):
        logs = np.interp(-np.log(found), -np.log(expected), np.log(_DIMENSIONS))
    # Below the least of these dimensions all is flat: they are inverse to the ratio.
    few = _DIMENSIONS[0] * expected[0] / np.maximum(found, expected[0])
    many = np.where(found > 0.0, np.exp(logs), np.inf)
    return np.where(found > expected[0], few, many)


@lru_cache(maxsize=64)
def _expected_log_ratios(n_rows: int, first: int, last: int) -> NDArray[np.float64]:
    return sphere_log_ratio(_DIMENSIONS, n_rows, first, last)
