"""Write docs/dimension_benchmark.md and its plots from the results.

    python benchmarks/dimension/page.py

Numbers and tables are made from the records; what is said of them by hand stands in
benchmarks/dimension/findings.md.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from contestants import CONTESTANTS
from problems import PROBLEMS
from results import RESULTS, load
from scores import Record, Score, flat, intrinsic, mean_by_set, score

DOCS = Path(__file__).parents[2] / "docs"
FINDINGS = Path(__file__).parent / "findings.md"
NAME = "dimension_benchmark"
SUITES = {
    "manifolds": "The 24 BenchmarkManifolds of scikit-dimension",
    "own": "This package's own manifolds",
    "chaos": "Chaotic systems",
}

INTRODUCTION = """\
# The benchmark of dimensions

Two numbers are asked for: the **intrinsic** dimension of the set that rows are drawn
from, and the number of **flat** axes of one global chart of it, the least m for which a
continuous map into m dimensions can be undone everywhere by another. A sphere of n
dimensions has n and n + 1. The [truths](#truths) say which set has what, and why.

The 24 manifolds are drawn as `BenchmarkManifolds(random_state=seed)` draws them, 2500
rows each. With noise they are turned by a random rotation in a space of 20 more
features, and normal noise is added to all features: of 5, 10 and 20 % of the root of
the mean variance of the set's own features. The package's own manifolds (5000 rows,
the network of 32 dimensions 8000) and the chaotic systems (5000 snapshots) get the
noise of their generators, relative to the deviation of all features. All contestants
get the same rows, as they are, and have one setting for all sets.

    pip install -r benchmarks/dimension/requirements.txt
    python benchmarks/dimension/run.py --seeds 0 1 2 3 4              # classical
    python benchmarks/dimension/run.py --contestants ardvae --seeds 0 1 2 3 4
    python benchmarks/dimension/run.py --contestants ardvae classical --sets own chaos
    python benchmarks/dimension/run.py --contestants rivals --print   # a command each
    python benchmarks/dimension/page.py                               # this page

A cell is one contestant, set, noise and seed; it is a line of
`benchmarks/dimension/results/<contestant>.jsonl`, with seconds and versions, and is run
once. `results.load()` there returns the records, or a data frame. A contestant with one
answer is judged by it against both truths. Without an answer the error is 100 % (column
"failed"). The error of a set is the mean over seeds of |answer - truth| / truth; the
number of sets whose flat answer is right is a mean over seeds too.
"""

#: Contestant and noise of records.
Groups = dict[tuple[str, float], list[Record]]


def grouped(records: Iterable[Record], suite: str) -> Groups:
    groups: Groups = {}
    for r in records:
        if PROBLEMS[r["set"]].suite == suite:
            groups.setdefault((r["contestant"], r["noise"]), []).append(r)
    return groups


def contestants_in(groups: Groups) -> list[str]:
    """Return who is there, in the order of the table of contestants."""
    there = {contestant for contestant, _ in groups}
    return [name for name in CONTESTANTS if name in there]


def row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def header(*cells: object) -> Iterator[str]:
    yield row(*cells)
    yield "|" + "---|" * len(cells)


# --- tables ---------------------------------------------------------------------------


def summary(groups: Groups, suite: str) -> Iterator[str]:
    """Yield a row for each contestant, the smallest error without noise first."""
    noises = sorted({noise for _, noise in groups})
    n_sets = sum(p.suite == suite for p in PROBLEMS.values())
    n_flat = sum(
        p.suite == suite and p.flat_dimension is not None for p in PROBLEMS.values()
    )
    scores = {cell: score(records) for cell, records in groups.items()}

    def first(name: str) -> float:
        return scores[name, noises[0]].error if (name, noises[0]) in scores else np.inf

    def cell(name: str, noise: float, number: str) -> str:
        if (name, noise) not in scores:
            return ""
        s = scores[name, noise]
        short = "" if s.n_sets == n_sets else f" (of {s.n_sets} sets)"
        return f"{getattr(s, number):.3g}{short}"

    yield from header(
        "contestant",
        *(f"error %, noise {noise:g}" for noise in noises),
        *(f"flat right of {n_flat}, noise {noise:g}" for noise in noises),
        "seeds",
        "failed",
        "seconds, all sets",
    )
    for name in sorted(contestants_in(groups), key=first):
        mine = [r for (other, _), rs in groups.items() if other == name for r in rs]
        yield row(
            f"`{name}`",
            *(cell(name, noise, "error") for noise in noises),
            *(cell(name, noise, "right") for noise in noises),
            len({r["seed"] for r in mine}),
            sum(r["error"] is not None for r in mine),
            cell(name, noises[0], "seconds"),
        )


def answers(groups: Groups, suite: str, noise: float) -> Iterator[str]:
    """Yield a row for each set: the truths and the mean answers of everyone."""
    names = [
        name
        for name in contestants_in(groups)
        if CONTESTANTS[name].group != "controls" and (name, noise) in groups
    ]
    yield from header("set", "truth", *(f"`{name}`" for name in names))
    for problem in PROBLEMS.values():
        if problem.suite != suite:
            continue
        mine = (
            [r for r in groups[name, noise] if r["set"] == problem.name]
            for name in names
        )
        truth = f"{shown(problem.dimension)} / {shown(problem.flat_dimension)}"
        yield row(problem.name, truth, *map(mean_answer, mine))


def shown(number: float | None) -> str:
    return "-" if number is None else f"{number:.3g}"


def mean_answer(records: list[Record]) -> str:
    """Return intrinsic / flat, or the one answer; bold where the flat one is right."""
    if not records:
        return ""
    pieces = []
    for name in ("dimension", "flat_dimension"):
        found = [r[name] for r in records if r[name] is not None]
        if found:
            pieces.append(shown(float(np.mean(found))))
    text = " / ".join(pieces) or "failed"
    truth = PROBLEMS[records[0]["set"]].flat_dimension
    right = truth is not None and all(flat(r) == truth for r in records)
    return f"**{text}**" if right else text


def truths() -> Iterator[str]:
    yield from header("set", "intrinsic", "flat", "why so many axes")
    for p in PROBLEMS.values():
        yield row(p.name, shown(p.dimension), shown(p.flat_dimension), p.why)


def settings(names: Iterable[str]) -> Iterator[str]:
    yield from header("contestant", "setting")
    for name in names:
        yield row(f"`{name}`", CONTESTANTS[name].setting)


# --- aims -----------------------------------------------------------------------------


def aims(records: list[Record], ours: str = "ARDVAE") -> Iterator[str]:
    """Yield what is aimed at, beside what was measured."""
    groups = grouped(records, "manifolds")
    scores = {cell: score(rs) for cell, rs in groups.items()}
    n_sets = sum(p.suite == "manifolds" for p in PROBLEMS.values())
    clean, noisy = best_classical(scores, 0.0), best_classical(scores, 0.1)
    most_right = max(
        (
            (s.right, name)
            for (name, noise), s in scores.items()
            if noise == 0.0
            and CONTESTANTS[name].group == "classical"
            and s.n_sets == n_sets
        ),
        default=(np.nan, "none"),
    )
    found = [
        flat(r)
        for r in records
        if (r["contestant"], r["set"], r["noise"]) == (ours, "network-32", 0.1)
    ]

    def measured(noise: float, number: str) -> str:
        s = scores.get((ours, noise))
        if s is None:
            return "not run"
        short = "" if s.n_sets == n_sets else f" (of {s.n_sets} sets)"
        return f"{getattr(s, number):.3g}{short}"

    yield from header("aim", f"`{ours}`", "best classical here")
    yield row(
        "no noise: error under 9 %",
        measured(0.0, "error"),
        f"{clean[0]:.3g} {clean[1]}",
    )
    yield row(
        "no noise: flat answer right on 18 of 24",
        measured(0.0, "right"),
        f"{most_right[0]:.3g} {most_right[1]}",
    )
    yield row(
        f"noise of 10 %: at most half of the best classical, {noisy[0] / 2:.3g} %",
        measured(0.1, "error"),
        f"{noisy[0]:.3g} {noisy[1]}",
    )
    yield row(
        "network of 32 dimensions, noise of 10 %: within 2",
        ", ".join(map(str, found)) or "not run",
        "",
    )


def best_classical(
    scores: dict[tuple[str, float], Score], noise: float
) -> tuple[float, str]:
    """Return the smallest error of those that were run on all sets, and whose it is."""
    n_sets = sum(p.suite == "manifolds" for p in PROBLEMS.values())
    return min(
        (
            (s.error, name)
            for (name, at), s in scores.items()
            if at == noise
            and CONTESTANTS[name].group == "classical"
            and s.n_sets == n_sets
        ),
        default=(np.nan, "none"),
    )


# --- plots ----------------------------------------------------------------------------


def plot_noise(groups: Groups, path: Path) -> None:
    """Draw errors against the noise, a line for each contestant, the worst first."""
    figure, axes = plt.subplots(figsize=(9, 7), layout="constrained")
    errors = {
        name: {n: score(groups[name, n]).error for other, n in groups if other == name}
        for name in contestants_in(groups)
        if name != "oracle"
    }
    names = sorted(errors, key=lambda name: -errors[name].get(0.1, np.inf))
    colours = plt.colormaps["tab10"].colors
    styles = itertools.cycle(itertools.product(("-", "--", "-."), colours))
    points = itertools.cycle("sDv^<>PXp")
    for name in names:
        group = CONTESTANTS[name].group
        noises = sorted(errors[name])
        if group in ("ardvae", "controls"):
            line, colour = ("-" if group == "ardvae" else ":"), "k"
        else:
            line, colour = next(styles)
        axes.plot(
            noises,
            [errors[name][noise] for noise in noises],
            color=colour,
            linestyle=line,
            linewidth=3 if group == "ardvae" else 1,
            marker="." if len(noises) > 1 else next(points),
            label=name,
        )
    axes.set(
        yscale="log",
        xlabel="noise, share of the deviation",
        ylabel="mean error of the intrinsic dimension, %",
    )
    figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def plot_sets(groups: Groups, path: Path) -> None:
    """Draw how far off the intrinsic answers are, set by set."""
    names = [n for n in contestants_in(groups) if n not in ("oracle", "random")]
    sets = [p.name for p in PROBLEMS.values() if p.suite == "manifolds"]
    figure, panels = plt.subplots(
        1, 2, figsize=(12, 7), sharey=True, layout="constrained"
    )
    for axes, noise in zip(panels, (0.0, 0.1), strict=True):
        ratios = np.full((len(sets), len(names)), np.nan)
        for j, name in enumerate(names):
            means = mean_by_set(groups.get((name, noise), []), intrinsic)
            for i, set_ in enumerate(sets):
                ratios[i, j] = means.get(set_, np.nan) / PROBLEMS[set_].dimension
        # An answer of 0 is as far off as the colours go; grey is no answer.
        axes.set_facecolor("lightgrey")
        image = axes.imshow(
            np.log2(np.maximum(ratios, 0.01)),
            cmap="RdBu_r",
            vmin=-2,
            vmax=2,
            aspect="auto",
        )
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(sets)), sets)
        axes.set_title(f"noise {noise:g}")
    figure.colorbar(
        image, ax=panels, label="log2(answer / intrinsic dimension)", shrink=0.5
    )
    figure.savefig(path, dpi=80)
    plt.close(figure)


# --- the page -------------------------------------------------------------------------


def page(records: list[Record]) -> Iterator[str]:
    """Yield the lines of the page."""
    yield INTRODUCTION
    yield from ("## Aims", "", *aims(records), "")
    yield FINDINGS.read_text()
    present: list[str] = []
    for suite, title in SUITES.items():
        groups = grouped(records, suite)
        if not groups:
            continue
        present += [n for n in contestants_in(groups) if n not in present]
        yield from (f"## {title}", "", *summary(groups, suite), "")
        if suite == "manifolds":
            yield f"![Error against noise]({NAME}_noise.png)\n"
            yield f"![Answers set by set]({NAME}_sets.png)\n"
        for noise in sorted({noise for _, noise in groups} & {0.0, 0.1}):
            yield f"Answers with noise {noise:g}, means over seeds, intrinsic / flat or"
            yield "the only one; bold where the flat answer is right with every seed:"
            yield from ("", *answers(groups, suite, noise), "")
    yield from ("## Truths", "", *truths(), "")
    yield from ("## Contestants", "", *settings(present), "")
    yield from made_with(records)


def made_with(records: list[Record]) -> Iterator[str]:
    """Yield which versions, and how many hours on one thread."""
    versions = sorted(
        {f"{k} {v}" for r in records for k, v in r["versions"].items() if v}
    )
    hours = sum(r["seconds"] for r in records) / 3600
    yield f"{len(records)} cells, {hours:.1f} hours on one thread;"
    yield f"{', '.join(versions)}."


def write(records: list[Record], docs: Path) -> None:
    groups = grouped(records, "manifolds")
    plot_noise(groups, docs / f"{NAME}_noise.png")
    plot_sets(groups, docs / f"{NAME}_sets.png")
    (docs / f"{NAME}.md").write_text("\n".join(page(records)) + "\n")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, default=DOCS)
    args = parser.parse_args(arguments)
    write(load(args.results), args.docs)


if __name__ == "__main__":
    main()
