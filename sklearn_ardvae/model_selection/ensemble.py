"""Many fits to the same rows at once: of other seeds, betas or settings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from ..estimator.base import BaseAutoencoder
from ..estimator.validation import ValidRows
from ..training.lockstep import run_in_lockstep
from ..training.team import LAUNCHED

__all__ = ["fit_together", "fits_together"]

# More are hardly faster, and their matrices leave the processor's caches.
_TOGETHER = 10
# Rows of which each fit of a path may have a copy of its own, in bytes of all copies.
_MOST_BYTES = 2**28

Model = TypeVar("Model", bound=BaseAutoencoder)


def fit_together(estimators: Sequence[Model], X: Any, y: Any = None) -> list[Model]:
    """Fit several estimators to the same rows, small networks in one computation.

    As ``[estimator.fit(X) for estimator in estimators]``, for ensembles: other seeds,
    other betas. Estimators of one class whose networks have the same shapes, and that
    differ by no other number than `beta`, make their gradient steps together, from
    three of them on: ten small fits take half the time on a processor
    (``benchmarks/performance/together.py``). Each still stops when it is time for it.

    Those of other shapes are fitted side by side, at no gain (with
    ``device="accelerate"`` one after the other); so are methods of several
    phases, convolutional networks, networks of your own, networks that are wide enough
    to be fast, and optimisers other than Adam.

    Parameters
    ----------
    estimators : sequence of estimators
        Of this package; fitted in place.
    X : array-like of shape (n_samples, n_features)
        Training data, as `fit` takes it.
    y : Ignored

    Returns
    -------
    list of estimators
        Those that were given.

    Raises
    ------
    TypeError
        If one of them is no estimator of this package.
    ValueError
        If one of them is there twice, or cannot be fitted; the others are, then.

    Notes
    -----
    Models are those of fits by themselves up to the rounding of float32. Long fits make
    decisions, such as when to halve the learning rate, and one of them may fall
    otherwise by a last digit, as it may on another processor.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import ARDVAE, fit_together
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 6))
    >>> X += 0.1 * rng.normal(size=X.shape)
    >>> seeds = [ARDVAE(4, random_state=seed) for seed in range(3)]
    >>> [model.n_active_components_ for model in fit_together(seeds, X)]
    [2, 2, 2]
    """
    models = list(estimators)
    for model in models:
        if not isinstance(model, BaseAutoencoder):
            raise TypeError(
                "fit_together takes estimators of sklearn_ardvae; got "
                f"{type(model).__name__}."
            )
    if len({id(model) for model in models}) < len(models):
        raise ValueError(
            "fit_together got the same estimator twice; sklearn.base.clone makes "
            "another of the same parameters."
        )
    if any(model.device == LAUNCHED for model in models):
        # All processes must make the same fits in one order.
        return [model.fit(X, y) for model in models]
    return run_in_lockstep([partial(model.fit, X, y) for model in models])


def fits_together(rows: ValidRows) -> int:
    """Return how many fits to most of these rows are best made together."""
    n_bytes = 4 * len(rows) * rows.shape[1]
    return max(1, min(_TOGETHER, _MOST_BYTES // max(1, n_bytes)))
