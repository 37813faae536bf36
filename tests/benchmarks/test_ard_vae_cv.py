"""The benchmark of chosen betas judges rightly models whose numbers are known."""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SIMPLE, BEST = 1, 2
BETAS = np.array([0.5, 0.2, 0.1])
COUNTS = np.array([1, 2, 3])


class Linear:
    """Probabilistic PCA whose width follows from beta, with the face of ARDVAE."""

    fits: list

    def __init__(self, beta="auto", max_iter=500, random_state=None):
        self.beta, self.max_iter = beta, max_iter

    def fit(self, x):
        self.fits.append((self.beta, self.max_iter, x.shape))
        self.beta_ = 0.15 if self.beta == "auto" else self.beta
        self.n_active_components_ = 1 + int(np.sum(BETAS - self.beta_ > 1e-9))
        self.pca_ = PCA(self.n_active_components_).fit(x)
        return self

    def score(self, x):
        return self.pca_.score(x)


class LinearPath(Linear):
    """The best evidence is that of the last beta; a simpler one is within an error."""

    def __init__(self, betas, cv, random_state):
        super().__init__("path")
        self.n_betas, self.cv = betas, cv

    def fit(self, x):
        self.beta = BETAS[BEST]
        super().fit(x)
        folds = np.array([-0.5, 0.5])
        means = np.array([-9.0, -1.2, -1.0])
        self.betas_ = BETAS
        self.evidence_path_ = means[:, None] + folds
        self.n_active_path_ = np.repeat(COUNTS[:, None], 2, axis=1)
        self.plateau_ = SimpleNamespace(n_active_components=2)
        return self


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module("ard_vae_cv")
    monkeypatch.setattr(module, "ARDVAE", Linear)
    monkeypatch.setattr(module, "ARDVAECV", LinearPath)
    monkeypatch.setattr(Linear, "fits", [], raising=False)
    return module


def test_rows_that_judge_are_no_rows_of_a_fit(benchmark):
    for problem in benchmark.problems():
        train, test = benchmark.draw(problem)
        again, _ = benchmark.draw(problem)
        np.testing.assert_array_equal(train, again)
        both = np.vstack([train, test]).round(9)
        n_rows = problem.get("n_rows", len(train))
        assert len(train) == n_rows
        if "n" in problem:
            assert train.shape[1] == problem["d"]
            assert len(np.unique(both, axis=0)) == n_rows + benchmark.N_TEST
    wine, _ = benchmark.draw({"name": "wine"})
    assert len(wine) == int(0.7 * len(load_wine().data))
    # Scaled by the rows of the fit.
    np.testing.assert_allclose(wine.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(wine.std(axis=0), 1.0)


def test_each_rule_is_judged_by_its_own_beta(benchmark):
    found = benchmark.judge({"name": "wine"}, n_betas=3, cv=2)
    train, test = benchmark.draw({"name": "wine"})
    for rule, width in (("auto", 3), ("best", 3), ("one_standard_error", 2)):
        assert found[rule]["found"] == width
        expected = PCA(width).fit(train).score(test)
        assert found[rule]["evidence"] == pytest.approx(expected)
    assert found["auto"]["beta"] == 0.15
    assert found["best"]["beta"] == BETAS[BEST]
    assert found["one_standard_error"]["beta"] == BETAS[SIMPLE]
    # The path costs the simpler rule as much as the other, but for its last fit.
    assert found["one_standard_error"]["seconds"] >= 6 / 7 * found["best"]["seconds"]
    # What only a first fit costs is in no number.
    assert Linear.fits[0] == ("auto", 1, train.shape)


def test_a_problem_is_run_once_and_shown_each_time(benchmark, tmp_path, capsys):
    output = tmp_path / "new" / "results.jsonl"
    arguments = ["--only", "wine", "--output", str(output)]
    benchmark.main(arguments)
    shown, n_fits = capsys.readouterr().out, len(Linear.fits)
    benchmark.main(arguments)
    assert len(Linear.fits) == n_fits
    (line,) = output.read_text().splitlines()
    assert json.loads(line)["plateau"] == 2
    table = capsys.readouterr().out
    assert table in shown
    *_, row = table.splitlines()
    assert row.startswith("| wine | 124 x 13 |  | 3 | 3 | 2 | 2 | -")
