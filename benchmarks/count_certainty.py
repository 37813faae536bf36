"""How often intervals of the number of dimensions hold it, and what they rest on.

`run` fits manifolds, some of the kinds of `make_manifold` ("known") and some of seven
families of its own ("other"), and writes a line for each: what is true, what is found,
and the clues. `calibrate` fits the two logistic regressions of
`sklearn_ardvae/estimator/certainty.py` to the known ones; `check` says how often the
intervals hold the truth, and how wide they are.

    python benchmarks/count_certainty.py run        # 10 to 60 seconds each, one core
    python benchmarks/count_certainty.py calibrate
    python benchmarks/count_certainty.py check
"""

from __future__ import annotations

import argparse
import itertools
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import first_answer_data as data
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.estimator.certainty import Clues, CountOdds

# What has been fitted; it is part of the repository.
RESULTS = Path(__file__).parent / "count_certainty.jsonl"
# Seeds, rows and numbers of the manifolds of known kinds, and of the others.
KNOWN = [(11, 2000, 32), (12, 1000, 32), (13, 4000, 32)]
N_OTHERS = 126
CONFIDENCES = (0.5, 0.8, 0.9, 0.95)


# --- families that take no part in the calibration ------------------------------------

Draw = Callable[[NDArray, int, np.random.Generator], NDArray]


def cubic(z: NDArray, d: int, rng: np.random.Generator) -> NDArray:
    """Linear, and products of three."""
    n = z.shape[1]
    n_products = max(3, 2 * n)
    linear = rng.standard_normal((n, d))
    factors = rng.integers(0, n, (n_products, 3))
    into = rng.standard_normal((n_products, d))
    size = 0.25 * np.sqrt(n / n_products)
    return z @ linear + size * z[:, factors].prod(2) @ into


def bumps(z: NDArray, d: int, rng: np.random.Generator) -> NDArray:
    """Normal bumps around some of the rows."""
    centres = z[rng.integers(0, len(z), d)]
    squares = np.square(z[:, None] - centres[None]).sum(2)
    return np.exp(-squares / (2.0 * 1.2**2 * z.shape[1]))


def softplus(z: NDArray, d: int, rng: np.random.Generator) -> NDArray:
    """A perceptron of one layer."""
    n = z.shape[1]
    inner = 2.0 * z @ rng.standard_normal((n, 3 * n)) / np.sqrt(n)
    hidden = np.logaddexp(0.0, inner + rng.standard_normal(3 * n))
    return hidden @ rng.standard_normal((3 * n, d))


def logistic(z: NDArray, d: int, rng: np.random.Generator) -> NDArray:
    """Features that saturate."""
    n = z.shape[1]
    inner = z @ rng.standard_normal((n, d)) / np.sqrt(n)
    return expit(2.5 * (inner + 0.5 * rng.standard_normal(d)))


def fourier(z: NDArray, d: int, rng: np.random.Generator) -> NDArray:
    """Waves in random directions."""
    n = z.shape[1]
    inner = z @ rng.standard_normal((n, d)) * (1.2 / np.sqrt(n))
    return np.cos(inner + rng.uniform(0.0, 6.28, d))


def paraboloid(z: NDArray, d: int, rng: np.random.Generator) -> NDArray:
    """A graph of a few quadratic forms above a plane."""
    n = z.shape[1]
    above = 0.5 * (z**2 - 1.0) @ rng.standard_normal((n, max(2, n // 2)))
    points = np.hstack([z, above])
    frame = np.linalg.qr(rng.standard_normal((d, points.shape[1])))[0]
    return points @ frame.T


def product(z: NDArray, d: int, rng: np.random.Generator) -> NDArray:
    """Linear, and latents times sines of others."""
    n = z.shape[1]
    first, second = rng.integers(0, n, (2, max(2, n)))
    points = np.hstack([z, z[:, first] * np.sin(z[:, second])])
    return points @ rng.standard_normal((points.shape[1], d))


FAMILIES: list[Draw] = [cubic, bumps, softplus, logistic, fourier, paraboloid, product]


def other(i: int) -> tuple[dict, NDArray]:
    """Return a manifold of another family: what it is, and its rows."""
    rng = np.random.default_rng([77, i])
    family = FAMILIES[i % len(FAMILIES)]
    n = int(rng.integers(2, 13))
    d = int(rng.integers(max(20, 2 * n + 4), 81))
    n_rows = int(rng.choice([1000, 1500, 2000, 3000, 4000]))
    noise = float(rng.choice([0.05, 0.1, 0.2, 0.3, 0.4]))
    is_normal = rng.random() < 0.5
    shape = (n_rows, n)
    z = rng.standard_normal(shape) if is_normal else rng.uniform(-1.7, 1.7, shape)
    x = family(z, d, rng)
    x -= x.mean(0)
    x /= x.std()
    x += noise * rng.standard_normal(x.shape)
    name = f"{family.__name__}-{n}in{d}-noise{noise:g}-{n_rows}rows-{i}"
    problem = {"name": name, "n": n, "d": d, "noise": noise, "n_rows": n_rows}
    return problem, x.astype(np.float32)


# --- fits -----------------------------------------------------------------------------


def problems(group: str) -> Iterator[tuple[dict, NDArray]]:
    """Yield what the manifolds of a group are, and their rows."""
    if group == "other":
        for i in range(N_OTHERS):
            yield other(i)
        return
    for seed, n_rows, number in KNOWN:
        for problem in itertools.islice(data.manifolds(seed, n_rows), number):
            yield problem, data.draw_manifold(problem)


def fit(group: str, problem: dict, x: NDArray) -> dict:
    """Return what is known of a fit with nothing set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ARDVAE(random_state=0).fit(x)
    found = int(model.n_active_components_)
    clues = asdict(model._clues())
    return {"group": group, **problem, "found": found, "clues": clues}


def family(line: dict) -> str:
    return line["name"].split("-")[0]


def run(path: Path, n_jobs: int) -> None:
    """Fit what `path` does not know yet."""
    done = {line["name"] for line in read(path)}
    todo = (
        delayed(fit)(group, problem, x)
        for group in ("known", "other")
        for problem, x in problems(group)
        if problem["name"] not in done
    )
    with path.open("a") as file:
        for line in Parallel(n_jobs, return_as="generator_unordered")(todo):
            file.write(json.dumps(line) + "\n")
            file.flush()
            print(f"{line['name']:50s} {line['n']:2d} {line['found']:2d}", flush=True)


def read(path: Path) -> list[dict]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


# --- regressions, and how well they do ------------------------------------------------

Regressions = tuple[NDArray, NDArray]


def calibrated(lines: list[dict]) -> Regressions:
    """Return coefficients of the log odds of fewer dimensions, and of more."""
    x = np.array([Clues(**line["clues"]).regressors() for line in lines])
    off = np.array([line["found"] - line["n"] for line in lines])
    found = []
    for is_wrong, among, last in ((off > 0, off >= 0, 3), (off < 0, off <= 0, 2)):
        # Against those that are right; the penalty leaves the constant alone.
        regression = LogisticRegression(C=1.0, max_iter=1000)
        regression.fit(x[among, 1:last], is_wrong[among])
        found.append(np.append(regression.intercept_, regression.coef_[0]))
    return found[0], found[1]


def odds(line: dict, regressions: Regressions | None = None) -> CountOdds:
    """Return those of the package, or by other regressions."""
    return CountOdds.of(Clues(**line["clues"]), *(regressions or ()))


def odds_of_unknown_families(lines: list[dict]) -> list[CountOdds]:
    """Return the odds of each fit by regressions that do not know its family."""
    regressions = {
        name: calibrated([line for line in lines if family(line) != name])
        for name in {family(line) for line in lines}
    }
    return [odds(line, regressions[family(line)]) for line in lines]


def shown(name: str, lines: list[dict], all_odds: list[CountOdds]) -> str:
    """Return a line of Markdown: how often intervals hold the truth, and how wide."""
    off = np.array([line["found"] - line["n"] for line in lines])
    cells = [f"{len(lines)}", f"{np.mean(off == 0):.1%}"]
    for confidence in CONFIDENCES:
        ends = np.array([each.interval(confidence) for each in all_odds])
        true = np.array([line["n"] for line in lines])
        holds = (ends[:, 0] <= true) & (true <= ends[:, 1])
        width = np.mean(ends[:, 1] - ends[:, 0])
        cells.append(f"{holds.mean():.1%}, {width:.2f}")
    return f"| {name} | " + " | ".join(cells) + " |"


def check(lines: list[dict]) -> None:
    heads = " | ".join(f"{c:.0%}: holds, width" for c in CONFIDENCES)
    print(f"| manifolds | fits | count exact | {heads} |")
    print("|---" * (3 + len(CONFIDENCES)) + "|")
    for name in ["known", "other"]:
        group = [line for line in lines if line["group"] == name]
        print(shown(name, group, [odds(line) for line in group]))
    kept_out = odds_of_unknown_families(lines)
    print(shown("all, each by regressions on the other families", lines, kept_out))
    known = [line for line in lines if line["group"] == "known"]
    others = [line for line in lines if line["group"] == "other"]
    by_known = calibrated(known)
    found = [odds(line, by_known) for line in others]
    print(shown("other, by regressions on known alone", others, found))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["run", "calibrate", "check"])
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    if args.action == "run":
        run(args.results, args.n_jobs)
        return
    lines = read(args.results)
    if args.action == "check":
        check(lines)
        return
    for name, found in zip(("FEWER", "MORE"), calibrated(lines), strict=True):
        print(f"{name} = {tuple(float(round(value, 2)) for value in found)}")


if __name__ == "__main__":
    main()
