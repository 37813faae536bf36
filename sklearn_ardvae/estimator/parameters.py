"""How estimators state their parameters, and those that all of them share.

A class states each parameter once, as ``name: type = default``: the type says what
values it may have, to `_validate_params` and to type checkers; the constructor is that
of a dataclass. After ``_: KW_ONLY`` parameters are given by name only. A changed
default is the same line again in the class that changes it.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import KW_ONLY
from numbers import Integral, Real
from os import PathLike
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from torch import nn

from .._sklearn_compat import Interval, InvalidParameterError, RealNotInt, StrOptions
from ..nn.architectures import ARCHITECTURES
from ..nn.networks import PERCEPTRONS
from ..nn.perceptrons import ACTIVATIONS
from .docstrings import fill_docstring

__all__ = [
    "Architecture",
    "AutoencoderParameters",
    "Count",
    "LayerSizes",
    "NonNegative",
    "OpenShare",
    "Parameters",
    "Positive",
    "ProperShare",
    "Share",
    "TrainingParameters",
    "Whole",
]

_TINY, _LARGEST = (float(n) for n in (np.finfo("f4").tiny, np.finfo("f4").max))

PROJECT_URL = "https://github.com/sklearn-ardvae/sklearn-ardvae"
#: Where GitHub serves what `make docs` builds.
SITE_URL = "https://sklearn-ardvae.github.io/sklearn-ardvae"

# --- types of parameters ------------------------------------------------------------

#: An integer >= 1.
Count = Annotated[int, Interval(Integral, 1, None, closed="left")]
#: An integer >= 0.
Whole = Annotated[int, Interval(Integral, 0, None, closed="left")]
#: A number >= 0.
NonNegative = Annotated[float, Interval(Real, 0, None, closed="left")]
#: A number > 0.
Positive = Annotated[float, Interval(Real, 0, None, closed="neither")]
#: A number in (0, 1].
Share = Annotated[float, Interval(Real, 0, 1, closed="right")]
#: A number in (0, 1), also where integers mean something else.
OpenShare = Annotated[float, Interval(RealNotInt, 0, 1, closed="neither")]
#: A number in [0, 1).
ProperShare = Annotated[float, Interval(Real, 0, 1, closed="left")]
#: Widths of hidden layers.
LayerSizes = Annotated[
    ArrayLike, "array-like", Interval(Integral, 1, None, closed="left")
]

Architecture = Annotated[
    str | tuple[Any, Any], StrOptions({*PERCEPTRONS, *ARCHITECTURES}), tuple, list
]
Activation = Annotated[
    str | Callable[[], nn.Module], StrOptions(set(ACTIVATIONS)), callable
]
RandomState = Annotated[int | np.random.RandomState | None, "random_state"]


def constraints_of(annotation: Any) -> list[Any]:
    """Return what scikit-learn's validation takes, from a type.

    Parameters
    ----------
    annotation : type
        A union, ``Literal`` of strings, bool, None, a class, or ``Annotated`` with
        the constraints themselves.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return list(args[1:])
    if origin in (Union, UnionType):
        return [constraint for arg in args for constraint in constraints_of(arg)]
    if origin is Literal:
        return [StrOptions(set(args))]
    if annotation is NoneType:
        return [None]
    return ["boolean"] if annotation is bool else [origin or annotation]


@dataclass_transform(eq_default=False, field_specifiers=(dataclasses.field,))
class Parameters(BaseEstimator):
    """Base of classes that state their parameters as annotations.

    Class keywords change defaults of inherited parameters: ``class AAE(BaseAutoencoder,
    max_iter=200)``. A subclass may also write an ``__init__`` of its own, as any
    estimator does; with ``**kwargs`` for its parent, whose parameters its signature
    then shows.
    """

    # Where scikit-learn's HTML view links to: the page of the class.
    _doc_link_module = "sklearn_ardvae"
    _doc_link_template = SITE_URL + "/generated/sklearn_ardvae.{estimator_name}.html"

    _parameter_constraints: ClassVar[dict[str, list]] = {}
    _has_own_init: ClassVar[bool] = False

    def __init_subclass__(cls, **defaults: Any) -> None:
        super().__init_subclass__()
        stated = inspect.get_annotations(cls, eval_str=True)
        if "__init__" in vars(cls):
            cls._has_own_init = True
        if cls._has_own_init and defaults:
            raise TypeError(
                f"{cls.__name__} has an __init__ of its own, which class keywords "
                f"cannot change: give it the defaults {defaults}."
            )
        if not cls._has_own_init:
            _change_defaults(cls, defaults)
            dataclasses.dataclass(eq=False, repr=False)(cls)
        cls.__init__.__signature__ = _shown_signature(cls)  # type: ignore[attr-defined]
        shown = inspect.signature(cls).parameters
        constraints = cls._parameter_constraints | {
            name: constraints_of(annotation)
            for name, annotation in stated.items()
            if name in shown
        }
        # A subclass may take a parameter away, by ``field(init=False)``.
        cls._parameter_constraints = {
            name: constraint
            for name, constraint in constraints.items()
            if name in shown
        }
        fill_docstring(cls)

    def _validate_params(self) -> None:
        super()._validate_params()
        for name, value in self.get_params(deep=False).items():
            constraints = self._parameter_constraints.get(name, [])
            numbers = [c for c in constraints if isinstance(c, Interval)]
            allowed = " or ".join(map(str, numbers))
            if not _is_in_float32(value):
                allowed += f", and 0 or of a size from {_TINY:.3g} to {_LARGEST:.3g}"
            # Python takes True for 1.
            elif not isinstance(value, bool | np.bool_):
                continue
            if numbers:
                raise InvalidParameterError(
                    f"The {name!r} parameter of {type(self).__name__} must be "
                    f"{allowed}. Got {value!r} instead."
                )


def _is_in_float32(value: Any) -> bool:
    """Whether networks, which compute in float32, see `value` as what it is."""
    size: Any = abs(value) if isinstance(value, Real) else 0
    return not size or _TINY <= size <= _LARGEST


def _change_defaults(cls: type[Parameters], defaults: dict[str, Any]) -> None:
    """Make `cls` state inherited parameters again, with other defaults."""
    inherited = getattr(cls, "__dataclass_fields__", {})
    for name, default in defaults.items():
        if name not in inherited:
            raise TypeError(f"{cls.__name__} inherits no parameter {name!r} to change.")
        cls.__annotations__[name] = inherited[name].type
        kw_only = inherited[name].kw_only
        setattr(cls, name, dataclasses.field(default=default, kw_only=kw_only))


def _shown_signature(cls: type[Parameters]) -> inspect.Signature:
    """Return the signature of a constructor: own parameters, then inherited ones."""
    own = inspect.signature(cls.__init__).parameters
    inherited = inspect.signature(super(cls, cls).__init__).parameters
    takes_more = any(p.kind is p.VAR_KEYWORD for p in own.values())
    shown = [p for name, p in own.items() if p.kind is not p.VAR_KEYWORD]
    if takes_more:
        shown += [p for name, p in inherited.items() if name not in own]
    places = {name: i for i, name in enumerate(inherited) if not takes_more}
    shown.sort(
        key=lambda p: (p.kind, p.kind is p.KEYWORD_ONLY and places.get(p.name, 0))
    )
    return inspect.Signature(shown)


class TrainingParameters(Parameters):
    """How a network is trained; of everything that trains one."""

    _: KW_ONLY
    max_iter: Count = 500
    batch_size: Literal["auto"] | Count = "auto"
    learning_rate: Positive = 4e-3
    lr_patience: Count | None = 10
    validation_fraction: ProperShare = 0.1
    early_stopping: bool = True
    n_iter_no_change: Count = 40
    tol: NonNegative = 1e-4
    device: str | torch.device | None = None
    random_state: RandomState = None
    verbose: Annotated[int, "verbose"] = 0


class AutoencoderParameters(TrainingParameters):
    """What every autoencoder takes besides the parameters of its method."""

    n_components: Count = 128
    _: KW_ONLY
    architecture: Architecture = "mlp"
    hidden_layer_sizes: LayerSizes = (128, 128)
    activation: Activation = "silu"
    input_shape: tuple[int, ...] | list[int] | None = None
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"
    warm_start: bool = False
    output_components: Literal["active", "all"] = "active"
    min_output_components: Whole = 0
    on_interrupt: Literal["keep", "raise"] = "keep"
    skorch_params: dict[str, Any] | None = None
    callbacks: list | None = None
    checkpoint: str | PathLike | None = None
