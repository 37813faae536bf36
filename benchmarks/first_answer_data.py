"""The problems of benchmarks/first_answer.py; what is random follows from their names.

A problem is a dict with a name, from which its half and its data follow, and whatever
else its suite needs to draw it.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterator
from functools import partial

import numpy as np
from dimension_recovery import KINDS
from numpy.typing import NDArray
from sklearn import datasets

from sklearn_ardvae.datasets import (
    fetch_mnist,
    make_gaussian_bumps,
    make_manifold,
    make_shift,
)

Table = tuple[NDArray, NDArray | None]


def half(name: str) -> str:
    """Return the half of a problem: tune on one, look at the other at the end."""
    return ("tuning", "hidden")[_digest(name)[0] % 2]


def generator(name: str) -> np.random.RandomState:
    return np.random.RandomState(int.from_bytes(_digest(name)[1:5]))


def _digest(name: str) -> bytes:
    return hashlib.md5(name.encode()).digest()


# --- tables: (rows, features, generator) -> data and class labels, if there are any ---


def blobs(n, d, rng):
    return datasets.make_blobs(n, d, centers=5, cluster_std=3.0, random_state=rng)


def classification(n, d, rng, n_redundant=0):
    return datasets.make_classification(
        n, d, n_informative=d // 2, n_redundant=n_redundant, random_state=rng
    )


def redundant_classification(n, d, rng):
    return classification(n, d, rng, n_redundant=d // 4)


def gaussian_quantiles(n, d, rng):
    return datasets.make_gaussian_quantiles(
        n_samples=n, n_features=d, n_classes=3, random_state=rng
    )


def circles(n, d, rng):
    x, y = datasets.make_circles(n, noise=0.1, factor=0.4, random_state=rng)
    return _with_mixed_features(x, d, rng), y


def moons(n, d, rng):
    x, y = datasets.make_moons(n, noise=0.1, random_state=rng)
    return _with_mixed_features(x, d, rng), y


def s_curve(n, d, rng):
    x, _ = datasets.make_s_curve(n, noise=0.05, random_state=rng)
    return _with_noise_features(x, d, rng), None


def swiss_roll(n, d, rng):
    x, _ = datasets.make_swiss_roll(n, noise=0.3, random_state=rng)
    return _with_noise_features(x, d, rng), None


def regression(n, d, rng):
    return datasets.make_regression(n, d, random_state=rng)[0], None


def low_rank_regression(n, d, rng):
    x, _ = datasets.make_regression(n, d, effective_rank=d // 5, random_state=rng)
    return x, None


def friedman1(n, d, rng):
    return datasets.make_friedman1(n, d, random_state=rng)[0], None


def low_rank_matrix(n, d, rng):
    x = datasets.make_low_rank_matrix(n, d, effective_rank=d // 6, random_state=rng)
    return x, None


def sparse_uncorrelated(n, d, rng):
    return datasets.make_sparse_uncorrelated(n, d, random_state=rng)[0], None


def spd_gaussian(n, d, rng):
    covariance = datasets.make_spd_matrix(d, random_state=rng)
    return rng.multivariate_normal(np.zeros(d), covariance, n), None


def log_normal(n, d, rng):
    return np.exp(0.8 * _correlated(n, d, rng)), None


def student_t(n, d, rng):
    """Three degrees of freedom, one divisor for a row: tails come together."""
    return _correlated(n, d, rng) / np.sqrt(rng.chisquare(3, (n, 1)) / 3), None


def dependent_columns(n, d, rng):
    """Half of the columns are sums and differences of three of the others."""
    x = rng.standard_normal((n, (d + 1) // 2))
    sums = [
        x[:, rng.choice(x.shape[1], 3, replace=False)] @ rng.choice([-1, 1], 3)
        for _ in range(d // 2)
    ]
    return np.column_stack([x, *sums]), None


def counts(n, d, rng):
    return rng.poisson(np.exp(1.0 + 0.7 * _correlated(n, d, rng))), None


def mixture(n, d, rng):
    """Four Gaussians of rank d / 5 in noise."""
    y = rng.randint(4, size=n)
    z = rng.standard_normal((n, max(d // 5, 1)))
    maps = rng.standard_normal((4, z.shape[1], d))
    x = rng.standard_normal((4, d))[y] + np.einsum("ij,ijk->ik", z, maps[y])
    return x + 0.3 * rng.standard_normal((n, d)), y


def shift(n, d, rng):
    return make_shift(n, n_features=d, noise=0.05, random_state=rng).data, None


def gaussian_bumps(n, d, rng):
    bumps = make_gaussian_bumps(round(n**0.5), n_test=0, image_size=round(d**0.5))
    return bumps.data + 0.01 * rng.standard_normal(bumps.data.shape), None


def sphere_and_roll(n, d, rng):
    return _manifold(("sphere", "swiss_roll"), n, d, rng), None


def torus(n, d, rng):
    return _manifold("torus", n, d, rng), None


def flat(n, d, rng):
    return _manifold("linear", n, d, rng), None


def network(n, d, rng):
    return _manifold("network", n, d, rng), None


def mnist(n, d, rng):
    """Digits of 32 x 32 pixels, averaged in blocks, without those of a blank margin.

    Where one row in a thousand has ink, a standardised test row may lie thousands of
    deviations out, and alone decides the mean of a density.
    """
    side = round(d**0.5)
    x, y = fetch_mnist(
        n_samples=n,
        shuffle=True,  # a copy that is sorted by label warns if not
        pad=2,
        download_if_missing=False,
        return_X_y=True,
        random_state=rng,
    )
    blocks = x.reshape(n, side, 32 // side, side, 32 // side)
    x = blocks.mean((2, 4)).reshape(n, d)
    return x[:, (x > 0).mean(0) > 0.01], y


def _manifold(kind, n, d, rng):
    return make_manifold(
        kind, n, n_dimensions=3, n_features=d, noise=0.1, random_state=rng
    ).data


def _correlated(n, d, rng):
    """Normal columns of about unit variance, four fifths of it of rank d / 4."""
    rank = max(d // 4, 1)
    common = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, d))
    return np.sqrt(0.8 / rank) * common + np.sqrt(0.2) * rng.standard_normal((n, d))


def _with_noise_features(x, d, rng):
    return np.hstack([x, rng.standard_normal((len(x), d - x.shape[1]))])


def _with_mixed_features(x, d, rng):
    mixed = np.tanh(x @ rng.standard_normal((x.shape[1], d - x.shape[1])))
    return np.hstack([x, mixed + 0.1 * rng.standard_normal(mixed.shape)])


_SIZES = {
    blobs: [(300, 6), (2000, 20)],
    classification: [(400, 12), (3000, 40)],
    redundant_classification: [(600, 16)],
    gaussian_quantiles: [(200, 5), (1500, 16)],
    circles: [(400, 6), (2000, 12)],
    moons: [(250, 5), (1000, 10)],
    s_curve: [(500, 6), (2500, 10)],
    swiss_roll: [(300, 5), (1500, 8)],
    regression: [(400, 10)],
    low_rank_regression: [(250, 20), (1000, 30)],
    friedman1: [(600, 10)],
    low_rank_matrix: [(500, 40), (2000, 64)],
    sparse_uncorrelated: [(300, 12)],
    spd_gaussian: [(150, 8), (300, 24), (2000, 32)],
    log_normal: [(200, 8), (1000, 20), (4000, 40)],
    student_t: [(300, 12), (2000, 30)],
    dependent_columns: [(250, 10), (1500, 24)],
    counts: [(300, 9), (2500, 25)],
    mixture: [(400, 15), (1200, 40), (5000, 30)],
    shift: [(300, 40)],
    gaussian_bumps: [(400, 64)],
    sphere_and_roll: [(1000, 16)],
    torus: [(600, 8)],
    flat: [(200, 12)],
    network: [(500, 24), (1500, 48)],
    mnist: [(300, 64), (800, 64), (2000, 64), (4000, 64)],
}
# Linnerud, the sixth that ships with scikit-learn, has 20 rows.
SHIPPED = {
    "iris-150x4": (datasets.load_iris, True),
    "wine-178x13": (datasets.load_wine, True),
    "breast_cancer-569x30": (datasets.load_breast_cancer, True),
    "diabetes-442x10": (datasets.load_diabetes, False),
    "digits-1797x64": (datasets.load_digits, True),
}
#: To each of these noise of half its columns' deviation is added too.
WITH_NOISE = [
    *SHIPPED,
    "circles-400x6",
    "dependent_columns-250x10",
    "shift-300x40",
    "mnist-800x64",
]
MADE = {
    f"{make.__name__}-{n}x{d}": (make, n, d)
    for make, sizes in _SIZES.items()
    for n, d in sizes
}
TABLES = [*SHIPPED, *MADE, *(f"{name}+noise" for name in WITH_NOISE)]


def draw_table(name: str) -> Table:
    base, _, noise = name.partition("+")
    if base in SHIPPED:
        load, labelled = SHIPPED[base]
        x, y = load(return_X_y=True)
        y = y if labelled else None
    else:
        make, n, d = MADE[base]
        x, y = make(n, d, generator(base))
    x = np.asarray(x, float)
    if noise:
        x = x + 0.5 * x.std(0) * generator(name).standard_normal(x.shape)
    return x, y


def tables() -> Iterator[dict]:
    """Yield every table but those of MNIST, and say so, if its file is missing."""
    names = TABLES
    try:
        fetch_mnist(n_samples=2, shuffle=True, download_if_missing=False)
    except OSError as error:
        print(f"MNIST is not there, its tables are left out: {error}", file=sys.stderr)
        names = [name for name in names if not name.startswith("mnist")]
    yield from ({"name": name} for name in names)


# --- manifolds ------------------------------------------------------------------------


def manifolds(seed: int, n_rows: int, dimensions: int | None = None) -> Iterator[dict]:
    """Yield manifolds without end; `noise` is relative to a data deviation of 1."""
    for i in itertools.count():
        rng = np.random.default_rng([seed, i])
        n = dimensions or int(rng.integers(3, 17))
        # In less than 2n features a chart of curved data is not to be had.
        yield _manifold_problem(
            f"{n_rows}rows-{seed}.{i}",
            kind=str(rng.choice(KINDS)),
            n=n,
            d=int(rng.integers(max(20, 2 * n), 129)),
            noise=float(rng.choice([0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])),
            n_rows=n_rows,
        )


def _manifold_problem(suffix: str, **drawn) -> dict:
    name = "{kind}-{n}in{d}-noise{noise:g}-".format(**drawn) + suffix
    return {"name": name, **drawn}


def draw_manifold(problem: dict) -> NDArray[np.float32]:
    return make_manifold(
        problem["kind"],
        problem["n_rows"],
        n_dimensions=problem["n"],
        n_features=problem["d"],
        noise=problem["noise"],
        random_state=generator(problem["name"]),
    ).data


# --- noise ----------------------------------------------------------------------------


def noise(seed: int) -> Iterator[dict]:
    """Yield isotropic noise, columns of unequal variance, manifolds with two columns.

    The two columns have the variance of the manifold's noise ("added") or a variance
    of 1 ("added_unit"), which is the data's.
    """
    for i in range(20):
        rng = np.random.default_rng([seed, 0, i])
        n, d, scale = _rows(rng), int(rng.integers(4, 65)), 10.0 ** (i % 13 - 6)
        name = f"isotropic-{n}x{d}-scale{scale:g}-{seed}.{i}"
        yield {"name": name, "sort": "isotropic", "n_rows": n, "d": d, "scale": scale}
    for i in range(16):
        rng = np.random.default_rng([seed, 1, i])
        n, d = _rows(rng), int(rng.integers(4, 33))
        name = f"columns-{n}x{d}-{seed}.{i}"
        yield {"name": name, "sort": "columns", "n_rows": n, "d": d}
    for i in range(12):
        rng = np.random.default_rng([seed, 2, i])
        sort = ("added", "added_unit")[i % 2]
        problem = _manifold_problem(
            f"{sort}-{seed}.{i}",
            kind=str(rng.choice(KINDS)),
            n=int(rng.integers(3, 9)),
            d=int(rng.integers(20, 65)),
            noise=float(rng.choice([0.1, 0.2, 0.3])),
            n_rows=2000,
        )
        yield {**problem, "sort": sort}


def _rows(rng: np.random.Generator) -> int:
    return int(np.exp(rng.uniform(np.log(150), np.log(5000))))


def draw_noise(problem: dict) -> NDArray:
    """Return rows of isotropic noise or of columns of unequal variance."""
    rng = generator(problem["name"])
    x = rng.standard_normal((problem["n_rows"], problem["d"]))
    if problem["sort"] == "isotropic":
        return problem["scale"] * x
    return x * np.exp(rng.standard_normal(problem["d"]))


def noise_columns(problem: dict) -> NDArray:
    """Return the two columns to add to the manifold of `problem`."""
    deviation = problem["noise"] if problem["sort"] == "added" else 1.0
    rng = generator(problem["name"] + "-columns")
    return deviation * rng.standard_normal((problem["n_rows"], 2))


# --- cost -----------------------------------------------------------------------------


def cost() -> Iterator[dict]:
    yield from ({"name": f"cost-{name}"} for name in _COST)


def draw_cost(problem: dict) -> NDArray:
    return _COST[problem["name"].removeprefix("cost-")]()


def _standardised(name: str) -> NDArray:
    x = draw_table(name)[0]
    x = x[:, np.ptp(x, axis=0) > 0]
    return (x - x.mean(0)) / x.std(0)


_COST = {
    "digits": partial(_standardised, "digits-1797x64"),
    "wine": partial(_standardised, "wine-178x13"),
    "breast_cancer": partial(_standardised, "breast_cancer-569x30"),
    "manifold": lambda: draw_manifold(
        _manifold_problem("cost", kind="network", n=8, d=64, noise=0.1, n_rows=8000)
    ),
}
