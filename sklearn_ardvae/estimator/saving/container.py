"""The bytes of a saved model: safetensors, with JSON and a hash in the header.

What is read here is not trusted: whatever the bytes, the result is an error, or arrays
and JSON that take a small multiple of the memory that the bytes do.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._optional import optional_module
from .encoding import ARRAY_TYPES

__all__ = ["FORMAT_VERSION", "pack", "unpack"]

#: The version that is written; those before it are read.
FORMAT_VERSION = 2

_HEADER, _HASH = "sklearn_ardvae", "sha256"
# The length of a safetensors header is written in so many bytes, least first.
_LENGTH_BYTES = 8
# Names of 100 000 features take 3 MB.
_LARGEST_HEADER = 2**24
# A value in JSON may take 30 times the memory of its text. An array takes 9 of them.
_MOST_VALUES = 2**20


def pack(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return the bytes of a file.

    Parameters
    ----------
    header : dict
        What JSON can hold.
    arrays : dict of str to ndarray
        Of the types in `ARRAY_TYPES`, in C order.

    Raises
    ------
    ImportError
        If the package safetensors is missing.
    ValueError
        If the header would be too long to be read again.
    """
    safetensors = optional_module("safetensors.numpy", "save")
    text = json.dumps(header, allow_nan=False)
    metadata = {_HEADER: text, _HASH: _hash(text, arrays)}
    content = safetensors.save(arrays, metadata=metadata)
    _header_of(content)
    return content


def unpack(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays of a file; ``format_version`` in it is a known one.

    Parameters
    ----------
    content : bytes

    Raises
    ------
    ImportError
        If the package safetensors is missing.
    ValueError
        If the bytes are not those of a file that `pack` made, undamaged; the message
        goes on where the name of the file ends.
    """
    safetensors = optional_module("safetensors", "save")
    outer = _header_of(content)
    try:
        stored = safetensors.deserialize(content)
    except safetensors.SafetensorError as error:
        raise ValueError(f"is not a safetensors file: {error}") from error
    metadata = json.loads(outer).get("__metadata__", {})
    if _HEADER not in metadata:
        raise ValueError("is a safetensors file, but no saved estimator.")
    text = metadata[_HEADER]
    try:
        header = json.loads(text)
    except ValueError as error:
        raise ValueError(f"is damaged: its header is no JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("has a header that is nested too deeply.") from error
    if not isinstance(header, dict):
        raise ValueError("has a header that is no JSON object.")
    _check_version(header)
    arrays = {name: _array(name, **view) for name, view in stored}
    if header["format_version"] > 1 and metadata.get(_HASH) != _hash(text, arrays):
        raise ValueError(
            "is damaged or was changed: its content does not match its hash."
        )
    return header, arrays


def _check_version(header: dict[str, Any]) -> None:
    version, versions = header.get("format_version"), header.get("versions")
    if type(version) is not int or version < 1:
        raise ValueError(f"has no version of the format: {version!r:.50}.")
    if version > FORMAT_VERSION:
        writer = versions.get(_HEADER) if isinstance(versions, dict) else "a newer one"
        raise ValueError(
            f"has format version {version}, and 1 to {FORMAT_VERSION} are read here: "
            f"it needs the version of sklearn_ardvae that wrote it, {writer!s:.50}, or "
            "a later one."
        )


def _header_of(content: bytes) -> bytes:
    """Return the header of a safetensors file, if it is of a size that is read."""
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if not 0 < length <= len(content) - _LENGTH_BYTES:
        raise ValueError("is not a safetensors file, or only the start of one.")
    if length > _LARGEST_HEADER:
        raise ValueError(f"has a header of {length} bytes, over {_LARGEST_HEADER}.")
    header = content[_LENGTH_BYTES : _LENGTH_BYTES + length]
    # An upper bound: there are such characters in strings, too.
    n_values = sum(header.count(character) for character in (b",", b"[", b"{"))
    if n_values > _MOST_VALUES:
        raise ValueError(
            f"has a header of {n_values} values, over {_MOST_VALUES}: long lists "
            "belong into arrays."
        )
    return header


def _array(name: str, dtype: str, shape: list[int], data: bytearray) -> NDArray[Any]:
    """Return an array over the bytes of one tensor."""
    if dtype not in ARRAY_TYPES:
        raise ValueError(f"has an array of type {dtype}: {name!r:.100}.")
    if dtype == "BOOL" and data.translate(None, b"\0\1"):
        raise ValueError(f"is damaged: {name!r:.100} is neither true nor false.")
    try:
        return np.frombuffer(data, ARRAY_TYPES[dtype]).reshape(shape)
    except ValueError as error:
        raise ValueError(f"has an array of no shape: {error}.") from error


def _hash(text: str, arrays: dict[str, NDArray[Any]]) -> str:
    """Return the hash of JSON and of the names, types, shapes and bytes of arrays."""
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        kind = [name, array.dtype.str, array.shape]
        digest.update(json.dumps(kind).encode())
        digest.update(array.data)
    return digest.hexdigest()
