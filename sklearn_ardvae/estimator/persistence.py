"""Save and load without pickle, and light pickles.

Nothing in a file is executed or imported by name; the class is looked up among those
that are defined, and its module rebuilt from its parameters.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from .._files import read_file, whole_file
from .._warnings import warn
from ..nn.module import AutoencoderModule
from ..training.devices import resolve_device
from .saving import format_1, format_2
from .saving.allocation import AllocationLimit
from .saving.class_lookup import defined_classes, name_of, saved_class
from .saving.container import FORMAT_VERSION, pack, unpack
from .saving.saved_model import SavedModel
from .saving.state_checks import (
    RESERVED,
    check_attributes,
    check_module,
    check_optimizer_states,
)
from .saving.tensors import as_arrays, as_tensors

__all__ = ["PersistenceMixin", "defined_classes"]

# What building a module may make beyond its state: trial rows, masks.
_SPARE_TENSORS, _SPARE_ELEMENTS = 100, 2**20
# The same with networks of the user's own, which are trusted.
_SPARE_ELEMENTS_OF_OWN = 2**28


class PersistenceMixin:
    """``save``, ``load`` and light pickles for estimators.

    The estimator has a fitted torch module in ``_module``, the states of the optimisers
    that trained it in ``_optimizer_states``, the parameters that the module was built
    from in ``_built_from``, and ``_build_module`` to make it anew. A class that lets
    another one build its module names it in ``_built_by``; the parameters are that
    one's then.
    """

    _built_by: ClassVar[type[Any] | None] = None

    _module: AutoencoderModule
    _optimizer_states: list[dict[str, Any]] | None
    _built_from: dict[str, Any]

    def save(self, path: str | PathLike) -> None:
        """Write the fitted model to one file, without pickle.

        The file is in the safetensors format; its header holds parameters and fitted
        attributes as JSON. The states of the optimisers are kept, so that a warm start
        or `partial_fit` goes on after `load` as it would have before. A file that is
        there already stays as it is until the new one is whole.

        Parameters
        ----------
        path : path-like
            The file. Parameters that it cannot hold (networks of your own, callbacks,
            a RandomState) have to be passed to `load` again.

        Raises
        ------
        ImportError
            If the package safetensors is missing.
        OSError
            If the file cannot be written.
        ValueError
            If an attribute that was added to the model cannot be saved, or `path` is
            no place for a file.
        """
        check_is_fitted(self)
        params = self.get_params(deep=False)
        elsewhere = params.keys() | RESERVED
        model = SavedModel(
            format_version=FORMAT_VERSION,
            class_name=name_of(type(self)),
            params=params,
            built_from=self._built_from,
            attributes={n: v for n, v in vars(self).items() if n not in elsewhere},
            weights=as_arrays(self._module.state_dict()),
            optimizer_states=as_arrays(self._optimizer_states),
            version=_own_version(),
        )
        with _told_of(f"{type(self).__name__} cannot be saved: it"):
            check_attributes(type(self), params, model.attributes)
            header, arrays = format_2.to_header(model)
            content = pack(header, arrays)
        if format_2.is_missing(header["optimizers"]):
            warn(
                "What the optimisers remember cannot be saved, so that a warm start "
                "after load begins without it. Use one of torch.optim.",
            )
        with whole_file(_as_path(path)) as partial:
            partial.write_bytes(content)

    @classmethod
    def load(
        cls,
        path: str | PathLike,
        *,
        device: str | torch.device | None = None,
        **params: Any,
    ) -> Self:
        """Read a model that `save` wrote.

        Nothing in the file is executed or imported, and no more memory is used than a
        small multiple of its size. A damaged file is an error.

        Parameters
        ----------
        path : path-like
            The file.
        device : str, torch.device or None, default=None
            Where the model is put; None for the CPU.
        **params
            Parameters that the file could not hold, and only those.

        Returns
        -------
        object
            The fitted estimator, of the class that was saved.

        Raises
        ------
        ImportError
            If the package safetensors is missing.
        OSError
            If the file cannot be read.
        ValueError
            If the file holds no model, a damaged one, one of another class or of a
            newer format, or if `params` are not those that are missing.

        Warns
        -----
        UserWarning
            If a newer version of this package saved the model.
        """
        device = resolve_device(device)
        path = _as_path(path)
        with _told_of(str(path)):
            model = _unpacked(path)
            estimator = _revived(
                saved_class(cls, PersistenceMixin, model), model, params
            )
        present_version = _own_version()
        if _release(model.version) > _release(present_version):
            warn(
                f"{path} was saved by sklearn_ardvae {model.version}; this is "
                f"{present_version}, which may take it for something else. Upgrade.",
            )
        estimator._move_to(device)
        return estimator

    def __getstate__(self) -> dict[str, Any]:
        """Return state that holds arrays, and nothing of torch or skorch."""
        state = super().__getstate__().copy()
        module = state.pop("_module", None)
        if module is not None:
            state["_weights"] = as_arrays(module.state_dict())
            state["_optimizer_states"] = as_arrays(self._optimizer_states)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = state.copy()
        weights = state.pop("_weights", None)
        optimizer_states = state.pop("_optimizer_states", None)
        super().__setstate__(state)
        if weights is None:
            return
        twin = _unfitted_twin(type(self), self._built_from, vars(self))
        self._adopt(twin._build_module(), weights)
        self._optimizer_states = as_tensors(optimizer_states)
        try:
            self._move_to(self.device_)
        except ValueError:  # This machine has no such device.
            self._move_to("cpu")

    def _adopt(self, module: AutoencoderModule, weights: dict[str, NDArray]) -> None:
        """Take on a module that was built anew, with its state."""
        module.load_state_dict(as_tensors(weights))
        self._module = module.eval()


def _builder(cls: type[PersistenceMixin]) -> Any:
    """Return the class that builds the modules of `cls`."""
    return cls._built_by or cls


def _unfitted_twin(
    cls: type[PersistenceMixin], built_from: dict[str, Any], attributes: dict[str, Any]
) -> Any:
    """Return an estimator that builds the module of one with these `attributes`."""
    twin = _builder(cls)(**built_from)
    twin.n_features_in_ = attributes["n_features_in_"]
    twin._seed = attributes["_seed"]
    for name in ("_n_axes", "_n_coordinates"):
        if name in attributes:
            setattr(twin, name, attributes[name])
    return twin


# --- from a file to an estimator ----------------------------------------------------


def _unpacked(path: Path) -> SavedModel:
    header, arrays = unpack(read_file(path))
    reader = format_1 if header["format_version"] == 1 else format_2
    return reader.from_header(header, arrays)


def _revived(
    cls: type[PersistenceMixin], model: SavedModel, params: dict[str, Any]
) -> PersistenceMixin:
    """Return the estimator that `model` describes, on the CPU.

    Raises
    ------
    ValueError
        If it describes none. Nothing is built that is larger than what is stored.
    """
    present, built_from = _parameters_of(cls, model, params)
    attributes = _attributes_of(cls, model)
    check_attributes(cls, present, attributes)
    module = _rebuilt_module(_unfitted_twin(cls, built_from, attributes), model, params)
    check_module(module, model.weights, attributes)
    estimator = cls(**present)
    vars(estimator).update(attributes)
    estimator._built_from = built_from
    try:
        estimator._adopt(module, model.weights)
    except RuntimeError as error:
        raise ValueError(f"has weights that do not fit its module: {error}") from error
    if model.optimizer_states is not None:
        chosen = (built_from.get("skorch_params") or {}).keys()
        is_adam = chosen.isdisjoint({"optimizer", "optimizer__param_groups"})
        check_optimizer_states(model.optimizer_states, module.phases(), is_adam=is_adam)
    try:
        estimator._optimizer_states = as_tensors(model.optimizer_states)
    except TypeError as error:
        raise ValueError(f"has a state of an optimiser with {error}") from error
    return estimator


def _parameters_of(
    cls: type[PersistenceMixin], model: SavedModel, params: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the present parameters, and those that the module was built from."""
    missing = model.missing_built_from | model.missing_params
    if missing.keys() != params.keys():
        lost = ", ".join(f"{n} ({missing[n] or 'unknown'})" for n in sorted(missing))
        raise ValueError(
            f"was saved without {lost or 'any loss of parameters'}: pass exactly "
            f"{sorted(missing)} to load; got {sorted(params)}."
        )
    present = model.params | {name: params[name] for name in model.missing_params}
    built_from = model.built_from | {
        name: params[name] for name in model.missing_built_from
    }
    known, known_to_builder = (set(c._get_param_names()) for c in (cls, _builder(cls)))
    unknown = (present.keys() - known) | (built_from.keys() - known_to_builder)
    if unknown:
        raise ValueError(
            f"has parameters that {cls.__name__} does not have: {sorted(unknown)[:5]}."
        )
    return present, built_from


def _attributes_of(cls: type[PersistenceMixin], model: SavedModel) -> dict[str, Any]:
    if model.format_version > 1:
        return model.attributes
    # Some were attributes then that are read from the module now.
    return {
        name: value
        for name, value in model.attributes.items()
        if not isinstance(getattr(cls, name, None), property)
    }


def _rebuilt_module(
    twin: PersistenceMixin, model: SavedModel, params: dict[str, Any]
) -> AutoencoderModule:
    """Return the module that the parameters of `twin` build, if it is no larger."""
    try:
        twin._validate_params()
    except ValueError as error:
        raise ValueError(f"has a parameter of a wrong value: {error}") from error
    spare = _SPARE_ELEMENTS_OF_OWN if "architecture" in params else _SPARE_ELEMENTS
    stored = sum(array.size for array in model.weights.values())
    limit = AllocationLimit(_SPARE_TENSORS + 4 * len(model.weights), spare + 4 * stored)
    try:
        with limit:
            return twin._build_module()
    except Exception as error:  # Of any kind: the parameters are not trusted.
        raise ValueError(f"has parameters that build no module: {error}") from error


def _release(version: str) -> list[int]:
    """Return the numbers that a version begins with, without zeros at the end."""
    leading = re.split(r"[^\d.]", version)[0]
    numbers = [int(number) for number in leading.split(".") if number]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


def _own_version() -> str:
    from .. import __version__

    return __version__


# --- small things -------------------------------------------------------------------


@contextmanager
def _told_of(subject: str) -> Iterator[None]:
    """Put `subject` in front of the message of an error."""
    try:
        yield
    except RecursionError as error:
        raise ValueError(f"{subject} is nested too deeply.") from error
    except ValueError as error:
        raise ValueError(f"{subject} {error}") from error


def _as_path(path: str | PathLike) -> Path:
    return Path(os.fsdecode(path))
