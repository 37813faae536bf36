"""The dimension that an autoencoder found, beside classical estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted

from ._factors import check_counts

__all__ = ["compare_dimensions", "count_components"]


def count_components(estimator: Any) -> int:
    """Return how many components a fitted estimator kept.

    Parameters
    ----------
    estimator : estimator
        Fitted, with ``n_active_components_`` or ``n_components_``, or a pipeline that
        ends in one.

    Returns
    -------
    int

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_ardvae.metrics import count_components
    >>> count_components(PCA(0.99).fit(np.diag([3.0, 2.0, 0.0])))
    2
    """
    check_is_fitted(estimator)
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    for name in ("n_active_components_", "n_components_"):
        if hasattr(last, name):
            return int(getattr(last, name))
    raise ValueError(
        f"{last!r} has neither n_active_components_ nor n_components_; pass an "
        "autoencoder or a PCA."
    )


def compare_dimensions(
    estimators: Any,
    X: ArrayLike,
    *,
    methods: Sequence[str] | Mapping[str, Any] = ("lPCA", "MLE", "TwoNN"),
    n_samples: int | None = 5000,
    random_state: int | np.random.RandomState | None = None,
) -> dict[str, float]:
    """Put the dimensions that fitted estimators found beside classical estimates.

    Parameters
    ----------
    estimators : estimator or dict of {str: estimator}
        Fitted estimators, see :func:`count_components`.
    X : array-like of shape (n_samples, n_features)
        Data for the classical estimates, those that the estimators were fitted on.
    methods : sequence of str or dict of {str: estimator}, default=("lPCA", "MLE", \
            "TwoNN")
        Names of classes of ``skdim.id``, which are used with their defaults, or
        estimators whose ``fit`` sets ``dimension_``; these are cloned.
    n_samples : int or None, default=5000
        Rows drawn at random from X, since neighbours are slow to find; ours. None
        takes all.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.

    Returns
    -------
    dict of {str: float}
        Dimensions: of the estimators by the name of the dictionary or of the class,
        then of the methods.

    Raises
    ------
    ImportError
        If a method is a name and scikit-dimension is not installed.

    References
    ----------
    Bac et al.: Scikit-dimension, Entropy 23(10), 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_ardvae.metrics import compare_dimensions
    >>> X = np.random.default_rng(0).standard_normal((100, 2)) @ np.ones((2, 5))
    >>> compare_dimensions(PCA(0.99).fit(X), X, methods=())
    {'PCA': 1.0}
    """
    X = check_array(X, dtype=np.float64, input_name="X")
    if n_samples is not None:
        check_counts(n_samples=n_samples)
        if n_samples < len(X):
            rng = check_random_state(random_state)
            X = X[rng.choice(len(X), n_samples, replace=False)]
    if not isinstance(estimators, Mapping):
        estimators = {type(estimators).__name__: estimators}
    found = {name: float(count_components(e)) for name, e in estimators.items()}
    if isinstance(methods, str):
        methods = (methods,)
    if not isinstance(methods, Mapping):
        methods = {name: _classical(name) for name in methods}
    for name, method in methods.items():
        if name in found:
            raise ValueError(f"{name!r} names both an estimator and a method.")
        found[name] = float(clone(method).fit(X).dimension_)
    return found


def _classical(name: str) -> Any:
    try:
        import skdim
    except ImportError as error:
        raise ImportError(
            f"methods={name!r} needs the package scikit-dimension (skdim): "
            "pip install 'sklearn_ardvae[dimension]'. What is missing: "
            f"{error.name or error}."
        ) from error
    if not hasattr(skdim.id, name):
        known = sorted(n for n in vars(skdim.id) if not n.startswith("_"))
        raise ValueError(f"skdim.id has no {name!r}; it has {known}.")
    return getattr(skdim.id, name)()
