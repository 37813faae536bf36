"""Compare metrics with public implementations on the same arrays.

    pip install "sklearn_ardvae[dimension]"    # for the second part
    python benchmarks/metric_agreement.py

A package that is missing is left out, and said so.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.linalg import sqrtm

from sklearn_ardvae.datasets import make_manifold
from sklearn_ardvae.metrics import compare_dimensions, frechet_distance


def frechet() -> None:
    """The published formula takes the square root of a product of covariances."""
    rng = np.random.default_rng(0)
    for n_rows, width in ((2000, 64), (2000, 512), (60, 100)):
        real, generated = rng.standard_normal((2, n_rows, width))
        generated = 1.2 * generated + 0.1
        c, d = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
        gap = np.square(real.mean(axis=0) - generated.mean(axis=0)).sum()
        theirs = gap + np.trace(c + d - 2 * sqrtm(c @ d).real)
        ours = frechet_distance(real, generated)
        print(
            f"Frechet distance, {n_rows} x {width}: ours {ours:.6f}, by sqrtm "
            f"{theirs:.6f}, relative difference {abs(ours - theirs) / theirs:.1e}"
        )


def dimensions() -> None:
    """Classical estimates of manifolds whose dimension is known, by the bridge."""
    for kind in ("linear", "network", "sphere"):
        data = make_manifold(kind, n_samples=2000, random_state=0)
        try:
            found = compare_dimensions({}, data.data, random_state=0)
        except ImportError as error:
            print(f"Dimensions: left out, {error}")
            return
        estimates = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
        print(f"{kind} manifold of {data.n_true} dimensions: {estimates}")


if __name__ == "__main__":
    frechet()
    dimensions()
