"""Readers of gzip, tar and zip files that trust none of them.

What a file makes them unpack is bounded, and checked by the sums that the format has.
"""

from __future__ import annotations

import errno
import gzip
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

__all__ = [
    "REMEDY",
    "gunzipped",
    "opened_member",
    "opened_zip",
    "read_member",
    "reading",
    "tar_gz_members",
]

REMEDY = "Delete it and get it again."


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
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise OSError(error.errno, error.strerror, str(what)) from error
        raise ValueError(
            f"{what} is not a whole {kind} file: {str(error) or type(error).__name__}. "
            f"{REMEDY}"
        ) from error


def gunzipped(path: Path, kind: str, max_bytes: int) -> bytes:
    """Return what a gzip file holds, once its checksum at the end has proved right.

    Parameters
    ----------
    path : Path
    kind : str
        Its format, for messages.
    max_bytes : int
        The most that it may unpack to.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the file is damaged or too large.
    """
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
    raw = gunzipped(path, "tar.gz", max_bytes)
    # As a stream, front to back, a tar file cannot send its reader round in circles.
    with (
        reading(path, "tar.gz"),
        tarfile.open(fileobj=BytesIO(raw), mode="r|") as tar,
    ):
        for member in tar:
            name = member.name.rsplit("/", 1)[-1]
            # A sparse file is as large as it says.
            if name in names and member.isfile() and not member.issparse():
                stream = tar.extractfile(member)
                assert stream is not None  # a file has one
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
    with opened_member(archive, name, max_bytes) as (stream, size):
        return stream.read(size)


@contextmanager
def opened_member(
    archive: zipfile.ZipFile, name: str, max_bytes: int
) -> Iterator[tuple[IO[bytes], int]]:
    """Give a file of a zip file, to be read in pieces no larger than need be.

    Parameters
    ----------
    archive : ZipFile
    name : str
    max_bytes : int
        The most that the file may unpack to.

    Yields
    ------
    stream : binary file
        Its end is not read unless its checksum is right.
    size : int
        Of the file.

    Raises
    ------
    ValueError
        If it is missing, damaged or too large.
    """
    path = str(archive.filename)
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
