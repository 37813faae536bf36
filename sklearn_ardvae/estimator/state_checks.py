"""Whether what a file says can be the state of a fitted estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import nn

from ..nn.module import AutoencoderModule, Phase

__all__ = ["check_attributes", "check_module", "check_optimizer_states"]

# What has a place of its own in a file, or belongs to a running process.
_RESERVED = {
    "_built_from",
    "_callback_fit_ctx",
    "_module",
    "_optimizer_states",
    "_skl_callbacks",
    "_weights",
}
_LARGEST_SEED = 2**32
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
        if name in _RESERVED or name in params or hasattr(cls, name):
            raise ValueError(f"has an attribute {name!r}, which {cls.__name__} needs.")
        if not name.isidentifier() or name.startswith("__"):
            raise ValueError(f"has an attribute {name!r:.100}: that is no name of one.")
    relevance, history = found.get("relevance_"), found.get("history_")
    n_components = np.size(relevance)
    n_epochs = len(history.get("train_loss", ())) if isinstance(history, dict) else -1
    n_features = found.get("n_features_in_")
    square = (n_components, n_components)
    active = found.get("active_components_")
    rules: dict[str, Callable[[Any], bool]] = {
        "relevance_": lambda v: _is_array(v, np.float32, (n_components,)),
        "relevance_ratio_": lambda v: _is_array(v, np.float32, (n_components,)),
        "active_components_": lambda v: _is_choice(v, n_components),
        "n_active_components_": lambda v: _is_count(v) and v == len(active),
        "_code_mean": lambda v: _is_array(v, np.float64, (n_components,)),
        "_code_covariance": lambda v: _is_array(v, np.float64, square),
        "noise_variance_": lambda v: type(v) is float and v > 0.0,
        "history_": lambda v: n_epochs >= 0 and _is_history(v, n_epochs),
        "loss_curve_": lambda v: _is_history({"loss": v}, n_epochs),
        "n_iter_": lambda v: _is_count(v) and v == n_epochs,
        "n_features_in_": lambda v: _is_count(v) and v > 0,
        "device_": lambda v: isinstance(v, str),
        "_seed": lambda v: _is_count(v) and v < _LARGEST_SEED,
    }
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


def _is_array(value: Any, dtype: type, shape: tuple[int, ...]) -> bool:
    is_array = isinstance(value, np.ndarray)
    return is_array and value.dtype == dtype and value.shape == shape


def _is_choice(value: Any, n: int) -> bool:
    """Whether `value` holds some of 0, ..., n - 1, each once."""
    if not _is_array(value, np.intp, (np.size(value),)):
        return False
    return bool(np.isin(value, np.arange(n)).all()) and len(set(value)) == len(value)


def _is_history(value: dict[str, Any], n_epochs: int) -> bool:
    return all(isinstance(v, list) and len(v) == n_epochs for v in value.values())


def _is_names(value: Any, n: int) -> bool:
    return _is_array(value, object, (n,)) and all(type(name) is str for name in value)


def check_module(
    module: AutoencoderModule,
    weights: dict[str, np.ndarray],
    attributes: dict[str, Any],
) -> None:
    """Raise unless `module` fits the attributes, and its weights have its types.

    Their names and shapes are left to ``load_state_dict``.

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
        if name in weights and weights[name].dtype != value.numpy().dtype:
            raise ValueError(f"has weights {name} that are not of {value.dtype}.")


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
        Whether it is known what the optimisers keep.

    Raises
    ------
    ValueError
        If they cannot.
    """
    if not isinstance(states, list) or len(states) != len(phases):
        raise ValueError(f"has no optimisers' states for {len(phases)} phases.")
    for state, phase in zip(states, phases, strict=True):
        if not isinstance(state, dict) or state.keys() != {"state", "param_groups"}:
            raise ValueError(f"has no state of the optimiser of {phase.name!r}.")
        places = range(len(phase.parameters))
        if not _are_groups(state["param_groups"], places):
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


def _are_groups(groups: Any, places: range) -> bool:
    """Whether groups of parameters hold each of `places` once."""
    if not isinstance(groups, list) or not all(isinstance(g, dict) for g in groups):
        return False
    members = [group.get("params") for group in groups]
    if not all(isinstance(some, list) for some in members):
        return False
    flat = [place for some in members for place in some]
    return all(type(place) is int for place in flat) and sorted(flat) == [*places]


def _is_adams(entry: dict[str, Any], parameter: nn.Parameter) -> bool:
    like = parameter.detach().numpy()
    return entry.keys() - {"max_exp_avg_sq"} == _ADAM and all(
        _is_array(value, like.dtype, () if name == "step" else like.shape)
        for name, value in entry.items()
    )
