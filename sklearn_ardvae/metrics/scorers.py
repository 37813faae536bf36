"""Scorers of fitted estimators, for ``scoring=`` in scikit-learn's model selection.

Each is called as ``scorer(estimator, X, y=None)``. The estimator may be an
autoencoder of this package, a `PCA`, or a pipeline that ends in one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..nn.module import AutoencoderModule
from ..nn.variational import VariationalModule
from ._factors import check_counts
from .dimension import count_components
from .generation import frechet_distance
from .reconstruction import reconstruction_error

__all__ = [
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
        Samples of the model, >= 2; None draws as many as X has rows.
    density : {"prior", "gaussian"} or fitted density, default="prior"
        What codes are drawn from, see ``sample`` of the autoencoders.
    random_state : int, default=0
        Seeds samples and features: a number, so that candidates are compared on the
        same draws.

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
        n_samples = len(X) if self.n_samples is None else self.n_samples
        check_counts(n_samples=n_samples)
        samples = _last(estimator).sample(
            n_samples, self.random_state, density=self.density
        )
        if hasattr(estimator, "steps") and len(estimator.steps) > 1:
            samples = estimator[:-1].inverse_transform(samples)
        return -frechet_distance(
            X,
            samples,
            features=self.features,
            y=y if self.features == "classifier" else None,
            input_shape=self.input_shape,
            random_state=self.random_state,
        )


frechet_scorer = FrechetScorer()


def _last(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
