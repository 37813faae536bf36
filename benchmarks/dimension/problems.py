"""The data that dimensions are estimated of, and both truths about them.

`dimension` is the dimension of the set that rows are drawn from. `flat_dimension` is
the number of axes of one global chart: the least m for which there is a continuous map
of the set into R^m that a continuous map undoes, at every point. A sphere of n
dimensions needs n + 1 (Borsuk and Ulam: each map of it into R^n sends some two opposite
points to one); a set that is a cube, bent as much as you like, needs n.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ortho_group

N_ROWS = 2500
#: Features that noise is given room in.
N_ADDED = 20


class Problem(NamedTuple):
    """A set of rows, with its truths; None where there is none that all agree on."""

    name: str
    suite: str
    dimension: float | None
    flat_dimension: int | None
    why: str
    draw: Callable[[float, int], NDArray[np.float64]]


class Drawn(NamedTuple):
    """What a contestant is given: rows and a seed. The truths are for the oracle."""

    x: NDArray[np.float64]
    seed: int
    dimension: float | None
    flat_dimension: int | None


def draw(problem: Problem, noise: float, seed: int) -> Drawn:
    """Return rows with noise of that share of their deviation."""
    x = problem.draw(noise, seed)
    return Drawn(x, seed, problem.dimension, problem.flat_dimension)


# --- the 24 manifolds of scikit-dimension ---------------------------------------------


def benchmark_manifold(name: str) -> Callable[[float, int], NDArray[np.float64]]:
    def drawn(noise: float, seed: int) -> NDArray[np.float64]:
        x = all_benchmark_manifolds(seed)[name]
        # The same rotation and draws at every level, so that levels can be compared.
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        return x.copy() if noise == 0.0 else with_noise(x, noise, rng)

    return drawn


@lru_cache(maxsize=2)
def all_benchmark_manifolds(seed: int) -> dict[str, NDArray[np.float64]]:
    """Draw all 24, one after the other from one seed, as its own benchmark does."""
    generator = skdim().datasets.BenchmarkManifolds(random_state=seed)
    return generator.generate("all", n=N_ROWS)


def skdim() -> Any:
    try:
        import pandas  # noqa: F401
        import skdim
    except ImportError as error:
        raise ImportError(
            "this cell needs scikit-dimension and pandas: pip install -r "
            "benchmarks/dimension/requirements.txt. What is missing: "
            f"{error.name or error}."
        ) from error
    return skdim


def with_noise(
    x: NDArray[np.float64], noise: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return x turned in a space of 20 more features, with noise in all of them.

    `noise` is relative to the root of the mean variance of those features of x that
    vary: M13b has ten that do not.
    """
    variances = x.var(axis=0)
    deviation = np.sqrt(variances[variances > 0.0].mean())
    wide = np.hstack([x, np.zeros((len(x), N_ADDED))])
    turned = wide @ ortho_group.rvs(wide.shape[1], random_state=rng)
    return turned + noise * deviation * rng.standard_normal(wide.shape)


CUBE = "the whole surface of a cube, a sphere to a chart"
FLAT = "a flat"
POLAR = (
    "pairs of features are a point of the plane at angle 2 pi p_i and radius p_(i+1): "
    "the radii are a chart, though the set spans 2n dimensions, and is drawn again and "
    "again in what is left of the features"
)
GRAPH = "its first n features are a chart"
PAIRS = (
    "of two latents u, v it has u cos v and u sin v, hence both, though it spans 2n "
    "dimensions"
)

# name, dimension, axes of a chart, why so many axes.
BENCHMARK_MANIFOLDS = [
    ("M1_Sphere", 10, 11, "a sphere"),
    ("M2_Affine_3to5", 3, 3, FLAT),
    (
        "M3_Nonlinear_4to6",
        4,
        4,
        "a map of a cube into 6 dimensions, which meets itself, but in 2 dimensions "
        "only, and these are left out of the truth",
    ),
    ("M4_Nonlinear", 4, 4, POLAR),
    ("M5a_Helix1d", 1, 2, "a closed curve; the angle around the axis is a circle"),
    ("M5b_Helix2d", 2, 2, "angle and radius of a screw are a rectangle"),
    ("M6_Nonlinear", 6, 6, POLAR),
    ("M7_Roll", 2, 2, "a rolled rectangle"),
    ("M8_Nonlinear", 12, 12, POLAR),
    ("M9_Affine", 20, 20, FLAT),
    ("M10a_Cubic", 10, 11, CUBE),
    ("M10b_Cubic", 17, 18, CUBE),
    ("M10c_Cubic", 24, 25, f"{CUBE} (of one of its 50 faces one row is drawn)"),
    ("M10d_Cubic", 70, 71, f"{CUBE} (of its 142 faces three are not drawn)"),
    (
        "M11_Moebius",
        2,
        2,
        "ten half turns are five whole ones: it is no Moebius band but a twisted ring, "
        "and a ring lies in the plane",
    ),
    ("M12_Norm", 20, 20, FLAT),
    ("M13a_Scurve", 2, 2, "a bent rectangle"),
    ("M13b_Spiral", 1, 1, "the height is a chart"),
    (
        "Mbeta",
        10,
        10,
        "ten curves in planes, each an arc but for one crossing, whose loop holds "
        "0.3 % of its mass and is left out of the truth; it spans 2n dimensions",
    ),
    ("Mn1_Nonlinear", 18, 18, PAIRS),
    ("Mn2_Nonlinear", 24, 24, PAIRS),
    ("Mp1_Paraboloid", 3, 3, GRAPH),
    ("Mp2_Paraboloid", 6, 6, GRAPH),
    ("Mp3_Paraboloid", 9, 9, GRAPH),
]

# --- this package's own ---------------------------------------------------------------


def own_manifold(
    kind: str, n: int, n_features: int, n_rows: int
) -> Callable[[float, int], NDArray[np.float64]]:
    def drawn(noise: float, seed: int) -> NDArray[np.float64]:
        from sklearn_ardvae.datasets import make_manifold

        manifold = make_manifold(
            kind,
            n_rows,
            n_dimensions=n,
            n_features=n_features,
            noise=noise,
            random_state=seed,
        )
        return manifold.data.astype(np.float64)

    return drawn


def chaos(maker: str, **kwargs: Any) -> Callable[[float, int], NDArray[np.float64]]:
    def drawn(noise: float, seed: int) -> NDArray[np.float64]:
        import sklearn_ardvae.datasets

        make = getattr(sklearn_ardvae.datasets, maker)
        snapshots = make(5000, noise=noise, random_state=seed, **kwargs)
        return snapshots.data.astype(np.float64)

    return drawn


LATENTS = "the map of latents to 128 features is one to one"

# kind, dimension, axes of a chart, features, rows, why so many axes.
OWN_MANIFOLDS = [
    ("network", 4, 4, 128, 5000, LATENTS),
    ("network", 8, 8, 128, 5000, LATENTS),
    ("network", 16, 16, 128, 5000, LATENTS),
    ("network", 32, 32, 128, 8000, LATENTS),
    ("tanh_network", 12, 12, 128, 5000, LATENTS),
    ("random_sines", 5, 5, 128, 5000, LATENTS),
    ("quadratic", 4, 4, 128, 5000, LATENTS),
    ("swiss_roll", 3, 3, 40, 5000, "a rolled cuboid"),
    ("sphere", 5, 6, 40, 5000, "a sphere"),
    ("torus", 3, 4, 40, 5000, "a product of n circles lies in n + 1 dimensions"),
]

CHAOS = [
    Problem(
        "KS-22",
        "chaos",
        None,
        8,
        "numerical studies agree on an inertial manifold of 8 dimensions (arXiv "
        "1604.01859, 2001.04263); the attractor in it is fractal and thinner",
        chaos("make_kuramoto_sivashinsky", length=22.0),
    ),
    Problem(
        "KS-44",
        "chaos",
        None,
        None,
        "numerical studies say 16 to 18 for the inertial manifold",
        chaos("make_kuramoto_sivashinsky", length=44.0),
    ),
    Problem(
        "Lorenz-96",
        "chaos",
        27.1,
        None,
        "the Lyapunov dimension of the attractor (Lorenz and Emanuel 1998); a manifold "
        "that holds it has more",
        chaos("make_lorenz96"),
    ),
]

PROBLEMS = {
    problem.name: problem
    for problem in [
        *(
            Problem(name, "manifolds", n, flat, why, benchmark_manifold(name))
            for name, n, flat, why in BENCHMARK_MANIFOLDS
        ),
        *(
            Problem(f"{kind}-{n}", "own", n, flat, why, own_manifold(kind, n, d, rows))
            for kind, n, flat, d, rows, why in OWN_MANIFOLDS
        ),
        *CHAOS,
    ]
}
