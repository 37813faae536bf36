"""Mutual information between latent axes and factors, and the gap in it."""

from __future__ import annotations

from numbers import Integral
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from sklearn.utils.validation import check_scalar

from .._warnings import warn
from ..randomness import draw_seed
from ._factors import Factors, check_codes, check_counts, check_representation

__all__ = ["mutual_info_gap", "mutual_information_matrix"]

# Numbers in one block of log densities.
_BLOCK = 2**22


def mutual_information_matrix(
    codes: ArrayLike, factors: ArrayLike, *, n_bins: int = 20
) -> NDArray[np.float64]:
    r"""Mutual information of each binned axis with each factor, in nats.

    .. math::
        I_{lk} = \sum_{b, v} p_{bv} \log \frac{p_{bv}}{p_b \, p_v}

    with p the relative frequencies in the table of bins of axis l by values of
    factor k. The estimate is biased upwards by about
    ``(n_bins - 1) * (n_values - 1) / (2 * n_samples)``.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Codes, finite. Each axis is cut into bins of equal width between its
        smallest and its largest value; a constant axis informs about nothing.
    factors : array-like of shape (n_samples, n_factors)
        Discrete factors, of any type; constant ones are left out, with a warning.
    n_bins : int, default=20
        Bins of an axis, >= 1; 20 is the setting of Locatello et al.

    Returns
    -------
    ndarray of shape (n_codes, n_factors)
        Information in nats, >= 0.

    References
    ----------
    Locatello et al.: Challenging common assumptions in the unsupervised learning of
    disentangled representations, ICML 2019, appendix C.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import mutual_information_matrix
    >>> codes = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> mutual_information_matrix(codes, [[0], [0], [1], [1]]).round(3)
    array([[0.693],
           [0.   ]])
    """
    check_scalar(n_bins, "n_bins", Integral, min_val=1)
    codes, table = check_representation(codes, factors)
    return information_of(codes, table.classes, table.sizes, n_bins)


def information_of(
    codes: NDArray, classes: NDArray, sizes: tuple[int, ...], n_bins: int
) -> NDArray:
    """Return the mutual information of axes and factors in nats.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_codes)
    classes : ndarray of int of shape (n_samples, n_factors)
    sizes : tuple of int
        Classes of each factor.
    n_bins : int
        Bins of each axis, of equal width.

    Returns
    -------
    ndarray of shape (n_codes, n_factors)
    """
    bins = binned(codes, n_bins)
    information = np.empty((codes.shape[1], len(sizes)))
    for k, size in enumerate(sizes):
        for axis in range(codes.shape[1]):
            cells = bins[:, axis] * size + classes[:, k]
            counts = np.bincount(cells, minlength=n_bins * size)
            information[axis, k] = _information(counts.reshape(n_bins, size))
    return information


def binned(values: NDArray, n_bins: int) -> NDArray[np.intp]:
    """Return the bins of values, of equal width between the extremes of a column.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_columns)
    n_bins : int

    Returns
    -------
    ndarray of int of shape (n_samples, n_columns)
        From 0 to n_bins - 1; 0 in a constant column.
    """
    bins = np.zeros(values.shape, dtype=np.intp)
    for index, column in enumerate(values.T):
        if column.min() < column.max():
            edges = np.linspace(column.min(), column.max(), n_bins + 1)
            bins[:, index] = np.searchsorted(edges[1:-1], column, side="right")
    return bins


def _information(counts: NDArray) -> float:
    joint = counts / counts.sum()
    independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    seen = joint > 0
    information = np.sum(joint[seen] * np.log(joint[seen] / independent[seen]))
    # Rounding leaves an independent table a little below 0.
    return max(float(information), 0.0)


def factor_entropy(classes: NDArray, sizes: tuple[int, ...]) -> NDArray:
    """Return the entropy of each factor in nats.

    Parameters
    ----------
    classes : ndarray of int of shape (n_samples, n_factors)
    sizes : tuple of int
        Classes of each factor.

    Returns
    -------
    ndarray of shape (n_factors,)
    """
    entropies = []
    for column, size in zip(classes.T, sizes, strict=True):
        share = np.bincount(column, minlength=size) / len(column)
        share = share[share > 0]
        entropies.append(-np.sum(share * np.log(share)))
    return np.array(entropies)


@overload
def mutual_info_gap(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    method: Literal["binned", "gaussian_mixture"] = ...,
    log_variance: ArrayLike | None = ...,
    n_bins: int = ...,
    n_samples: int | None = ...,
    per_factor: Literal[False] = ...,
    random_state: int | np.random.RandomState | None = ...,
) -> float: ...


@overload
def mutual_info_gap(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    method: Literal["binned", "gaussian_mixture"] = ...,
    log_variance: ArrayLike | None = ...,
    n_bins: int = ...,
    n_samples: int | None = ...,
    per_factor: Literal[True],
    random_state: int | np.random.RandomState | None = ...,
) -> NDArray[np.float64]: ...


def mutual_info_gap(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    method: Literal["binned", "gaussian_mixture"] = "binned",
    log_variance: ArrayLike | None = None,
    n_bins: int = 20,
    n_samples: int | None = 10_000,
    per_factor: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> float | NDArray[np.float64]:
    r"""Mutual information gap (MIG): each factor is told by one axis only.

    .. math::
        \mathrm{MIG} = \frac1K \sum_k
        \frac{I_{(1)k} - I_{(2)k}}{H(v_k)}

    with :math:`I_{(1)k}` and :math:`I_{(2)k}` the largest and the second largest
    information that an axis has about factor k (0 where there is one axis only).

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Codes; for ``"gaussian_mixture"`` the posterior means.
    factors : array-like of shape (n_samples, n_factors)
        Discrete factors; constant ones are left out, with a warning. (Chen et al.
        also leave out the shape of dSprites: pass the columns you want.)
    method : {"binned", "gaussian_mixture"}, default="binned"
        ``"binned"``: information of axes cut into `n_bins`, the form of Locatello et
        al. ``"gaussian_mixture"``: :math:`I_{lk} = H(z_l) - H(z_l | v_k)`, where z is
        drawn from the posteriors and its density is the mixture of the posteriors of
        all rows, or of the rows with a value of the factor, the form of Chen et al.;
        negative estimates count as 0. Its cost grows as n_samples times the number
        of rows.
    log_variance : array-like of shape (n_samples, n_codes), default=None
        Logarithms of the posterior variances, for ``"gaussian_mixture"`` only; of an
        estimator of this package ``2 * np.log(model.code_posterior(X).std)``.
    n_bins : int, default=20
        Bins of an axis, >= 1, for ``"binned"`` only (Locatello et al.).
    n_samples : int or None, default=10_000
        Rows drawn at random from those given, without replacement; the number of
        both papers. ``"gaussian_mixture"`` evaluates the density at so many draws,
        but mixes the posteriors of all rows. None takes all rows, and so do fewer
        rows. Fast: 2000, at the price of a larger bias of the information.
    per_factor : bool, default=False
        Whether to return the gap of each column of `factors` rather than their mean.
    random_state : int, RandomState instance or None, default=None
        Draws the rows and the posterior samples.

    Returns
    -------
    float or ndarray of shape (n_factors,)
        Score in [0, 1], higher is better; 1 if each factor is known from one axis
        and no other axis knows of it, 0 for constant codes. (An estimate of
        ``"gaussian_mixture"`` may exceed 1 by its sampling error.) Of each factor,
        NaN for one that is constant.

    References
    ----------
    Chen et al.: Isolating sources of disentanglement in variational autoencoders,
    NeurIPS 2018, equation 6. Locatello et al., ICML 2019, appendix C.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import mutual_info_gap
    >>> factors = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> mutual_info_gap(factors, factors)
    1.0
    """
    check_counts(n_bins=n_bins)
    if n_samples is not None:
        check_counts(n_samples=n_samples)
    codes, table = check_representation(codes, factors)
    rng = np.random.default_rng(draw_seed(random_state))
    rows = np.arange(len(codes))
    if n_samples is not None and n_samples < len(rows):
        rows = rng.choice(len(rows), n_samples, replace=False)
    classes = table.take(rows)
    if method == "binned":
        _refuse(log_variance)
        information = information_of(codes[rows], classes, table.sizes, n_bins)
    elif method == "gaussian_mixture":
        log_variance = _check_log_variance(log_variance, codes)
        z = rng.standard_normal((len(rows), codes.shape[1]))
        z = codes[rows] + np.exp(0.5 * log_variance[rows]) * z
        information = _mixture_information(z, classes, codes, log_variance, table)
    else:
        raise ValueError(
            f"method must be 'binned' or 'gaussian_mixture'; got {method!r}."
        )
    entropy = factor_entropy(classes, table.sizes)
    if np.any(entropy == 0.0):
        warn(
            f"A factor is constant in the n_samples={n_samples} rows that were drawn "
            "and left out; draw more.",
        )
    ranked = np.sort(np.vstack([np.zeros(len(entropy)), information]), axis=0)
    gaps = np.full(len(entropy), np.nan)
    np.divide(ranked[-1] - ranked[-2], entropy, out=gaps, where=entropy > 0.0)
    if per_factor:
        return table.at_columns(gaps)
    gaps = gaps[entropy > 0.0]
    return float(np.mean(gaps)) if len(gaps) else 0.0


def _refuse(log_variance: object) -> None:
    if log_variance is not None:
        raise ValueError(
            "log_variance is for method='gaussian_mixture'; leave it out for 'binned'."
        )


def _check_log_variance(log_variance: ArrayLike | None, codes: NDArray) -> NDArray:
    if log_variance is None:
        raise ValueError(
            "method='gaussian_mixture' needs log_variance=, the logarithms of the "
            "posterior variances of codes."
        )
    checked = check_codes(log_variance, "log_variance")
    if checked.size == 0:
        return np.zeros_like(codes)
    if checked.shape != codes.shape:
        raise ValueError(
            f"log_variance has shape {checked.shape}, codes {codes.shape}; they must "
            "be equal."
        )
    return checked


def _mixture_information(
    z: NDArray,
    classes: NDArray,
    mean: NDArray,
    log_variance: NDArray,
    table: Factors,
) -> NDArray:
    """Return H(z_l) - H(z_l | v_k) of draws z, clipped at 0."""
    marginal = _mean_log_density(z, mean, log_variance)
    information = np.zeros((z.shape[1], len(table.sizes)))
    for k, size in enumerate(table.sizes):
        conditional = np.zeros(z.shape[1])
        for value in range(size):
            drawn, rows = classes[:, k] == value, table.classes[:, k] == value
            if drawn.any():
                density = _mean_log_density(z[drawn], mean[rows], log_variance[rows])
                conditional += drawn.mean() * density
        information[:, k] = conditional - marginal
    return np.maximum(information, 0.0)


def _mean_log_density(z: NDArray, mean: NDArray, log_variance: NDArray) -> NDArray:
    """Return the mean over draws z of the log mixture density of each axis."""
    total = np.zeros(z.shape[1])
    block = max(1, _BLOCK // len(mean))
    scale = np.exp(-0.5 * log_variance)
    for axis in range(z.shape[1]):
        shift = -0.5 * (log_variance[:, axis] + np.log(2 * np.pi)) - np.log(len(mean))
        for start in range(0, len(z), block):
            distance = z[start : start + block, axis, None] - mean[:, axis]
            distance *= scale[:, axis]
            log_density = shift - 0.5 * np.square(distance)
            total[axis] += logsumexp(log_density, axis=1).sum()
    return total / len(z)
