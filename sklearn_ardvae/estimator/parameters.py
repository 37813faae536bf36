"""The parameters that every estimator shares, stated once.

A leaf class writes ``**shared: Unpack[SharedParameters]`` in its ``__init__``; its
signature then shows all of them, with their defaults, as scikit-learn and its users
need it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal, TypedDict

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from torch import nn

from .._sklearn_compat import Interval, StrOptions
from ..nn.likelihoods import LIKELIHOODS
from ..nn.networks import ACTIVATIONS, ARCHITECTURES

__all__ = ["SharedParameters", "SharedParametersMixin"]


class SharedParameters(TypedDict, total=False):
    """Keyword parameters that every estimator takes besides its own."""

    architecture: str | tuple[Any, Any]
    hidden_layer_sizes: ArrayLike
    activation: str | Callable[[], nn.Module]
    input_shape: tuple[int, ...] | None
    likelihood: Literal["gaussian", "bernoulli"]
    max_iter: int
    batch_size: int | Literal["auto"]
    learning_rate: float
    lr_patience: int | None
    validation_fraction: float
    early_stopping: bool
    n_iter_no_change: int
    tol: float
    warm_start: bool
    output_components: Literal["active", "all"]
    device: str | torch.device | None
    skorch_params: dict[str, Any] | None
    callbacks: list | None
    random_state: int | np.random.RandomState | None
    verbose: int


class SharedParametersMixin(BaseEstimator):
    """Stores the shared parameters and shows them in the signature of subclasses."""

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "architecture": [StrOptions({"mlp", *ARCHITECTURES}), tuple, list],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS)), callable],
        "input_shape": [tuple, list, None],
        "likelihood": [StrOptions(set(LIKELIHOODS))],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "lr_patience": [Interval(Integral, 1, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "output_components": [StrOptions({"active", "all"})],
        "device": [str, torch.device, None],
        "skorch_params": [dict, None],
        "callbacks": [list, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components: int = 128,
        *,
        architecture: str | tuple[Any, Any] = "mlp",
        hidden_layer_sizes: ArrayLike = (128, 128),
        activation: str | Callable[[], nn.Module] = "silu",
        input_shape: tuple[int, ...] | None = None,
        likelihood: Literal["gaussian", "bernoulli"] = "gaussian",
        max_iter: int = 500,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: float = 4e-3,
        lr_patience: int | None = 10,
        validation_fraction: float = 0.1,
        early_stopping: bool = True,
        n_iter_no_change: int = 40,
        tol: float = 1e-4,
        warm_start: bool = False,
        output_components: Literal["active", "all"] = "active",
        device: str | torch.device | None = None,
        skorch_params: dict[str, Any] | None = None,
        callbacks: list | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.architecture = architecture
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.input_shape = input_shape
        self.likelihood = likelihood
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.lr_patience = lr_patience
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.output_components = output_components
        self.device = device
        self.skorch_params = skorch_params
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" not in vars(cls):
            return
        own = inspect.signature(cls.__init__).parameters.values()
        own_names = {parameter.name for parameter in own}
        inherited = inspect.signature(SharedParametersMixin.__init__).parameters
        shown = [p for p in own if p.kind is not p.VAR_KEYWORD]
        if len(shown) < len(own_names):
            shown += [p for name, p in inherited.items() if name not in own_names]
        shown.sort(key=lambda parameter: parameter.kind)
        cls.__init__.__signature__ = inspect.Signature(shown)
