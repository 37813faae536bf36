r"""Resident memory of fits to 1, 4 and 16 times the rows, from memory and from disk.

    python benchmarks/memory.py
    python benchmarks/memory.py --methods ARDVAE VAE --rows 50000 --features 64
    systemd-run --scope -p MemoryMax=800M python benchmarks/memory.py --sources disk \
        --methods VAE --times 1 --rows 1100000 --features 1024 --max-iter 1

Rows are images of noise and five factors, one byte a feature. Each fit, with
`transform` and `score_samples` of all rows after it, has a process of its own. What is
printed is how far its resident memory rose above what it was after a fit to a few rows,
whether codes and scores from disk are those from memory, to the last bit, and the ratio
of the times. The last command fits to a file of 1.1 GB where 0.8 GB are allowed, what
the system keeps of files among them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np

SOURCES = ["memory", "disk"]
_MB = 2**20
# Rows that are made at once, and those of the fit that comes first.
_BLOCK, _FEW = 2500, 2500


def write(path: Path, n_rows: int, n_features: int) -> None:
    """Write rows of bytes: five factors, each a pattern of its own, and noise."""
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(5, n_features))
    file = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=(n_rows, n_features)
    )
    for start in range(0, n_rows, _BLOCK):
        some = file[start : start + _BLOCK]
        factors = rng.normal(size=(len(some), 5))
        grey = 128 + 25 * factors @ patterns + 10 * rng.normal(size=some.shape)
        some[:] = grey.clip(0, 255)


class Resident:
    """The most memory that the process has in a block, read every few milliseconds."""

    def __enter__(self) -> Resident:
        self.most, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.most = max(self.most, resident())


def resident() -> int:
    """Return the resident memory of the process, in bytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def measure(path: Path, method: str, source: str, max_iter: int) -> dict[str, Any]:
    """Fit to the rows of a file and return what that took."""
    import sklearn_ardvae

    warnings.simplefilter("ignore")
    model = getattr(sklearn_ardvae, method)(16, max_iter=max_iter, random_state=0)
    stored = np.load(path, mmap_mode="r")
    few = stored[:_FEW].astype(np.float32) / 255
    model.fit(few)
    model.score_samples(few)
    before = resident()
    start = time.perf_counter()
    with Resident() as peak:
        if source == "disk":
            rows: Any = sklearn_ardvae.store_rows(path, divide_by=255)
        else:
            rows = np.asarray(stored, dtype=np.float32) / 255
        model.fit(rows)
        codes, scores = model.transform(rows), model.score_samples(rows)
    return {
        "added_mb": (peak.most - before) / _MB,
        "seconds": time.perf_counter() - start,
        "n_active": model.n_active_components_,
        "codes": [zlib.crc32(codes), zlib.crc32(scores)],
    }


def in_a_process(*arguments: Any) -> dict[str, Any]:
    """Return what `measure` does in a new process."""
    command = [sys.executable, __file__, "--measure", *map(str, arguments)]
    # Small blocks go back to the system at once.
    settings = {"MALLOC_MMAP_THRESHOLD_": "1000000"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | settings
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=["ARDVAE", "VAE"])
    parser.add_argument("--sources", nargs="+", default=SOURCES, choices=SOURCES)
    parser.add_argument("--times", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--max-iter", type=int, default=2)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        path, method, source, max_iter = args.measure
        print(json.dumps(measure(Path(path), method, source, int(max_iter))))
        return
    print("method    rows   MB in float32   MB added from", *args.sources)
    for times in args.times:
        n_rows = times * args.rows
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows.npy")
            write(path, n_rows, args.features)
            for method in args.methods:
                found = [
                    in_a_process(path, method, source, args.max_iter)
                    for source in args.sources
                ]
                print(
                    f"{method:8s} {n_rows:8d} {4 * n_rows * args.features / _MB:8.0f}",
                    *(f"{one['added_mb']:16.0f}" for one in found),
                    compared(*found) if len(found) > 1 else "",
                    flush=True,
                )


def compared(memory: dict[str, Any], disk: dict[str, Any]) -> str:
    """Say whether two fits gave the same, and how much longer the second took."""
    same = "same codes" if memory["codes"] == disk["codes"] else "OTHER CODES"
    return f"    {same}, time x {disk['seconds'] / memory['seconds']:.2f}"


if __name__ == "__main__":
    main()
