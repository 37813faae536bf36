"""Readers of the formats in which arrays are published."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ._archives import (
    REMEDY,
    gunzipped,
    opened_member,
    opened_zip,
    read_member,
    reading,
)

__all__ = ["npz_arrays", "read_idx", "stream_npz_rows"]

_CHUNK_BYTES = 2**24


def read_idx(path: Path, max_bytes: int) -> NDArray[np.uint8]:
    """Return the array of a gzipped idx file of unsigned bytes.

    Two zero bytes, the type (8), the number of axes, the length of each axis as
    big-endian 32-bit integers, the values.

    Parameters
    ----------
    path : Path
    max_bytes : int
        The most that it may unpack to.

    Returns
    -------
    ndarray of uint8

    Raises
    ------
    ValueError
        If the file is damaged, too large or of another format.
    """
    raw = gunzipped(path, "gzip", max_bytes)
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is not an idx file of unsigned bytes. {REMEDY}")
    start = 4 + 4 * raw[3]
    shape = tuple(np.frombuffer(raw[4:start], ">u4").tolist())
    if len(raw) - start != math.prod(shape):
        raise ValueError(
            f"{path} announces an array of shape {shape}, but holds {len(raw) - start} "
            f"bytes: it is damaged or only part of the file. {REMEDY}"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape).copy()


def npz_arrays(path: Path, names: tuple[str, ...], max_bytes: int) -> list[NDArray]:
    """Return the named arrays of an npz file, which must be of plain numbers.

    Parameters
    ----------
    path : Path
    names : tuple of str
    max_bytes : int
        The most that an array may unpack to.

    Returns
    -------
    list of ndarray
        In the order of `names`.

    Raises
    ------
    ValueError
        If the file is damaged, lacks one of them, or has a larger one.
    """
    arrays = []
    with opened_zip(path) as archive:
        for name in names:
            stream = BytesIO(read_member(archive, f"{name}.npy", max_bytes))
            shape, fortran_order, dtype = _read_npy_header(stream, f"{name} in {path}")
            raw = stream.read()
            if math.prod(shape) * dtype.itemsize != len(raw):
                raise ValueError(
                    f"{name} in {path} announces an array of shape {shape} and dtype "
                    f"{dtype}, but holds {len(raw)} bytes. {REMEDY}"
                )
            flat = np.frombuffer(bytearray(raw), dtype)
            arrays.append(flat.reshape(shape, order="F" if fortran_order else "C"))
    return arrays


def stream_npz_rows(
    path: Path, name: str, shape: tuple[int, ...], rows: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return some rows of one array of bytes in an npz file.

    The archive is read once, front to back, and only the rows that are asked for and
    one chunk of others are ever in memory.

    Parameters
    ----------
    path : Path
    name : str
        Of the array.
    shape : tuple of int
        That it must have.
    rows : ndarray of int of shape (n,)
        In any order.

    Returns
    -------
    ndarray of uint8 of shape (n, ...)
        In the order of `rows`.

    Raises
    ------
    ValueError
        If the file is damaged, or the array is none of bytes of this shape.
    """
    out = np.empty((len(rows), *shape[1:]), np.uint8)
    order = np.argsort(rows, kind="stable")
    wanted = rows[order]
    row_bytes = math.prod(shape[1:])
    step = max(1, _CHUNK_BYTES // row_bytes)
    with (
        opened_zip(path) as archive,
        opened_member(archive, f"{name}.npy", math.prod(shape) + 2**16) as (stream, _),
    ):
        found, fortran_order, dtype = _read_npy_header(stream, f"{name} in {path}")
        if found != shape or fortran_order or dtype != np.uint8:
            raise ValueError(
                f"{name} in {path} is an array of {dtype} and shape {found} instead of "
                f"uint8 and {shape}: it is damaged or another file. {REMEDY}"
            )
        for start in range(0, shape[0], step):
            n_rows = min(step, shape[0] - start)
            raw = stream.read(n_rows * row_bytes)
            if len(raw) != n_rows * row_bytes:
                raise EOFError(f"it ends in the middle of {name}")
            first, last = np.searchsorted(wanted, (start, start + n_rows))
            if first < last:
                chunk = np.frombuffer(raw, np.uint8).reshape(-1, *shape[1:])
                out[order[first:last]] = chunk[wanted[first:last] - start]
    return out


def _read_npy_header(
    stream: IO[bytes], what: str
) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, whether columns come first, and type, which is a plain number's."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with reading(what, "npy"):
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise ValueError(f"version {version} of the format is unknown")
        shape, fortran_order, dtype = readers[version](stream)
        if dtype.kind not in "biuf" or min(shape, default=0) < 0:
            raise ValueError("it must be an array of plain numbers")
    return shape, fortran_order, dtype
