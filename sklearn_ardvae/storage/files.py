"""Rows of a file that are read without becoming part of the process's memory."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FileRows", "TemporaryFile", "file_rows"]


class TemporaryFile:
    """A file that is removed when nothing refers to this any more.

    Parameters
    ----------
    suffix : str
        Of its name.
    """

    def __init__(self, suffix: str) -> None:
        number, name = tempfile.mkstemp(suffix, prefix="sklearn_ardvae-")
        os.close(number)
        self.path = Path(name)
        self._finalizer = weakref.finalize(self, _remove, name)


def _remove(name: str) -> None:
    with suppress(OSError):
        os.unlink(name)


class FileRows:
    """Rows of equal size that lie one behind the other in a file.

    Pages of a memory map that were read count as memory of the process until the system
    wants them back; what is read from the file does not.

    Parameters
    ----------
    path : str
    start : int
        Where the first row begins, in bytes.
    shape : tuple of int
    dtype : dtype
    """

    def __init__(
        self, path: str, start: int, shape: tuple[int, ...], dtype: np.dtype
    ) -> None:
        self.path, self.start = path, start
        self.shape, self.dtype = shape, dtype
        self._row_bytes = dtype.itemsize * math.prod(shape[1:])
        self._open()

    def _open(self) -> None:
        self._number = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        weakref.finalize(self, os.close, self._number)

    def __getstate__(self) -> dict[str, Any]:
        return {n: v for n, v in self.__dict__.items() if n != "_number"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __getitem__(self, key: slice | NDArray[np.intp]) -> NDArray:
        n_rows = self.shape[0]
        if isinstance(key, slice):
            first, last, _ = key.indices(n_rows)
            rows = np.empty((max(0, last - first), *self.shape[1:]), self.dtype)
            self._read(rows.reshape(-1).view(np.uint8).data, first)
            return rows
        # The file may go on beyond these rows.
        if len(key) and not -n_rows <= key.min() <= key.max() < n_rows:
            raise IndexError(f"There are {n_rows} rows; asked for up to {key.max()}.")
        rows = np.empty((len(key), *self.shape[1:]), self.dtype)
        size, whole = self._row_bytes, rows.reshape(-1).view(np.uint8).data
        places = np.where(key < 0, key + n_rows, key).tolist()
        for i, place in enumerate(places):
            self._read(whole[i * size : (i + 1) * size], place)
        return rows

    def _read(self, into: memoryview, place: int) -> None:
        """Fill the bytes with those that begin at a row."""
        offset = self.start + place * self._row_bytes
        while n_left := len(into):
            n_bytes = os.preadv(self._number, [into], offset)
            if n_bytes == n_left:
                return
            if n_bytes == 0:
                raise OSError(f"{self.path} has become shorter since it was opened.")
            into, offset = into[n_bytes:], offset + n_bytes


def file_rows(array: NDArray) -> FileRows | NDArray:
    """Return the rows of a memory map, to be read from its file.

    Or the array itself, if it is none, or of private changes, or not of whole rows one
    behind the other, or where the system cannot read at a place.
    """
    mapped = getattr(array, "_mmap", None)
    if mapped is None or not isinstance(array, np.memmap) or array.size == 0:
        return array
    of_rows = array.flags.c_contiguous and hasattr(os, "preadv")
    if not of_rows or array.mode == "c" or array.filename is None:
        return array
    # A part of a memory map has the offset of the whole.
    begin = np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
    inside = array.__array_interface__["data"][0] - begin
    start = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY + inside
    return FileRows(str(array.filename), start, array.shape, array.dtype)
