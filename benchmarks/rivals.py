"""Count the dimensions of random-network manifolds by every method that counts.

    python benchmarks/rivals.py                          # the whole grid, hours
    python benchmarks/rivals.py --n 8 --n-components 16 32 --noise 0 --n-rows 5000

Each method has its own defaults but for the latent size, the networks (128, 128) and
the budget of epochs. A row of the table is a method and a setting: counts over the
seeds, mean squared error of a feature on rows not seen, evidence where there is one.
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

import sklearn_ardvae
from sklearn_ardvae.datasets import make_manifold
from sklearn_ardvae.nn.variational import VariationalModule
from sklearn_ardvae.relevance import select_active

OUTPUT = Path(__file__).parent / "output"
METHODS = {
    "ARDVAE": {"beta": 0.2},
    "MaskAAE": {},
    "L0ARMVAE": {},
    "NGVAE": {},
    "RRAE": {},
    "VRRAE": {},
    "IRMAE": {},
    "LoRAE": {},
    "LeastVolumeAE": {},
}


def run(method: str, n: int, size: int, noise: float, seed: int, args) -> dict:
    x = make_manifold(
        "network",
        args.n_rows + 2000,
        n_dimensions=n,
        noise=noise,
        random_state=seed,
    ).data
    train, test = x[:-2000], x[-2000:]
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cls = getattr(sklearn_ardvae, method)
        model = cls(
            size,
            **{
                **METHODS[method],
                "hidden_layer_sizes": (128, 128),
                "max_iter": args.max_iter,
                "random_state": seed,
                **dict(args.set),
            },
        ).fit(train)
    probabilistic = isinstance(model._module, VariationalModule)
    return {
        "method": method,
        "n": n,
        "n_components": size,
        "noise": noise,
        "seed": seed,
        "found": model.n_active_components_,
        **other_counts(model),
        "error": float(np.square(model.reconstruct(test) - test).mean()),
        "evidence": model.score(test) if probabilistic else None,
        "seconds": time.perf_counter() - start,
        "epochs": model.n_iter_,
    }


def other_counts(model) -> dict[str, int]:
    """Return what each rule that the model has would count."""
    counts = {"by_relevance": len(select_active(model.relevance_, 0.99))}
    if hasattr(model, "variance_threshold"):
        variances = model.component_variance_
        kept = variances > model.variance_threshold * variances.max()
        counts["by_variance"] = int(kept.sum())
    return counts


def assignment(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    return name, json.loads(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=[*METHODS])
    parser.add_argument("--n", nargs="*", type=int, default=[8, 16])
    parser.add_argument("--n-components", nargs="*", type=int, default=[16, 32, 64])
    parser.add_argument("--noise", nargs="*", type=float, default=[0.0, 0.1])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--n-rows", type=int, default=20_000)
    parser.add_argument("--max-iter", type=int, default=200)
    parser.add_argument("--n-jobs", type=int, default=-1)
    parser.add_argument(
        "--set", nargs="*", type=assignment, default=[], metavar="PARAM=JSON"
    )
    args = parser.parse_args()
    settings = [*itertools.product(args.methods, args.n, args.n_components, args.noise)]
    results = Parallel(args.n_jobs, return_as="generator")(
        delayed(run)(*setting, seed, args)
        for setting in settings
        for seed in args.seeds
    )
    OUTPUT.mkdir(exist_ok=True)
    print("method     n   L  noise  found       error     evidence  epochs  seconds")
    with (OUTPUT / "rivals.jsonl").open("a") as file:
        for setting in settings:
            rows = list(itertools.islice(results, len(args.seeds)))
            for row in rows:
                file.write(json.dumps(row) + "\n")
            file.flush()
            print(line(setting, rows), flush=True)


def line(setting: tuple, rows: list[dict]) -> str:
    method, n, size, noise = setting
    found = " ".join(str(row["found"]) for row in rows)
    error, epochs, seconds = (
        np.mean([row[name] for row in rows]) for name in ("error", "epochs", "seconds")
    )
    evidence = "-"
    if rows[0]["evidence"] is not None:
        evidence = f"{np.mean([row['evidence'] for row in rows]):.1f}"
    return (
        f"{method:9s} {n:2d}  {size:2d}  {noise:5.2f}  {found:10s}  {error:8.5f}  "
        f"{evidence:>8s}  {epochs:6.0f}  {seconds:7.0f}"
    )


if __name__ == "__main__":
    main()
