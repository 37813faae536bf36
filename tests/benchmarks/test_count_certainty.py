"""The calibration of intervals: reproduced from the manifolds that were fitted."""

import importlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from sklearn_ardvae.estimator.certainty import FEWER, MORE, Clues, CountOdds

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("count_certainty")


@pytest.fixture(scope="module")
def lines(benchmark):
    return benchmark.read(benchmark.RESULTS)


def test_the_numbers_are_those_of_the_benchmark(benchmark, lines):
    for found, known in zip(benchmark.calibrated(lines), (FEWER, MORE), strict=True):
        # Rounded to two digits, and another processor's last bits.
        np.testing.assert_allclose(found, known, atol=0.006)


def test_intervals_hold_the_truth_of_families_they_do_not_know(benchmark, lines):
    odds = benchmark.odds_of_unknown_families(lines)
    true = np.array([line["n"] for line in lines])
    ends = np.array([each.interval(0.9) for each in odds])
    holds = (ends[:, 0] <= true) & (true <= ends[:, 1])
    assert len(lines) >= 100
    assert 0.85 <= holds.mean() <= 0.95
    assert (ends[:, 1] - ends[:, 0]).mean() <= 2.0


def test_the_page_has_what_check_prints(benchmark, lines):
    # Without the lines of new regressions, which may differ in their last bits.
    page = (BENCHMARKS.parent / "docs" / "dimensions.md").read_text()
    for name in ("known", "other"):
        group = [line for line in lines if line["group"] == name]
        odds = [benchmark.odds(line) for line in group]
        assert f"\n{benchmark.shown(name, group, odds)}\n" in page


def test_regressions_find_the_odds_that_counts_were_drawn_by(benchmark):
    rng = np.random.default_rng(0)
    lines = []
    for i in range(20_000):
        clues = Clues(
            count=8,
            kept=float(np.exp(rng.uniform(0.0, 4.0))),
            intrinsic=8.0 - rng.uniform(0.0, 4.0),
        )
        odds = CountOdds.of(clues, (-1.0, -0.5, 1.5), (0.5, -1.0)).probabilities
        n = int(rng.choice(len(odds), p=odds))
        lines.append({"name": f"a-{i}", "n": n, "found": 8, "clues": vars_of(clues)})
    fewer, more = benchmark.calibrated(lines)
    # Standard errors of 20 000 rows are 0.02 to 0.05.
    np.testing.assert_allclose(fewer, (-1.0, -0.5, 1.5), atol=0.2)
    np.testing.assert_allclose(more, (0.5, -1.0), atol=0.2)


def vars_of(clues):
    return {"count": clues.count, "kept": clues.kept, "intrinsic": clues.intrinsic}


@pytest.mark.parametrize("i", range(7))
def test_other_families_have_unit_variance_beside_their_noise(benchmark, i):
    problem, x = benchmark.other(i)
    assert x.shape == (problem["n_rows"], problem["d"])
    assert problem["name"].startswith(benchmark.FAMILIES[i].__name__)
    variance = 1.0 + problem["noise"] ** 2
    # Of the noise's variance, by as many draws.
    assert x.var() == pytest.approx(variance, rel=0.02)
    again = benchmark.other(i)[1]
    np.testing.assert_array_equal(x, again)


def test_a_fit_is_noted_once(benchmark, tmp_path, monkeypatch):
    path = tmp_path / "lines.jsonl"
    problem = {"name": "cubic-2in8-0", "n": 2, "d": 8, "noise": 0.1, "n_rows": 60}
    x = np.zeros((60, 8), dtype=np.float32)
    told = {"group": "other", **problem, "found": 2}
    told["clues"] = {"count": 2, "kept": 9.0, "intrinsic": 2.0}
    calls = []
    monkeypatch.setattr(
        benchmark,
        "problems",
        lambda group: [(problem, x)] if group == "other" else [],
    )
    monkeypatch.setattr(benchmark, "fit", lambda *a: calls.append(a) or told)
    benchmark.main(["run", "--results", str(path)])
    benchmark.main(["run", "--results", str(path)])
    assert len(calls) == 1
    assert json.loads(path.read_text()) == told
    assert math.isfinite(benchmark.read(path)[0]["clues"]["kept"])
