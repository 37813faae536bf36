"""Readers of the formats in which image data sets are published.

What a file makes them unpack is bounded, and checked by the sums that the format has.
"""

from __future__ import annotations

import errno
import gzip
import math
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "REMEDY",
    "npz_arrays",
    "opened_zip",
    "read_idx",
    "read_member",
    "reading",
    "stream_npz_rows",
    "tar_gz_members",
]

REMEDY = "Delete it and get it again."
_CHUNK_BYTES = 2**24


@contextmanager
def reading(what: str | Path, kind: str) -> Iterator[None]:
    """Give the errors of a block that reads a file the file's name and the remedy.

    A damaged file makes its reader raise about anything. Errors that name the file
    already are left as they are.

    Parameters
    ----------
    what : str or Path
        What is read.
    kind : str
        Its format, for messages.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged or of another format.
    """
    try:
        yield
    except (MemoryError, Warning):
        raise
    except Exception as error:
        if isinstance(error, (OSError, ValueError)) and str(what) in str(error):
            raise
        # Errors of the system have a number, those about the contents have none, or
        # that of a place which does not exist.
        code = error.errno if isinstance(error, OSError) else None
        if code not in (None, errno.EINVAL):
            raise OSError(code, error.strerror, str(what)) from error
        raise ValueError(
            f"{what} is not a whole {kind} file: {str(error) or type(error).__name__}. "
            f"{REMEDY}"
        ) from error


def _gunzipped(path: Path, kind: str, max_bytes: int) -> bytes:
    """Return what a gzip file holds, once its checksum at the end has proved right."""
    with reading(path, kind), gzip.open(path) as stream:
        raw = stream.read(max_bytes + 1)
    if len(raw) > max_bytes:
        raise _too_large(path, max_bytes)
    return raw


def _too_large(what: str | Path, max_bytes: int) -> ValueError:
    return ValueError(
        f"{what} unpacks to more than {max_bytes} bytes, which is more than the "
        f"published file holds. {REMEDY}"
    )


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
    raw = _gunzipped(path, "gzip", max_bytes)
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


def tar_gz_members(
    path: Path, names: list[str], max_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """Yield the named files of a tar.gz file, whatever folder they are in.

    Parameters
    ----------
    path : Path
    names : list of str
    max_bytes : int
        The most that the archive may unpack to; so much memory is taken.

    Yields
    ------
    name : str
    file : bytes

    Raises
    ------
    ValueError
        If the archive is damaged or too large.
    """
    raw = _gunzipped(path, "tar.gz", max_bytes)
    # As a stream, front to back, a tar file cannot send its reader round in circles.
    with (
        reading(path, "tar.gz"),
        tarfile.open(fileobj=BytesIO(raw), mode="r|") as tar,
    ):
        for member in tar:
            name = member.name.rsplit("/", 1)[-1]
            # A sparse file is as large as it says.
            if name in names and member.isfile() and not member.issparse():
                with tar.extractfile(member) as stream:
                    yield name, stream.read()


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Give an opened zip file.

    Parameters
    ----------
    path : Path

    Yields
    ------
    ZipFile

    Raises
    ------
    ValueError
        If it is none, or damaged.
    """
    with reading(path, "zip"):
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive


def read_member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    """Return a file of a zip file, once its checksum has proved right.

    Parameters
    ----------
    archive : ZipFile
    name : str
    max_bytes : int
        The most that the file may unpack to.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If it is missing, damaged or too large.
    """
    with _opened_member(archive, name, max_bytes) as (stream, size):
        return stream.read(size)


@contextmanager
def _opened_member(
    archive: zipfile.ZipFile, name: str, max_bytes: int
) -> Iterator[tuple[IO[bytes], int]]:
    """Give a file of a zip file, and its size, beyond which it unpacks nothing."""
    path = archive.filename
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(
            f"{path} lacks {name}: it is another file, or part of one. {REMEDY}"
        ) from None
    if info.file_size > max_bytes:
        raise _too_large(f"{name} in {path}", max_bytes)
    with reading(path, "zip"):
        # Readers of other compressions unpack as much as they please at once.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile(f"{name} is not compressed by deflate")
        with archive.open(info) as stream:
            yield stream, info.file_size


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
            order = "F" if fortran_order else "C"
            arrays.append(
                np.frombuffer(bytearray(raw), dtype).reshape(shape, order=order)
            )
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
        _opened_member(archive, f"{name}.npy", math.prod(shape) + 2**16) as (stream, _),
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
