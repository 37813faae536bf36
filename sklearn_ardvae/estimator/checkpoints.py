"""A folder in which a fit keeps what it has come to, and goes on from there."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._files import read_file, whole_file
from .._optional import optional_module
from .._warnings import warn
from ..nn.reading import ReadRows
from ..storage.rows import StoredRows
from ..training.net import AutoencoderNet
from ..training.resuming import progress_of, put_back
from ..training.team import Team
from .saving.container import FORMAT_VERSION, pack, unpack
from .saving.encoding import Arrays, NotEncodableError, decoded, encoded
from .saving.tensors import as_arrays, as_tensors

__all__ = ["CheckpointFolder", "SharedCheckpoints", "hash_of", "identity_of"]

# Files that are kept: the last may be damaged.
_KEPT = 2
# Writing takes no more than this share of the time.
_SHARE = 0.05
_NAME, _PATTERN = "epoch-{:08d}.safetensors", "epoch-????????.safetensors"
#: What does not change the course of a fit.
_IRRELEVANT = frozenset(
    {
        "callbacks",
        "checkpoint",
        "device",
        "min_output_components",
        "n_jobs",
        "on_interrupt",
        "output_components",
        "verbose",
    }
)
# Of rows that are hashed at once.
_BLOCK_BYTES = 2**24


@dataclass(frozen=True)
class _Checkpoint:
    """A seed, and what `progress_of` returns; None before the first epoch."""

    seed: int
    progress: dict[str, Any] | None


class CheckpointFolder:
    """Writes what a fit has come to, and reads it again.

    Parameters
    ----------
    folder : path-like
        Made if it is missing.
    identity : dict of str to str
        What the fit is of, as from `identity_of`.

    Raises
    ------
    ImportError
        If the package safetensors is missing.
    OSError
        If the folder cannot be made or read.
    ValueError
        If it holds a fit of something else.

    Warns
    -----
    UserWarning
        If a file is damaged.
    """

    def __init__(self, folder: str | PathLike, identity: dict[str, str]) -> None:
        optional_module("safetensors.numpy", "save")
        self.folder = Path(os.fsdecode(folder))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.identity = identity
        self._found = self._find()
        self._due = -math.inf

    def seed_or(self, seed: int) -> int:
        """Return the seed of the fit that was begun here; if none was, begin this."""
        if self._found is not None:
            return self._found.seed
        self._write(0, seed, None, {})
        return seed

    def found_progress(self) -> dict[str, Any] | None:
        """Return what was found, once."""
        found, self._found = self._found, None
        return None if found is None else found.progress

    def put_back(self, net: AutoencoderNet) -> None:
        """Let a net that is about to begin its epochs go on from what was found."""
        progress = self.found_progress()
        if progress is not None:
            put_back(net, progress)

    def keep(self, net: AutoencoderNet) -> None:
        """Write what a net has come to after an epoch, if the last time is long ago."""
        start = time.monotonic()
        if start < self._due and not net.is_last_epoch_:
            return
        arrays: Arrays = {}
        progress = encoded(as_arrays(progress_of(net)), "progress", arrays)
        self._write(net.epochs_run_, net.seed, progress, arrays)
        end = time.monotonic()
        self._due = end + (end - start) / _SHARE

    def _write(self, epoch: int, seed: int, progress: Any, arrays: Arrays) -> None:
        header = {
            "format_version": FORMAT_VERSION,
            "identity": self.identity,
            "seed": seed,
            "progress": progress,
        }
        content = pack(header, arrays)
        with whole_file(self.folder / _NAME.format(epoch)) as partial:
            partial.write_bytes(content)
        for old in self._files()[_KEPT:]:
            old.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """Return what was written, the last first."""
        return sorted(self.folder.glob(_PATTERN), reverse=True)

    def _find(self) -> _Checkpoint | None:
        for path in self._files():
            try:
                header, arrays = unpack(read_file(path))
                self._check(header.get("identity"))
                progress = as_tensors(decoded(header.get("progress"), arrays))
                return _Checkpoint(int(header["seed"]), progress)
            except _OtherFitError as error:
                raise ValueError(str(error)) from None
            except (KeyError, TypeError, ValueError) as error:
                # Out of the way of those that are written next.
                path = path.replace(path.with_suffix(".damaged"))
                warn(f"{path} {error} The fit goes on from what was kept before it.")
        return None

    def _check(self, identity: Any) -> None:
        """Raise unless what was found is of the same fit."""
        if not isinstance(identity, dict):
            raise ValueError("is no checkpoint.")
        changed = [
            name
            for name in identity.keys() | self.identity.keys()
            if identity.get(name) != self.identity.get(name)
        ]
        if not changed:
            return
        if "data" in changed:
            reason = "of other data"
        else:
            reason = "of " + ", ".join(
                f"{name}={identity.get(name)}, not {self.identity.get(name)}"
                for name in sorted(changed)[:3]
            )
        raise _OtherFitError(
            f"checkpoint={str(self.folder)!r} holds a fit {reason}. Name another "
            "folder, or remove this one."
        )


class SharedCheckpoints:
    """A folder that the first of several processes reads and writes for all.

    Parameters
    ----------
    folder, identity
        As for `CheckpointFolder`.
    team : Team
    """

    def __init__(
        self, folder: str | PathLike, identity: dict[str, str], team: Team
    ) -> None:
        self.team = team
        self._own = CheckpointFolder(folder, identity) if team.is_first else None

    def seed_or(self, seed: int) -> int:
        """Return the seed of the fit that was begun here; if none was, begin this."""
        return self.team.from_first(
            None if self._own is None else self._own.seed_or(seed)
        )

    def put_back(self, net: AutoencoderNet) -> None:
        """Let a net that is about to begin its epochs go on from what was found."""
        found = None if self._own is None else self._own.found_progress()
        progress = self.team.from_first(found)
        if progress is not None:
            put_back(net, progress)

    def keep(self, net: AutoencoderNet) -> None:
        """Write what the nets have come to, if the last time is long ago."""
        if self._own is not None:
            self._own.keep(net)


class _OtherFitError(Exception):
    """The folder holds what this fit must not go on from."""


def identity_of(
    class_name: str,
    params: dict[str, Any],
    rows: NDArray | Tensor | ReadRows | StoredRows,
    **more: Any,
) -> dict[str, str]:
    """Return what a fit is of, in words: two that differ are different fits.

    Of values that have no exact form as text (networks, functions), only the types
    are told apart.

    Parameters
    ----------
    class_name : str
    params : dict
        Of the constructor.
    rows : array of shape (n_rows, n_features)
    **more
        What else the fit depends on.
    """
    from .. import __version__

    relevant = {n: v for n, v in params.items() if n not in _IRRELEVANT}
    known = {"class": class_name, "data": hash_of(rows)}
    known |= {name: _text_of(value) for name, value in (relevant | more).items()}
    return known | {"sklearn_ardvae": __version__, "torch": str(torch.__version__)}


def _text_of(value: Any) -> str:
    arrays: Arrays = {}
    try:
        text = json.dumps(encoded(value, "array", arrays))
    except NotEncodableError as error:
        return str(error)
    return " ".join([text, *map(hash_of, arrays.values())])


def hash_of(rows: NDArray | Tensor | ReadRows | StoredRows) -> str:
    """Return what two arrays share only if they are equal, bit by bit."""
    rows = np.atleast_1d(rows) if isinstance(rows, np.ndarray) else rows

    def some(start: int, n_rows: int) -> NDArray:
        block = rows[start : start + n_rows]
        if isinstance(block, Tensor):
            return block.detach().cpu().numpy()
        return np.asarray(block)

    first = some(0, 1)
    digest = hashlib.sha256(f"{first.dtype.str}{tuple(rows.shape)}".encode())
    size = max(1, _BLOCK_BYTES // max(1, first.nbytes))
    for start in range(0, len(rows), size):
        digest.update(np.ascontiguousarray(some(start, size)).data)
    return digest.hexdigest()
