"""What a fit says of the parts of mixtures, which have dimensions of their own.

    python benchmarks/local_dimension.py --noise 0 0.05

Points are turned into 20 features more, with noise of a share of the deviation of a
feature in all. Each is one fit, of 10 to 60 seconds on one core. For whole manifolds:
benchmarks/dimension.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from numpy.typing import NDArray

from sklearn_ardvae import ARDVAE

N_ADDED = 20


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


def mixture_table(name: str, noise: float, seed: int) -> None:
    """Print what the fit says of each part of a mixture."""
    points, true = MIXTURES[name](seed)
    X = embedded(points, noise, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ARDVAE(random_state=seed).fit(X)
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
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.05])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for noise in args.noise:
        for name in MIXTURES:
            mixture_table(name, noise, args.seed)


if __name__ == "__main__":
    main()
