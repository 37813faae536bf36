"""Readers of the formats in which image data sets are published."""

from __future__ import annotations

import codecs
import gzip
import math
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ArrayUnpickler",
    "load_batch",
    "npz_arrays",
    "read_idx",
    "stream_npz_rows",
]

_CHUNK_BYTES = 2**24
# What a damaged pickle, or one that was never a pickle, can raise.
_BROKEN_PICKLE = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of a gzipped idx file of unsigned bytes.

    Two zero bytes, the type (8), the number of axes, the length of each axis as
    big-endian 32-bit integers, the values.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray of uint8

    Raises
    ------
    ValueError
        If the file is damaged or of another format.
    """
    try:
        with gzip.open(path) as stream:
            raw = stream.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}.") from error
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is not an idx file of unsigned bytes.")
    start = 4 + 4 * raw[3]
    shape = tuple(np.frombuffer(raw[4:start], ">u4").tolist())
    if len(raw) - start != math.prod(shape):
        raise ValueError(
            f"{path} announces an array of shape {shape}, but holds {len(raw) - start} "
            "bytes: it is damaged or only part of the file."
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def npz_arrays(path: Path, names: tuple[str, ...]) -> list[NDArray]:
    """Return the named arrays of an npz file; numpy refuses pickled objects.

    Parameters
    ----------
    path : Path
    names : tuple of str

    Returns
    -------
    list of ndarray
        In the order of `names`.

    Raises
    ------
    ValueError
        If the file is damaged, or lacks one of them.
    """
    try:
        with path.open("rb") as stream, np.load(stream) as archive:
            return [archive[name] for name in names]
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is not a whole npz file: {error}.") from error
    except KeyError as error:
        raise ValueError(
            f"{path} lacks an array: it must hold {', '.join(names)}."
        ) from error


def stream_npz_rows(
    path: Path, name: str, rows: NDArray[np.int64]
) -> tuple[NDArray, int]:
    """Return some rows of one array of an npz file, and how many rows it has.

    The archive is read once, front to back, and only the rows that are asked for and
    one chunk of others are ever in memory.

    Parameters
    ----------
    path : Path
    name : str
        Of the array.
    rows : ndarray of int of shape (n,)
        In any order.

    Returns
    -------
    some : ndarray of shape (n, ...)
        In the order of `rows`.
    n_rows : int

    Raises
    ------
    ValueError
        If the file ends early, or the array is not rows of plain numbers.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
        shape, dtype = _read_npy_header(stream, f"{name} in {path}")
        out = np.empty((len(rows), *shape[1:]), dtype)
        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        row_bytes = dtype.itemsize * math.prod(shape[1:])
        step = max(1, _CHUNK_BYTES // row_bytes)
        for start in range(0, shape[0], step):
            stop = min(start + step, shape[0])
            raw = stream.read((stop - start) * row_bytes)
            if len(raw) != (stop - start) * row_bytes:
                raise ValueError(f"{path} ends in the middle of {name}.")
            first, last = np.searchsorted(wanted, (start, stop))
            if first < last:
                chunk = np.frombuffer(raw, dtype).reshape(-1, *shape[1:])
                out[order[first:last]] = chunk[wanted[first:last] - start]
    return out, shape[0]


def _read_npy_header(stream: IO[bytes], what: str) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"{what} is in version {version} of npy, which is unknown.")
    shape, fortran_order, dtype = readers[version](stream)
    if fortran_order or dtype.hasobject or not shape:
        raise ValueError(f"{what} must be rows of plain numbers in C order.")
    return shape, dtype


def _encode(text: str, encoding: str) -> bytes:
    # Python 3 writes bytes so in pickles that Python 2 can read; other codecs, some
    # of which decompress, are none of our business.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"codec {encoding!r} is not allowed")
    return codecs.encode(text, "latin1")


def _dtype(code: str | bytes, align: int = 0, _copy: int = 0) -> np.dtype:
    # Python 2 wrote bytes for text and 0 and 1 for truth, of which numpy warns.
    dtype = np.dtype(code.decode() if isinstance(code, bytes) else code, copy=True)
    if align or dtype.kind not in "biuf":
        raise pickle.UnpicklingError(f"values of type {dtype} are not allowed")
    return dtype


def _allowed_globals() -> dict[tuple[str, str], Any]:
    reconstruct = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    frombuffer = np.empty(1).__reduce_ex__(5)[0]
    allowed: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): _dtype,
        ("_codecs", "encode"): _encode,
    }
    for package in ("numpy.core", "numpy._core"):  # before and since numpy 2
        allowed[f"{package}.multiarray", "_reconstruct"] = reconstruct
        allowed[f"{package}.multiarray", "scalar"] = scalar
        allowed[f"{package}.numeric", "_frombuffer"] = frombuffer
    return allowed


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays, numbers, strings and containers of them, and nothing else.

    A pickle can name any function for the reader to call; this reader knows only
    those that numpy needs to rebuild an array.
    """

    _allowed = _allowed_globals()

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"the file asks for {module}.{name}, which data have no use for"
            ) from None


def load_batch(stream: IO[bytes], what: str) -> tuple[NDArray[np.uint8], NDArray]:
    """Return images (n, 3, 32, 32) and labels of a CIFAR or ImageNet32 batch.

    Parameters
    ----------
    stream : binary file
    what : str
        The batch, for messages.

    Raises
    ------
    ValueError
        If the pickle holds anything but arrays, numbers, strings, lists and
        dictionaries, or not the arrays of a batch.
    """
    try:
        # Keys are bytes in the CIFAR files, which Python 2 wrote, elsewhere text.
        batch = ArrayUnpickler(stream, encoding="bytes").load()
    except _BROKEN_PICKLE as error:
        raise ValueError(f"{what} is not a batch of images: {error}.") from error
    if isinstance(batch, dict):
        named = {k.decode() if isinstance(k, bytes) else k: batch[k] for k in batch}
        data, labels = named.get("data"), np.asarray(named.get("labels"))
        if (
            isinstance(data, np.ndarray)
            and data.dtype == np.uint8
            and data.ndim == 2
            and data.shape[1] == 3 * 32 * 32
            and labels.shape == data.shape[:1]
            and labels.dtype.kind in "iu"
        ):
            return data.reshape(-1, 3, 32, 32), labels.astype(np.int64)
    raise ValueError(
        f"{what} must be a dictionary of 'data', uint8 of shape (n, 3072), and "
        "'labels', n integers."
    )
