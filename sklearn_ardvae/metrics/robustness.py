"""Interventional robustness: an axis stays put while other factors change."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_scalar

from ..randomness import draw_seed
from ._factors import check_counts, check_representation
from .information import binned

__all__ = ["InterventionalRobustness", "interventional_robustness"]


@dataclass(frozen=True)
class InterventionalRobustness:
    """What :func:`interventional_robustness` finds.

    Parameters
    ----------
    score : float
        At most 1, higher is better; 0 for constant codes.
    matrix : ndarray of shape (n_codes, n_varying)
        Robustness of each axis when a factor that varies is held; 0 for a constant
        axis.
    score_per_code : ndarray of shape (n_codes,)
        The largest of each row; `score` is their mean, weighted by how far the axes
        deviate from their means.
    factor_of_code : ndarray of int of shape (n_codes,)
        The column of the factors of which it is the largest; -1 for a constant axis.
    """

    score: float
    matrix: NDArray[np.float64]
    score_per_code: NDArray[np.float64]
    factor_of_code: NDArray[np.intp]


def interventional_robustness(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    quantile: float = 0.99,
    n_bins: int | None = None,
    n_samples: int | None = 10_000,
    random_state: int | np.random.RandomState | None = None,
) -> InterventionalRobustness:
    r"""Interventional robustness score (IRS): a held factor holds an axis.

    With :math:`Q_q` a quantile over rows and the mean over the :math:`|V_k|` values
    of factor k,

    .. math::
        R_{lk} = 1 - \frac{1}{|V_k|} \sum_{v \in V_k}
        \frac{Q_q\left( |z_l - \mathrm{E}[z_l | v]| : v_k = v \right)}{d_l},
        \qquad d_l = \max |z_l - \mathrm{E}[z_l]|,
        \qquad
        \mathrm{IRS} = \frac{\sum_l d_l \max_k R_{lk}}{\sum_l d_l}.

    An axis that depends on one factor has 1, whether or not other axes depend on it
    too. The other factors must be independent of the held one in the rows: best is a
    complete grid.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Codes, finite. Constant axes do not count.
    factors : array-like of shape (n_samples, n_factors)
        Factors; constant ones are left out, with a warning.
    quantile : float, default=0.99
        q, in (0, 1]. The paper has the maximum, 1; its authors' code 0.99, which one
        stray row in a hundred does not change.
    n_bins : int or None, default=None
        Bins of equal width that numeric factors are cut into, >= 1. None takes each
        value as one. Locatello et al. have 20.
    n_samples : int or None, default=10_000
        Rows drawn at random from those given, without replacement (Locatello et
        al.). None takes all rows, and so do fewer rows. Fast: 2000.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.

    Returns
    -------
    InterventionalRobustness
        Random codes have more than 0, for a quantile below 1 or many values.

    References
    ----------
    Suter, Miladinovic, Schoelkopf, Bauer: Robustly disentangled causal mechanisms,
    ICML 2019. Locatello et al.: A sober look at the unsupervised learning of
    disentangled representations, JMLR 21(209), 2020.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import interventional_robustness
    >>> factors = [[i, j] for i in range(3) for j in range(4)]
    >>> interventional_robustness(factors, factors).score
    1.0
    >>> sums = [[i + j] for i in range(3) for j in range(4)]
    >>> interventional_robustness(sums, factors, quantile=1.0).matrix.round(3)
    array([[0.4, 0.6]])
    """
    check_scalar(
        quantile, "quantile", Real, min_val=0, max_val=1, include_boundaries="right"
    )
    if n_bins is not None:
        check_scalar(n_bins, "n_bins", Integral, min_val=1)
    if n_samples is not None:
        check_counts(n_samples=n_samples)
    codes, table = check_representation(codes, factors, discrete=n_bins is None)
    classes = table.classes
    if n_bins is not None:
        classes = binned(table.numbers(f"n_bins={n_bins}"), n_bins)
    if n_samples is not None and n_samples < len(codes):
        rng = np.random.default_rng(draw_seed(random_state))
        rows = rng.choice(len(codes), n_samples, replace=False)
        codes, classes = codes[rows], classes[rows]
    deviation = np.abs(codes - codes.mean(axis=0)).max(axis=0)
    varies = np.ptp(codes, axis=0) > 0.0
    matrix = np.zeros((codes.shape[1], classes.shape[1]))
    score_per_code = np.zeros(codes.shape[1])
    factor_of_code = np.full(codes.shape[1], -1, dtype=np.intp)
    if not varies.any():
        return InterventionalRobustness(0.0, matrix, score_per_code, factor_of_code)
    for k, column in enumerate(classes.T):
        spread = _mean_deviation(codes[:, varies], column, quantile)
        matrix[varies, k] = 1.0 - spread / deviation[varies]
    score_per_code[varies] = matrix[varies].max(axis=1)
    factor_of_code[varies] = table.columns[matrix[varies].argmax(axis=1)]
    score = np.average(score_per_code[varies], weights=deviation[varies])
    return InterventionalRobustness(
        float(score), matrix, score_per_code, factor_of_code
    )


def _mean_deviation(codes: NDArray, classes: NDArray, quantile: float) -> NDArray:
    """Return the quantile of how far codes are from their class' mean, over classes.

    The mean over classes of each axis, of shape (n_codes,).
    """
    deviations = []
    for value in np.unique(classes):
        group = codes[classes == value]
        distance = np.abs(group - group.mean(axis=0))
        deviations.append(np.quantile(distance, quantile, axis=0))
    return np.mean(deviations, axis=0)
