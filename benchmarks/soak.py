"""Fit, save, load, kill and resume for minutes, and look at what stays in memory.

    python benchmarks/soak.py --minutes 5

A round takes every estimator in turn: fit, transform, save, load, pickle, partial_fit,
each result compared to the last bit with that of the first round. One estimator of a
round, another one each time, is fitted in a child with ``checkpoint=``, which SIGKILL
ends in the middle; the fit goes on here, and has to end as the one that nothing
disturbed.

Resident memory, open files and threads are noted after every round, without a call of
the garbage collector. They have held if the last quarter of the rounds has no more than
the first quarter had: by the medians, after rounds of warming up. Allocators keep what
they got from the system in steps; one per cent of the start is allowed for. The exit
status says whether they have, and ``benchmarks/output/soak.jsonl`` has every round.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Blocks of a megabyte go back to the system at once, and one arena serves all threads:
# what malloc keeps of those that are free is not what is asked for here.
FOR_MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "1000000"}
ALLOWED_GROWTH = 0.01
WARM_UP_ROUNDS = 3
OUTPUT = Path(__file__).parent / "output" / "soak.jsonl"
SMALL: dict[str, Any] = {
    "n_components": 4,
    "hidden_layer_sizes": (16,),
    "batch_size": 32,
    "random_state": 0,
}


def rows(n_rows: int) -> Any:
    import numpy as np

    rng = np.random.default_rng(0)
    z = rng.standard_normal((n_rows, 2))
    x = np.tanh(z @ rng.standard_normal((2, 12)))
    return (x + 0.05 * rng.standard_normal(x.shape)).astype(np.float32)


def estimator(cls: type, **params: Any) -> Any:
    """Return an estimator of small fits."""
    settings = SMALL | params
    if "betas" in cls._parameter_constraints:
        settings |= {"betas": [0.5, 0.05], "cv": 2}
    return cls(**settings)


def results(model: Any, x: Any) -> bytes:
    """Return what a fitted model gives for rows x."""
    calls = (model.transform, model.reconstruct, model.score_samples)
    found = [call(x) for call in calls]
    return pickle.dumps([*found, model.sample(5, 0), model.history_["train_loss"]])


# --- what a round does --------------------------------------------------------------


def in_turn(cls: type, x: Any, folder: Path) -> bytes:
    """Fit a model and bring it into files and back; return what it gives."""
    model = estimator(cls, max_iter=3).fit(x)
    found = results(model, x)
    path = folder / "model"
    model.save(path)
    for twin in (cls.load(path), pickle.loads(pickle.dumps(model))):
        if results(twin, x) != found:
            raise RuntimeError(f"{cls.__name__} comes back from a file as another one")
    model.partial_fit(x)
    return found


def long_fit(cls: type, folder: Path | None) -> Any:
    """Return an estimator whose fit takes long enough to be killed in it."""
    return estimator(cls, max_iter=40, n_iter_no_change=40, checkpoint=folder)


def killed_and_resumed(cls: type, x: Any, folder: Path, delay: float) -> bool:
    """Kill a fit in a child, let it go on here; return whether it was in the middle.

    Raises
    ------
    RuntimeError
        If the fit does not end as it would have.
    """
    expected = results(long_fit(cls, None).fit(x), x)
    command = [sys.executable, __file__, "--child", cls.__name__, str(folder)]
    child = subprocess.Popen(command)
    while child.poll() is None and not begun(folder):
        time.sleep(0.005)
    time.sleep(delay)
    was_killed = child.poll() is None
    if was_killed:
        child.send_signal(signal.SIGKILL)
    status = child.wait()
    if status not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the child that fits {cls.__name__} ended with {status}")
    if results(long_fit(cls, folder).fit(x), x) != expected:
        raise RuntimeError(f"{cls.__name__} ends as another one after it was killed")
    return was_killed


def begun(folder: Path) -> bool:
    """Whether an epoch is kept."""
    kept = {path.name for path in folder.rglob("epoch-????????.safetensors")}
    return bool(kept - {"epoch-00000000.safetensors"})


def child(name: str, folder: str) -> None:
    import torch

    import sklearn_ardvae

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    long_fit(getattr(sklearn_ardvae, name), Path(folder)).fit(rows(300))


# --- what is left of it -------------------------------------------------------------


def held_now() -> dict[str, int]:
    """Return the bytes, files and threads that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "resident_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "open_files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
    }


def rounds(seconds: float) -> Iterator[dict[str, Any]]:
    """Yield what is held after each round, until the time is over."""
    from sklearn_ardvae import all_estimators

    classes = [cls for _, cls in all_estimators()]
    x, long_x = rows(120), rows(300)
    first: dict[type, bytes] = {}
    n_killed = 0
    start = time.monotonic()
    number = 0
    while time.monotonic() - start < seconds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for cls in classes:
                found = in_turn(cls, x, folder)
                if first.setdefault(cls, found) != found:
                    raise RuntimeError(f"{cls.__name__} gives other results than first")
            cls = classes[number % len(classes)]
            delay = (number * 7919 % 100) / 200
            n_killed += killed_and_resumed(cls, long_x, folder / "fit", delay)
        number += 1
        yield {
            "round": number,
            "seconds": round(time.monotonic() - start, 1),
            "killed": n_killed,
            **held_now(),
        }


def verdict(records: list[dict[str, Any]]) -> bool:
    """Print what was held at the start and the end; return whether it is the same."""
    records = records[WARM_UP_ROUNDS:]
    quarter = len(records) // 4
    if not quarter:
        print("too few rounds for a verdict: give more minutes")
        return False
    have_held = True
    for name in held_now():
        ends = (
            statistics.median(record[name] for record in part)
            for part in (records[:quarter], records[-quarter:])
        )
        start, end = ends
        holds = end <= start * (1 + ALLOWED_GROWTH)
        have_held &= holds
        growth = f"{100 * (end / start - 1):+.2f} %"
        says = "held" if holds else "GREW"
        print(f"{name:15} {start:13,.0f} {end:13,.0f} {growth:>9}  {says}")
    return have_held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    if not FOR_MALLOC.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | FOR_MALLOC)
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    records = []
    with arguments.output.open("w") as file:
        for record in rounds(60 * arguments.minutes):
            records.append(record)
            print(json.dumps(record), file=file, flush=True)
    last = records[-1]
    print(
        f"{last['round']} rounds in {last['seconds']} s, {last['killed']} fits killed"
    )
    sys.exit(not verdict(records))


if __name__ == "__main__":
    main()
