"""Where data files lie, how they get there, and how they are verified."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from sklearn.datasets import get_data_home

from .._files import whole_file

__all__ = [
    "RemoteFile",
    "check_checksum",
    "data_folder",
    "find",
    "obtain",
]

_ENVIRONMENT_VARIABLE = "SKLEARN_ARDVAE_DATA"
_CHUNK_BYTES = 2**20
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Parameters
    ----------
    name : str
        The name under which it is published and looked for.
    urls : tuple of str
        Where it can be downloaded without an account, best first; empty if nowhere.
    checksum : str, default=""
        ``"md5:..."`` or ``"sha256:..."`` as its publishers or well-known packages
        state it; empty if none is known.
    source : str, default=""
        Where a person finds it, for a file that cannot be downloaded directly.
    """

    name: str
    urls: tuple[str, ...] = ()
    checksum: str = ""
    source: str = ""


def data_folder(data_home: str | os.PathLike | None) -> Path:
    """Return the folder of data sets, made if it is missing.

    Parameters
    ----------
    data_home : str, path-like or None
        If None, the environment variable ``SKLEARN_ARDVAE_DATA`` says it, else
        scikit-learn's data home is taken.

    Returns
    -------
    Path
    """
    home = data_home or os.environ.get(_ENVIRONMENT_VARIABLE) or None
    return Path(get_data_home(home))


def find(name: str, home: Path, folder: str) -> Path | None:
    """Return ``home/folder/name`` or ``home/name``, whichever is there.

    Parameters
    ----------
    name : str
        Of the file.
    home : Path
    folder : str
        Of the data set, inside `home`.

    Returns
    -------
    Path or None
    """
    places = (home / folder / name, home / name)
    return next((place for place in places if place.exists()), None)


def obtain(
    file: RemoteFile,
    home: Path,
    folder: str,
    *,
    download: bool,
    verify: str = "structure",
) -> Path:
    """Return the path of `file`, downloaded if need be.

    It is looked for in ``home/folder`` and in ``home`` itself, and downloaded to
    ``home/folder`` from the first address that gives it whole. A downloaded file always
    has to match its checksum, one that was already there only if `verify` says so.

    Parameters
    ----------
    file : RemoteFile
    home : Path
    folder : str
        Of the data set, inside `home`.
    download : bool
        Whether it may be downloaded.
    verify : str, default="structure"
        With "checksum", a file that is there has to match its checksum.

    Raises
    ------
    OSError
        If the file is missing and cannot be downloaded: no address gives it, or none
        the published one.
    ValueError
        If the checksum of a file that is there is wrong, or unknown although it shall
        be verified.
    """
    if (place := find(file.name, home, folder)) is not None:
        if verify == "checksum":
            check_checksum(place, file)
        return place
    target = home / folder / file.name
    if not download or not file.urls:
        raise OSError(_how_to_place(file, target, "is missing", download=download))
    failures = []
    for url in file.urls:
        try:
            _download(url, target, file)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{url}: {getattr(error, 'reason', error)}")
        else:
            return target
    reason = f"could not be downloaded ({'; '.join(failures)})"
    raise OSError(_how_to_place(file, target, reason, download=True))


def _how_to_place(
    file: RemoteFile, target: Path, reason: str, *, download: bool
) -> str:
    source = file.source or " or ".join(file.urls)
    advice = f"Get it from {source} and put it at {target}"
    if not download and file.urls:
        advice += ", or set download_if_missing=True"
    return (
        f"The file {file.name} {reason}. {advice}. Other folders are searched with "
        f"data_home=... or the environment variable {_ENVIRONMENT_VARIABLE}."
    )


def _download(url: str, target: Path, file: RemoteFile) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "sklearn_ardvae"})
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response,
        whole_file(target) as partial,
    ):
        n_bytes = 0
        with partial.open("wb") as stream:
            while chunk := response.read(_CHUNK_BYTES):
                n_bytes += len(chunk)
                stream.write(chunk)
        expected = response.headers.get("Content-Length")
        if expected is not None and n_bytes != int(expected):
            raise ConnectionError(
                f"the download ended at {n_bytes} of {expected} bytes"
            )
        if file.checksum and (wrong := _wrong_checksum(partial, file)):
            raise OSError(f"the download has the {wrong}")


def check_checksum(path: Path, file: RemoteFile) -> None:
    """Raise unless the file at `path` has the checksum published for it.

    Parameters
    ----------
    path : Path
    file : RemoteFile

    Raises
    ------
    ValueError
        If it has another one, or none was published.
    """
    if not file.checksum:
        raise ValueError(
            f"No checksum of {file.name} is known, so verify='checksum' cannot be "
            "done; use verify='structure'."
        )
    if wrong := _wrong_checksum(path, file):
        raise ValueError(
            f"{path} has the {wrong}: it is damaged or another version. Delete it and "
            "fetch it again, or read it as it is with verify='structure'."
        )


def _wrong_checksum(path: Path, file: RemoteFile) -> str:
    """Return what is wrong with a file's checksum, nothing if it is as published."""
    algorithm, expected = file.checksum.split(":")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, algorithm).hexdigest()
    if digest == expected:
        return ""
    return f"{algorithm} checksum {digest} instead of the published {expected}"
