"""Precision and recall, density and coverage, by balls around nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from ._factors import check_counts
from .features import extract_features

__all__ = [
    "DensityCoverage",
    "ImprovedPrecisionRecall",
    "density_coverage",
    "improved_precision_recall",
]


class ImprovedPrecisionRecall(NamedTuple):
    """Two shares in [0, 1], higher is better: :func:`improved_precision_recall`."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Density >= 0 and coverage in [0, 1], see :func:`density_coverage`."""

    density: float
    coverage: float


def improved_precision_recall(
    X: ArrayLike,
    X_generated: ArrayLike,
    *,
    features: str | Callable[[NDArray], ArrayLike] = "identity",
    y: ArrayLike | None = None,
    input_shape: tuple[int, ...] | None = None,
    n_neighbors: int = 3,
    random_state: int | np.random.RandomState | None = None,
) -> ImprovedPrecisionRecall:
    r"""Precision and recall of generated data, by the nearest neighbours' balls.

    With the balls :math:`B_k(x)` around the rows of a set that reach as far as their
    k-th nearest neighbour in it,

    .. math::
        P = \frac{1}{m} \sum_{j=1}^m \left[ x'_j \in \bigcup_i B_k(x_i) \right],
        \qquad
        R = \frac{1}{n} \sum_{i=1}^n \left[ x_i \in \bigcup_j B_k(x'_j) \right],

    the share of generated rows that look real and that of real rows that could be
    generated. A single outlier has a large ball that counts many rows as its own,
    which :func:`density_coverage` mends.

    Parameters
    ----------
    X, X_generated, features, y, input_shape
        As for :func:`frechet_distance`; no warning for few rows. Only sets of equal
        size compare: balls shrink with more rows.
    n_neighbors : int, default=3
        k, >= 1 and less than the rows of either set (Kynkaanniemi et al., with
        50 000 rows).
    random_state : int, RandomState instance or None, default=None
        Seeds the features.

    Returns
    -------
    ImprovedPrecisionRecall
        ``precision`` and ``recall``.

    References
    ----------
    Kynkaanniemi et al.: Improved precision and recall metric for assessing generative
    models, NeurIPS 2019, equations 1 and 2.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import improved_precision_recall
    >>> X = [[0.0], [1.0], [2.0], [10.0], [11.0]]
    >>> improved_precision_recall(X, [[0.5], [1.5], [6.0]], n_neighbors=1)
    ImprovedPrecisionRecall(precision=0.6666666666666666, recall=0.8)
    """
    settings = {"y": y, "input_shape": input_shape, "random_state": random_state}
    real, generated = _centred(X, X_generated, features=features, **settings)
    radii = [
        _radii(rows, n_neighbors, name)
        for name, rows in (("X", real), ("X_generated", generated))
    ]
    precision = _number_of_balls(real, radii[0], generated) > 0
    recall = _number_of_balls(generated, radii[1], real) > 0
    return ImprovedPrecisionRecall(float(precision.mean()), float(recall.mean()))


def density_coverage(
    X: ArrayLike,
    X_generated: ArrayLike,
    *,
    features: str | Callable[[NDArray], ArrayLike] = "identity",
    y: ArrayLike | None = None,
    input_shape: tuple[int, ...] | None = None,
    n_neighbors: int = 5,
    random_state: int | np.random.RandomState | None = None,
) -> DensityCoverage:
    r"""Density and coverage of generated data, by the real neighbours' balls.

    With the balls :math:`B_k(x_i)` around the real rows that reach as far as their
    k-th nearest real neighbour,

    .. math::
        D = \frac{1}{k m} \sum_{j=1}^m \sum_{i=1}^n
        \left[ x'_j \in B_k(x_i) \right],
        \qquad
        C = \frac{1}{n} \sum_{i=1}^n \left[ \exists j: x'_j \in B_k(x_i) \right].

    For two samples of one distribution D has the mean 1, and C the mean

    .. math::
        1 - \prod_{l=1}^k \frac{n - l}{n + m - l},

    whatever the distribution: about 0.97 for k = 5 and n = m.

    Parameters
    ----------
    X, X_generated, features, y, input_shape
        As for :func:`frechet_distance`; no warning for few rows. Coverages compare
        for equal numbers of rows.
    n_neighbors : int, default=5
        k, >= 1 and less than the rows of X (Naeem et al., with 10 000 rows). The
        balls are closed; of rows repeated k times, whose ball is a point, their code
        counts none.
    random_state : int, RandomState instance or None, default=None
        Seeds the features.

    Returns
    -------
    DensityCoverage
        ``density``, >= 0, may exceed 1 where generated rows crowd around dense real
        ones; ``coverage`` is in [0, 1].

    References
    ----------
    Naeem et al.: Reliable fidelity and diversity metrics for generative models, ICML
    2020, section 3.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import density_coverage
    >>> X = [[0.0], [1.0], [2.0], [10.0], [11.0]]
    >>> density_coverage(X, [[0.5], [1.5], [6.0]], n_neighbors=1)
    DensityCoverage(density=1.3333333333333333, coverage=0.6)
    """
    settings = {"y": y, "input_shape": input_shape, "random_state": random_state}
    real, generated = _centred(X, X_generated, features=features, **settings)
    radii = _radii(real, n_neighbors, "X")
    n_inside, n_covered = 0, 0
    for inside in _in_balls(real, radii, generated):
        n_inside += int(inside.sum())
        n_covered += int(inside.any(axis=1).sum())
    density = n_inside / (n_neighbors * len(generated))
    return DensityCoverage(density, n_covered / len(real))


def _centred(
    X: ArrayLike, X_generated: ArrayLike, **settings: Any
) -> tuple[NDArray, NDArray]:
    """Return features less their real mean, of which distances lose no digits."""
    real, generated = extract_features(X, X_generated, **settings)
    mean = real.mean(axis=0)
    return real - mean, generated - mean


def _radii(rows: NDArray, n_neighbors: int, name: str) -> NDArray:
    """Return the distance of each row from its k-th nearest other row."""
    check_counts(n_neighbors=n_neighbors)
    if n_neighbors >= len(rows):
        raise ValueError(
            f"n_neighbors={n_neighbors} must be less than the {len(rows)} rows of "
            f"{name}; lower it or give more rows."
        )
    neighbors = NearestNeighbors(n_neighbors=n_neighbors).fit(rows)
    return neighbors.kneighbors()[0][:, -1]


def _in_balls(centres: NDArray, radii: NDArray, rows: NDArray) -> Iterator[NDArray]:
    """Yield which rows are in the balls of some centres, (n_centres, n_rows)."""
    start = 0
    for distances in pairwise_distances_chunked(centres, rows):
        stop = start + len(distances)
        yield distances <= radii[start:stop, None]
        start = stop


def _number_of_balls(centres: NDArray, radii: NDArray, rows: NDArray) -> NDArray:
    """Return in how many balls each row is."""
    return sum(inside.sum(axis=0) for inside in _in_balls(centres, radii, rows))
