"""Searches of scikit-learn, here and on a cluster, find the same."""

import warnings

import joblib
import numpy as np
import pytest
from estimator_table import fast
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE

GRID = {
    "ardvae__beta": [0.01, 0.1, 3.0],
    "ardvae__n_components": [2, 4],
    "ardvae__hidden_layer_sizes": [(8,)],
}
SEARCHES = {
    "grid": (GridSearchCV, {"cv": 2}),
    "random": (RandomizedSearchCV, {"cv": 2, "n_iter": 3, "random_state": 0}),
    "halving": (
        HalvingGridSearchCV,
        {"cv": 2, "random_state": 0, "min_resources": 100},
    ),
}


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(params=SEARCHES.values(), ids=SEARCHES)
def search(request):
    cls, settings = request.param
    pipeline = make_pipeline(StandardScaler(), fast(ARDVAE, max_iter=5))
    return cls(pipeline, GRID, **settings)


def scores(search):
    """Return all that a search has found, but for times and parameters."""
    kept = ("test_score", "rank", "iter", "n_resources")
    return {
        name: np.asarray(values, dtype=float)
        for name, values in search.cv_results_.items()
        if any(part in name for part in kept)
    }


def assert_same(found, expected, x):
    assert found.best_params_ == expected.best_params_
    assert scores(found).keys() == scores(expected).keys()
    for name, values in scores(expected).items():
        # Other processes may add up in another order.
        np.testing.assert_allclose(scores(found)[name], values, rtol=1e-4)
    codes = expected.transform(x)
    np.testing.assert_allclose(found.transform(x), codes, rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_dask_cluster_finds_the_same(search, client, low_rank):
    expected = clone(search).fit(low_rank)
    # The data are sent once, not with each fit.
    with joblib.parallel_config("dask", scatter=[low_rank]):
        found = clone(search).set_params(n_jobs=-1).fit(low_rank)
    assert_same(found, expected, low_rank)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_processes_of_loky_find_the_same(search, low_rank):
    expected = clone(search).fit(low_rank)
    with warnings.catch_warnings():
        # Of scikit-learn's and of joblib's, in their processes.
        warnings.simplefilter("ignore")
        found = clone(search).set_params(n_jobs=2).fit(low_rank)
    assert_same(found, expected, low_rank)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.filterwarnings("ignore:Scoring failed")
def test_a_candidate_that_diverges_fails_alone(client, low_rank):
    grid = {"learning_rate": [0.01, 1e30]}
    search = GridSearchCV(fast(ARDVAE, max_iter=4, beta=0.1), grid, cv=2, n_jobs=2)
    with joblib.parallel_config("dask"):
        search.fit(low_rank)
    failed = np.isnan(search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(failed, [False, True])
    assert search.best_params_ == {"learning_rate": 0.01}
