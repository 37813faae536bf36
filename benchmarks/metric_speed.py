"""Time the metrics that loop or factorise, against limits on two cores.

    python benchmarks/metric_speed.py
    OMP_NUM_THREADS=2 python benchmarks/metric_speed.py   # if both cores are idle

Prints seconds, the best of `--repeats`, and the limit; exits with 1 if one is exceeded.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

# On a busy machine two threads are slower than one: they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from sklearn_ardvae.metrics import (
    density_coverage,
    factor_vae_score,
    frechet_distance,
    gaussian_bump_error,
    interventional_robustness,
    local_dimension,
    mutual_info_gap,
    precision_recall_distribution,
)

# Values of five factors of a complete grid, as many as dSprites has.
SIZES = (3, 6, 40, 32, 32)


def grid_codes(n_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes that are noisy mixtures of factors, and the grid of factors."""
    rng = np.random.default_rng(0)
    factors = np.stack(np.unravel_index(np.arange(np.prod(SIZES)), SIZES), axis=1)
    mixture = rng.standard_normal((len(SIZES), n_codes))
    codes = factors / np.array(SIZES) @ mixture
    return codes + 0.1 * rng.standard_normal(codes.shape), factors


def cases() -> dict[str, tuple[float, Callable[[], object]]]:
    """Return limits in seconds and what is timed, by description."""
    rng = np.random.default_rng(0)
    codes, factors = grid_codes(10)
    some = rng.choice(len(codes), 10_000, replace=False)
    features = rng.standard_normal((2, 10_000, 64))
    wide = rng.standard_normal((2, 10_000, 2048))
    noise = rng.standard_normal((1000, 64, 64))
    return {
        f"FactorVAE score, 10 000 + 5000 votes of 64, 10 codes, {len(codes)} rows": (
            5.0,
            lambda: factor_vae_score(codes, factors, random_state=0),
        ),
        "MIG, 10 000 x 10": (
            1.0,
            lambda: mutual_info_gap(codes[some], factors[some], random_state=0),
        ),
        "PRD, two sets of 10 000 x 64": (
            10.0,
            lambda: precision_recall_distribution(*features, random_state=0),
        ),
        "Frechet distance, two sets of 10 000 x 2048": (
            10.0,
            lambda: frechet_distance(*wide),
        ),
        "IRS, 10 000 x 10": (
            1.0,
            lambda: interventional_robustness(codes[some], factors[some]),
        ),
        "Density and coverage, two sets of 10 000 x 64": (
            20.0,
            lambda: density_coverage(*features),
        ),
        "Local dimension (MLE), 10 000 x 16": (
            5.0,
            lambda: local_dimension(features[0, :, :16]),
        ),
        "Gaussian bump error, 1000 noisy images of 64 x 64": (
            2.0,
            lambda: gaussian_bump_error(noise),
        ),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    exceeded = False
    for name, (limit, function) in cases().items():
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        exceeded |= min(times) > limit
        print(f"{name}: {min(times):.2f} s (limit {limit:.0f} s)", flush=True)
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
