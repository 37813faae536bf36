"""Count the dimensions of manifolds whose dimension is known.

    python benchmarks/dimension_recovery.py networks   # 20 fits, n = 8 and 16
    python benchmarks/dimension_recovery.py defaults   # nothing set but beta
    python benchmarks/dimension_recovery.py search     # beta by GridSearchCV

Each fit runs on one thread, as many at once as there are processors. Every fit is a
line of benchmarks/output/<suite>.jsonl; the summary says how many counts are right.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import GridSearchCV

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.datasets import make_manifold

OUTPUT = Path(__file__).parent / "output"
BETAS = [0.05, 0.1, 0.2, 0.4]
KINDS = (
    "network",
    "random_sines",
    "tanh_network",
    "shallow_relu_network",
    "mixed_sines",
    "shallow_tanh_network",
    "quadratic",
)


def networks(n_seeds: int, seed: int) -> list[dict]:
    """Return the fits that the random-network manifold is judged by."""
    grid = itertools.product((8, 16), (32, 64), range(seed, seed + n_seeds))
    return [
        {
            "kind": "network",
            "n": n,
            "d": 128,
            "n_rows": 20_000,
            "noise": 0.0,
            "seed": s,
            "params": {
                "n_components": n_components,
                "beta": float(np.random.default_rng(s).choice([0.2, 0.3, 0.4, 0.5])),
                "hidden_layer_sizes": (128, 128),
            },
        }
        for n, n_components, s in grid
    ]


def defaults(n_seeds: int, seed: int) -> list[dict]:
    """Return one fit for each kind, dimension and seed, the rest drawn at random."""
    fits = []
    for s, kind, n in itertools.product(
        range(seed, seed + n_seeds), KINDS, (3, 5, 8, 12, 16)
    ):
        rng = np.random.default_rng([s, n, len(fits)])
        fits.append(
            {
                "kind": kind,
                "n": n,
                "d": int(rng.integers(60, 129)),
                "n_rows": 8000,
                "noise": float(rng.choice([0.0, 0.1, 0.2, 0.3])),
                "seed": s,
                "params": {
                    "n_components": 32,
                    "beta": float(rng.choice([0.1, 0.2])),
                },
            }
        )
    return fits


def search(n_seeds: int, seed: int) -> list[dict]:
    """Return the fits of `defaults`, with beta left to the evidence."""
    fits = defaults(n_seeds, seed)
    for fit in fits:
        fit["params"]["beta"] = None
    return fits


def run(fit: dict) -> dict:
    x = make_manifold(
        fit["kind"],
        fit["n_rows"],
        n_dimensions=fit["n"],
        n_features=fit["d"],
        noise=fit["noise"],
        random_state=fit["seed"],
    ).data
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ARDVAE(random_state=fit["seed"], **fit["params"])
        if fit["params"]["beta"] is None:
            model.set_params(beta=0.1)
            model = GridSearchCV(model, {"beta": BETAS}, cv=3).fit(x).best_estimator_
        else:
            model.fit(x)
    return {
        **fit,
        "found": model.n_active_components_,
        "beta": model.beta,
        "seconds": time.perf_counter() - start,
        "epochs": model.n_iter_,
        "evidence": model.score(x[:2000]),
        "n_active": model.history_["n_active"][::5],
        "ratio": np.sort(model.relevance_ratio_)[::-1].round(4).tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=["networks", "defaults", "search"])
    parser.add_argument("--n-seeds", type=int, help="5 for networks, else 1")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--limit", type=int, help="of the fits, so many, at random")
    parser.add_argument("--n-jobs", type=int, default=-1)
    parser.add_argument("--set", nargs="*", default=[], metavar="PARAM=JSON")
    args = parser.parse_args()
    n_seeds = args.n_seeds or (5 if args.suite == "networks" else 1)
    fits = globals()[args.suite](n_seeds, args.seed)
    if args.limit is not None:
        fits = [fits[i] for i in np.random.default_rng(0).permutation(len(fits))]
        fits = fits[: args.limit]
    for assignment in args.set:
        name, _, value = assignment.partition("=")
        for fit in fits:
            fit["params"][name] = json.loads(value)
    OUTPUT.mkdir(exist_ok=True)
    errors = []
    results = Parallel(args.n_jobs, return_as="generator_unordered")(
        delayed(run)(fit) for fit in fits
    )
    seconds = []
    with (OUTPUT / f"{args.suite}.jsonl").open("w") as file:
        for r in results:
            file.write(json.dumps(r) + "\n")
            file.flush()
            errors.append(r["found"] - r["n"])
            seconds.append(r["seconds"])
            mark = "" if r["found"] == r["n"] else "   <--"
            print(
                f"{r['kind']:22s} n {r['n']:2d}  D {r['d']:3d}  noise {r['noise']:.1f} "
                f" beta {r['beta']:.2f}  found {r['found']:2d}  "
                f"{r['epochs']:3d} epochs  {r['seconds']:5.1f} s{mark}",
                flush=True,
            )
    errors = np.array(errors)
    print(
        f"{args.suite}: exact {np.mean(errors == 0):.1%}, within 1 "
        f"{np.mean(abs(errors) <= 1):.1%} of {len(errors)}; {np.median(seconds):.1f} s "
        f"a fit (median), {max(seconds):.1f} s at most"
    )


if __name__ == "__main__":
    main()
