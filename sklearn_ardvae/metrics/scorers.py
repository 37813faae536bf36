"""Scorers of fitted estimators, for ``scoring=`` in scikit-learn's model selection.

Each is called as ``scorer(estimator, X, y=None)``. The estimator may be an
autoencoder of this package, a `PCA`, or a pipeline that ends in one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from ..density import NAMED_DENSITIES, check_density
from ..nn.module import AutoencoderModule
from ..nn.variational import VariationalModule
from ._factors import check_counts
from .dimension import count_components
from .generation import frechet_distance
from .reconstruction import reconstruction_error
from .settings import disentanglement_scores

__all__ = [
    "DisentanglementScorer",
    "FrechetScorer",
    "active_components_scorer",
    "evidence_scorer",
    "frechet_scorer",
    "reconstruction_scorer",
]


def reconstruction_scorer(
    estimator: Any,
    X: ArrayLike,
    y: Any = None,  # noqa: ARG001
) -> float:
    """Return minus the mean squared error of one feature, through ``transform``.

    Parameters
    ----------
    estimator : estimator
        Fitted, with ``transform`` and ``inverse_transform``.
    X : array-like of shape (n_samples, n_features)
        Held-out data.
    y : Ignored

    Returns
    -------
    float
        <= 0, higher is better.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import cross_validate
    >>> from sklearn_ardvae.metrics import (
    ...     active_components_scorer, evidence_scorer, reconstruction_scorer)
    >>> X = np.random.default_rng(0).standard_normal((90, 5))
    >>> scores = cross_validate(PCA(3), X, scoring={
    ...     "reconstruction": reconstruction_scorer,
    ...     "evidence": evidence_scorer,
    ...     "components": active_components_scorer}, cv=3)
    >>> scores["test_components"]
    array([3., 3., 3.])
    """
    reconstructed = estimator.inverse_transform(estimator.transform(X))
    shape = np.shape(reconstructed)
    return -reconstruction_error(np.reshape(np.asarray(X), shape), reconstructed)


def evidence_scorer(
    estimator: Any,
    X: ArrayLike,
    y: Any = None,  # noqa: ARG001
) -> float:
    """Return the mean log-likelihood or its lower bound, the evidence, in nats.

    Parameters
    ----------
    estimator : estimator
        Fitted, with ``score``: a model of the probability of X.
    X : array-like of shape (n_samples, n_features)
        Held-out data.
    y : Ignored

    Returns
    -------
    float
        Nats per sample, higher is better; comparable across weights of the KL term,
        latent sizes and methods.

    Raises
    ------
    ValueError
        If the estimator is an autoencoder without a model of probability, of which
        ``score`` is minus the squared error.
    """
    module = getattr(_last(estimator), "_module", None)
    if isinstance(module, AutoencoderModule) and not isinstance(
        module, VariationalModule
    ):
        raise ValueError(
            f"{_last(estimator)!r} has no evidence: it is not a model of probability. "
            "Use reconstruction_scorer."
        )
    return float(estimator.score(X))


def active_components_scorer(
    estimator: Any,
    X: ArrayLike,  # noqa: ARG001
    y: Any = None,  # noqa: ARG001
) -> float:
    """Return the number of components in use, see :func:`count_components`.

    To be read beside other scores: neither more nor less is better. Do not ``refit``
    by it.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X, y : Ignored

    Returns
    -------
    float
    """
    return float(count_components(estimator))


@dataclass(frozen=True)
class FrechetScorer:
    """Minus the Frechet distance of samples of a model from data.

    Parameters
    ----------
    features : {"identity", "pca", "classifier", "inception"} or callable, \
            default="identity"
        See :func:`extract_features`; ``"classifier"`` is trained on X and y of each
        call.
    input_shape : tuple of int, default=None
        Shape of one image, see :func:`extract_features`.
    n_samples : int or None, default=None
        Samples of the model, >= 2; None draws as many as they are compared with.
    density : {"prior", "gaussian", "gmm", "second_stage"} or estimator, \
            default="prior"
        What codes are drawn from, see ``sample`` of the autoencoders. ``"gmm"``,
        ``"second_stage"`` and estimators that are not fitted are fitted to the codes
        of a random half of X, and the samples compared with the other half: a
        density that follows single codes would else be praised for the rows that it
        was fitted to. Compare it with ``"prior"`` on as many rows. A fitted density
        is one of the codes of one model, of no use in a search, where every
        candidate has codes of its own.
    random_state : int, default=0
        Seeds halves, samples and features: a number, so that candidates are compared
        on the same draws.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import FrechetScorer
    >>> scoring = {"frechet": FrechetScorer(features="pca", n_samples=1000)}
    """

    features: str | Callable[[NDArray], ArrayLike] = "identity"
    input_shape: tuple[int, ...] | None = None
    n_samples: int | None = None
    density: Any = "prior"
    random_state: int = 0

    def __call__(self, estimator: Any, X: ArrayLike, y: Any = None) -> float:
        """Return minus the distance of samples of `estimator` from X.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``sample``; or a pipeline that ends in one, whose earlier
            steps have ``inverse_transform``.
        X : array-like of shape (n_samples, n_features)
            Held-out data.
        y : array-like of shape (n_samples,), default=None
            Labels, for ``features="classifier"`` only.

        Returns
        -------
        float
            <= 0, higher is better.
        """
        check_density(self.density)
        labels = y if self.features == "classifier" else None
        steps = getattr(estimator, "steps", [])
        settings: dict[str, Any] = {"density": self.density}
        if self._has_to_be_fitted():
            arrays = (X,) if labels is None else (X, labels)
            split = train_test_split(
                *arrays, test_size=0.5, random_state=self.random_state
            )
            settings["X"], X = split[:2]
            if len(steps) > 1:
                settings["X"] = estimator[:-1].transform(settings["X"])
            labels = split[3] if labels is not None else None
        n_samples = np.shape(X)[0] if self.n_samples is None else self.n_samples
        check_counts(n_samples=n_samples)
        samples = _last(estimator).sample(n_samples, self.random_state, **settings)
        if len(steps) > 1:
            samples = estimator[:-1].inverse_transform(samples)
        return -frechet_distance(
            X,
            samples,
            features=self.features,
            y=labels,
            input_shape=self.input_shape,
            random_state=self.random_state,
        )

    def _has_to_be_fitted(self) -> bool:
        """Whether the density needs codes, which no model keeps."""
        if isinstance(self.density, str):
            return self.density in NAMED_DENSITIES
        try:
            check_is_fitted(self.density)
        except NotFittedError:
            return True
        return False


frechet_scorer = FrechetScorer()


@dataclass(frozen=True)
class DisentanglementScorer:
    """A disentanglement score of the codes that ``transform`` returns.

    The factors are the y of the search: ``search.fit(X, factors)``. Autoencoders do
    not learn from them, so that rows with known factors choose among models that are
    trained without. If the rows of X are in the order of a grid of factors, shuffle
    them for the folds: ``cv=KFold(5, shuffle=True, random_state=0)``.

    Parameters
    ----------
    score : str, default="mutual_info_gap"
        A name of a score of :func:`disentanglement_scores`.
    settings : str or dict of {str: dict}, default="default"
        See :func:`metric_settings`; but for ``method="gaussian_mixture"``, which
        needs variances that ``transform`` does not return.
    random_state : int, default=0
        Seeds the score: a number, so that candidates are compared on the same draws.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import GridSearchCV, KFold
    >>> from sklearn_ardvae.metrics import DisentanglementScorer
    >>> factors = np.array([[i, j] for i in range(5) for j in range(5)] * 8)
    >>> X = factors * [3.0, 1.0] + 0.01
    >>> search = GridSearchCV(
    ...     PCA(), {"n_components": [1, 2]}, scoring=DisentanglementScorer(),
    ...     cv=KFold(2, shuffle=True, random_state=0)).fit(X, factors)
    >>> search.best_params_
    {'n_components': 2}
    """

    score: str = "mutual_info_gap"
    settings: str | Mapping[str, Mapping[str, Any]] = "default"
    random_state: int = 0

    def __call__(
        self, estimator: Any, X: ArrayLike, y: ArrayLike | None = None
    ) -> float:
        """Return the score of the codes of X.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``transform``.
        X : array-like of shape (n_samples, n_features)
            Held-out data.
        y : array-like of shape (n_samples, n_factors)
            Their factors.

        Returns
        -------
        float
            Higher is better.
        """
        if y is None:
            raise ValueError(
                f"The score {self.score!r} needs y=, the factors of X: "
                "search.fit(X, factors)."
            )
        factors = np.asarray(y)
        return disentanglement_scores(
            np.asarray(estimator.transform(X)),
            factors[:, None] if factors.ndim == 1 else factors,
            scores=self.score,
            settings=self.settings,
            random_state=self.random_state,
        )[self.score]


def _last(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
