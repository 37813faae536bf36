"""Compare beta that is chosen by cross-validation with beta estimated with the rest.

    python benchmarks/ard_vae_cv.py                # run what is missing, and sum up
    python benchmarks/ard_vae_cv.py --only wine    # problems with that in their names

`ARDVAE()` with nothing set, beside `ARDVAECV` by both of its rules, on manifolds of
known dimension and on small tables: the evidence of rows that no fit has seen, the
count, and the processor's seconds. One fit at a time, on one thread. Every problem is a
line of benchmarks/output/ard_vae_cv.jsonl, and one that stands there is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from numpy.typing import NDArray
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE, ARDVAECV
from sklearn_ardvae.datasets import make_manifold
from sklearn_ardvae.model_selection.path import simplest_within_one_error

OUTPUT = Path(__file__).parent / "output" / "ard_vae_cv.jsonl"
TABLES = ("iris", "wine", "breast_cancer")
# Kind, dimension, features, rows and the deviation of the noise.
MANIFOLDS = [
    ("random_sines", 2, 20, 1000, 0.1),
    ("network", 3, 30, 1000, 0.1),
    ("quadratic", 4, 40, 1000, 0.2),
    ("tanh_network", 5, 40, 1500, 0.1),
    ("random_sines", 6, 60, 1500, 0.3),
    ("mixed_sines", 8, 60, 2000, 0.0),
    ("shallow_tanh_network", 10, 60, 1000, 0.1),
    ("network", 12, 60, 2000, 0.2),
    ("shallow_relu_network", 16, 80, 2000, 0.1),
]
# Rows of a manifold that no fit sees; of tables it is this share.
N_TEST, TEST_SHARE = 1000, 0.3
SEED = 0


def problems() -> Iterator[dict]:
    for name in TABLES:
        yield {"name": name}
    for kind, n, d, n_rows, noise in MANIFOLDS:
        name = f"{kind}-{n}-in-{d}-rows-{n_rows}-noise-{noise}"
        yield {"name": name, "kind": kind, "n": n, "d": d, "n_rows": n_rows} | {
            "noise": noise
        }


def draw(problem: dict) -> tuple[NDArray, NDArray]:
    """Return the rows to fit to, and those to judge by."""
    if "n" not in problem:
        x, y = getattr(datasets, f"load_{problem['name']}")(return_X_y=True)
        train, test = train_test_split(
            x, test_size=TEST_SHARE, random_state=SEED, stratify=y
        )
        scaler = StandardScaler().fit(train)
        return scaler.transform(train), scaler.transform(test)
    x, _ = make_manifold(
        problem["kind"],
        problem["n_rows"] + N_TEST,
        n_dimensions=problem["n"],
        n_features=problem["d"],
        noise=problem["noise"],
        return_X_y=True,
        random_state=SEED,
    )
    return x[: problem["n_rows"]], x[problem["n_rows"] :]


def fitted(model: ARDVAE, train: NDArray, test: NDArray) -> dict:
    """Fit a model and return what it says; its seconds are the processor's."""
    start = time.process_time()
    model.fit(train)
    return {
        "seconds": time.process_time() - start,
        "evidence": model.score(test),
        "found": model.n_active_components_,
        "beta": model.beta_,
    }


def judge(problem: dict, n_betas: int, cv: int) -> dict:
    train, test = draw(problem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ARDVAE(max_iter=1).fit(train)  # what only a process's first fit costs
        auto = fitted(ARDVAE(random_state=SEED), train, test)
        search = ARDVAECV(betas=n_betas, cv=cv, random_state=SEED)
        best = fitted(search, train, test)
        evidence, counts = search.evidence_path_, search.n_active_path_
        chosen, _ = simplest_within_one_error(evidence[:, None], counts[:, None])
        beta = float(search.betas_[chosen])
        simple = best
        if beta != search.beta_:
            model = ARDVAE(beta=beta, random_state=SEED)
            simple = fitted(model, train, test)
            # The path, and one fit.
            simple["seconds"] += best["seconds"] * (1 - 1 / (n_betas * cv + 1))
    return {
        **problem,
        "shape": train.shape,
        "n_betas": n_betas,
        "cv": cv,
        "auto": auto,
        "best": best,
        "one_standard_error": simple,
        "plateau": search.plateau_.n_active_components,
        "betas": search.betas_.tolist(),
        "evidence_path": evidence.tolist(),
        "n_active_path": counts.tolist(),
    }


RULES = ("auto", "best", "one_standard_error")
HEADER = """\
| problem | rows | true | count: auto | best | 1 s.e. | plateau \
| evidence: auto | best | 1 s.e. | seconds: auto | CV |
|---|---|---|---|---|---|---|---|---|---|---|---|"""


def summary(results: list[dict]) -> Iterator[str]:
    """Yield lines of a Markdown table."""
    yield HEADER
    for r in results:
        counts = [str(r[rule]["found"]) for rule in RULES]
        evidence = [f"{r[rule]['evidence']:.2f}" for rule in RULES]
        seconds = [f"{r[rule]['seconds']:.0f}" for rule in ("auto", "best")]
        name = r["name"].partition("-")[0].replace("_", " ")
        if "n" in r:
            name += f", {r['noise']}"
        rows = f"{r['shape'][0]} x {r['shape'][1]}"
        start = [name, rows, str(r.get("n", "")), *counts, str(r["plateau"])]
        yield "| " + " | ".join([*start, *evidence, *seconds]) + " |"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a part of the problems' names")
    parser.add_argument("--betas", type=int, default=6)
    parser.add_argument("--cv", type=int, default=3)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args(arguments)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    lines = args.output.read_text().splitlines() if args.output.exists() else []
    done = {r["name"]: r for r in map(json.loads, lines)}
    wanted = [p for p in problems() if args.only in p["name"]]
    with args.output.open("a") as file:
        for problem in wanted:
            if problem["name"] in done:
                continue
            result = judge(problem, args.betas, args.cv)
            done[problem["name"]] = result
            file.write(json.dumps(result) + "\n")
            file.flush()
            print(*summary([result]), sep="\n", flush=True)
    print(*summary([done[p["name"]] for p in wanted]), sep="\n")


if __name__ == "__main__":
    main()
