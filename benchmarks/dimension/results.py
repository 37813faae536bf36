"""Results as data: one line of JSON for each cell, one file for each contestant.

With benchmarks/dimension on Python's path::

    from results import load
    load()                    # a list of records
    load(as_frame=True)       # a data frame of pandas
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
#: 1: contestant, set, noise, seed; dimension and flat_dimension, null where not
#: answered; error, null or what was raised; seconds, n_rows, n_features, versions,
#: commit. Truths are not in it: they stand in problems.py.
SCHEMA = 1
PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-dimension", "torch")

#: What a cell is known by.
Key = tuple[str, str, float, int]


def key(record: dict[str, Any]) -> Key:
    return (
        record["contestant"],
        record["set"],
        float(record["noise"]),
        int(record["seed"]),
    )


def load(
    folder: Path | str = RESULTS,
    *,
    contestants: list[str] | None = None,
    as_frame: bool = False,
) -> Any:
    """Return the last record of every cell.

    Parameters
    ----------
    folder : path
        Of the files.
    contestants : list of str or None
        Whose files are read; None is all.
    as_frame : bool, default=False
        Return a data frame, with a column for each version.

    Returns
    -------
    list of dict, or DataFrame

    Raises
    ------
    ValueError
        If a line is no record of this schema.
    """
    paths = sorted(Path(folder).glob("*.jsonl"))
    if contestants is not None:
        paths = [path for path in paths if path.stem in contestants]
    records = list({key(r): r for path in paths for r in read(path)}.values())
    if not as_frame:
        return records
    import pandas

    return pandas.json_normalize(records)


def read(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"line {number} of {path} is no JSON ({error}): was a run cut short? "
                "Take the line out and run the cell again."
            ) from error
        if record.get("schema") != SCHEMA:
            raise ValueError(
                f"line {number} of {path} has schema={record.get('schema')!r}; this "
                f"loader reads {SCHEMA}."
            )
        yield record


def append(record: dict[str, Any], folder: Path) -> None:
    with (folder / f"{record['contestant']}.jsonl").open("a") as file:
        file.write(json.dumps({"schema": SCHEMA, **record}) + "\n")


def environment() -> dict[str, Any]:
    """Return the versions that a record is of; of this package also the commit."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
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
