"""Judge the first answer: ARDVAE(random_state=seed).fit(X), nothing else set.

    python benchmarks/first_answer.py tables              # against PCA, 70/30 splits
    python benchmarks/first_answer.py manifolds --rows 8000 --limit 100
    python benchmarks/first_answer.py manifolds --dimensions 32
    python benchmarks/first_answer.py noise               # counts of what is not there
    python benchmarks/first_answer.py cost                # against beta=0.05
    python benchmarks/first_answer.py summary             # of all of it, in Markdown

Tune with `--half tuning`, which leaves out the hidden half of the problems; a problem's
half follows from its name. `--only wine` takes the problems with that in their names.
The tables of MNIST need its file in the folder that SKLEARN_ARDVAE_DATA names.

Each fit runs on one thread, as many at once as there are processors. Every fit is a
line of benchmarks/output/<suite>.jsonl, and one that stands there is not run again,
unless it ended in an error: give each version of the estimator its own `--output`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import first_answer_data as data
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE

OUTPUT = Path(__file__).parent / "output"
# Where columns depend on each other exactly, the density of a PCA that leaves nothing
# over has no bound: none may claim to know a standardised feature finer than to 0.001.
NOISE_FLOOR = 1e-6
# Of the squared error of a standardised feature, in float32.
ROUNDING = 1e-9


# --- one fit --------------------------------------------------------------------------


def fitted(x: NDArray, seed: int) -> tuple[ARDVAE, dict]:
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = ARDVAE(random_state=seed).fit(x)
    return model, {
        "seconds": time.perf_counter() - start,
        "found": int(model.n_active_components_),
        "noise_variance": float(model.noise_variance_),
        "epochs": len(next(iter(model.history_.values()))),
        "warnings": [f"{w.category.__name__}: {str(w.message)[:100]}" for w in caught],
    }


def judge_table(fit: dict) -> dict:
    x, y = data.draw_table(fit["name"])
    seed = fit["seed"]
    rows = train_test_split(
        np.arange(len(x)), test_size=0.3, random_state=seed, stratify=y
    )
    x = x[:, np.ptp(x[rows[0]], axis=0) > 0]
    scaler = StandardScaler().fit(x[rows[0]])
    train, test = (scaler.transform(x[part]).astype(np.float32) for part in rows)
    model, result = fitted(train, seed)
    d, found = train.shape[1], result["found"]
    score = model.score(test)
    ppca = best_ppca(train, test)
    pca = PCA(min(found, *train.shape)).fit(train.astype(float))
    restored = pca.inverse_transform(pca.transform(test)) if found else pca.mean_
    result |= {
        "n_rows": len(x),
        "d": d,
        "found_by_pca": int(PCA(0.99).fit(train).n_components_),
        "score": score,
        "ppca": ppca,
        "difference": (score - ppca) / d,
        "mse": float(np.square(model.reconstruct(test) - test).mean(dtype=float)),
        "mse_pca": float(np.square(restored - test).mean()),
    }
    if y is not None:
        labels = [y[part] for part in rows]
        for name, coder in ("accuracy", model), ("accuracy_pca", pca):
            codes = [coder.transform(part) for part in (train, test)]
            result[name] = accuracy(codes, labels)
    return result


def best_ppca(train: NDArray, test: NDArray) -> float:
    """Return the highest score on the test rows of 1 to D - 1 components."""
    train, test = train.astype(float), test.astype(float)
    scores = []
    for k in range(1, train.shape[1]):
        pca = PCA(k).fit(train)
        if pca.explained_variance_[-1] <= NOISE_FLOOR:
            break
        pca.noise_variance_ = max(pca.noise_variance_, NOISE_FLOOR)
        scores.append(pca.score(test))
    return float(max(scores))


def accuracy(codes: list[NDArray], labels: list[NDArray]) -> float:
    """Return the share of test rows that a linear classifier of the codes gets."""
    if codes[0].shape[1] == 0:
        values, numbers = np.unique(labels[0], return_counts=True)
        return float(np.mean(labels[1] == values[numbers.argmax()]))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return float(classifier.fit(codes[0], labels[0]).score(codes[1], labels[1]))


def judge_manifold(fit: dict) -> dict:
    return fitted(data.draw_manifold(fit), fit["seed"])[1]


def judge_noise(fit: dict) -> dict:
    """Add to a fit the count that it should have."""
    if fit["sort"].startswith("added"):
        x = data.draw_manifold(fit)
        _, without = fitted(x, fit["seed"])
        x = np.hstack([x, data.noise_columns(fit)])
        expected = {"expected": without["found"]}
    else:
        x = data.draw_noise(fit)
        expected = {"expected": 0 if fit["sort"] == "isotropic" else count_by_ppca(x)}
    return fitted(x, fit["seed"])[1] | expected


def count_by_ppca(x: NDArray) -> int:
    """Return the components of highest cross-validated evidence, 0 to D - 1."""
    return int(
        np.argmax([cross_val_score(PCA(k), x).mean() for k in range(x.shape[1])])
    )


def judge_cost(fit: dict) -> dict:
    """Time both, the one that goes first in turn."""
    x = data.draw_cost(fit)
    models = {"fixed": {"beta": 0.05}, "first_answer": {}}
    result = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ARDVAE(max_iter=1).fit(x)  # what only a process's first fit costs
        for name in list(models)[:: -1 if fit["seed"] % 2 else 1]:
            start = time.perf_counter()
            ARDVAE(**models[name], random_state=0).fit(x)
            result[name] = time.perf_counter() - start
    return result


# --- the summary ----------------------------------------------------------------------

#: What a cell of the summary says of some fits.
Cell = Callable[[list[dict]], str]


def share(
    holds: Callable[[dict], bool], among: Callable[[dict], bool] | None = None
) -> Cell:
    """Return a cell of the share of fits of which it holds; of errors it does not."""

    def cell(results: list[dict]) -> str:
        chosen = [r for r in results if among is None or among(r)]
        if not chosen:
            return "-"
        n_held = sum("error" not in r and holds(r) for r in chosen)
        return f"{n_held / len(chosen):.1%} of {len(chosen)}"

    return cell


def number(function: Callable, name: str) -> Cell:
    def cell(results: list[dict]) -> str:
        values = [r[name] for r in results if name in r]
        return f"{function(values):.3g}" if values else "-"

    return cell


def within(distance: int) -> Cell:
    return share(lambda r: abs(r["found"] - r.get("expected", r.get("n"))) <= distance)


#: Lines of a summary: what it says, what is aimed at, and how a cell is filled.
Lines = list[tuple[str, str, Cell]]

OF_EVERY_FIT: Lines = [
    ("seconds, median", "", number(np.median, "seconds")),
    ("seconds, most", "", number(np.max, "seconds")),
    ("fits that warn", "", share(lambda r: bool(r["warnings"]))),
    ("fits without an error", "100 %", share(lambda _: True)),
]


def table_lines(_: str) -> Lines:
    return [
        (
            "score >= best pPCA - 0.02 nats a feature",
            "90 %",
            share(lambda r: r["difference"] >= -0.02),
        ),
        ("worst difference to it", ">= -0.1", number(np.min, "difference")),
        (
            "test MSE <= PCA of equal width",
            "90 %",
            share(lambda r: r["mse"] <= r["mse_pca"] * (1 + 1e-6) + ROUNDING),
        ),
        ("count <= features", "100 %", share(lambda r: r["found"] <= r["d"])),
        (
            "classifier >= that of PCA codes - 1 point",
            "80 %",
            # A point is a point, whatever the last bit says.
            share(
                lambda r: r["accuracy"] >= r["accuracy_pca"] - 0.01 - 1e-9,
                lambda r: "accuracy" in r,
            ),
        ),
        *OF_EVERY_FIT,
    ]


def manifold_group(r: dict) -> str:
    n = "3 to 16" if r["n"] <= 16 else f"= {r['n']}"
    return f"manifolds, {r['n_rows']} rows, n {n}"


MANIFOLD_AIMS = {
    "manifolds, 8000 rows, n 3 to 16": ("95 %", "99 %", ""),
    "manifolds, 2000 rows, n 3 to 16": ("75 %", "90 %", ""),
    "manifolds, 1000 rows, n 3 to 16": ("", "", "90 %"),
    "manifolds, 8000 rows, n = 32": ("", "80 %", ""),
}


def manifold_lines(group: str) -> Lines:
    aims = MANIFOLD_AIMS.get(group, ("", "", ""))
    return [
        ("count exact", aims[0], within(0)),
        ("count within 1", aims[1], within(1)),
        ("count within 2", aims[2], within(2)),
        (
            "noise variance within 10 % (n <= 5, noise >= 0.2)",
            "",
            share(
                lambda r: abs(r["noise_variance"] / r["noise"] ** 2 - 1) <= 0.1,
                lambda r: r["n"] <= 5 and r["noise"] >= 0.2,
            ),
        ),
        *OF_EVERY_FIT,
    ]


def noise_lines(group: str) -> Lines:
    line = {
        "isotropic": ("count 0", "100 %", within(0)),
        "columns": ("count within 1 of pPCA's", "100 %", within(1)),
    }
    as_without = ("count as without the two columns", "100 %", within(0))
    return [line.get(group.split()[-1], as_without), *OF_EVERY_FIT]


def cost_lines(_: str) -> Lines:
    def ratio(results: list[dict]) -> str:
        timed = [r for r in results if "error" not in r]
        if not timed:
            return "-"
        ours, fixed = (
            np.median([r[name] for r in timed]) for name in ("first_answer", "fixed")
        )
        return f"{ours / fixed:.2f} ({ours:.1f} s / {fixed:.1f} s)"

    return [("seconds, beside beta=0.05", "<= 2", ratio)]


HEADER = """\
| suite | of its fits | aim | tuning | hidden | both |
|---|---|---|---|---|---|"""


def summary(suite: str, results: list[dict]) -> Iterator[str]:
    """Yield lines of a Markdown table."""
    groups: dict[str, list[dict]] = {}
    for r in results:
        groups.setdefault(SUITES[suite].group(r), []).append(r)
    for group, members in sorted(groups.items()):
        parts = [
            [r for r in members if data.half(r["name"]) == half]
            for half in ("tuning", "hidden")
        ]
        for what, aim, cell in SUITES[suite].lines(group):
            cells = [cell(part) for part in (*parts, members)]
            yield "| " + " | ".join([group, what, aim, *cells]) + " |"


# --- all fits of a suite --------------------------------------------------------------


class Suite(NamedTuple):
    """How a suite's fits are judged, shown, grouped in the summary and summed up."""

    judge: Callable[[dict], dict]
    shown: str
    group: Callable[[dict], str]
    lines: Callable[[str], Lines]


SUITES = {
    "tables": Suite(
        judge_table,
        "d found difference mse mse_pca accuracy accuracy_pca seconds",
        lambda _: "tables",
        table_lines,
    ),
    "manifolds": Suite(
        judge_manifold,
        "n found noise_variance epochs seconds",
        manifold_group,
        manifold_lines,
    ),
    "noise": Suite(
        judge_noise,
        "expected found epochs seconds",
        lambda r: f"noise, {r['sort']}",
        noise_lines,
    ),
    "cost": Suite(judge_cost, "fixed first_answer", lambda r: r["name"], cost_lines),
}


def problems(args: argparse.Namespace) -> Iterator[dict]:
    if args.suite == "manifolds":
        return data.manifolds(args.seed, args.rows, args.dimensions)
    if args.suite == "noise":
        return data.noise(args.seed)
    return data.tables() if args.suite == "tables" else data.cost()


def wanted(args: argparse.Namespace) -> list[dict]:
    chosen = (
        problem
        for problem in problems(args)
        if args.only in problem["name"]
        and args.half in ("both", data.half(problem["name"]))
    )
    n_seeds = 3 if args.suite in ("tables", "cost") else 1
    return [
        {**problem, "seed": seed}
        for problem in itertools.islice(chosen, args.limit)
        for seed in range(args.seed, args.seed + n_seeds)
    ]


def attempt(suite: str, fit: dict) -> dict:
    """Return the judgement of a fit; an error is one too."""
    try:
        return {**fit, **SUITES[suite].judge(fit)}
    except Exception as error:
        return {**fit, "error": f"{type(error).__name__}: {error}"}


def read(path: Path) -> dict[tuple[str, int], dict]:
    """Return the last line of every fit."""
    lines = path.read_text().splitlines() if path.exists() else []
    results = [json.loads(line) for line in lines]
    return {(r["name"], r["seed"]): r for r in results}


def run(args: argparse.Namespace) -> None:
    path = args.output / f"{args.suite}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {key for key, r in read(path).items() if "error" not in r}
    missing = [f for f in wanted(args) if (f["name"], f["seed"]) not in done]
    # Times are compared: one after the other, all in this process.
    n_jobs = 1 if args.suite == "cost" else args.n_jobs
    with path.open("a") as file:
        for r in Parallel(n_jobs, return_as="generator_unordered")(
            delayed(attempt)(args.suite, fit) for fit in missing
        ):
            file.write(json.dumps(r) + "\n")
            file.flush()
            shown = SUITES[args.suite].shown.split()
            values = [f"{name} {r[name]:.4g}" for name in shown if name in r]
            text = r.get("error") or "  ".join(values)
            print(f"{r['name']:42s} seed {r['seed']}  {text}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=[*SUITES, "summary"])
    parser.add_argument("--half", default="both", choices=["tuning", "hidden", "both"])
    parser.add_argument("--only", default="", help="a part of the problems' names")
    parser.add_argument("--limit", type=int, help="problems; 100 for manifolds, or all")
    parser.add_argument("--rows", type=int, default=8000, help="of manifolds")
    parser.add_argument("--dimensions", type=int, help="of manifolds, or 3 to 16")
    parser.add_argument("--seed", type=int, default=0, help="the first, and of draws")
    parser.add_argument("--n-jobs", type=int, default=-1)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args(arguments)
    if args.suite == "manifolds" and args.limit is None:
        args.limit = 100
    if args.suite != "summary":
        run(args)
    print(HEADER)
    for suite in SUITES if args.suite == "summary" else [args.suite]:
        for line in summary(suite, [*read(args.output / f"{suite}.jsonl").values()]):
            print(line)


if __name__ == "__main__":
    main()
