"""How well one fit tells the intrinsic dimension, beside classical estimates.

The manifolds are the 24 of scikit-dimension's suite (pip install
"sklearn_ardvae[dimension]"), 2500 rows each, turned into 20 features more, with noise
of a share of the deviation of a feature in all; then mixtures whose parts have their
own dimensions. Each set is one fit: 10 to 60 seconds on one core.

    python benchmarks/intrinsic_dimension.py --noise 0 0.1
    python benchmarks/intrinsic_dimension.py --noise 0.05 --sets mixture balls
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.metrics import intrinsic_dimension

N_ROWS, N_ADDED = 2500, 20
# Estimates of the rows as they are; "local PCA" is that of Fukunaga and Olsen.
OF_ROWS: dict[str, Callable[[NDArray], float]] = {
    "TwoNN": lambda X: intrinsic_dimension(X, method="twonn"),
    "MLE": lambda X: intrinsic_dimension(X, method="mle"),
    "local PCA": lambda X: intrinsic_dimension(X, method="pca"),
    "calibrated": lambda X: intrinsic_dimension(X, method="calibrated"),
}


def embedded(points: NDArray, noise: float, seed: int) -> NDArray:
    """Turn points into more features, and add noise."""
    rng = np.random.default_rng([seed, 7])
    variance = points.var(axis=0)
    deviation = np.sqrt(variance[variance > 1e-12 * variance.max()].mean())
    width = points.shape[1] + N_ADDED
    frame = np.linalg.qr(rng.standard_normal((width, points.shape[1])))[0]
    rows = points @ frame.T
    if noise:
        rows += noise * deviation * rng.standard_normal(rows.shape)
    return rows


def manifolds(seed: int) -> Iterator[tuple[str, int, NDArray]]:
    """Yield names, dimensions and points of scikit-dimension's suite."""
    from skdim.datasets import BenchmarkManifolds

    names = BenchmarkManifolds(random_state=seed).truth.index
    for name in names:
        # Anew for each, so that one set alone is the one that it is among all.
        suite = BenchmarkManifolds(random_state=seed)
        true, width, _ = suite.truth.loc[name]
        yield name, true, suite.dict_gen[name](n=N_ROWS, dim=width, d=true)


def mixture(seed: int) -> tuple[NDArray, NDArray]:
    """Return points of two normal parts of 2 and 5 dimensions, and their dimensions."""
    rng = np.random.default_rng(seed)
    parts = []
    for n_dims in (2, 5):
        z = rng.standard_normal((1500, n_dims))
        frame = np.linalg.qr(rng.standard_normal((12, n_dims)))[0]
        place = rng.standard_normal(12)
        parts.append(z @ frame.T + 8.0 * place / np.linalg.norm(place))
    return np.vstack(parts), np.repeat([2, 5], 1500)


def balls(seed: int) -> tuple[NDArray, NDArray]:
    """Return points of a solid ball of 4 dimensions, a curve at it, and a sheet."""
    rng, n = np.random.default_rng([seed, 7]), 1200
    ball, curve, sheet = np.zeros((3, n, 10))
    z = rng.standard_normal((n, 4))
    radius = rng.random((n, 1)) ** 0.25
    ball[:, :4] = z * radius / np.linalg.norm(z, axis=1, keepdims=True)
    along = 3.0 * rng.random(n)
    curve[:, 0], curve[:, 5] = 1.0 + along, np.sin(2.0 * along)
    sheet[:, 6:8], sheet[:, 8] = 2.0 * rng.random((n, 2)) - 1.0, 2.5
    return np.vstack([ball, curve, sheet]), np.repeat([4, 1, 2], n)


MIXTURES = {"mixture": mixture, "balls": balls}


def fitted(X: NDArray) -> ARDVAE:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ARDVAE(random_state=0).fit(X)


def suite_table(noise: float, sets: list[str] | None, seed: int) -> None:
    """Print the estimates of each manifold and their mean errors."""
    print(
        f"\n{'noise ' + str(noise):22s} true  axes  of the fit  " + "  ".join(OF_ROWS)
    )
    errors: dict[str, list[float]] = {}
    for name, true, points in manifolds(seed):
        if sets and name not in sets:
            continue
        X = embedded(points, noise, seed)
        model = fitted(X)
        found = {"of the fit": model.intrinsic_dimension_}
        found |= {method: estimate(X) for method, estimate in OF_ROWS.items()}
        row = "  ".join(f"{value:{len(key)}.2f}" for key, value in found.items())
        print(
            f"{name:22s} {true:4d}  {model.n_active_components_:4d}  {row}", flush=True
        )
        for key, value in found.items():
            errors.setdefault(key, []).append(100.0 * abs(value - true) / true)
    if errors:
        row = "  ".join(f"{np.mean(v):{len(k)}.1f}" for k, v in errors.items())
        print(f"{'mean error in %':34s}  {row}")


def mixture_table(name: str, noise: float, seed: int) -> None:
    """Print what the fit says of each part of a mixture."""
    points, true = MIXTURES[name](seed)
    X = embedded(points, noise, seed)
    model = fitted(X)
    local = model.local_dimension(X)
    print(
        f"\n{name}, noise {noise}: {model.n_active_components_} axes, "
        f"intrinsic dimension {model.intrinsic_dimension_:.2f}"
    )
    for part in np.unique(true):
        low, middle, high = np.percentile(local[true == part], (10, 50, 90))
        print(
            f"  part of {part}: median {middle:.2f}, 10 to 90 % {low:.2f} to {high:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.1])
    parser.add_argument("--sets", nargs="+", help="names; without, all")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for noise in args.noise:
        if not args.sets or set(args.sets) - set(MIXTURES):
            suite_table(noise, args.sets, args.seed)
        for name in MIXTURES:
            if not args.sets or name in args.sets:
                mixture_table(name, noise, args.seed)


if __name__ == "__main__":
    main()
