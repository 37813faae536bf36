"""Version 1 of the format, which is only read.

The JSON has the keys ``format_version``; ``class``, a bare name; ``params``,
``built_from`` and ``attributes``. Other arrays than the module's state are attributes,
``attribute.<name>``. There is no hash, no version, and no state of optimisers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .encoding import ARRAY_TYPES, Arrays
from .saved_model import SavedModel

__all__ = ["from_header"]

_KEYS = {"format_version", "class", "params", "built_from", "attributes"}
# Of BetaVAE, set anew when an epoch begins.
_NO_STATE = {"capacity"}
# Of VRRAE.
_RENAMED = ("mean_map.", "to_mean.")
_ARRAY_TYPES = {"object", *(dtype.str for dtype in ARRAY_TYPES.values())}


def from_header(header: dict[str, Any], arrays: Arrays) -> SavedModel:
    """Return the model that JSON and arrays describe.

    Parameters
    ----------
    header : dict
        Not trusted.
    arrays : dict of str to ndarray

    Raises
    ------
    ValueError
        If they are not of this version.
    """
    if header.keys() != _KEYS or not isinstance(header["class"], str):
        raise ValueError("has other keys than version 1 of the format.")
    params, missing_params = _decoded_group(header["params"])
    built_from, missing_built_from = _decoded_group(header["built_from"])
    attributes, _ = _decoded_group(header["attributes"])
    weights: Arrays = {}
    for name, array in arrays.items():
        kind, _, key = name.partition(".")
        if kind not in ("module", "attribute"):
            raise ValueError(f"has an array {name!r:.100} that nothing refers to.")
        if kind == "attribute":
            attributes[key] = array
        elif key not in _NO_STATE:
            weights[key.replace(*_RENAMED)] = array
    return SavedModel(
        format_version=1,
        class_name=("", header["class"]),
        params=params,
        built_from=built_from,
        attributes=attributes,
        weights=weights,
        missing_params=missing_params,
        missing_built_from=missing_built_from,
    )


def _decoded_group(values: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return named values, and those that could not be saved."""
    if not isinstance(values, dict):
        raise ValueError("has parameters or attributes without names.")
    missing = {
        n: "" for n, v in values.items() if isinstance(v, dict) and "missing" in v
    }
    present = {n: _decoded(v) for n, v in values.items() if n not in missing}
    return present, missing


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    try:
        if value.keys() == {"tuple"}:
            return tuple(_decoded(item) for item in value["tuple"])
        if value.keys() == {"dict"}:
            return {key: _decoded(item) for key, item in value["dict"].items()}
        if value.keys() == {"array", "dtype"} and value["dtype"] in _ARRAY_TYPES:
            return np.array(_decoded(value["array"]), dtype=value["dtype"])
    except (AttributeError, OverflowError, TypeError) as error:
        raise ValueError(f"has a value that is malformed: {error}.") from error
    raise ValueError(f"has a value with the keys {list(value)[:5]}, without meaning.")
