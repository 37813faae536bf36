"""How many dimensions rows have, by neighbours that noise does not make."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from ..log_ratios import calibrated_dimension, log_ratios, nearest

__all__ = ["FEWEST", "Dimensions", "dimensions_as_they_are", "dimensions_of"]

# The last neighbour whose ratios of distances count where there is no noise; elsewhere
# it is one twice as far each time, up to so many and that share of the rows.
_NEIGHBORS, _FARTHEST, _FARTHEST_SHARE = 5, 640, 0.3
# What squared distances have to exceed, as a multiple of the noise's own.
_CLEAR = 4.0
# Rows that share an estimate, and the most of all rows that these may be.
_SMOOTHED, _SHARE = 40, 0.1
#: Rows that tell anything.
FEWEST = 4
# Rows whose nearest neighbours are looked for first; the share of the dimensions that
# noise fills which rows of noise may show, as their density falls off; neighbours that
# are farther, and how many times as many dimensions the nearest may show without noise.
_SOME, _FILLED, _FARTHER, _FALL = 250, 0.9, (10, 20), 1.3


class Dimensions(NamedTuple):
    """What is found of some rows; it may exceed the number of axes.

    Parameters
    ----------
    whole : float
        The harmonic mean over all rows.
    local : ndarray of shape (n_rows,)
        Around each row.
    """

    whole: float
    local: NDArray[np.float64]


def dimensions_of(rows: NDArray, n_axes: int, noise: float) -> Dimensions:
    """Estimate dimensions by neighbours that are beyond the reach of noise.

    What reconstructions hold of the noise lies along the axes. Neighbours that are as
    near have all of the axes' dimensions, and the estimate falls with their distance.
    It rises again, or stays, where noise matters no more.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Reconstructions, all different, centred, at least 4.
    n_axes : int
        Active axes.
    noise : float
        Variance of a feature.
    """
    n = len(rows)
    n_near = min(_SMOOTHED, max(FEWEST, int(_SHARE * n)))
    span = (1, min(_NEIGHBORS, n - 1))
    distances, neighbors = nearest(rows, max(span[1], n_near - 1))
    near = np.column_stack([np.arange(n), neighbors[:, : n_near - 1]])
    reach = _CLEAR * 2.0 * n_axes * noise

    def is_reached() -> NDArray[np.bool_]:
        return (distances[near, span[0] - 1] ** 2).mean(axis=1) < reach

    ratios = _mean_log_ratios(distances, span)
    local = calibrated_dimension(ratios[near].mean(axis=1), n, *span)
    chosen, spans, of_span = ratios, [span], np.zeros(n, dtype=np.intp)
    noisy = is_reached()
    while noisy.any() and 2 * span[1] <= min(_FARTHEST, _FARTHEST_SHARE * n):
        span = (span[1], 2 * span[1])
        # Beyond neighbours in reach of the noise: far, by the size of the rows.
        distances, _ = nearest(rows, span[1], with_all_digits=False)
        ratios = _mean_log_ratios(distances, span)
        farther = calibrated_dimension(ratios[near].mean(axis=1), n, *span)
        if np.mean(1.0 / farther[noisy]) <= np.mean(1.0 / local[noisy]):
            break
        local[noisy], chosen[noisy] = farther[noisy], ratios[noisy]
        of_span[noisy] = len(spans)
        spans.append(span)
        noisy &= is_reached()
    # All rows of a span at once: many are more precise than the mean of local ones.
    inverse = np.zeros(n)
    for i in np.unique(of_span):
        rows_of_span = of_span == i
        mean = chosen[rows_of_span].mean()
        inverse[rows_of_span] = 1.0 / calibrated_dimension(mean, n, *spans[i])
    mean = inverse.mean()
    return Dimensions(1.0 / mean if mean > 0.0 else np.inf, local)


def _mean_log_ratios(distances: NDArray, span: tuple[int, int]) -> NDArray[np.float64]:
    first, last = span
    return log_ratios(distances, first, last) / (last - first)


def dimensions_as_they_are(rows: NDArray, noise: float) -> Dimensions | None:
    r"""Estimate dimensions of rows that cannot have as much noise as is said.

    Where rows have normal noise of variance :math:`s^2` in all D features, neighbours
    within a distance r are as many as fill at least :math:`D - r^2 / 2 s^2` dimensions:
    squared distances are :math:`2 s^2 \chi^2_D`, or fall off more slowly. Rows that
    fill fewer at their nearest neighbours have less noise; and none to speak of, if
    they fill no fewer at the 10th to 20th neighbours than at the first five.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        All different, centred.
    noise : float
        Variance of a feature.

    Returns
    -------
    Dimensions or None
        None if the noise may be there, and of fewer than 200 rows.
    """
    n, n_features = rows.shape
    if _FARTHER[1] > _SHARE * n:
        return None
    search = NearestNeighbors(n_neighbors=2).fit(rows)
    # Rows may be sorted; the nearest to each of these is itself.
    some = rows[:: -(-n // _SOME)]
    squares = search.kneighbors(some)[0][:, 1] ** 2
    filled = n_features - squares.mean() / (2.0 * noise)
    if filled <= 0.0:
        return None
    found = dimensions_of(rows, 0, 0.0)
    if found.whole >= _FILLED * filled:
        return None
    distances, _ = nearest(rows, _FARTHER[1])
    ratio = _mean_log_ratios(distances, _FARTHER).mean()
    farther = calibrated_dimension(ratio, n, *_FARTHER)
    return found if found.whole <= _FALL * farther else None
