"""Write docs/performance.md from the results.

    python benchmarks/performance/report.py

Numbers and tables are made from the records; what is said of them by hand stands in
benchmarks/performance/findings.md.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import RESULTS, Record, load, ratios
from suite import ON_REQUEST, QUESTIONS

HERE = Path(__file__).parent
DOCS = Path(__file__).parents[2] / "docs"
FINDINGS = HERE / "findings.md"
NAME = "performance"

INTRODUCTION = """\
# How fast it is

Ways to do the same take turns in one process; the first one's time is divided by that
of another in the same round. Tables show the median of these ratios, their quartiles in
brackets and their range in square brackets. The machine had other work meanwhile, which
the clock sees and the process's own time (of all its threads) hardly does: an aim on
one thread is judged by own time, one on more threads by the clock. Seconds are not
compared between rounds.

    python benchmarks/performance/suite.py                  # all but pythae
    python benchmarks/performance/suite.py beside_pythae    # see pythae_agreement.py
    python benchmarks/performance/report.py                 # this page

Each question is a file of `benchmarks/performance/`; the times of each round are in
`benchmarks/performance/results/<question>.jsonl`, with versions, commit and load.
"""


def row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def header(*cells: object) -> Iterator[str]:
    yield row(*cells)
    yield "|" + "---|" * len(cells)


def spread(values: np.ndarray) -> str:
    """Return median, quartiles and range."""
    low, first, median, third, high = (
        f"{v:.3g}" if v < 100 else f"{v:.0f}"
        for v in np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    )
    return f"{median} ({first} to {third}) [{low} to {high}]"


def verdict(aim: dict[str, float] | None, value: float) -> str:
    """Return an aim, and whether it is reached or by how much it is missed."""
    if aim is None:
        return ""
    ((kind, limit),) = aim.items()
    reached = value <= limit if kind == "most" else value >= limit
    told = "reached" if reached else f"missed by {abs(value / limit - 1):.0%}"
    return f"at {kind} {limit:g}: {told}"


# --- tables ---------------------------------------------------------------------------


def compared(records: list[Record]) -> Iterator[str]:
    """Yield a row for each pair of sides."""
    yield from header("case", "threads", "time of", "own time", "clock", "aim")
    for r in records:
        first, *others = r["seconds"]
        name = ", ".join(filter(None, (r["case"], r["part"])))
        for i, other in enumerate(others):
            clock, own = (ratios(r, other, own) for own in (False, True))
            judged = np.median(own if r["threads"] == 1 else clock)
            yield row(
                f"{name}<br>{r['setting']}" if i == 0 else "",
                r["threads"],
                f"{first} / {other}",
                spread(own),
                spread(clock),
                verdict(r["aim"], judged) if i == 0 else "",
            )


def limited(records: list[Record]) -> Iterator[str]:
    """Yield a row for each task that has a limit in seconds."""
    yield from header("task", "own seconds, the least of some", "limit")
    for r in records:
        (seconds,) = r["seconds"].values()
        least = np.min(seconds, axis=0)[1]
        yield row(r["case"], f"{least:.2g}", verdict(r["aim"], least))


def exponent(record: Record) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return sizes, own seconds, and exponents: of all sizes, and of the last two.

    The first is the slope of a line through logarithms of medians.
    """
    sizes = np.array([float(n) for n in record["seconds"]])
    seconds = np.array(
        [np.median(pairs, axis=0)[1] for pairs in record["seconds"].values()]
    )
    logs = np.log(sizes), np.log(np.maximum(seconds, 1e-9))
    slope = np.polyfit(*logs, 1)[0]
    last = np.diff(logs[1])[-1] / np.diff(logs[0])[-1]
    return sizes, seconds, slope, last


def grown(records: list[Record]) -> Iterator[str]:
    """Yield a row for each stage of a fit that grows."""
    yield from header(
        "what grows",
        "stage",
        "from, to",
        "times the time",
        "exponent",
        "between the last two",
        "share of a fit of 100 epochs at the largest",
    )
    cases: dict[str, list[Record]] = {}
    for r in records:
        cases.setdefault(r["case"], []).append(r)
    for case, parts in cases.items():
        found = {r["part"]: exponent(r) for r in parts}
        largest = {
            part: seconds[-1] * (100 if part == "an epoch" else 1)
            for part, (_, seconds, _, _) in found.items()
        }
        for part, (sizes, seconds, slope, last) in found.items():
            yield row(
                f"{case}<br>{parts[0]['setting']}" if part == parts[0]["part"] else "",
                part,
                f"{sizes[0]:g}, {sizes[-1]:g}",
                f"{seconds[-1] / seconds[0]:.3g}",
                f"{slope:.2f}",
                f"{last:.2f}",
                f"{largest[part] / sum(largest.values()):.0%}",
            )


TABLES = {"growth": grown, "metric_speed": limited}


# --- the page -------------------------------------------------------------------------


def page(records: list[Record]) -> Iterator[str]:
    yield INTRODUCTION
    if FINDINGS.exists():
        yield FINDINGS.read_text()
    for question in (*QUESTIONS, *ON_REQUEST):
        mine = [r for r in records if r["question"] == question]
        if not mine:
            continue
        text = ast.get_docstring(ast.parse((HERE / f"{question}.py").read_text()))
        title, _, more = (text or question).partition("\n\n")
        yield from (f"## {title.removesuffix('.')}", "")
        if more:
            yield from (more, "")
        yield from (*TABLES.get(question, compared)(mine), "")
        yield from (made_with(mine), "")


def made_with(records: list[Record]) -> str:
    versions = sorted(
        {f"{k} {v}" for r in records for k, v in r["versions"].items() if v}
    )
    commits = ", ".join(sorted({r["commit"] or "unknown" for r in records}))
    loads = [r["load"] for r in records]
    n = max(r["n_processors"] for r in records)
    rounds = sorted({len(s) for r in records for s in r["seconds"].values()})
    return (
        f"Rounds: {', '.join(map(str, rounds))}; load {min(loads):g} to {max(loads):g} "
        f"on {n} processors; commit {commits}; {', '.join(versions)}."
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, default=DOCS)
    args = parser.parse_args(arguments)
    text = "\n".join(page(load(args.results))).rstrip() + "\n"
    (args.docs / f"{NAME}.md").write_text(text)


if __name__ == "__main__":
    main()
