"""The estimators, found by introspection, with settings under which they fit fast."""

from __future__ import annotations

import inspect
from typing import Any

from sklearn_ardvae import ARDVAECV, all_estimators

FAST: dict[str, Any] = {
    "n_components": 2,
    "hidden_layer_sizes": (8,),
    "max_iter": 2,
    "batch_size": 64,
    "random_state": 0,
}
#: What else makes the fits of a class fast.
FAST_OF: dict[str, dict[str, Any]] = {"ARDVAECV": {"betas": [0.05], "cv": 2}}
CLASSES = [cls for _, cls in all_estimators()]
IDS = [cls.__name__ for cls in CLASSES]
#: Those that train one network in a fit.
OF_ONE_FIT = [cls for cls in CLASSES if cls is not ARDVAECV]

#: What leaves learning rate, weights and stopping to the engine, where a method has a
#: course of its own; the tests of that are in tests/methods/test_first_answer.py.
BY_THE_ENGINE: dict[str, dict[str, Any]] = {"ARDVAE": {"beta": 0.05}}


def fast(cls: type, **params: Any) -> Any:
    """Return an estimator that fits in a moment."""
    known = inspect.signature(cls).parameters
    settings = FAST | FAST_OF.get(cls.__name__, {}) | params
    return cls(**{k: v for k, v in settings.items() if k in known})


def plain(cls: type, **params: Any) -> Any:
    """Return a fast estimator that is trained by the engine's own schedule."""
    return fast(cls, **(BY_THE_ENGINE.get(cls.__name__, {}) | params))
