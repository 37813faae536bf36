"""Time alternatives in turns, in one process, and keep the times as records.

A record is one line of JSON in results/<question>.jsonl. With benchmarks/performance on
Python's path::

    from measure import load
    load()                    # a list of records
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parents[1]))
import records
from records import Record

RESULTS = Path(__file__).parent / "results"
#: 1: question, case, part, threads; setting in words; aim, null or {"most": x} or
#: {"least": x}; seconds, for each side a list of [of the clock, the process's own], one
#: entry a round; load, n_processors, versions, commit.
SCHEMA = 1
PACKAGES = ("numpy", "scipy", "scikit-learn", "skorch", "torch", "pythae")

#: What a record is known by.
Key = tuple[str, str, str, int]


class Seconds(NamedTuple):
    """Of the clock, and of the process itself, on all its threads."""

    clock: float
    own: float


#: Seconds of the parts of what a side does, by name.
Parts = dict[str, Seconds]
#: Seconds of each part and side, one entry a round.
Turns = dict[str, dict[str, list[Seconds]]]


@dataclass(frozen=True)
class Case:
    """Some ways to do the same, or the same in several sizes.

    Parameters
    ----------
    name : str
    setting : str
        Rows, widths, epochs.
    sides : mapping of str to callable, or callable
        The first one's time is divided by those of the others. One that returns
        `Parts` is taken at its word, others are timed. Or a function of the number of
        rounds that lets sides take turns itself, and returns their `Turns`.
    aims : mapping of str to mapping
        ``{"most": x}`` or ``{"least": x}``, for the ratio of a part.
    threads : int
    rounds : int
        Times that each side has its turn, after once to warm up.
    """

    name: str
    setting: str
    sides: Mapping[str, Callable[[], Any]] | Callable[[int], Turns]
    aims: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    threads: int = 1
    rounds: int = 9


# --- timing ---------------------------------------------------------------------------


def now() -> Seconds:
    return Seconds(time.perf_counter(), time.process_time())


def between(start: Seconds, end: Seconds, n: int = 1) -> Seconds:
    """Return the seconds of one of `n` equal pieces of the way."""
    return Seconds((end.clock - start.clock) / n, (end.own - start.own) / n)


def timed(function: Callable[[], Any]) -> Parts:
    start = now()
    found = function()
    end = now()
    return found if isinstance(found, dict) else {"": between(start, end)}


def repeated(function: Callable[[], Any], n: int) -> Callable[[], Parts]:
    """Return what times `n` calls: one alone is too short."""

    def run() -> Parts:
        start = now()
        for _ in range(n):
            function()
        return {"": between(start, now(), n)}

    return run


def in_turns(case: Case) -> Turns:
    """Return the seconds of each part and side, on as many threads as are asked for."""
    before = torch.get_num_threads()
    with threadpool_limits(case.threads):
        torch.set_num_threads(case.threads)
        try:
            if callable(case.sides):
                return case.sides(case.rounds)
            return alternated(case.sides, case.rounds)
        finally:
            torch.set_num_threads(before)


def alternated(sides: Mapping[str, Callable[[], Any]], rounds: int) -> Turns:
    """Let each side have its turn, once to warm up and then in each round.

    Neighbours see the same machine; every other round goes backwards, so that a machine
    that becomes slower is no one's disadvantage.
    """
    found: Turns = {}
    for side in sides.values():
        side()
    names = list(sides)
    for i in range(rounds):
        for name in names if i % 2 == 0 else reversed(names):
            for part, seconds in timed(sides[name]).items():
                found.setdefault(part, {}).setdefault(name, []).append(seconds)
    return {
        part: {name: of_part[name] for name in names if name in of_part}
        for part, of_part in found.items()
    }


def ratios(record: Record, other: str, own: bool = False) -> np.ndarray:
    """Return the first side's time over that of `other`, one for each round."""
    seconds = record["seconds"]
    first = np.array(seconds[next(iter(seconds))])
    return (first / np.array(seconds[other]))[:, int(own)]


# --- records --------------------------------------------------------------------------


def measure(question: str, case: Case) -> Iterator[Record]:
    """Yield a record for each part of a case."""
    for part, seconds in in_turns(case).items():
        yield {
            "question": question,
            "case": case.name,
            "part": part,
            "threads": case.threads,
            "setting": case.setting,
            "aim": case.aims.get(part),
            "seconds": {
                name: [[float(f"{s:.5g}") for s in pair] for pair in pairs]
                for name, pairs in seconds.items()
            },
            "load": round(os.getloadavg()[0], 1),
            "n_processors": os.cpu_count(),
            **records.environment(PACKAGES),
        }


def key(record: Record) -> Key:
    return record["question"], record["case"], record["part"], record["threads"]


def append(record: Record, folder: Path = RESULTS) -> None:
    records.append(record, folder / f"{record['question']}.jsonl", SCHEMA)


def load(folder: Path | str = RESULTS) -> list[Record]:
    """Return the last record of every case and part.

    Raises
    ------
    ValueError
        If a line is no record of this schema.
    """
    paths = sorted(Path(folder).glob("*.jsonl"))
    found = (r for path in paths for r in records.read(path, SCHEMA))
    return list({key(r): r for r in found}.values())
