"""Disentanglement from predictors of factors: DCI, SAP, modularity, explicitness."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import entropy
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from ..randomness import draw_seed
from ._factors import Factors, check_counts, check_representation, split_rows
from .information import information_of

__all__ = [
    "DCIScores",
    "ModularityExplicitness",
    "dci_scores",
    "modularity_explicitness",
    "sap_score",
]

_ESTIMATORS = {
    "gradient_boosting": GradientBoostingClassifier,
    "random_forest": RandomForestClassifier,
}


@dataclass(frozen=True)
class DCIScores:
    """What :func:`dci_scores` finds.

    Parameters
    ----------
    disentanglement, completeness : float
        In [0, 1], higher is better.
    informativeness : float
        Mean accuracy over the factors on test rows, in [0, 1].
    informativeness_train : float
        The same on training rows.
    importance : ndarray of shape (n_codes, n_factors)
        Importance of each axis for the prediction of each factor, >= 0.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    informativeness_train: float
    importance: NDArray[np.float64]


@dataclass(frozen=True)
class ModularityExplicitness:
    """What :func:`modularity_explicitness` finds.

    Parameters
    ----------
    modularity : float
        In [0, 1], higher is better; 0 for constant codes.
    explicitness : float
        Area under the curve in [0, 1], higher is better; 0.5 for constant codes.
    """

    modularity: float
    explicitness: float


def dci_scores(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    estimator: Any = "gradient_boosting",
    n_train: int = 10_000,
    n_test: int = 5_000,
    random_state: int | np.random.RandomState | None = None,
) -> DCIScores:
    r"""Disentanglement, completeness and informativeness (DCI).

    A classifier of each factor k gives importances :math:`R_{lk}` of the axes. With
    the entropies of rows and columns of R, each divided by its sum,

    .. math::
        D = \sum_l \frac{\sum_k R_{lk}}{\sum R} \left(1 - H_K(R_{l \cdot})\right),
        \qquad
        C = \sum_k \frac{\sum_l R_{lk}}{\sum R} \left(1 - H_L(R_{\cdot k})\right),

    :math:`H_K` to base n_factors, :math:`H_L` to base n_codes. With a single factor D
    is 1, with a single axis C is 1, unless all importances are 0.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Codes, finite.
    factors : array-like of shape (n_samples, n_factors)
        Discrete factors; constant ones are left out, with a warning.
    estimator : {"gradient_boosting", "random_forest"} or classifier, \
            default="gradient_boosting"
        Classifier of a factor from codes, with ``feature_importances_`` or ``coef_``
        (absolute values, summed over classes) once fitted; a constant axis has
        importance 0. ``"gradient_boosting"``,
        scikit-learn's with its defaults, is that of Locatello et al.; it grows 100
        trees for each class, minutes for factors of 40 values. Fast:
        ``"random_forest"``.
    n_train, n_test : int, default=10_000, 5_000
        Random rows that are learned from and that are scored, >= 1 (Locatello et
        al.); if there are fewer, all rows in this proportion. Fast: 1000 and 500.
    random_state : int, RandomState instance or None, default=None
        Splits the rows and seeds the classifiers.

    Returns
    -------
    DCIScores
        Constant codes have disentanglement and completeness 0.

    References
    ----------
    Eastwood, Williams: A framework for the quantitative evaluation of disentangled
    representations, ICLR 2018, section 2. Locatello et al., ICML 2019, appendix C.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import dci_scores
    >>> factors = [[i, j] for i in range(2) for j in range(2)] * 20
    >>> scores = dci_scores(factors, factors, random_state=0)
    >>> round(scores.disentanglement, 3), round(scores.completeness, 3)
    (1.0, 1.0)
    """
    check_counts(n_train=n_train, n_test=n_test)
    codes, table = check_representation(codes, factors)
    rng = np.random.default_rng(draw_seed(random_state))
    train, test = split_rows(len(codes), n_train, n_test, rng)
    importance = np.empty((codes.shape[1], len(table.sizes)))
    accuracy = np.empty((2, len(table.sizes)))
    varies = np.ptp(codes[train], axis=0) > 0.0
    for k, labels in _varying(table, train):
        classifier = _classifier(estimator, int(rng.integers(2**31)))
        classifier.fit(codes[train], labels[train])
        # A linear classifier may use a constant axis as its intercept.
        importance[:, k] = np.where(varies, _importance(classifier), 0.0)
        accuracy[:, k] = [
            np.mean(classifier.predict(codes[rows]) == labels[rows])
            for rows in (test, train)
        ]
    return DCIScores(
        _concentration(importance),
        _concentration(importance.T),
        float(accuracy[0].mean()),
        float(accuracy[1].mean()),
        importance,
    )


def _varying(table: Factors, rows: NDArray) -> Iterator[tuple[int, NDArray]]:
    """Yield index and classes of each factor, if it varies in the training rows."""
    for k, labels in enumerate(table.classes.T):
        if np.all(labels[rows] == labels[rows[0]]):
            raise ValueError(
                f"Column {table.columns[k]} of factors has one value only in the "
                f"{len(rows)} training rows; raise n_train or give more rows."
            )
        yield k, labels


def _classifier(estimator: Any, seed: int) -> Any:
    if isinstance(estimator, str):
        if estimator not in _ESTIMATORS:
            raise ValueError(
                f"estimator must be one of {sorted(_ESTIMATORS)} or a classifier; got "
                f"{estimator!r}."
            )
        return _ESTIMATORS[estimator](random_state=seed)
    classifier = clone(estimator)
    if "random_state" in classifier.get_params():
        classifier.set_params(random_state=seed)
    return classifier


def _importance(classifier: Any) -> NDArray:
    if hasattr(classifier, "feature_importances_"):
        return np.abs(classifier.feature_importances_)
    if hasattr(classifier, "coef_"):
        return np.abs(np.atleast_2d(classifier.coef_)).sum(axis=0)
    raise ValueError(
        f"estimator={classifier!r} has neither feature_importances_ nor coef_ once "
        "fitted; DCI needs importances of the codes: take a random forest, say."
    )


def _concentration(importance: NDArray) -> float:
    """Return the weighted mean of 1 - entropy of the rows, 0 if all are 0."""
    total = importance.sum()
    if total == 0.0:
        return 0.0
    if importance.shape[1] == 1:
        return 1.0
    # The constant keeps rows of zeros, whose weight is 0, from dividing by zero.
    spread = entropy(importance.T + 1e-11, base=importance.shape[1])
    return float(np.sum(importance.sum(axis=1) / total * (1.0 - spread)))


def sap_score(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    continuous_factors: bool = False,
    n_train: int = 10_000,
    n_test: int = 5_000,
    standardize: bool = True,
    random_state: int | np.random.RandomState | None = None,
) -> float:
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
    random_state : int, RandomState instance or None, default=None
        Splits the rows and seeds the classifiers.

    Returns
    -------
    float
        Score in [0, 1], higher is better; 0 for constant codes.

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
        scores = _squared_correlation(codes[train], _numbers(table)[train])
    else:
        if standardize:
            width = codes[train].std(axis=0)
            codes = (codes - codes[train].mean(axis=0)) / np.where(width > 0, width, 1)
        scores = np.empty((codes.shape[1], len(table.sizes)))
        for k, labels in _varying(table, train):
            seed = int(rng.integers(2**31))
            for axis, column in enumerate(codes.T[:, :, None]):
                classifier = LinearSVC(
                    C=0.01, class_weight="balanced", random_state=seed
                ).fit(column[train], labels[train])
                scores[axis, k] = classifier.score(column[test], labels[test])
    ranked = np.sort(scores, axis=0)
    return float(np.mean(ranked[-1] - ranked[-2]))


def _numbers(table: Factors) -> NDArray:
    try:
        return table.table[:, table.columns].astype(np.float64)
    except ValueError as error:
        raise ValueError(
            "continuous_factors=True needs factors that are numbers; got "
            f"{table.table.dtype}."
        ) from error


def _squared_correlation(codes: NDArray, factors: NDArray) -> NDArray:
    codes, factors = codes - codes.mean(axis=0), factors - factors.mean(axis=0)
    covariance = codes.T @ factors / len(codes)
    # In this order, so that neither tiny nor huge variances are multiplied.
    variances = [np.mean(np.square(values), axis=0) for values in (codes, factors)]
    widths = [np.sqrt(np.where(v > 1e-12, v, np.inf)) for v in variances]
    return np.square(covariance / widths[0][:, None] / widths[1])


def modularity_explicitness(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    n_bins: int = 20,
    n_train: int = 10_000,
    n_test: int = 5_000,
    random_state: int | np.random.RandomState | None = None,
) -> ModularityExplicitness:
    r"""Modularity of the axes and explicitness of the factors.

    With the mutual information :math:`I_{lk}` of the binned axes and its maximum
    :math:`I_l` over the factors,

    .. math::
        \text{modularity} = \frac1L \sum_l \left[ 1 -
        \frac{\sum_k I_{lk}^2 - I_l^2}{I_l^2 (K - 1)} \right],

    where an axis that informs about nothing adds 0 (if there is a single factor, any
    other axis adds 1). Explicitness is the area under the curve of one value against
    the rest, averaged over the values of a factor and then over factors, of logistic
    regression on standardised codes.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Codes, finite. Inactive axes pull modularity to a random one: the information
        of a random axis is small but equal for all factors; pass active axes only.
    factors : array-like of shape (n_samples, n_factors)
        Discrete factors; constant ones are left out, with a warning.
    n_bins : int, default=20
        Bins of an axis, >= 1 (Locatello et al.).
    n_train, n_test : int, default=10_000, 5_000
        Random rows that are learned from and that are scored, >= 1 (Locatello et
        al.); if there are fewer, all rows in this proportion. The information is
        that of the training rows. Fast: 1000 and 500.
    random_state : int, RandomState instance or None, default=None
        Splits the rows.

    Returns
    -------
    ModularityExplicitness
        Both in [0, 1], higher is better. A constant representation has modularity 0
        and explicitness 0.5, the area of chance.

    References
    ----------
    Ridgeway, Mozer: Learning deep disentangled embeddings with the F-statistic loss,
    NeurIPS 2018, section 2. Locatello et al., ICML 2019, appendix C.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import modularity_explicitness
    >>> factors = [[i, j] for i in range(2) for j in range(2)] * 20
    >>> scores = modularity_explicitness(factors, factors, random_state=0)
    >>> scores.modularity > 0.99, scores.explicitness
    (True, 1.0)
    """
    check_counts(n_bins=n_bins, n_train=n_train, n_test=n_test)
    codes, table = check_representation(codes, factors)
    rng = np.random.default_rng(draw_seed(random_state))
    train, test = split_rows(len(codes), n_train, n_test, rng)
    information = information_of(codes[train], table.take(train), table.sizes, n_bins)
    areas = [
        _area_under_curve(codes, labels, train, test)
        for _, labels in _varying(table, train)
    ]
    areas = [area for area in areas if area is not None]
    if not areas:
        raise ValueError(
            f"No factor has two values that were learned in the {len(test)} test rows; "
            "raise n_test or give more rows."
        )
    return ModularityExplicitness(_modularity(information), float(np.mean(areas)))


def _modularity(information: NDArray) -> float:
    squared = np.square(information)
    largest = squared.max(axis=1)
    informative = largest > 0.0
    leaked = (squared.sum(axis=1) - largest)[informative] / largest[informative]
    shares = 1.0 - leaked / max(1, information.shape[1] - 1)
    return float(shares.sum() / len(information))


def _area_under_curve(
    codes: NDArray, labels: NDArray, train: NDArray, test: NDArray
) -> float | None:
    """Return the area, averaged over values that test rows have and lack."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(codes[train], labels[train])
    probability = classifier.predict_proba(codes[test])
    areas = []
    for column, value in enumerate(classifier.classes_):
        positive = labels[test] == value
        if positive.any() and not positive.all():
            areas.append(roc_auc_score(positive, probability[:, column]))
    if len(areas) < len(classifier.classes_):
        warnings.warn(
            f"{len(classifier.classes_) - len(areas)} values of a factor are missing "
            f"among the {len(test)} test rows, or alone there, and are left out of "
            "the explicitness; raise n_test or give more rows.",
            UserWarning,
            stacklevel=3,
        )
    return float(np.mean(areas)) if areas else None
