"""Values as JSON and arrays: exactly, or not at all.

What JSON has stands for itself. A tuple, an array or an infinite number is an object
with one key, which names its kind; arrays of numbers lie beside the JSON, by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["ARRAY_TYPES", "NotEncodableError", "decoded", "encoded"]

#: Types of numbers in an array, by their names in a safetensors file.
ARRAY_TYPES = {
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
_SCALARS = (type(None), bool, int, float, str)
# From so many numbers on a list is stored as an array.
_LONG_LIST = 16
_INT64 = np.iinfo(np.int64)

Arrays = dict[str, NDArray[Any]]


class NotEncodableError(TypeError):
    """A value has no exact form as JSON and arrays; the message names its type."""


def encoded(value: Any, name: str, arrays: Arrays) -> Any:
    """Return what JSON can hold, from which `decoded` makes an equal value.

    Parameters
    ----------
    value : object
    name : str
        What its arrays are called.
    arrays : dict of str to ndarray
        Where they are put.

    Raises
    ------
    NotEncodableError
        If `value` has parts of another type than those that Python's JSON knows,
        tuples, `torch.device`, numbers of numpy, and arrays of numbers or, of
        dtype object, of strings and numbers.
    """
    kind = type(value)
    if kind is float and not math.isfinite(value):
        return {"float": repr(value)}
    if kind in _SCALARS:
        return value
    if kind is list:
        numbers = _numbers(value)
        if numbers is not None:
            return {"numbers": _put(numbers, name, arrays)}
    if kind in (list, tuple):
        items = [encoded(v, f"{name}.{i}", arrays) for i, v in enumerate(value)]
        return items if kind is list else {"tuple": items}
    if kind is dict and all(type(key) in _SCALARS for key in value):
        items = [[key, encoded(v, f"{name}.{key}", arrays)] for key, v in value.items()]
        if all(type(key) is str for key in value):
            return {"dict": dict(items)}
        return {"items": items}
    if isinstance(value, np.generic) and value.dtype in ARRAY_TYPES.values():
        return {"scalar": _put(np.asarray(value), name, arrays)}
    if kind in (np.ndarray, np.memmap):
        if value.dtype in ARRAY_TYPES.values():
            return {"array": _put(value, name, arrays)}
        items = value.ravel().tolist()
        if value.dtype == object and all(type(item) in _SCALARS for item in items):
            items = [encoded(item, name, arrays) for item in items]
            return {"objects": {"shape": list(value.shape), "items": items}}
        raise NotEncodableError(f"an array of dtype {value.dtype}")
    if kind is torch.device:
        return {"device": str(value)}
    raise NotEncodableError(f"a {kind.__module__}.{kind.__qualname__}")


def _numbers(values: list[Any]) -> NDArray[Any] | None:
    """Return a long list of numbers of one type as an array."""
    kinds = {type(value) for value in values}
    if len(values) < _LONG_LIST:
        return None
    if kinds == {float}:
        return np.array(values)
    if kinds == {int} and _INT64.min <= min(values) and max(values) <= _INT64.max:
        return np.array(values, dtype=np.int64)
    return None


def _put(array: NDArray[Any], name: str, arrays: Arrays) -> str:
    while name in arrays:  # keys with dots in them
        name += "_"
    arrays[name] = np.asarray(array, order="C")
    return name


def decoded(value: Any, arrays: Arrays) -> Any:
    """Return the value of which `encoded` made `value`.

    Parameters
    ----------
    value : object
        From JSON, not trusted.
    arrays : dict of str to ndarray
        Those that are used are taken out.

    Raises
    ------
    ValueError
        If `value` is not what `encoded` returns.
    """
    if isinstance(value, list):
        return [decoded(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or (kind := next(iter(value))) not in _DECODERS:
        raise ValueError(f"has a value with the keys {list(value)[:5]}: none is known.")
    try:
        return _DECODERS[kind](value[kind], arrays)
    except (AttributeError, KeyError, RuntimeError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(f"has a malformed {kind!r} ({problem}).") from error


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.50} is no list")
    return value


def _array(name: str, arrays: Arrays, n_dimensions: int | None = None) -> NDArray[Any]:
    array = arrays.pop(name)
    if n_dimensions not in (None, array.ndim):
        raise TypeError(f"the array {name!r} has {array.ndim} dimensions")
    return array


def _float(text: str, _: Arrays) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[text]


def _dict(items: list[list[Any]], arrays: Arrays) -> dict[Any, Any]:
    pairs = [_list(item) for item in _list(items)]
    if any(len(pair) != 2 for pair in pairs):
        raise TypeError("keys and values are no pairs")
    return {key: decoded(value, arrays) for key, value in pairs}


def _device(name: str, _: Arrays) -> torch.device:
    if not isinstance(name, str):  # numbers mean devices, too
        raise TypeError(f"{name!r:.50} is no name")
    return torch.device(name)


def _objects(content: dict[str, Any], _: Arrays) -> NDArray[np.object_]:
    shape, items = _list(content["shape"]), _list(content["items"])
    if not all(type(n) is int and n >= 0 for n in shape):
        raise TypeError(f"{shape!r:.50} is no shape")
    if math.prod(shape) != len(items):
        raise TypeError(f"shape {shape!r:.50} has not {len(items)} items")
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = decoded(item, {})
    return array.reshape(shape)


_DECODERS: dict[str, Callable[[Any, Arrays], Any]] = {
    "float": _float,
    "numbers": lambda name, arrays: _array(name, arrays, 1).tolist(),
    "tuple": lambda items, arrays: tuple(decoded(v, arrays) for v in _list(items)),
    "dict": lambda content, arrays: _dict([[*v] for v in content.items()], arrays),
    "items": _dict,
    "scalar": lambda name, arrays: _array(name, arrays, 0)[()],
    "array": _array,
    "objects": _objects,
    "device": _device,
}
