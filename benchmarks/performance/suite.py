"""Measure how fast the package is, beside what one could do instead.

    python benchmarks/performance/suite.py                      # everything here
    python benchmarks/performance/suite.py by_hand at_work      # some questions
    python benchmarks/performance/suite.py by_hand --only mnist --rounds 15
    python benchmarks/performance/suite.py beside_pythae        # pythae_agreement.py
    python benchmarks/performance/report.py                     # docs/performance.md

Every question is a file of this folder, which says what is compared. Sides take turns
in one process; reported are medians, and the least and greatest, of ratios of turns
that follow each other. Only ratios mean something, and on a machine with other work the
process's own time says more than the clock. A case adds a line for each of its parts to
benchmarks/performance/results/<question>.jsonl; the last one counts.
"""

from __future__ import annotations

import argparse
import os
import warnings
from dataclasses import replace
from importlib import import_module
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from measure import RESULTS, Record, append, measure, ratios

#: Files of this folder. pythae is not among what runs without being asked for: it needs
#: an environment of its own.
QUESTIONS = (
    "by_hand",
    "beside_skorch",
    "at_work",
    "relevance_speed",
    "import_time",
    "growth",
    "together",
    "thread_worth",
    "metric_speed",
)
ON_REQUEST = ("beside_pythae",)


def line(record: Record) -> str:
    """Return what a record says, short."""
    first, *others = record["seconds"]
    told = []
    for other in others:
        clock, own = (ratios(record, other, own) for own in (False, True))
        told.append(
            f"{first} / {other}: {np.median(clock):.3f} ({clock.min():.3f} to "
            f"{clock.max():.3f}), own {np.median(own):.3f} ({own.min():.3f} to "
            f"{own.max():.3f})"
        )
    if not others:
        told.append(f"{first}: {np.min(record['seconds'][first], axis=0)[0]:.3g} s")
    name = " ".join(filter(None, (record["case"], record["part"])))
    return f"{record['question']} {name}, {record['threads']} threads: " + "; ".join(
        told
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = (*QUESTIONS, *ON_REQUEST)
    parser.add_argument("questions", nargs="*", default=QUESTIONS)
    parser.add_argument("--only", nargs="+", help="cases that begin with one of these")
    parser.add_argument("--threads", type=int, help="cases on so many")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--toy", action="store_true", help="as small as it runs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    for question in args.questions:
        if question not in known:
            parser.error(f"there is no {question!r}; there are {', '.join(known)}")
    warnings.simplefilter("ignore")
    for question in args.questions:
        for case in import_module(question).cases(args.toy):
            if args.only and not case.name.startswith(tuple(args.only)):
                continue
            if args.threads not in (None, case.threads):
                continue
            if args.rounds:
                case = replace(case, rounds=args.rounds)
            for record in measure(question, case):
                append(record, args.results)
                print(line(record), flush=True)


if __name__ == "__main__":
    main()
