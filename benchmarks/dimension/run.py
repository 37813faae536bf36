"""Run cells of the benchmark of dimensions: a contestant, a set, a noise, a seed.

    python benchmarks/dimension/run.py                      # classical and controls
    python benchmarks/dimension/run.py --contestants ardvae --seeds 0 1 2 3 4
    python benchmarks/dimension/run.py --contestants rivals --sets M1_Sphere KS-22
    python benchmarks/dimension/run.py --print              # a command for each cell
    python benchmarks/dimension/page.py                     # the page of the results

Contestants and sets are names or groups of them (`--help` lists both). Every cell is a
line of benchmarks/dimension/results/<contestant>.jsonl; one that stands there is not
run again, unless it ended in an error and `--retry` is given. Each cell runs on one
thread. scikit-dimension is needed: pip install -r benchmarks/dimension/requirements.txt
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import results
from contestants import CONTESTANTS
from joblib import Parallel, delayed
from problems import PROBLEMS, draw

NOISES = (0.0, 0.05, 0.1, 0.2)
GROUPS = sorted({c.group for c in CONTESTANTS.values()})
SUITES = sorted({p.suite for p in PROBLEMS.values()})


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the block when its time is over (POSIX, main thread)."""

    def over(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(cell: results.Key, budget: int) -> dict[str, Any]:
    """Return the record of a cell; an error is one too."""
    contestant, name, noise, seed = cell
    drawn = draw(PROBLEMS[name], noise, seed)
    dimension = flat_dimension = error = None
    start = time.perf_counter()
    try:
        with time_limit(budget), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dimension, flat_dimension = CONTESTANTS[contestant].answer(drawn)
        if dimension is not None and not math.isfinite(dimension):
            dimension, error = None, f"the answer is {dimension}"
    except ImportError:
        raise
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    return {
        "contestant": contestant,
        "set": name,
        "noise": noise,
        "seed": seed,
        "dimension": None if dimension is None else float(dimension),
        "flat_dimension": None if flat_dimension is None else int(flat_dimension),
        "error": error,
        "seconds": round(time.perf_counter() - start, 3),
        "n_rows": drawn.x.shape[0],
        "n_features": drawn.x.shape[1],
        **results.environment(),
    }


def chosen(names: list[str], known: dict[str, Any], group_of: str) -> list[str]:
    """Return the names, with groups written out."""
    found: dict[str, None] = {}
    for name in names:
        members = [n for n, one in known.items() if getattr(one, group_of) == name]
        if not members and name not in known:
            groups = sorted({getattr(one, group_of) for one in known.values()})
            raise SystemExit(
                f"there is no {name!r}; there are the groups {', '.join(groups)} and "
                f"{', '.join(known)}."
            )
        found |= dict.fromkeys(members or [name])
    return list(found)


def wanted(args: argparse.Namespace) -> list[results.Key]:
    """Return the cells that are asked for and not yet there."""
    contestants = chosen(args.contestants, CONTESTANTS, "group")
    sets = chosen(args.sets, PROBLEMS, "suite")
    done = {
        results.key(r)
        for r in results.load(args.results, contestants=contestants)
        if not (args.retry and r["error"])
    }
    # Data of one seed are drawn together.
    return [
        (contestant, name, noise, seed)
        for seed, noise, contestant, name in itertools.product(
            args.seeds, args.noise, contestants, sets
        )
        if (contestant, name, noise, seed) not in done
    ]


def command(cell: results.Key) -> str:
    contestant, name, noise, seed = cell
    return (
        f"python benchmarks/dimension/run.py --contestants {contestant} --sets {name} "
        f"--noise {noise:g} --seeds {seed}"
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--contestants",
        nargs="+",
        default=["classical", "controls"],
        help=f"groups {', '.join(GROUPS)}, or of {', '.join(CONTESTANTS)}",
    )
    parser.add_argument(
        "--sets",
        nargs="+",
        default=["manifolds"],
        help=f"groups {', '.join(SUITES)}, or of {', '.join(PROBLEMS)}",
    )
    parser.add_argument("--noise", nargs="+", type=float, default=[*NOISES])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument(
        "--budget", type=int, default=600, help="seconds of a cell, then it is an error"
    )
    parser.add_argument("--retry", action="store_true", help="run errors again")
    parser.add_argument("--print", action="store_true", help="only print the commands")
    parser.add_argument("--results", type=Path, default=results.RESULTS)
    args = parser.parse_args(arguments)
    missing = wanted(args)
    if args.print:
        print(*map(command, missing), sep="\n")
        return
    args.results.mkdir(parents=True, exist_ok=True)
    for r in Parallel(args.n_jobs, return_as="generator_unordered")(
        delayed(run)(cell, args.budget) for cell in missing
    ):
        results.append(r, args.results)
        answers = " / ".join(
            "-" if answer is None else f"{answer:.4g}"
            for answer in (r["dimension"], r["flat_dimension"])
        )
        print(
            f"{r['contestant']:14s} {r['set']:18s} noise {r['noise']:<4g} seed "
            f"{r['seed']}  {r['error'] or answers}  {r['seconds']:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
