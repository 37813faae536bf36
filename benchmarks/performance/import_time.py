"""Time the import of the package beside those of torch and all that it stands on.

Each turn is a fresh process, which reports the time of its import statement, with
compiled files in the cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from measure import Case, Parts, Seconds

SCRIPT = """
import time
start, own = time.perf_counter(), time.process_time()
import {}
print(time.perf_counter() - start, time.process_time() - own)
"""
NEEDED = "torch, sklearn.base, skorch"


def imported(modules: str) -> Parts:
    # Else every process would compile the package anew.
    hidden = "PYTHONDONTWRITEBYTECODE"
    variables = {k: v for k, v in os.environ.items() if k != hidden}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(modules)],
        capture_output=True,
        text=True,
        check=True,
        env=variables,
    )
    clock, own = map(float, done.stdout.split())
    return {"": Seconds(clock, own)}


def cases(toy: bool = False) -> Iterator[Case]:
    yield Case(
        "import",
        "fresh processes",
        {
            name: lambda modules=modules: imported(modules)
            for name, modules in (
                ("sklearn_ardvae", "sklearn_ardvae"),
                ("torch", "json" if toy else "torch"),
                (NEEDED, "json" if toy else NEEDED),
            )
        },
        rounds=1 if toy else 9,
    )
