"""Files that are written whole or not at all, and read only if they are files."""

from __future__ import annotations

import glob
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["read_file", "whole_file"]

# A process that still writes does so more often than once in
_LEFTOVER_SECONDS = 24 * 3600.0


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a temporary path that becomes `target` if the block ends well.

    However it ends, no partial file stays behind, and nobody sees one under the
    target's name: the two lie in one folder, and renaming is atomic. What a killed
    process left there a day ago or before goes as well. The file gets the permissions
    that any new file of the user has; a link stays, and its file is replaced.

    Parameters
    ----------
    target : Path

    Yields
    ------
    Path

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        If `target` is a device or a pipe, which renaming would replace.
    """
    target = Path(os.path.realpath(target))
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise ValueError(f"{target} is a device or a pipe; give the path of a file.")
    _remove_leftovers(target)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        # Not by tempfile, whose files are closed to everybody else.
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield partial
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())  # or a power cut may leave an empty target
        partial.replace(target)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _remove_leftovers(target: Path) -> None:
    for partial in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        with suppress(OSError):  # another process may have been faster
            if time.time() - partial.stat().st_mtime > _LEFTOVER_SECONDS:
                partial.unlink()


def read_file(path: Path) -> bytes:
    """Return the content of a file, which a pipe or a device is not.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is a device or a pipe: they may block, or never end.
    """
    # Without blocking where nobody writes to a pipe.
    with open(path, "rb", opener=_open_without_waiting) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ValueError(f"{path} is a device or a pipe; give the path of a file.")
        return stream.read()


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
