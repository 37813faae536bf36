"""Scorers at work in scikit-learn, and dimensions beside classical estimates."""

import builtins
import sys
import types

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE, SecondStageVAE, metrics
from sklearn_ardvae.metrics import (
    FrechetScorer,
    active_components_scorer,
    compare_dimensions,
    count_components,
    evidence_scorer,
    frechet_distance,
    frechet_scorer,
    reconstruction_scorer,
)

SCORING = {
    "reconstruction": reconstruction_scorer,
    "evidence": evidence_scorer,
    "components": active_components_scorer,
    "frechet": frechet_scorer,
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 6))
    return (x + 0.01 * rng.standard_normal(x.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def model(data):
    return ARDVAE(3, max_iter=5, random_state=0).fit(data)


def test_scorers_are_what_they_say(model, data):
    error = np.mean((model.reconstruct(data) - data) ** 2)
    assert reconstruction_scorer(model, data) == pytest.approx(-error, rel=1e-5)
    assert evidence_scorer(model, data) == model.score(data)
    assert active_components_scorer(model, data) == model.n_active_components_
    drawn = model.sample(len(data), 0)
    found = frechet_scorer(model, data)
    assert found == pytest.approx(-frechet_distance(data, drawn))
    gaussian = FrechetScorer(n_samples=50, density="gaussian", features="pca")
    assert gaussian(model, data) < 0.0


def test_a_grid_search_takes_them_all(data):
    search = GridSearchCV(
        ARDVAE(3, max_iter=2, random_state=0),
        {"beta": [0.1, 1.0]},
        scoring=SCORING,
        refit="evidence",
        cv=2,
    ).fit(data)
    for name in SCORING:
        assert np.isfinite(search.cv_results_[f"mean_test_{name}"]).all()


DENSITIES = ["prior", "gaussian", "gmm", "second_stage", GaussianMixture(2)]


@pytest.mark.parametrize("density", DENSITIES, ids=str)
@pytest.mark.parametrize("piped", [False, True], ids=["alone", "piped"])
def test_every_density_works_in_a_search(data, density, piped):
    if density == "second_stage":
        density = SecondStageVAE(max_iter=2)
    model = ARDVAE(3, max_iter=2, random_state=0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model) if piped else model,
        {"ardvae__beta" if piped else "beta": [0.1, 1.0]},
        scoring=FrechetScorer(density=density),
        cv=2,
        error_score="raise",
    ).fit(data)
    assert np.all(search.cv_results_["mean_test_score"] < 0.0)
    assert not hasattr(density, "means_")  # it was a copy that was fitted


def test_a_density_is_not_compared_with_the_rows_it_was_fitted_to(model, data):
    rows = []

    class Spy(GaussianMixture):
        def fit(self, X, y=None):
            rows.append(np.array(X))
            return super().fit(X)

    def record(x):
        rows.append(np.asarray(x))
        return x

    codes = model.transform(data)
    scorer = FrechetScorer(density=Spy(1), features=record)
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), model)
    pipeline[0].fit(data)
    first = scorer(model, data)
    fitted, compared, drawn = rows
    assert len(fitted) == len(compared) == len(drawn) == 100
    both = np.vstack([fitted, model.transform(compared)])
    # Every row is in one of the halves. (Some went through float32, whose rounding of
    # rows is a few times larger in stretched codes.)
    np.testing.assert_allclose(np.sort(both, axis=0), np.sort(codes, axis=0), atol=1e-3)
    assert first == scorer(model, data) == pytest.approx(scorer(pipeline, data))
    labels = np.arange(len(data)) % 2
    labelled = FrechetScorer(density="gmm", features="classifier")
    assert labelled(model, data, labels) < 0.0


def test_a_fitted_density_is_drawn_from_as_it_is(model, data):
    density = GaussianMixture(1).fit(model.transform(data).astype(np.float64))
    drawn = model.sample(len(data), 0, density=density)
    found = FrechetScorer(density=density)(model, data)
    assert found == pytest.approx(-frechet_distance(data, drawn))
    with pytest.raises(ValueError, match="density must be one of"):
        FrechetScorer(density="no")(model, data)


def test_pipelines_are_scored_in_the_units_of_the_data(data):
    scale = 1 + np.arange(6.0)
    wide = (data * scale).astype(np.float32)
    pipeline = make_pipeline(StandardScaler(), ARDVAE(3, max_iter=3, random_state=0))
    pipeline.fit(wide)
    inner = pipeline[-1]
    drawn = pipeline[0].inverse_transform(inner.sample(200, 0))
    expected = -frechet_distance(wide, drawn)
    assert frechet_scorer(pipeline, wide) == pytest.approx(expected)
    back = pipeline.inverse_transform(pipeline.transform(wide))
    expected = -np.mean((back - wide) ** 2)
    assert reconstruction_scorer(pipeline, wide) == pytest.approx(expected, rel=1e-5)
    assert active_components_scorer(pipeline, wide) == inner.n_active_components_
    assert evidence_scorer(pipeline, wide) == pytest.approx(pipeline.score(wide))


def test_evidence_of_a_model_without_probability_is_refused(model, data, monkeypatch):
    from sklearn_ardvae.metrics import scorers

    class Other:
        pass

    monkeypatch.setattr(scorers, "VariationalModule", Other)
    with pytest.raises(ValueError, match="is not a model of probability"):
        evidence_scorer(model, data)


def test_dimensions_stand_side_by_side(data):
    class Fixed(BaseEstimator):
        def fit(self, X, y=None):
            self.dimension_ = len(X)
            return self

    pca = PCA(0.99).fit(data)
    fixed = Fixed()
    found = compare_dimensions(
        {"mine": pca, "piped": make_pipeline(StandardScaler(), PCA(4)).fit(data)},
        data,
        methods={"rows": fixed},
        n_samples=150,
        random_state=0,
    )
    assert found == {"mine": 2.0, "piped": 4.0, "rows": 150.0}
    assert not hasattr(fixed, "dimension_")
    with pytest.raises(ValueError, match="names both"):
        compare_dimensions(pca, data, methods={"PCA": fixed})
    with pytest.raises(ValueError, match="neither n_active_components_"):
        count_components(StandardScaler().fit(data))


def test_scikit_dimension_is_used_by_name_or_named_as_missing(data, monkeypatch):
    class TwoNN(BaseEstimator):
        def fit(self, X, y=None):
            self.dimension_ = 2.5
            return self

    fake = types.ModuleType("skdim")
    fake.id = types.SimpleNamespace(TwoNN=TwoNN)
    monkeypatch.setitem(sys.modules, "skdim", fake)
    pca = PCA(2).fit(data)
    assert compare_dimensions(pca, data, methods="TwoNN") == {"PCA": 2.0, "TwoNN": 2.5}
    with pytest.raises(ValueError, match=r"skdim.id has no 'No'; it has \['TwoNN'\]"):
        compare_dimensions(pca, data, methods=["No"])

    real_import = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "skdim":
            raise ModuleNotFoundError("No module named 'skdim'", name="skdim")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="scikit-dimension"):
        compare_dimensions(pca, data)


def test_every_public_name_is_there_and_documented():
    for name in metrics.__all__:
        assert getattr(metrics, name).__doc__
    assert metrics.__all__ == sorted(metrics.__all__)
