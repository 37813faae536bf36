"""Records of benchmarks: lines of JSON of a schema, with what they were made by."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["append", "environment", "read"]

Record = dict[str, Any]


def append(record: Record, path: Path, schema: int) -> None:
    """Add a line to a file, which may be a new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"schema": schema, **record}) + "\n")


def read(path: Path, schema: int) -> Iterator[Record]:
    """Yield the records of a file.

    Raises
    ------
    ValueError
        If a line is no record of this schema.
    """
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"line {number} of {path} is no JSON ({error}): was a run cut short? "
                "Take the line out and run it again."
            ) from error
        if record.get("schema") != schema:
            raise ValueError(
                f"line {number} of {path} has schema={record.get('schema')!r}; this "
                f"loader reads {schema}."
            )
        yield record


def environment(packages: tuple[str, ...]) -> Record:
    """Return versions, null of what is not installed; of this package the commit."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {"versions": versions, "commit": git.stdout.strip() or None}
