"""Whether what a file says can be the state of a fitted estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from torch import nn

from ...nn.module import AutoencoderModule, Phase

__all__ = [
    "RESERVED",
    "check_attributes",
    "check_module",
    "check_optimizer_states",
]

#: What is no attribute of a saved model: it has a place of its own in the file, or
#: belongs to a running process.
RESERVED = {
    "_built_from",
    "_callback_fit_ctx",
    "_module",
    "_optimizer_states",
    "_parent_callback_ctx",
    "_skl_callbacks",
    "_skl_callbacks_to_teardown",
    "_weights",
}
_LARGEST_SEED = 2**32
_OPTIMIZER = {"state", "param_groups"}
# What Adam keeps of each parameter; with amsgrad, also "max_exp_avg_sq".
_ADAM = {"step", "exp_avg", "exp_avg_sq"}


def check_attributes(cls: type, params: dict[str, Any], found: dict[str, Any]) -> None:
    """Raise unless `found` can be the attributes of a fitted estimator.

    Parameters
    ----------
    cls : type
        Of the estimator. An attribute must not hide a method or property of it.
    params : dict of str to object
        Parameters of the constructor, which are no fitted attributes.
    found : dict of str to object

    Raises
    ------
    ValueError
        If one is missing, is of another type or size, or has a name it may not have.
    """
    for name in found:
        if name in RESERVED or name in params or hasattr(cls, name):
            raise ValueError(f"has an attribute {name!r}, which {cls.__name__} needs.")
        if not name.isidentifier() or name.startswith("__"):
            raise ValueError(f"has an attribute {name!r:.100}: that is no name of one.")
    relevance: Any = found.get("relevance_")
    active: Any = found.get("active_components_")
    n_features: Any = found.get("n_features_in_")
    losses = found.get("loss_curve_")
    n_components = np.size(relevance)
    n_epochs = len(losses) if isinstance(losses, list) else -1
    square = (n_components, n_components)
    rules: dict[str, Callable[[Any], bool]] = {
        "relevance_": lambda v: _is_array(v, np.float32, (n_components,)),
        "relevance_ratio_": lambda v: _is_array(v, np.float32, (n_components,)),
        "active_components_": lambda v: _is_choice(v, n_components),
        "n_active_components_": lambda v: _is_count(v) and v == len(active),
        "_code_mean": lambda v: _is_array(v, np.float64, (n_components,)),
        "_code_covariance": lambda v: _is_array(v, np.float64, square),
        "noise_variance_": lambda v: type(v) is float and v > 0.0,
        "loss_curve_": lambda v: _is_history({"": v}, n_epochs),
        "history_": lambda v: _is_history(v, n_epochs),
        "n_iter_": lambda v: _is_count(v) and v == n_epochs,
        "n_features_in_": lambda v: _is_count(v) and v > 0,
        "device_": lambda v: isinstance(v, str),
        "_seed": lambda v: _is_count(v) and v < _LARGEST_SEED,
    }
    if "_n_axes" in found:
        rules["_n_axes"] = lambda v: _is_count(v) and v <= n_components
    if found.get("_n_coordinates") is not None:
        rules["_n_coordinates"] = lambda v: _is_count(v) and 0 < v < n_features
    if "_training_codes" in found:
        rules["_training_codes"] = lambda v: _are_codes(v, np.size(active))
    if found.get("_dimension_of_rows") is not None:
        codes: Any = found.get("_training_codes")
        n_kept = np.shape(codes)[:1]
        rules["_dimension_of_rows"] = lambda v: type(v) is float and v > 0.0
        rules["_local_dimensions"] = lambda v: _is_array(v, np.float32, n_kept)
    if "feature_names_in_" in found:
        rules["feature_names_in_"] = lambda v: _is_names(v, n_features)
    for name, rule in rules.items():
        if name not in found:
            raise ValueError(f"lacks the attribute {name}.")
        if not rule(found[name]):
            raise ValueError(
                f"has an attribute {name}={found[name]!r:.100}, which is of the wrong "
                "type or does not fit the others."
            )


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_array(value: Any, dtype: DTypeLike, shape: tuple[int, ...]) -> bool:
    is_array = isinstance(value, np.ndarray)
    return is_array and value.dtype == dtype and value.shape == shape


def _are_codes(value: Any, n: int) -> bool:
    is_array = isinstance(value, np.ndarray)
    return is_array and _is_array(value, np.float32, (*value.shape[:1], n))


def _is_choice(value: Any, n: int) -> bool:
    """Whether `value` holds some of 0, ..., n - 1, each once."""
    if not _is_array(value, np.intp, (np.size(value),)):
        return False
    return bool(np.isin(value, np.arange(n)).all()) and len(set(value)) == len(value)


def _is_history(value: Any, n_epochs: int) -> bool:
    return isinstance(value, dict) and all(
        isinstance(column, list) and len(column) == n_epochs
        for column in value.values()
    )


def _is_names(value: Any, n: int) -> bool:
    return _is_array(value, object, (n,)) and all(type(name) is str for name in value)


def check_module(
    module: AutoencoderModule,
    weights: dict[str, np.ndarray],
    attributes: dict[str, Any],
) -> None:
    """Raise unless `module` fits the attributes and the weights.

    Whether weights are missing or too many is left to ``load_state_dict``.

    Parameters
    ----------
    module : AutoencoderModule
        As it was built anew.
    weights : dict of str to ndarray
        Its state, from a file.
    attributes : dict of str to object
        Of the fitted estimator.

    Raises
    ------
    ValueError
        If they do not.
    """
    sizes = (module.n_features, module.n_components)
    stated = (attributes["n_features_in_"], len(attributes["relevance_"]))
    if sizes != stated:
        raise ValueError(
            f"has parameters for {sizes} features and components, but attributes for "
            f"{stated}."
        )
    for name, value in module.state_dict().items():
        like, array = value.detach().numpy(), weights.get(name)
        if array is not None and not _is_array(array, like.dtype, like.shape):
            raise ValueError(
                f"has weights {name} of shape {array.shape} and type {array.dtype}, "
                f"but parameters for shape {like.shape} and type {like.dtype}."
            )


def check_optimizer_states(
    states: Any, phases: Sequence[Phase], *, is_adam: bool
) -> None:
    """Raise unless `states` can be those of the optimisers of `phases`.

    Parameters
    ----------
    states : object
        From a file, with arrays for tensors.
    phases : sequence of Phase
        Of the module.
    is_adam : bool
        Whether they are of Adam, with the parameters in their order: then it is known
        what they keep.

    Raises
    ------
    ValueError
        If they cannot.
    """
    if not isinstance(states, list) or len(states) != len(phases):
        raise ValueError(f"has no optimisers' states for {len(phases)} phases.")
    for state, phase in zip(states, phases, strict=True):
        if not isinstance(state, dict) or not state.keys() >= _OPTIMIZER:
            raise ValueError(f"has no state of the optimiser of {phase.name!r}.")
        places = range(len(phase.parameters))
        if not _are_groups(state["param_groups"], places, is_adam=is_adam):
            raise ValueError(f"groups the parameters of {phase.name!r} wrongly.")
        kept = state["state"]
        if not isinstance(kept, dict) or not all(type(i) is int for i in kept):
            raise ValueError(f"keeps nothing of the parameters of {phase.name!r}.")
        for place, entry in kept.items():
            if place not in places or not isinstance(entry, dict):
                raise ValueError(f"keeps {place!r:.50} of {phase.name!r}, without use.")
            if is_adam and not _is_adams(entry, phase.parameters[place]):
                raise ValueError(
                    f"keeps moments of parameter {place} of {phase.name!r} that are "
                    "not Adam's, or not of its shape."
                )


def _are_groups(groups: Any, places: range, *, is_adam: bool) -> bool:
    """Whether groups of parameters hold each of `places` once, and settings."""
    if not isinstance(groups, list) or not all(isinstance(g, dict) for g in groups):
        return False
    members = [place for group in groups for place in _as_list(group.get("params"))]
    settings = [v for g in groups for name, v in g.items() if name != "params"]
    if is_adam and any(isinstance(v, dict | list | np.ndarray) for v in settings):
        return False
    are_places = all(type(place) is int for place in members)
    return are_places and sorted(members) == [*places]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_adams(entry: dict[str, Any], parameter: nn.Parameter) -> bool:
    if entry.keys() - {"max_exp_avg_sq"} != _ADAM:
        return False
    like, step = parameter.detach().numpy(), entry["step"]
    moments = [value for name, value in entry.items() if name != "step"]
    return (
        isinstance(step, np.ndarray)
        and step.dtype.kind == "f"
        and step.shape == ()
        and all(_is_array(value, like.dtype, like.shape) for value in moments)
    )
