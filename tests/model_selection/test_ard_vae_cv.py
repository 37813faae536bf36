"""The path of betas is that of fits by hand, and so is the model that is chosen."""

import pickle
import signal
import warnings

import joblib
import numpy as np
import pytest
import torch
from estimator_table import FAST
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_ardvae import ARDVAE, ARDVAECV
from sklearn_ardvae.model_selection.path import (
    noise_grid,
    simplest_within_one_error,
    widest_plateau,
)
from sklearn_ardvae.randomness import draw_seed

BETAS = [0.5, 0.05, 0.005]
SETTINGS = FAST | {"n_components": 4, "max_iter": 6}
# Of float32, in the sums of six epochs, where fits share a computation.
ROUNDING = 1e-4


def search(**params):
    return ARDVAECV(**SETTINGS | {"betas": BETAS, "cv": 3} | params)


def by_hand(**params):
    return ARDVAE(**SETTINGS | params)


def same(value):
    return pytest.approx(value, rel=ROUNDING)


def weights(model):
    return pickle.dumps(model.__getstate__()["_weights"])


@pytest.fixture(scope="module")
def rows():
    """Rows (120, 6) on a plane of rank 2 with noise of deviation 0.1."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 2)) @ rng.standard_normal((2, 6))
    return (x + 0.1 * rng.standard_normal(x.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def found(rows):
    return search().fit(rows)


# --- the path -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cv", "betas"),
    [(3, BETAS), (KFold(2), [0.05]), (None, [0.05])],
    ids=["number", "splitter", "None"],
)
def test_evidence_and_counts_are_those_of_fits_by_hand(cv, betas, rows):
    model = search(cv=cv, betas=betas).fit(rows)
    if not isinstance(cv, KFold):
        cv = KFold(cv or 5, shuffle=True, random_state=0)
    folds = list(cv.split(rows))
    shape = (len(betas), len(folds))
    assert model.evidence_path_.shape == shape == model.n_active_path_.shape
    assert model.betas_.tolist() == betas
    for i, beta in enumerate(betas):
        for j, (train, test) in enumerate(folds):
            alone = by_hand(beta=beta).fit(rows[train])
            assert model.evidence_path_[i, j] == same(alone.score(rows[test]))
            assert model.n_active_path_[i, j] == alone.n_active_components_


def test_several_latent_sizes_have_an_axis_of_the_path(rows):
    model = search(n_components=[2, 4], cv=2, rule="one_standard_error").fit(rows)
    assert model.evidence_path_.shape == (3, 2, 2) == model.n_active_path_.shape
    for i, size in enumerate((2, 4)):
        alone = search(n_components=size, cv=2).fit(rows)
        np.testing.assert_allclose(
            model.evidence_path_[:, i], alone.evidence_path_, rtol=ROUNDING
        )
    place = simplest_within_one_error(model.evidence_path_, model.n_active_path_)
    assert (model.beta_, model.n_components_) == (BETAS[place[0]], [2, 4][place[1]])
    counts = np.sort(model.n_active_path_[:, place[1]])[:, 0]
    assert model.plateau_ == widest_plateau(model.betas_, counts)


def test_groups_keep_their_rows_together(rows):
    fold = np.arange(120) % 4
    split = PredefinedSplit(fold)
    model = search(betas=[0.05], cv=split).fit(rows)
    assert model.evidence_path_.shape == (1, 4)
    train = by_hand(beta=0.05).fit(rows[fold != 2])
    assert model.evidence_path_[0, 2] == same(train.score(rows[fold == 2]))


def test_y_is_for_the_splitter(rows):
    y = np.arange(120) < 60

    class ByLabel(KFold):
        def split(self, X, y, groups=None):
            return GroupKFold(2).split(X, groups=y)

    model = search(betas=[0.05], cv=ByLabel(2)).fit(rows, y)
    scores = [by_hand(beta=0.05).fit(rows[y == v]).score(rows[y != v]) for v in (0, 1)]
    assert sorted(model.evidence_path_[0]) == same(sorted(scores))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_results_do_not_depend_on_the_number_of_workers(backend, rows, found):
    with joblib.parallel_config(backend):
        model = search(n_jobs=2).fit(rows)
    np.testing.assert_allclose(
        model.evidence_path_, found.evidence_path_, rtol=ROUNDING
    )
    np.testing.assert_array_equal(model.n_active_path_, found.n_active_path_)
    assert weights(model) == weights(found)


def test_tensors_and_arrays_have_one_path(rows, found):
    model = search().fit(torch.from_numpy(rows))
    np.testing.assert_array_equal(model.evidence_path_, found.evidence_path_)
    assert weights(model) == weights(found)


# --- what is chosen -------------------------------------------------------------


@pytest.mark.parametrize("random_state", [0, 7, np.random.RandomState(3), None])
def test_the_model_is_that_of_the_chosen_beta_bit_by_bit(random_state, rows):
    np.random.seed(3)
    model = search(random_state=random_state).fit(rows)
    assert model.beta_ == BETAS[np.argmax(model.evidence_path_.mean(1))]
    seed = random_state
    if not isinstance(seed, int):
        seed = draw_seed(np.random.RandomState(3))
    alone = by_hand(beta=model.beta_, random_state=seed).fit(rows)
    assert weights(model) == weights(alone)
    assert model.history_ == alone.history_
    assert vars(model).keys() >= vars(alone).keys() - {"beta"}
    for method in ("transform", "score_samples", "reconstruct"):
        np.testing.assert_array_equal(
            getattr(model, method)(rows), getattr(alone, method)(rows)
        )
    np.testing.assert_array_equal(model.sample(3, 0), alone.sample(3, 0))
    np.testing.assert_array_equal(
        model.prior_variance_interval(), alone.prior_variance_interval()
    )


# --- betas ----------------------------------------------------------------------


def test_the_path_scales_as_the_square_of_the_data(rows):
    settings = {"betas": 3, "architecture": "linear_mlp", "max_iter": 20}
    model, scaled = (search(**settings).fit(factor * rows) for factor in (1, 8))
    np.testing.assert_allclose(scaled.betas_, 64 * model.betas_, rtol=1e-6)
    # Each of 6 features is 8 times as wide; the rest is rounding, which a few epochs
    # of training make larger.
    shift = 6 * np.log(8)
    np.testing.assert_allclose(
        scaled.evidence_path_, model.evidence_path_ - shift, atol=0.02
    )
    np.testing.assert_array_equal(scaled.n_active_path_, model.n_active_path_)


def test_a_number_of_betas_asks_for_the_grid(rows):
    model = search(betas=3).fit(rows)
    np.testing.assert_array_equal(model.betas_, noise_grid(rows, 3))
    assert model.beta_ in model.betas_
    binary = search(betas=3, likelihood="bernoulli").fit(rows > 0)
    np.testing.assert_allclose(binary.betas_, [10.0, 1.0, 0.1])


def test_betas_come_in_descending_order(rows, found):
    model = search(betas=np.array(BETAS)[[1, 0, 2]]).fit(rows)
    np.testing.assert_array_equal(model.betas_, BETAS)
    np.testing.assert_array_equal(model.evidence_path_, found.evidence_path_)


# --- what goes wrong ------------------------------------------------------------


def test_a_candidate_that_diverges_fails_alone(rows, found):
    with pytest.warns(FitFailedWarning, match=r"3 of 9 .*beta=1e\+38: .*diverged") as w:
        model = search(betas=[1e38, *BETAS[1:]]).fit(rows)
    assert {warning.filename for warning in w} == {__file__}
    assert np.isnan(model.evidence_path_[0]).all()
    assert np.isnan(model.n_active_path_[0]).all()
    np.testing.assert_array_equal(model.evidence_path_[1:], found.evidence_path_[1:])
    assert model.beta_ in BETAS[1:]
    assert model.plateau_.highest_beta < 1e38


def test_a_path_that_fails_is_an_error(rows):
    with pytest.raises(ValueError, match=r"No candidate.*beta=1e\+38: Training diver"):
        search(betas=[1e38]).fit(rows)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"betas": []}, r"betas must be an integer >= 2 or hold numbers > 0; got \[\]"),
        ({"betas": [0.1, 0.0]}, "betas must be"),
        ({"betas": [0.1, np.nan]}, "betas must be"),
        ({"betas": [0.1, np.inf]}, "betas must be finite"),
        ({"betas": [[0.1]]}, "betas must be"),
        ({"betas": {}}, "betas must be"),
        ({"betas": ["a"]}, "betas must be"),
        ({"betas": 1}, "'betas' parameter of ARDVAECV"),
        ({"betas": 0.1}, "'betas' parameter of ARDVAECV"),
        ({"betas": True}, "'betas' parameter of ARDVAECV"),
        ({"n_components": []}, r"n_components must be .* got \[\]"),
        ({"n_components": [2, 0]}, r"n_components must be .* got \[2, 0\]"),
        ({"n_components": [2.5]}, "n_components must be"),
        ({"cv": 1}, "cv|splits"),
        ({"cv": 300}, "n_splits=300"),
        ({"cv": [([0], [1, 2])]}, "leaves 1 rows of 120 to train on"),
        ({"cv": [([0, 1], [])]}, "leaves 2 rows of 120 to train on and 0 to judge"),
        ({"cv": []}, "leaves 0 rows of 120"),
        ({"cv": [([0, 120], [1])]}, "cv=.* names rows that X, of 120, has not"),
        ({"rule": "worst"}, "'rule' parameter"),
        ({"rule": "one_standard_error", "cv": [(range(60), range(60, 99))]}, "two fol"),
        ({"n_jobs": "all"}, "'n_jobs' parameter"),
    ],
    ids=str,
)
def test_bad_parameters_are_refused_by_name(params, message, rows):
    with pytest.raises(ValueError, match=message):
        search(**params).fit(rows)


def test_beta_is_no_parameter():
    assert "beta" not in ARDVAECV().get_params()
    with pytest.raises(TypeError, match=r"ARDVAECV.__init__.*'beta'"):
        ARDVAECV(beta=0.1)


def messages(caught):
    return [str(warning.message) for warning in caught]


def test_the_path_warns_once_of_itself(rows):
    # Of beta = 1000 no axis survives: that is what a path is there to show.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search(betas=[1000.0, 0.05], max_iter=9).fit(rows)
    assert all(issubclass(w.category, ConvergenceWarning) for w in caught)
    of_path, of_model = messages(caught)
    assert "6 of 6 fits of the path have used up max_iter=9 epochs" in of_path
    assert "max_iter=9 epochs are over" in of_model


def test_ctrl_c_ends_a_search_and_keeps_the_model(rows):
    class Interrupt(Callback):
        n_fits = 0

        def on_train_begin(self, net, **kwargs):
            Interrupt.n_fits += 1

        def on_batch_end(self, net, **kwargs):
            if Interrupt.n_fits == self.fit and len(net.history) == 3:
                signal.raise_signal(signal.SIGINT)

    Interrupt.fit = 9  # all have begun: they go on side by side
    model = search(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(rows)
    assert Interrupt.n_fits == 9
    assert not model.__sklearn_is_fitted__()
    Interrupt.n_fits, Interrupt.fit = 0, 10
    with pytest.warns(UserWarning, match="Training interrupted"):
        model.fit(rows)
    assert model.n_iter_ == 2
    Interrupt.n_fits = 0
    with pytest.raises(KeyboardInterrupt):
        model.set_params(on_interrupt="raise").fit(rows)
    assert model.n_iter_ == 2
    assert np.isfinite(model.transform(rows)).all()


# --- afterwards -----------------------------------------------------------------


@pytest.mark.parametrize(
    "copied",
    [
        lambda model, path: pickle.loads(pickle.dumps(model)),
        lambda model, path: model.save(path) or ARDVAECV.load(path),
    ],
    ids=["pickle", "save"],
)
def test_a_copy_has_the_path(copied, rows, tmp_path):
    model = search(n_components=[2, 4], betas=np.array(BETAS), cv=2).fit(rows)
    twin = copied(model, tmp_path / "model")
    for name in ("betas_", "evidence_path_", "n_active_path_"):
        np.testing.assert_array_equal(getattr(twin, name), getattr(model, name))
    for name in ("beta_", "n_components_", "plateau_", "n_active_components_"):
        assert getattr(twin, name) == getattr(model, name)
    np.testing.assert_array_equal(twin.transform(rows), model.transform(rows))
    # A warm start goes on with what was chosen.
    for each in (model, twin):
        each.set_params(warm_start=True).fit(rows)
    assert weights(twin) == weights(model)
    assert model.n_iter_ == 12


def test_a_splitter_is_passed_to_load_again(rows, tmp_path):
    model = search(cv=KFold(2)).fit(rows)
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"pass exactly \['cv'\]"):
        ARDVAECV.load(tmp_path / "model")
    twin = ARDVAECV.load(tmp_path / "model", cv=KFold(2))
    np.testing.assert_array_equal(twin.transform(rows), model.transform(rows))


def test_a_clone_a_pipeline_and_a_search_take_it(rows, found):
    assert weights(clone(found).fit(rows)) == weights(found)
    pipeline = make_pipeline(StandardScaler(), search(cv=2))
    grid = {"ardvaecv__rule": ["best", "one_standard_error"], "ardvaecv__tol": [0.0]}
    best = GridSearchCV(pipeline, grid, cv=2).fit(rows).best_estimator_[-1]
    alone = search(cv=2, rule=best.rule, tol=0.0)
    alone.fit(StandardScaler().fit_transform(rows))
    assert weights(best) == weights(alone)


def test_a_stream_chooses_by_its_first_piece(rows):
    model = search(cv=2).partial_fit(rows[:60])
    path = model.evidence_path_
    expected = search(cv=2).fit(rows[:60])
    np.testing.assert_array_equal(path, expected.evidence_path_)
    alone = by_hand(beta=expected.beta_)
    for piece in (rows[:60], rows[60:]):
        alone.partial_fit(piece)
    model.partial_fit(rows[60:])
    assert weights(model) == weights(alone)
    assert model.evidence_path_ is path


def test_verbose_prints_the_path_and_then_the_fit(rows, capsys):
    model = search(verbose=6).fit(rows)
    header, *lines = capsys.readouterr().out.splitlines()
    path, fit = lines[:3], lines[3:]
    assert header.split()[:2] == ["fits", "beta"]
    assert len({len(line) for line in (header, *path)}) == 1
    for i, line in enumerate(path):
        row = dict(zip(header.split(), map(float, line.split()), strict=True))
        evidence = model.evidence_path_[i]
        assert row["fits"] == 3 * (i + 1)
        # Four digits are printed.
        assert row["beta"] == pytest.approx(BETAS[i], rel=1e-3)
        assert row["evidence"] == pytest.approx(evidence.mean(), rel=1e-3)
        error = evidence.std(ddof=1) / 3**0.5
        assert row["std_error"] == pytest.approx(error, rel=1e-3)
        assert row["n_active"] == pytest.approx(model.n_active_path_[i].mean(), 1e-3)
    assert [line.split()[0] for line in fit[:2]] == ["epoch", "6"]
    search().fit(rows)
    assert capsys.readouterr().out == ""


def test_scikit_learns_callbacks_see_each_fit(rows):
    pytest.importorskip("sklearn.callback")
    seen = []

    class Note:
        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            seen.append(context.task_name)

        def teardown(self, estimator, context):
            pass

    model = search(cv=2).set_callbacks(Note()).fit(rows)
    assert seen[:7] == ["candidate-fold"] * 6 + ["refit"]
    assert len(seen) == 8
    pickle.loads(pickle.dumps(model.set_callbacks()))
