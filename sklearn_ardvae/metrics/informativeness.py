"""Disentanglement from predictors of factors: DCI, modularity, explicitness."""

from __future__ import annotations

from dataclasses import dataclass, field
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

from .._warnings import warn
from ..randomness import draw_seed
from ._factors import check_counts, check_representation, split_rows
from .information import information_of

__all__ = [
    "DCIScores",
    "ModularityExplicitness",
    "dci_scores",
    "modularity_explicitness",
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
    importance : ndarray of shape (n_codes, n_varying)
        Importance of each axis for the prediction of each factor that varies, >= 0.
    disentanglement_per_code : ndarray of shape (n_codes,)
        :math:`1 - H_K` of each axis; `disentanglement` is their mean, weighted by the
        importance of the axes.
    completeness_per_factor : ndarray of shape (n_factors,)
        :math:`1 - H_L` of each column of the factors, NaN for constant ones;
        `completeness` is their mean, weighted by the importance for the factors.
    informativeness_per_factor : ndarray of shape (n_factors,)
        Accuracy on test rows for each column, NaN for constant ones.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    informativeness_train: float
    importance: NDArray[np.float64]
    disentanglement_per_code: NDArray[np.float64]
    completeness_per_factor: NDArray[np.float64]
    informativeness_per_factor: NDArray[np.float64]


@dataclass(frozen=True)
class ModularityExplicitness:
    """What :func:`modularity_explicitness` finds.

    Parameters
    ----------
    modularity : float
        In [0, 1], higher is better; 0 for constant codes.
    explicitness : float
        Area under the curve in [0, 1], higher is better; 0.5 for constant codes.
    modularity_per_code : ndarray of shape (n_codes,)
        Of each axis; `modularity` is their mean.
    explicitness_per_factor : ndarray of shape (n_factors,)
        Of each column of the factors, NaN for constant ones and for those of which no
        value could be scored; `explicitness` is the mean of the others.
    """

    modularity: float
    explicitness: float
    modularity_per_code: NDArray[np.float64] = field(compare=False)
    explicitness_per_factor: NDArray[np.float64] = field(compare=False)


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
    estimator : str or classifier, default="gradient_boosting"
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
    for k, labels in table.varying_in(train):
        classifier = _classifier(estimator, int(rng.integers(2**31)))
        classifier.fit(codes[train], labels[train])
        # A linear classifier may use a constant axis as its intercept.
        importance[:, k] = np.where(varies, _importance(classifier), 0.0)
        accuracy[:, k] = [
            np.mean(classifier.predict(codes[rows]) == labels[rows])
            for rows in (test, train)
        ]
    disentanglement, per_code = _concentration(importance)
    completeness, per_factor = _concentration(importance.T)
    return DCIScores(
        disentanglement,
        completeness,
        float(accuracy[0].mean()),
        float(accuracy[1].mean()),
        importance,
        per_code,
        table.at_columns(per_factor),
        table.at_columns(accuracy[0]),
    )


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


def _concentration(importance: NDArray) -> tuple[float, NDArray]:
    """Return the weighted mean of 1 - entropy of the rows, and that of each row.

    Rows of zeros have 0.
    """
    weights, total = importance.sum(axis=1), importance.sum()
    if importance.shape[1] == 1:
        return float(total > 0.0), np.where(weights > 0.0, 1.0, 0.0)
    # The constant keeps rows of zeros, whose weight is 0, from dividing by zero.
    each = 1.0 - entropy(importance.T + 1e-11, base=importance.shape[1])
    return float(np.sum(weights / total * each)) if total > 0.0 else 0.0, each


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
        for _, labels in table.varying_in(train)
    ]
    if np.all(np.isnan(areas)):
        raise ValueError(
            f"No factor has two values that were learned in the {len(test)} test rows; "
            "raise n_test or give more rows."
        )
    modularity = _modularity(information)
    return ModularityExplicitness(
        float(modularity.sum() / len(modularity)),
        float(np.nanmean(areas)),
        modularity,
        table.at_columns(areas),
    )


def _modularity(information: NDArray) -> NDArray:
    """Return the modularity of each axis, 0 for one that informs about nothing."""
    squared = np.square(information)
    largest = squared.max(axis=1)
    informative = largest > 0.0
    leaked = (squared.sum(axis=1) - largest)[informative] / largest[informative]
    modularity = np.zeros(len(information))
    modularity[informative] = 1.0 - leaked / max(1, information.shape[1] - 1)
    return modularity


def _area_under_curve(
    codes: NDArray, labels: NDArray, train: NDArray, test: NDArray
) -> float:
    """Return the area, averaged over values that test rows have and lack, or NaN."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(codes[train], labels[train])
    probability = classifier.predict_proba(codes[test])
    areas = []
    for column, value in enumerate(classifier.classes_):
        positive = labels[test] == value
        if positive.any() and not positive.all():
            areas.append(roc_auc_score(positive, probability[:, column]))
    if len(areas) < len(classifier.classes_):
        warn(
            f"{len(classifier.classes_) - len(areas)} values of a factor are missing "
            f"among the {len(test)} test rows, or alone there, and are left out of "
            "the explicitness; raise n_test or give more rows.",
        )
    return float(np.mean(areas)) if areas else np.nan
