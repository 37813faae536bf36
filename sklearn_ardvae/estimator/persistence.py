"""Save and load without pickle: arrays as safetensors, everything else as JSON.

Nothing in a file is executed or imported by name; the class is looked up among those
that are defined, and its module rebuilt from its parameters.
"""

from __future__ import annotations

import json
from os import PathLike
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .optional import optional_module

__all__ = ["PersistenceMixin", "defined_classes"]

_FORMAT_VERSION = 1
_HEADER = "sklearn_ardvae"
# State of a running process, not of a model.
_NOT_SAVED = ("_module", "_optimizer_states", "_skl_callbacks", "_callback_fit_ctx")


class PersistenceMixin:
    """``save``, ``load`` and light pickles for estimators.

    The estimator has a fitted torch module in ``_module``, the parameters it was built
    from in ``_built_from``, and ``_build_module`` to make it anew.
    """

    def save(self, path: str | PathLike) -> None:
        """Write the fitted model to one file, without pickle.

        Parameters
        ----------
        path : path-like
            The file, in the safetensors format; its header holds parameters and
            fitted attributes as JSON. Parameters that JSON cannot hold (networks of
            your own, callbacks, a RandomState) have to be passed to `load` again.

        Raises
        ------
        ImportError
            If the package safetensors is missing.
        """
        check_is_fitted(self)
        safetensors = optional_module("safetensors.numpy", "save")
        arrays = {f"module.{k}": v for k, v in _arrays_of(self._module).items()}
        params = self.get_params(deep=False)
        header: dict[str, Any] = {
            "format_version": _FORMAT_VERSION,
            "class": type(self).__name__,
            "params": _jsonable(params),
            "built_from": _jsonable(self._built_from),
            "attributes": {},
        }
        for name, value in vars(self).items():
            if name in params or name == "_built_from" or name in _NOT_SAVED:
                continue
            if isinstance(value, np.ndarray) and value.dtype != object:
                arrays[f"attribute.{name}"] = np.ascontiguousarray(value)
            else:
                header["attributes"][name] = _encoded(value)
        safetensors.save_file(arrays, path, metadata={_HEADER: json.dumps(header)})

    @classmethod
    def load(
        cls,
        path: str | PathLike,
        *,
        device: str | torch.device | None = None,
        **params: Any,
    ) -> Self:
        """Read a model that `save` wrote.

        Parameters
        ----------
        path : path-like
            The file.
        device : str, torch.device or None, default=None
            Where the model is put; None for the CPU.
        **params
            Parameters that JSON could not hold, and only those.

        Returns
        -------
        object
            The fitted estimator, of the class that was saved.

        Raises
        ------
        ValueError
            If the file holds no model or one of another class, or if `params` are not
            those that are missing.
        ImportError
            If the package safetensors is missing.
        """
        header, arrays = _read(path)
        named = [c for c in defined_classes(cls) if c.__name__ == header["class"]]
        if not named:
            raise ValueError(
                f"{path} holds a model of class {header['class']}, not {cls.__name__}; "
                "load it with that class, defined or imported before."
            )
        saved_class = named[-1]
        built_from, current = header["built_from"], header["params"]
        missing = {name for name in built_from if not _is_known(built_from[name])}
        missing |= {name for name in current if not _is_known(current[name])}
        if missing != set(params):
            raise ValueError(
                f"{path} was saved without {sorted(missing) or 'nothing'}, which JSON "
                f"cannot hold: pass exactly these to load; got {sorted(params)}."
            )
        estimator = saved_class(**(_known(current) | params))
        estimator._built_from = _known(built_from) | params
        weights = {}
        for name, array in arrays.items():
            kind, _, key = name.partition(".")
            if kind == "module":
                weights[key] = array
            else:
                setattr(estimator, key, array)
        for name, value in header["attributes"].items():
            setattr(estimator, name, _decoded(value))
        estimator._adopt(weights)
        estimator._move_to(device)
        return estimator

    def __getstate__(self) -> dict[str, Any]:
        """Return state that holds arrays, and nothing of torch or skorch."""
        state = super().__getstate__().copy()
        module = state.pop("_module", None)
        state.pop("_optimizer_states", None)
        if module is not None:
            state["_weights"] = _arrays_of(module)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = state.copy()
        weights = state.pop("_weights", None)
        super().__setstate__(state)
        if weights is not None:
            self._adopt(weights)

    def _adopt(self, weights: dict[str, NDArray]) -> None:
        """Take on the fitted module, built anew as it was built for `fit`."""
        twin = type(self)(**self._built_from)
        twin.n_features_in_, twin._seed = self.n_features_in_, self._seed
        module = twin._build_module()
        module.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
        self._module, self._optimizer_states = module.eval(), None


def defined_classes(cls: type) -> list[type]:
    """Return `cls` and all classes that are derived from it, in order of definition."""
    below = (
        found for child in cls.__subclasses__() for found in defined_classes(child)
    )
    return list(dict.fromkeys([cls, *below]))


def _arrays_of(module: nn.Module) -> dict[str, NDArray]:
    return {k: v.detach().cpu().numpy() for k, v in module.state_dict().items()}


def _read(path: str | PathLike) -> tuple[dict[str, Any], dict[str, NDArray]]:
    safetensors = optional_module("safetensors", "save")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if _HEADER not in metadata:
        raise ValueError(f"{path} is a safetensors file, but no saved estimator.")
    header = json.loads(metadata[_HEADER])
    if header["format_version"] != _FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {header['format_version']}; this version of "
            f"sklearn_ardvae reads version {_FORMAT_VERSION}."
        )
    return header, arrays


# JSON has no tuples, arrays or "not representable"; these stand for them.


def _encoded(value: Any) -> Any:
    """Return what JSON can hold, from which `_decoded` makes `value` again."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_encoded(item) for item in value]}
    if isinstance(value, np.ndarray):
        kind = "object" if value.dtype == object else value.dtype.str
        return {"array": _encoded(value.tolist()), "dtype": kind}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encoded(item) for key, item in value.items()}}
    if isinstance(value, torch.device):
        return str(value)
    raise TypeError(f"{value!r} cannot be written as JSON.")


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_decoded(item) for item in value["tuple"])
    if "array" in value:
        return np.array(_decoded(value["array"]), dtype=value["dtype"])
    return {key: _decoded(item) for key, item in value["dict"].items()}


def _jsonable(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON, with a mark for those that it cannot hold."""
    encoded = {}
    for name, value in params.items():
        try:
            encoded[name] = _encoded(value)
        except TypeError:
            encoded[name] = {"missing": True}
    return encoded


def _is_known(value: Any) -> bool:
    return not (isinstance(value, dict) and "missing" in value)


def _known(params: dict[str, Any]) -> dict[str, Any]:
    return {k: _decoded(v) for k, v in params.items() if _is_known(v)}
