"""One switch for the settings of a publication, and scorers of disentanglement."""

import inspect

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE, metrics
from sklearn_ardvae.metrics import (
    DisentanglementScorer,
    disentanglement_scores,
    metric_settings,
)

SIZES = (3, 4, 2)
GRID = np.stack(np.unravel_index(np.arange(24), SIZES), axis=1)
FACTORS = np.repeat(GRID, 10, axis=0)
PERFECT = (FACTORS - FACTORS.mean(0)) / FACTORS.std(0)
NOISY = PERFECT + 0.2 * np.random.default_rng(0).standard_normal(PERFECT.shape)
SMALL = {"n_train": 160, "n_test": 80}
NAMES = ["default", "fast", "disentanglement_lib", "disent", "beta_tcvae"]
# Settings of every function that are done in a moment.
QUICK = {
    "factor_vae_score": SMALL,
    "beta_vae_score": SMALL,
    "mutual_info_gap": {},
    "dci_scores": {**SMALL, "estimator": "random_forest"},
    "sap_score": SMALL,
    "modularity_explicitness": SMALL,
    "interventional_robustness": {},
}


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_arguments_of_the_functions(name):
    for function, options in metric_settings(name).items():
        known = inspect.signature(getattr(metrics, function)).parameters
        assert set(options) <= set(known)


def test_settings_are_the_callers_to_change():
    metric_settings("disent")["sap_score"]["n_train"] = 3
    assert metric_settings("disent")["sap_score"]["n_train"] == 10_000


def test_published_settings_are_those_of_the_configuration_files():
    # From google-research/disentanglement_lib, config/unsupervised_study_v1.
    published = metric_settings("disentanglement_lib")
    assert set(published) == set(QUICK)
    assert all(s.get("n_train", 10_000) == 10_000 for s in published.values())
    assert all(s.get("n_test", 5_000) == 5_000 for s in published.values())
    assert published["factor_vae_score"]["prune"] == "absolute"
    assert published["factor_vae_score"]["prune_threshold"] == 0.05
    assert published["interventional_robustness"]["n_bins"] == 20
    assert not published["sap_score"]["standardize"]
    assert metric_settings("disent")["factor_vae_score"]["prune_threshold"] == 0.0
    assert set(metric_settings("beta_tcvae")) == {"mutual_info_gap"}


def test_each_score_is_what_its_function_gives():
    found = disentanglement_scores(NOISY, FACTORS, settings=QUICK, random_state=3)
    single = {
        name: getattr(metrics, name)(NOISY, FACTORS, **options, random_state=3)
        for name, options in QUICK.items()
    }
    for name in ("factor_vae_score", "beta_vae_score", "mutual_info_gap", "sap_score"):
        assert found[name] == single[name]
    dci = single["dci_scores"]
    assert found["dci_disentanglement"] == dci.disentanglement
    assert found["dci_completeness"] == dci.completeness
    assert found["dci_informativeness"] == dci.informativeness
    modular = single["modularity_explicitness"]
    assert found["modularity"] == modular.modularity
    assert found["explicitness"] == modular.explicitness
    robust = single["interventional_robustness"]
    assert found["interventional_robustness"] == robust.score
    assert len(found) == 10


def test_factors_of_each_score_stand_side_by_side():
    options = {"settings": QUICK, "random_state": 0}
    found = disentanglement_scores(NOISY, FACTORS, per_factor=True, **options)
    assert "modularity" not in found
    assert all(scores.shape == (3,) for scores in found.values())
    totals = disentanglement_scores(NOISY, FACTORS, scores=list(found), **options)
    for name in ("mutual_info_gap", "sap_score", "explicitness", "dci_informativeness"):
        assert totals[name] == pytest.approx(found[name].mean())


def test_a_switch_changes_what_it_says():
    # An axis of 0.04 has no vote by an absolute threshold of 0.05.
    narrow = PERFECT * [0.04, 0.04, 0.04]
    ours, theirs, unpruned = (
        disentanglement_scores(
            narrow,
            FACTORS,
            scores="factor_vae_score",
            settings=name,
            random_state=0,
        )["factor_vae_score"]
        for name in ("fast", "disentanglement_lib", "disent")
    )
    assert ours == unpruned == 1.0
    assert theirs == 0.0


def test_the_mixture_takes_posterior_variances():
    sharp = np.full(PERFECT.shape, np.log(1e-4))
    found = disentanglement_scores(
        PERFECT, FACTORS, settings="beta_tcvae", log_variance=sharp, random_state=0
    )
    assert found == {"mutual_info_gap": pytest.approx(1.0, abs=1e-9)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"settings": "no"}, "name must be one of"),
        ({"settings": {"no": {}}}, r"settings has \['no'\]; its keys must be among"),
        ({"scores": "no"}, "scores must be among"),
        ({"scores": "modularity", "settings": "disent"}, "settings say nothing of"),
        ({"scores": "modularity", "per_factor": True}, "a mean over axes"),
        ({"scores": "sap_score", "log_variance": PERFECT}, "log_variance is for"),
        ({"settings": "beta_tcvae"}, "needs log_variance="),
    ],
)
def test_bad_arguments_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        disentanglement_scores(PERFECT, FACTORS, **settings)


# --- scorers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "score", ["mutual_info_gap", "dci_disentanglement", "interventional_robustness"]
)
def test_a_scorer_scores_codes(score):
    pca = PCA(3).fit(NOISY)
    scorer = DisentanglementScorer(score, settings=QUICK)
    expected = disentanglement_scores(
        pca.transform(NOISY), FACTORS, scores=score, settings=QUICK, random_state=0
    )
    assert scorer(pca, NOISY, FACTORS) == expected[score]


def test_a_search_chooses_by_disentanglement():
    # Four times the noise and a rotation by PCA, or neither: whitening mixes axes.
    model = make_pipeline(StandardScaler(), PCA())
    search = GridSearchCV(
        model,
        {"pca": [PCA(3), "passthrough"]},
        scoring={
            "mig": DisentanglementScorer(),
            "sap": DisentanglementScorer("sap_score", settings=QUICK),
        },
        refit="mig",
        cv=KFold(2, shuffle=True, random_state=0),
        error_score="raise",
    ).fit(NOISY, FACTORS)
    assert search.best_params_ == {"pca": "passthrough"}
    assert np.isfinite(search.cv_results_["mean_test_sap"]).all()


def test_a_search_over_autoencoders_takes_factors_as_y():
    data = (PERFECT @ np.random.default_rng(0).standard_normal((3, 6))).astype("f4")
    search = GridSearchCV(
        ARDVAE(3, max_iter=2, random_state=0),
        {"beta": [0.1, 1.0]},
        scoring=DisentanglementScorer(),
        cv=KFold(2, shuffle=True, random_state=0),
        error_score="raise",
    ).fit(data, FACTORS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_factors_may_be_one_column_and_must_be_there():
    pca = PCA(3).fit(NOISY)
    one = DisentanglementScorer()(pca, NOISY, FACTORS[:, 0])
    assert one == DisentanglementScorer()(pca, NOISY, FACTORS[:, :1])
    with pytest.raises(ValueError, match="needs y=, the factors of X"):
        DisentanglementScorer()(pca, NOISY)
    with pytest.raises(ValueError, match="scores must be among"):
        DisentanglementScorer("no")(pca, NOISY, FACTORS)
