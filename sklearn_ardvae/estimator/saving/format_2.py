"""Version 2 of the format, which is written: a model as JSON and arrays.

The JSON has the keys ``format_version``; ``class``, a module and a qualified name;
``versions`` of this package and of torch; ``params``, ``built_from``, ``attributes``
and ``optimizers``, with values as in `encoding`, or ``{"missing": what it was}`` for a
parameter. The arrays of the module's state have names that begin with ``module.``.
"""

from __future__ import annotations

import re
from typing import Any

import torch

from .encoding import Arrays, NotEncodableError, decoded, encoded
from .saved_model import SavedModel

__all__ = ["from_header", "is_missing", "to_header"]

_PACKAGE = __name__.partition(".")[0]
_KEYS = {
    "format_version",
    "class",
    "versions",
    "params",
    "built_from",
    "attributes",
    "optimizers",
}
_WEIGHT = "module."
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,9}[0-9A-Za-z.+_-]{0,99}", re.ASCII)


def to_header(model: SavedModel) -> tuple[dict[str, Any], Arrays]:
    """Return a model as JSON and arrays.

    Parameters and states of optimisers that have no such form are marked as missing.

    Raises
    ------
    ValueError
        If an attribute has no such form.
    """
    arrays: Arrays = {f"{_WEIGHT}{name}": a for name, a in model.weights.items()}
    header: dict[str, Any] = {
        "format_version": model.format_version,
        "class": list(model.class_name),
        "versions": {_PACKAGE: model.version, "torch": str(torch.__version__)},
    }
    for group in ("params", "built_from", "attributes"):
        header[group] = {
            name: _encoded(value, f"{group}.{name}", arrays)
            for name, value in getattr(model, group).items()
        }
    for name, value in header["attributes"].items():
        if is_missing(value):
            raise ValueError(
                f"has an attribute {name} with {value['missing']} in it. Delete it, or "
                "make it of numbers, strings and arrays of numbers."
            )
    states = _encoded(model.optimizer_states, "optimizers", arrays)
    return header | {"optimizers": states}, arrays


def _encoded(value: Any, name: str, arrays: Arrays) -> Any:
    own: Arrays = {}
    try:
        result = encoded(value, name, own)
    except NotEncodableError as error:
        return {"missing": str(error)}
    arrays |= own
    return result


def is_missing(value: Any) -> bool:
    """Whether JSON stands for a value that could not be saved."""
    return isinstance(value, dict) and value.keys() == {"missing"}


def from_header(header: dict[str, Any], arrays: Arrays) -> SavedModel:
    """Return the model of which `to_header` made JSON and arrays.

    Parameters
    ----------
    header : dict
        Not trusted.
    arrays : dict of str to ndarray
        Left empty.

    Raises
    ------
    ValueError
        If they are not what `to_header` returns.
    """
    if header.keys() != _KEYS:
        odd = sorted(header.keys() ^ _KEYS)[:5]
        raise ValueError(f"has other keys than version 2 of the format: {odd}.")
    names = header["class"]
    if not (isinstance(names, list) and [type(name) for name in names] == [str, str]):
        raise ValueError("does not name the class of its model.")
    versions = header["versions"]
    version = versions.get(_PACKAGE) if isinstance(versions, dict) else None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ValueError(f"does not say which version of {_PACKAGE} it is of.")
    params, missing_params = _decoded_group(header["params"], arrays)
    built_from, missing_built_from = _decoded_group(header["built_from"], arrays)
    attributes, missing_attributes = _decoded_group(header["attributes"], arrays)
    if missing_attributes:
        raise ValueError(f"lacks the attributes {sorted(missing_attributes)[:5]}.")
    states = header["optimizers"]
    states = None if is_missing(states) else decoded(states, arrays)
    weights = {
        name.removeprefix(_WEIGHT): arrays.pop(name)
        for name in list(arrays)
        if name.startswith(_WEIGHT)
    }
    if arrays:
        raise ValueError(f"has arrays that nothing refers to: {sorted(arrays)[:5]}.")
    return SavedModel(
        format_version=2,
        class_name=(names[0], names[1]),
        params=params,
        built_from=built_from,
        attributes=attributes,
        weights=weights,
        optimizer_states=states,
        missing_params=missing_params,
        missing_built_from=missing_built_from,
        version=version,
    )


def _decoded_group(
    values: Any, arrays: Arrays
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return named values, and what those were that could not be saved."""
    if not isinstance(values, dict):
        raise ValueError("has parameters or attributes without names.")
    missing = {n: str(v["missing"]) for n, v in values.items() if is_missing(v)}
    present = {n: decoded(v, arrays) for n, v in values.items() if n not in missing}
    return present, missing
