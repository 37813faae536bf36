"""Save and load without pickle: arrays as safetensors, everything else as JSON.

Nothing in a file is executed or imported by name; the class is looked up among those
that are defined, and its module rebuilt from its parameters.
"""

from __future__ import annotations

import json
from importlib import import_module
from os import PathLike
from types import ModuleType
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

__all__ = ["PersistenceMixin"]

_FORMAT_VERSION = 1
_HEADER = "sklearn_ardvae"
# State of a running process, not of a model.
_NOT_SAVED = ("_module", "_optimizer_states", "_skl_callbacks", "_callback_fit_ctx")


class PersistenceMixin:
    """``save``, ``load``, ``to_onnx`` and light pickles for estimators.

    The estimator has a fitted torch module in ``_module``, the parameters it was built
    from in ``_built_from``, and ``_build_module`` to make it anew.
    """

    _registry: ClassVar[dict[str, type]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        PersistenceMixin._registry[cls.__name__] = cls

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
        safetensors = _optional("safetensors.numpy", "save")
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
        saved_class = cls._registry.get(header["class"])
        if saved_class is None or not issubclass(saved_class, cls):
            raise ValueError(
                f"{path} holds a model of class {header['class']}, not {cls.__name__}; "
                "load it with that class, defined or imported before."
            )
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

    def to_onnx(
        self, path: str | PathLike, *, part: Literal["encoder", "decoder"] = "encoder"
    ) -> None:
        """Write `transform` or `inverse_transform` as an ONNX model.

        Parameters
        ----------
        path : path-like
            The file.
        part : {"encoder", "decoder"}, default="encoder"
            ``"encoder"`` maps input ``X`` to output ``codes``, what `transform`
            returns; ``"decoder"`` maps input ``codes`` to output ``X``. The number of
            rows is free.

        Raises
        ------
        ImportError
            If the packages onnx and onnxscript are missing.
        """
        check_is_fitted(self)
        if part not in ("encoder", "decoder"):
            raise ValueError(f"part must be 'encoder' or 'decoder'; got {part!r}.")
        _optional("onnxscript", "onnx")
        columns = torch.as_tensor(np.array(self._columns_out))
        if part == "encoder":
            network = _Encoder(self._module, columns)
            example, names = torch.zeros(2, self.n_features_in_), ("X", "codes")
        else:
            fill = torch.as_tensor(self._code_mean, dtype=torch.float32)
            network = _Decoder(self._module, columns, fill)
            example, names = torch.zeros(2, len(columns)), ("codes", "X")
        torch.onnx.export(
            network.to("cpu").eval(),
            (example,),
            path,
            dynamo=True,
            verbose=False,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_shapes=({0: torch.export.Dim("n_samples")},),
        )
        self._module.to(self._device)

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


class _Encoder(nn.Module):
    """What `transform` does, for export."""

    def __init__(self, module: nn.Module, columns: Tensor) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("columns", columns)

    def forward(self, x: Tensor) -> Tensor:
        return self.module.encode(x).index_select(1, self.columns)


class _Decoder(nn.Module):
    """What `inverse_transform` does, for export."""

    def __init__(self, module: nn.Module, columns: Tensor, fill: Tensor) -> None:
        super().__init__()
        self.module = module
        # Codes times a selection, plus the means of the components left out.
        selection = torch.zeros(len(columns), len(fill))
        selection[torch.arange(len(columns)), columns] = 1.0
        self.register_buffer("selection", selection)
        self.register_buffer("fill", fill.index_fill(0, columns, 0.0))

    def forward(self, codes: Tensor) -> Tensor:
        return self.module.decode(codes @ self.selection + self.fill)


def _arrays_of(module: nn.Module) -> dict[str, NDArray]:
    return {k: v.detach().cpu().numpy() for k, v in module.state_dict().items()}


def _optional(module: str, extra: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{error}. Install it with: pip install sklearn_ardvae[{extra}]"
        ) from error


def _read(path: str | PathLike) -> tuple[dict[str, Any], dict[str, NDArray]]:
    safetensors = _optional("safetensors", "save")
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
