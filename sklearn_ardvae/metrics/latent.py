"""The shape of latent codes: which axes are in use, and how correlated they are."""

from __future__ import annotations

from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import entropy
from sklearn.utils.validation import check_scalar

from .._warnings import warn
from ._factors import check_codes

__all__ = [
    "active_units",
    "average_off_diagonal_covariance",
    "axis_kl",
    "latent_decorrelation",
    "latent_entropy",
]


def axis_kl(
    mean: ArrayLike,
    log_variance: ArrayLike,
    *,
    prior_variance: ArrayLike | None = None,
) -> NDArray[np.float64]:
    r"""Mean KL divergence of each axis' posterior from its prior, in nats.

    .. math::
        \frac1n \sum_i \tfrac12 \left[
        \frac{\mu_{il}^2 + \sigma_{il}^2}{\hat\sigma_l^2} - 1
        - \log \frac{\sigma_{il}^2}{\hat\sigma_l^2} \right]

    Parameters
    ----------
    mean, log_variance : array-like of shape (n_samples, n_codes)
        Means and logarithms of the variances of Gaussian posteriors.
    prior_variance : array-like of shape (n_codes,), default=None
        Variances of the Gaussian prior of mean 0, > 0; 1 by default.

    Returns
    -------
    ndarray of shape (n_codes,)
        Divergences in nats, >= 0, a mean over samples; their sum is the KL term of
        the evidence.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import axis_kl
    >>> axis_kl([[1.0, 0.0]], [[0.0, 0.0]])
    array([0.5, 0. ])
    """
    mean = check_codes(mean, "mean")
    log_variance = check_codes(log_variance, "log_variance")
    if mean.shape != log_variance.shape:
        raise ValueError(
            f"mean has shape {mean.shape}, log_variance {log_variance.shape}; they "
            "must be equal."
        )
    prior = _check_prior(prior_variance, mean.shape[1])
    log_ratio = log_variance - np.log(prior)
    # expm1, because 1 + x - exp(x) loses all digits where the posterior is the prior.
    terms = np.square(mean) / prior + np.expm1(log_ratio) - log_ratio
    return 0.5 * terms.mean(axis=0)


def active_units(
    codes: ArrayLike,
    *,
    log_variance: ArrayLike | None = None,
    prior_variance: ArrayLike | None = None,
    threshold: float = 0.01,
) -> int:
    r"""Count the axes whose mean code depends on the data.

    Axis l is active if :math:`\mathrm{Var}_x(\mu_l(x)) / \hat\sigma_l^2` exceeds the
    threshold or, given `log_variance`, if its :func:`axis_kl` does.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Posterior means of at least two samples, or codes.
    log_variance : array-like of shape (n_samples, n_codes), default=None
        Logarithms of the posterior variances, to count by divergence.
    prior_variance : array-like of shape (n_codes,), default=None
        Variances of the prior, > 0; 1 by default. Pass ``prior_variance_`` of a model
        that learns them: without it, the variance of codes of free scale means
        nothing.
    threshold : float, default=0.01
        >= 0; a variance relative to the prior's, or nats. 0.01 is the setting of
        Burda et al. for the variance.

    Returns
    -------
    int
        Number of active axes.

    References
    ----------
    Burda, Grosse, Salakhutdinov: Importance weighted autoencoders, ICLR 2016,
    section 5.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import active_units
    >>> active_units([[0.0, 1.0], [0.01, -1.0], [0.0, 3.0]])
    1
    """
    check_scalar(threshold, "threshold", Real, min_val=0.0)
    codes = check_codes(codes, min_rows=2)
    if log_variance is not None:
        evidence = axis_kl(codes, log_variance, prior_variance=prior_variance)
    else:
        prior = _check_prior(prior_variance, codes.shape[1])
        evidence = codes.var(axis=0, ddof=1) / prior
    return int(np.count_nonzero(evidence > threshold))


def _check_prior(prior_variance: ArrayLike | None, n_codes: int) -> NDArray:
    if prior_variance is None:
        return np.ones(n_codes)
    prior = np.asarray(prior_variance, dtype=np.float64)
    if prior.shape != (n_codes,) or not np.all((prior > 0.0) & np.isfinite(prior)):
        raise ValueError(
            f"prior_variance must hold {n_codes} finite numbers > 0, one for each "
            f"column of codes; got {prior_variance!r}."
        )
    return prior


def average_off_diagonal_covariance(
    codes: ArrayLike, *, components: ArrayLike | None = None
) -> float:
    r"""Mean absolute covariance of two different axes.

    .. math:: \frac{1}{L (L - 1)} \sum_{i \neq j} |C_{ij}|

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Codes of at least two samples, of test data in the LMGAE paper, and there
        after the mask.
    components : array-like of int or bool, default=None
        The axes that count, those that are not masked; all by default.

    Returns
    -------
    float
        >= 0, lower is better, in squared units of the codes; 0 for fewer than two
        axes. The paper does not say whether values are absolute; the mean of signed
        ones would be nearly 0 by cancellation.

    References
    ----------
    Mondal et al.: MaskAAE: Latent space optimization for adversarial auto-encoders,
    arXiv 1912.04564.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import average_off_diagonal_covariance
    >>> average_off_diagonal_covariance([[0.0, 1.0], [1.0, 0.0]])
    0.5
    """
    codes = check_codes(codes, min_rows=2)
    if components is not None:
        components = np.asarray(components)
        try:
            codes = codes[:, components]
        except IndexError as error:
            raise ValueError(
                f"components={components!r} do not index the {codes.shape[1]} columns "
                "of codes."
            ) from error
    return _off_diagonal(_covariance(codes)) / max(
        1, codes.shape[1] * (codes.shape[1] - 1)
    )


def latent_entropy(codes: ArrayLike) -> float:
    r"""Entropy of how the variance is shared out among the axes.

    .. math:: -\sum_l p_l \log p_l, \qquad p_l = C_{ll} / \mathrm{tr}\, C

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Codes of at least two samples.

    Returns
    -------
    float
        Nats, from 0 (one axis varies) to log n_codes (all equally). 0, with a
        warning, if no axis varies.

    References
    ----------
    The evaluation of the Normal-Gamma VAE (NGVAE), on 15 axes.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import latent_entropy
    >>> round(latent_entropy([[1, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]]), 4)
    0.6931
    """
    variance = check_codes(codes, min_rows=2).var(axis=0)
    if _is_constant(variance):
        return 0.0
    return float(entropy(variance))


def latent_decorrelation(
    codes: ArrayLike, *, reduction: Literal["mean", "sum"] = "mean"
) -> float:
    r"""Variance of the axes over the covariance between them.

    .. math::
        \text{sum: } \frac{\mathrm{tr}\, C}{\sum_{i \neq j} |C_{ij}|}, \qquad
        \text{mean: } \frac{(L - 1)\, \mathrm{tr}\, C}{\sum_{i \neq j} |C_{ij}|}

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Codes of at least two samples.
    reduction : {"mean", "sum"}, default="mean"
        Whether to divide means or sums of the entries. The paper says sums, of which
        sign it does not; its numbers suit means of absolute values.

    Returns
    -------
    float
        > 0, higher is better; infinity for uncorrelated axes and for a single one; 0,
        with a warning, if no axis varies.

    References
    ----------
    The evaluation of the Normal-Gamma VAE (NGVAE).

    Examples
    --------
    >>> from sklearn_ardvae.metrics import latent_decorrelation
    >>> codes = [[0.0, 0.0], [2.0, 1.0], [0.0, 1.0], [2.0, 2.0]]
    >>> round(latent_decorrelation(codes), 6)
    1.5
    """
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum'; got {reduction!r}.")
    covariance = _covariance(check_codes(codes, min_rows=2))
    if _is_constant(np.diag(covariance)):
        return 0.0
    off_diagonal = _off_diagonal(covariance)
    if off_diagonal == 0.0:
        return float("inf")
    n_pairs = len(covariance) - 1 if reduction == "mean" else 1
    return float(n_pairs * np.trace(covariance) / off_diagonal)


def _covariance(codes: NDArray) -> NDArray:
    if codes.shape[1] == 0:
        return np.zeros((0, 0))
    return np.atleast_2d(np.cov(codes.T))


def _off_diagonal(covariance: NDArray) -> float:
    absolute = np.abs(covariance)
    np.fill_diagonal(absolute, 0.0)
    return float(absolute.sum())


def _is_constant(variance: NDArray) -> bool:
    """Whether no axis varies; warns if so."""
    if np.any(variance > 0.0):
        return False
    warn(
        "No column of codes varies; the value is 0 by definition.",
    )
    return True
