"""The estimators, found by introspection, with settings under which they fit fast."""

from __future__ import annotations

import inspect
from typing import Any

from sklearn_ardvae import all_estimators

FAST: dict[str, Any] = {
    "n_components": 2,
    "hidden_layer_sizes": (8,),
    "max_iter": 2,
    "batch_size": 16,
    "random_state": 0,
}
CLASSES = [cls for _, cls in all_estimators()]
IDS = [cls.__name__ for cls in CLASSES]


#: What leaves learning rate, weights and stopping to the engine, where a method has a
#: course of its own; the tests of that are in tests/methods/test_first_answer.py.
BY_THE_ENGINE: dict[str, dict[str, Any]] = {"ARDVAE": {"beta": 0.05}}


def fast(cls: type, **params: Any) -> Any:
    """Return an estimator that fits in a moment."""
    known = inspect.signature(cls).parameters
    return cls(**{k: v for k, v in (FAST | params).items() if k in known})


def plain(cls: type, **params: Any) -> Any:
    """Return a fast estimator that is trained by the engine's own schedule."""
    return fast(cls, **(BY_THE_ENGINE.get(cls.__name__, {}) | params))
