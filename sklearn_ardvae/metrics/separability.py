"""Separated attribute predictability (SAP): how well single axes predict factors."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.svm import LinearSVC

from ..randomness import draw_seed
from ._factors import check_counts, check_representation, split_rows

__all__ = ["sap_score"]


@overload
def sap_score(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    continuous_factors: bool = ...,
    n_train: int = ...,
    n_test: int = ...,
    standardize: bool = ...,
    per_factor: Literal[False] = ...,
    random_state: int | np.random.RandomState | None = ...,
) -> float: ...


@overload
def sap_score(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    continuous_factors: bool = ...,
    n_train: int = ...,
    n_test: int = ...,
    standardize: bool = ...,
    per_factor: Literal[True],
    random_state: int | np.random.RandomState | None = ...,
) -> NDArray[np.float64]: ...


def sap_score(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    continuous_factors: bool = False,
    n_train: int = 10_000,
    n_test: int = 5_000,
    standardize: bool = True,
    per_factor: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> float | NDArray[np.float64]:
    r"""Separated attribute predictability (SAP): best single axis less second best.

    .. math::
        \mathrm{SAP} = \frac1K \sum_k \left( S_{(1)k} - S_{(2)k} \right),

    with :math:`S_{lk}` how well axis l alone predicts factor k, and the two largest
    of them over l. A second axis that is missing counts as a constant one.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Codes, finite.
    factors : array-like of shape (n_samples, n_factors)
        Factors; constant ones are left out, with a warning. Numbers if continuous.
    continuous_factors : bool, default=False
        False: S is the test accuracy of a linear support vector classifier (C = 0.01,
        balanced classes) on one axis. It separates two values perfectly, but not the
        middle ones of three or more, so that even perfect codes score below 1: two
        equally frequent values give 0.5 at most. True: S is the squared correlation
        over the training rows, 0 where a variance is below 1e-12; perfect codes score
        1. The default is that of Locatello et al.
    n_train, n_test : int, default=10_000, 5_000
        Random rows that are learned from and that are scored, >= 1 (Locatello et
        al.); if there are fewer, all rows in this proportion. Fast: 1000 and 500.
    standardize : bool, default=True
        Whether to give each axis unit variance over the training rows, so that the
        scale of codes does not matter to the classifier. The reference does not
        (False), which suits codes about as wide as a standard normal prior.
    per_factor : bool, default=False
        Whether to return the difference for each column of `factors` rather than
        their mean.
    random_state : int, RandomState instance or None, default=None
        Splits the rows and seeds the classifiers.

    Returns
    -------
    float or ndarray of shape (n_factors,)
        Score in [0, 1], higher is better; 0 for constant codes. Of each factor, NaN
        for one that is constant.

    References
    ----------
    Kumar, Sattigeri, Balakrishnan: Variational inference of disentangled latent
    concepts from unlabeled observations, ICLR 2018, section 3. Locatello et al.,
    ICML 2019, appendix C.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import sap_score
    >>> factors = [[i, j] for i in range(4) for j in range(4)] * 100
    >>> score = sap_score(factors, factors, continuous_factors=True, random_state=0)
    >>> score > 0.99
    True
    """
    check_counts(n_train=n_train, n_test=n_test)
    codes, table = check_representation(codes, factors, discrete=not continuous_factors)
    if codes.shape[1] == 1:
        codes = np.hstack([codes, np.zeros_like(codes)])
    rng = np.random.default_rng(draw_seed(random_state))
    train, test = split_rows(len(codes), n_train, n_test, rng)
    if continuous_factors:
        scores = _squared_correlation(
            codes[train], table.numbers("continuous_factors=True")[train]
        )
    else:
        if standardize:
            width = codes[train].std(axis=0)
            codes = (codes - codes[train].mean(axis=0)) / np.where(width > 0, width, 1)
        scores = np.empty((codes.shape[1], len(table.sizes)))
        for k, labels in table.varying_in(train):
            seed = int(rng.integers(2**31))
            for axis, column in enumerate(codes.T[:, :, None]):
                classifier = LinearSVC(
                    C=0.01, class_weight="balanced", random_state=seed
                ).fit(column[train], labels[train])
                scores[axis, k] = classifier.score(column[test], labels[test])
    ranked = np.sort(scores, axis=0)
    gaps = ranked[-1] - ranked[-2]
    return table.at_columns(gaps) if per_factor else float(np.mean(gaps))


def _squared_correlation(codes: NDArray, factors: NDArray) -> NDArray:
    codes, factors = codes - codes.mean(axis=0), factors - factors.mean(axis=0)
    covariance = codes.T @ factors / len(codes)
    # In this order, so that neither tiny nor huge variances are multiplied.
    variances = [np.mean(np.square(values), axis=0) for values in (codes, factors)]
    widths = [np.sqrt(np.where(v > 1e-12, v, np.inf)) for v in variances]
    return np.square(covariance / widths[0][:, None] / widths[1])
