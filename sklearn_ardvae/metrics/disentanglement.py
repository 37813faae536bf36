"""Disentanglement from groups of codes that share the value of one factor."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_scalar

from ..randomness import draw_seed
from ._factors import FactorDraws, check_counts

__all__ = ["beta_vae_score", "factor_vae_score"]


@overload
def factor_vae_score(
    codes: ArrayLike | Callable[[NDArray], ArrayLike],
    factors: ArrayLike,
    *,
    n_train: int = ...,
    n_test: int = ...,
    batch_size: int = ...,
    n_variance: int = ...,
    prune: Literal["relative", "absolute"] = ...,
    prune_threshold: float = ...,
    per_factor: Literal[False] = ...,
    random_state: int | np.random.RandomState | None = ...,
) -> float: ...


@overload
def factor_vae_score(
    codes: ArrayLike | Callable[[NDArray], ArrayLike],
    factors: ArrayLike,
    *,
    n_train: int = ...,
    n_test: int = ...,
    batch_size: int = ...,
    n_variance: int = ...,
    prune: Literal["relative", "absolute"] = ...,
    prune_threshold: float = ...,
    per_factor: Literal[True],
    random_state: int | np.random.RandomState | None = ...,
) -> NDArray[np.float64]: ...


def factor_vae_score(
    codes: ArrayLike | Callable[[NDArray], ArrayLike],
    factors: ArrayLike,
    *,
    n_train: int = 10_000,
    n_test: int = 5_000,
    batch_size: int = 64,
    n_variance: int = 10_000,
    prune: Literal["relative", "absolute"] = "relative",
    prune_threshold: float = 0.05,
    per_factor: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> float | NDArray[np.float64]:
    r"""FactorVAE score: the axis that holds still tells which factor does.

    A vote: draw a factor k, a value of it, and `batch_size` samples with that value;
    the vote goes to the axis

    .. math::
        a = \arg\min_l \;
        \frac{\mathrm{Var}_{\text{batch}}(z_l)}{\mathrm{Var}_{\text{data}}(z_l)},

    both with n - 1 in the denominator. Each axis is assigned the factor of most of
    its training votes; the score is the share of new votes that it gets right.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes) or callable
        The codes of the rows of `factors`: samples that share a value are drawn from
        these rows with replacement. Best are the codes of a complete grid; then the
        other factors are independent of the fixed one. Or a callable, given an array
        (n, n_factors) of factor values with at most 8192 rows (or `batch_size` rows,
        if that is more), that returns their codes (n, n_codes): the values of a
        random row, with one overwritten.
    factors : array-like of shape (n_samples, n_factors)
        Discrete factors; constant ones are left out, with a warning. (Votes for the
        constant colour of dSprites would cap the score at 5/6.)
    n_train, n_test : int, default=10_000, 5_000
        Training votes and votes that are scored, >= 1 (Locatello et al.). The
        standard error of a score p is ``sqrt(p * (1 - p) / n_test)``. Fast: 1000
        and 500.
    batch_size : int, default=64
        Samples of a vote, >= 2 (Locatello et al.; Kim and Mnih have 200).
    n_variance : int, default=10_000
        Random rows, >= 2, that give the variance over the data (Locatello et al.).
    prune : {"relative", "absolute"}, default="relative"
        Axes do not vote if their standard deviation over the data is below
        `prune_threshold`, times that of the widest axis if ``"relative"``. Locatello
        et al. have ``"absolute"``, which supposes that active axes are about as wide
        as a standard normal prior; autoencoders without such a prior have any scale.
    prune_threshold : float, default=0.05
        >= 0 (Locatello et al.). Constant axes never vote.
    per_factor : bool, default=False
        Whether to return the share of right votes for each column of `factors`.
    random_state : int, RandomState instance or None, default=None
        Draws the samples.

    Returns
    -------
    float or ndarray of shape (n_factors,)
        Score in [0, 1], higher is better. Chance is about 1 / n_factors; 0 if no axis
        is left to vote. Of each factor, NaN for one that is constant or has no vote.

    References
    ----------
    Kim, Mnih: Disentangling by factorising, ICML 2018, section 4. Locatello et al.,
    ICML 2019, appendix C.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import factor_vae_score
    >>> factors = [[i, j] for i in range(3) for j in range(4)]
    >>> factor_vae_score(factors, factors, n_train=100, n_test=100, random_state=0)
    1.0
    """
    check_counts(n_train=n_train, n_test=n_test)
    check_scalar(n_variance, "n_variance", Integral, min_val=2)
    check_scalar(batch_size, "batch_size", Integral, min_val=2)
    check_scalar(prune_threshold, "prune_threshold", Real, min_val=0.0)
    if prune not in ("relative", "absolute"):
        raise ValueError(f"prune must be 'relative' or 'absolute'; got {prune!r}.")
    rng = np.random.default_rng(draw_seed(random_state))
    draws = FactorDraws(codes, factors, rng)
    width = draws.random(n_variance).std(axis=0, ddof=1)
    least = prune_threshold * (width.max(initial=0.0) if prune == "relative" else 1.0)
    kept = (width >= least) & (width > 0.0)
    if not kept.any():
        zeros = np.zeros(draws.n_factors)
        return draws.factors.at_columns(zeros) if per_factor else 0.0

    def votes(n: int) -> NDArray:
        """Return a table (n_factors, n_kept) of how often an axis got the vote."""
        table = np.zeros((draws.n_factors, np.count_nonzero(kept)), dtype=np.intp)
        for k, n_votes in enumerate(_share_out(n, draws.n_factors, rng)):
            for group in draws.groups(k, n_votes, batch_size):
                spread = group[..., kept].var(axis=1, ddof=1) / width[kept] ** 2
                table[k] += np.bincount(spread.argmin(1), minlength=table.shape[1])
        return table

    assigned = votes(n_train).argmax(axis=0)
    table = votes(n_test)
    right = np.where(assigned == np.arange(draws.n_factors)[:, None], table, 0)
    if per_factor:
        n_votes = table.sum(axis=1)
        return draws.factors.at_columns(_share(right.sum(axis=1), n_votes))
    return float(right.sum() / n_test)


@overload
def beta_vae_score(
    codes: ArrayLike | Callable[[NDArray], ArrayLike],
    factors: ArrayLike,
    *,
    n_train: int = ...,
    n_test: int = ...,
    batch_size: int = ...,
    standardize: bool = ...,
    per_factor: Literal[False] = ...,
    random_state: int | np.random.RandomState | None = ...,
) -> float: ...


@overload
def beta_vae_score(
    codes: ArrayLike | Callable[[NDArray], ArrayLike],
    factors: ArrayLike,
    *,
    n_train: int = ...,
    n_test: int = ...,
    batch_size: int = ...,
    standardize: bool = ...,
    per_factor: Literal[True],
    random_state: int | np.random.RandomState | None = ...,
) -> NDArray[np.float64]: ...


def beta_vae_score(
    codes: ArrayLike | Callable[[NDArray], ArrayLike],
    factors: ArrayLike,
    *,
    n_train: int = 10_000,
    n_test: int = 5_000,
    batch_size: int = 64,
    standardize: bool = True,
    per_factor: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> float | NDArray[np.float64]:
    r"""beta-VAE score: a linear classifier tells which factor pairs share.

    A point: draw a factor k and `batch_size` pairs of samples, the two of a pair
    having the same value of k and else independent; the features of the point are
    the means over the pairs of :math:`|z_l - z'_l|`, its label is k. The score is the
    accuracy of logistic regression on new points.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes) or callable
        As for :func:`factor_vae_score`.
    factors : array-like of shape (n_samples, n_factors)
        Discrete factors; constant ones are left out, with a warning. At least two
        must vary.
    n_train, n_test : int, default=10_000, 5_000
        Points that are learned from and that are scored, >= 1 (Locatello et al.).
        Fast: 1000 and 500.
    batch_size : int, default=64
        Pairs behind a point, >= 1 (Locatello et al.).
    standardize : bool, default=True
        Whether to divide each feature by its mean over the training points, so that
        the scale of the codes does not matter. The reference does not (False), which
        suits codes about as wide as a standard normal prior: the penalty of the
        regression (C = 1) then has a meaning.
    per_factor : bool, default=False
        Whether to return the accuracy on the points of each column of `factors`.
    random_state : int, RandomState instance or None, default=None
        Draws the samples.

    Returns
    -------
    float or ndarray of shape (n_factors,)
        Accuracy in [0, 1], higher is better; about 1 / n_factors for random codes, 0
        for constant ones. Of each factor, NaN for one that is constant or has no
        point.

    References
    ----------
    Higgins et al.: beta-VAE, ICLR 2017, section 3. Locatello et al., ICML 2019,
    appendix C.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import beta_vae_score
    >>> factors = [[i, j] for i in range(3) for j in range(4)]
    >>> beta_vae_score(factors, factors, n_train=100, n_test=100, random_state=0)
    1.0
    """
    check_counts(n_train=n_train, n_test=n_test, batch_size=batch_size)
    rng = np.random.default_rng(draw_seed(random_state))
    draws = FactorDraws(codes, factors, rng)
    if draws.n_factors < 2:
        raise ValueError(
            "beta_vae_score tells factors apart and needs two columns of factors that "
            f"vary; got {draws.n_factors}."
        )

    def points(n: int) -> tuple[NDArray, NDArray]:
        shared_out = _share_out(n, draws.n_factors, rng)
        features = [
            np.abs(one - other).mean(axis=1)
            for k, n_points in enumerate(shared_out)
            for one, other in draws.pairs(k, n_points, batch_size)
        ]
        return np.concatenate(features), np.repeat(range(draws.n_factors), shared_out)

    (train, train_labels), (test, test_labels) = points(n_train), points(n_test)
    scale = train.mean(axis=0)
    if not np.any(scale > 0.0):
        zeros = np.zeros(draws.n_factors)
        return draws.factors.at_columns(zeros) if per_factor else 0.0
    if len(np.unique(train_labels)) < 2:
        raise ValueError(
            f"All n_train={n_train} points are of one factor; raise n_train."
        )
    if standardize:
        scale[scale == 0.0] = 1.0
        train, test = train / scale, test / scale
    # More iterations than the 100 of scikit-learn, so that the optimum is reached.
    classifier = LogisticRegression(max_iter=1000).fit(train, train_labels)
    if per_factor:
        right = classifier.predict(test) == test_labels
        counts = [
            np.bincount(labels, minlength=draws.n_factors)
            for labels in (test_labels[right], test_labels)
        ]
        return draws.factors.at_columns(_share(*counts))
    return float(classifier.score(test, test_labels))


def _share_out(n: int, n_factors: int, rng: np.random.Generator) -> NDArray:
    """Return how many of n uniform draws of a factor fall to each."""
    return rng.multinomial(n, np.full(n_factors, 1.0 / n_factors))


def _share(part: NDArray, whole: NDArray) -> NDArray:
    """Return part / whole, NaN where both are 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
