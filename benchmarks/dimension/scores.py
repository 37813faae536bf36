"""From records to numbers: how far from the truths, over sets and seeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from problems import PROBLEMS

Record = dict[str, Any]


def intrinsic(record: Record) -> float | None:
    """Return the intrinsic answer, or the only one."""
    answer = record["dimension"]
    return record["flat_dimension"] if answer is None else answer


def flat(record: Record) -> int | None:
    """Return the number of flat axes, or the only answer, rounded."""
    if record["flat_dimension"] is not None:
        return record["flat_dimension"]
    return (
        None if record["dimension"] is None else math.floor(record["dimension"] + 0.5)
    )


def percentage_error(record: Record) -> float | None:
    """Return |answer - truth| / truth in percent; 100 without an answer.

    None where there is no truth.
    """
    truth, answer = PROBLEMS[record["set"]].dimension, intrinsic(record)
    if truth is None:
        return None
    return 100.0 if answer is None else 100.0 * abs(answer - truth) / truth


def flat_is_right(record: Record) -> bool | None:
    """Return whether the number of flat axes is the truth; None where there is none."""
    truth = PROBLEMS[record["set"]].flat_dimension
    return None if truth is None else flat(record) == truth


class Score(NamedTuple):
    """Means over sets of means over seeds, and how much they are of."""

    error: float
    right: float
    n_sets: int
    n_cells: int
    n_failed: int
    seconds: float


def score(records: Iterable[Record]) -> Score:
    """Sum up records of one contestant and noise.

    `right` is the number of sets whose flat answer is right, on average over seeds;
    `seconds` the sum over sets.
    """
    records = list(records)
    return Score(
        float(np.mean([*mean_by_set(records, percentage_error).values()] or [np.nan])),
        float(np.sum([*mean_by_set(records, flat_is_right).values()])),
        len({r["set"] for r in records}),
        len(records),
        sum(r["error"] is not None for r in records),
        float(np.sum([*mean_by_set(records, lambda r: r["seconds"]).values()])),
    )


def mean_by_set(
    records: Iterable[Record], number: Callable[[Record], float | None]
) -> dict[str, float]:
    """Return means over seeds, without those records that have no such number."""
    values = defaultdict(list)
    for record in records:
        value = number(record)
        if value is not None:
            values[record["set"]].append(value)
    return {name: float(np.mean(v)) for name, v in values.items()}
