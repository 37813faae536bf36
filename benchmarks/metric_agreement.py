"""Compare metrics with public implementations on the same arrays.

    pip install "sklearn_ardvae[dimension]" pandas prdc    # for the other parts
    python benchmarks/metric_agreement.py

A package that is missing is left out, and said so.
"""

from __future__ import annotations

import contextlib
import io
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.linalg import sqrtm

from sklearn_ardvae.datasets import make_manifold
from sklearn_ardvae.metrics import (
    compare_dimensions,
    density_coverage,
    frechet_distance,
    improved_precision_recall,
    intrinsic_dimension,
    local_dimension,
)


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


def neighbours() -> None:
    """Precision, recall, density and coverage of prdc, from the same neighbours."""
    try:
        from prdc import compute_prdc
    except ImportError as error:
        print(f"Neighbours: left out, {error}")
        return
    rng = np.random.default_rng(0)
    for width in (2, 8, 64):
        real, generated = rng.standard_normal((600, width)), rng.random((500, width))
        for k in (3, 5):
            with contextlib.redirect_stdout(io.StringIO()):
                theirs = compute_prdc(real, generated, k)
            ours = {
                **improved_precision_recall(real, generated, n_neighbors=k)._asdict(),
                **density_coverage(real, generated, n_neighbors=k)._asdict(),
            }
            gap = max(abs(ours[name] - theirs[name]) for name in theirs)
            print(f"prdc, {width} features, k = {k}: largest difference {gap:.1e}")


def manifolds() -> None:
    """Estimates of scikit-dimension's own suite, ours and theirs."""
    try:
        import skdim
        from skdim.datasets import BenchmarkManifolds

        suite = BenchmarkManifolds(random_state=0)
    except ImportError as error:
        print(f"Manifolds: left out, {error}")
        return
    errors: dict[str, list[float]] = {}
    gaps = []
    for name, rows in suite.generate(name="all", n=2500).items():
        true = suite.truth.loc[name, "Intrinsic Dimension"]
        estimates = {
            **{
                m: intrinsic_dimension(rows, method=m)
                for m in ("mle", "twonn", "pca", "calibrated")
            },
            **{
                f"median of local {m}": np.median(local_dimension(rows, method=m))
                for m in ("mle", "twonn", "pca")
            },
        }
        theirs = {
            "mle": skdim.id.MLE().fit(rows, n_neighbors=20).dimension_,
            "twonn": skdim.id.TwoNN().fit(rows).dimension_,
        }
        gaps += [abs(estimates[m] / value - 1.0) for m, value in theirs.items()]
        for method, estimate in estimates.items():
            errors.setdefault(method, []).append(100.0 * abs(estimate - true) / true)
    print(f"Manifolds: MLE and TwoNN differ from skdim's by up to {max(gaps):.1e}")
    for method, percent in errors.items():
        print(f"  {method}: mean error {np.mean(percent):.1f} % of {len(percent)} sets")


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
    neighbours()
    manifolds()
    dimensions()
