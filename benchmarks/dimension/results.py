"""Results as data: one line of JSON for each cell, one file for each contestant.

With benchmarks/dimension on Python's path::

    from results import load
    load()                    # a list of records
    load(as_frame=True)       # a data frame of pandas
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))
import records

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
    found = (r for path in paths for r in records.read(path, SCHEMA))
    cells = list({key(r): r for r in found}.values())
    if not as_frame:
        return cells
    import pandas

    return pandas.json_normalize(cells)


def append(record: dict[str, Any], folder: Path) -> None:
    records.append(record, folder / f"{record['contestant']}.jsonl", SCHEMA)


def environment() -> dict[str, Any]:
    return records.environment(PACKAGES)
