"""What every estimator promises, in one table over all of them."""

import copy
import pickle
import signal
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from estimator_table import CLASSES, IDS, OF_ONE_FIT, fast, plain
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sklearn_ardvae import ARDVAE, SecondStageVAE
from sklearn_ardvae.nn.variational import VariationalModule

every_estimator = pytest.mark.parametrize("cls", CLASSES, ids=IDS)
# What happens in one fit; of many: model_selection/test_ard_vae_cv.py.
every_single_fit = pytest.mark.parametrize(
    "cls", OF_ONE_FIT, ids=[cls.__name__ for cls in OF_ONE_FIT]
)

RNG_CHECK_CALLS = {
    "fit": lambda model, x: model.fit(x),
    "partial_fit": lambda model, x: model.partial_fit(x),
    "transform": lambda model, x: model.transform(x),
    "score": lambda model, x: model.score(x),
    "sample": lambda model, x: model.sample(3, random_state=0),
}

# Filled by `fitted`.
FITTED = {}


@pytest.fixture(params=CLASSES, ids=IDS)
def fitted(request, low_rank):
    """Return a copy of a model that is fitted once for all tests."""
    cls = request.param
    if cls not in FITTED:
        settings = {"n_components": 4, "max_iter": 5, "batch_size": 16}
        FITTED[cls] = fast(cls, **settings).fit(low_rank)
    return copy.deepcopy(FITTED[cls])


def weights(model):
    return pickle.dumps(model.__getstate__()["_weights"])


# --- repeatability --------------------------------------------------------------


@every_estimator
def test_one_seed_gives_one_model_bit_by_bit(cls, low_rank):
    settings = {"n_components": 4, "batch_size": 16}
    first, second = (fast(cls, **settings).fit(low_rank) for _ in range(2))
    assert weights(first) == weights(second)
    assert first.history_ == second.history_
    for method in ("transform", "reconstruct", "score_samples"):
        np.testing.assert_array_equal(
            getattr(first, method)(low_rank), getattr(second, method)(low_rank)
        )
    np.testing.assert_array_equal(first.sample(5, 1), second.sample(5, 1))
    assert not np.array_equal(first.sample(5, 1), first.sample(5, 2))
    other = fast(cls, **settings, random_state=1).fit(low_rank)
    assert weights(first) != weights(other)


@pytest.mark.parametrize("backend", ["threading", "loky"])
@every_estimator
def test_one_seed_gives_one_model_in_any_worker(cls, backend, low_rank):
    here = weights(fast(cls, n_components=4).fit(low_rank))
    with joblib.parallel_config(backend, n_jobs=2):
        models = joblib.Parallel()(
            joblib.delayed(fast(cls, n_components=4).fit)(low_rank) for _ in range(2)
        )
    assert [weights(model) for model in models] == [here] * 2


@pytest.mark.parametrize("call", RNG_CHECK_CALLS.values(), ids=RNG_CHECK_CALLS.keys())
def test_the_global_generators_are_left_alone(fitted, call, low_rank):
    model = copy.deepcopy(fitted)
    np.random.seed(3)
    torch.manual_seed(3)
    call(model, low_rank)
    numbers, tensor = np.random.rand(3), torch.rand(3)
    np.random.seed(3)
    torch.manual_seed(3)
    np.testing.assert_array_equal(numbers, np.random.rand(3))
    assert torch.equal(tensor, torch.rand(3))


@every_estimator
def test_random_state_none_and_instances_follow_scikit_learn(cls, low_rank):
    def code(random_state):
        return weights(fast(cls, random_state=random_state).fit(low_rank))

    np.random.seed(3)
    first = code(None)
    np.random.seed(3)
    assert code(None) == first
    state = np.random.RandomState(0)
    assert code(state) != code(state)


# --- codes, reconstructions, samples --------------------------------------------


def test_fitted_attributes_are_plain_and_fit_each_other(fitted):
    n = fitted.n_components
    assert fitted.relevance_.shape == fitted.relevance_ratio_.shape == (n,)
    assert fitted.relevance_ratio_.sum() == pytest.approx(1.0, abs=1e-5)
    assert fitted.n_active_components_ == len(fitted.active_components_) <= n
    ranked = fitted.relevance_[fitted.active_components_]
    assert np.all(np.diff(ranked) <= 0)
    assert isinstance(fitted.noise_variance_, float)
    assert fitted.noise_variance_ > 0
    lengths = {len(column) for column in fitted.history_.values()}
    assert lengths == {fitted.n_iter_}
    assert fitted.loss_curve_ == fitted.history_["train_loss"]
    assert fitted.device_ == "cpu"
    for name, value in vars(fitted).items():
        if name.endswith("_"):
            assert not isinstance(value, torch.Tensor | torch.nn.Module), name


@pytest.mark.parametrize("output", ["active", "all"])
def test_codes_come_in_either_width_and_go_back(fitted, low_rank, output):
    fitted.set_params(output_components=output)
    codes = fitted.transform(low_rank)
    everything = fitted.set_params(output_components="all").transform(low_rank)
    active = everything[:, fitted.active_components_]
    np.testing.assert_array_equal(codes, everything if output == "all" else active)
    fitted.set_params(output_components=output)
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(
        fitted.inverse_transform(codes), fitted.reconstruct(low_rank)
    )


def test_a_component_has_one_name_whichever_others_are_returned(fitted, low_rank):
    fitted.active_components_ = np.array([2, 0])
    fitted.n_active_components_ = 2
    prefix = type(fitted).__name__.lower()
    for output, latents in (("active", [2, 0]), ("all", [0, 1, 2, 3])):
        fitted.set_params(output_components=output)
        names = fitted.get_feature_names_out()
        assert names.tolist() == [f"{prefix}{latent}" for latent in latents]
        frame = copy.copy(fitted).set_output(transform="pandas").transform(low_rank)
        assert frame.columns.tolist() == names.tolist()
    fitted.set_params(output_components="active")
    active = copy.copy(fitted).set_output(transform="pandas").transform(low_rank)
    pd.testing.assert_frame_equal(active, frame[active.columns])


@pytest.mark.parametrize("output", ["active", "all"])
def test_the_posterior_has_the_columns_of_transform(fitted, low_rank, output):
    fitted.set_params(output_components=output).set_output(transform="pandas")
    q = fitted.code_posterior(low_rank)
    if not getattr(fitted.module_, "finds_noise", False):  # which stretches codes
        np.testing.assert_array_equal(q.mean, fitted.transform(low_rank).to_numpy())
    assert q.std.shape == q.mean.shape
    assert q.std.dtype == np.float32
    x = torch.from_numpy(low_rank)
    with torch.no_grad():
        std = fitted.module_.code_std(x).numpy()
        is_deterministic = not isinstance(fitted.module_, VariationalModule)
    if output == "active":
        std = std[:, fitted.active_components_]
    # Rows go through the network in other batches, which float32 sums may show.
    np.testing.assert_allclose(q.std, std, rtol=1e-5, atol=1e-6)
    assert not q.std.any() if is_deterministic else (q.std >= 0).all()
    with pytest.raises(AttributeError):
        q.mean = q.std


def test_the_module_is_the_trained_one(fitted, low_rank, tmp_path):
    fitted.set_params(output_components="all").save(tmp_path / "model")
    for model in (
        fitted,
        pickle.loads(pickle.dumps(fitted)),
        type(fitted).load(tmp_path / "model"),
    ):
        assert model.module_ is model.module_
        assert not model.module_.training
        with torch.no_grad():
            codes = model.module_.encode(torch.from_numpy(low_rank))
            decoded = model.module_.decode(codes)
        np.testing.assert_allclose(
            codes, model.transform(low_rank), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(
            decoded, model.reconstruct(low_rank), rtol=1e-5, atol=1e-6
        )
    with pytest.raises(AttributeError):
        clone(fitted).module_  # noqa: B018


@pytest.mark.parametrize(("least", "expected"), [(0, 1), (1, 1), (3, 3), (9, 4)])
def test_a_least_number_of_columns_is_kept(fitted, low_rank, least, expected):
    everything = fitted.set_params(output_components="all").transform(low_rank)
    ranked = np.argsort(-fitted.relevance_, kind="stable")
    fitted.active_components_ = ranked[1:2]
    fitted.n_active_components_ = 1
    fitted.set_params(output_components="active", min_output_components=least)
    columns = [ranked[1], *np.delete(ranked, 1)][:expected]
    codes = fitted.transform(low_rank)
    np.testing.assert_array_equal(codes, everything[:, columns])
    np.testing.assert_array_equal(
        fitted.inverse_transform(codes), fitted.reconstruct(low_rank)
    )
    # The finding itself is not touched, and codes of other widths still go back.
    assert fitted.n_active_components_ == 1
    for other in (everything[:, ranked[1:2]], everything):
        assert fitted.inverse_transform(other).shape == low_rank.shape
    assert fitted.sample(3, 0).shape == fitted.sample(3, 0, density="gaussian").shape
    assert len(fitted.get_feature_names_out()) == expected


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@every_estimator
def test_a_collapsed_candidate_need_not_break_a_pipeline(cls):
    x = np.full((60, 4), 3.0, dtype=np.float32)
    y = np.arange(60) % 2
    model = fast(cls, output_components="active")
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        make_pipeline(model, LogisticRegression()).fit(x, y)
    model.set_params(min_output_components=1)
    pipeline = make_pipeline(model, LogisticRegression()).fit(x, y)
    assert pipeline.score(x, y) == pytest.approx(0.5)
    assert pipeline[0].n_active_components_ == 0


def test_a_missing_component_is_put_at_its_mean(fitted, low_rank):
    fitted.set_params(output_components="active")
    fitted.active_components_ = fitted.active_components_[:2]
    fitted.n_active_components_ = 2
    codes = fitted.transform(low_rank)
    everything = fitted.set_params(output_components="all").transform(low_rank)
    filled = np.tile(everything.mean(0), (len(low_rank), 1))
    filled[:, fitted.active_components_] = codes
    np.testing.assert_allclose(
        fitted.inverse_transform(codes), fitted.inverse_transform(filled), atol=1e-5
    )


def test_scores_do_not_depend_on_company_or_order(fitted, low_rank):
    scores = fitted.score_samples(low_rank)
    assert scores.shape == (len(low_rank),)
    np.testing.assert_allclose(
        fitted.score_samples(low_rank[::-1])[::-1], scores, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        fitted.score_samples(low_rank[:1]), scores[:1], rtol=1e-4, atol=1e-4
    )
    assert fitted.score(low_rank) == pytest.approx(scores.mean(dtype=float))


def densities():
    rng = np.random.default_rng(0)
    return {
        "prior": "prior",
        "gaussian": "gaussian",
        "gmm": "gmm",
        "unfitted mixture": GaussianMixture(2),
        "unfitted kernel": KernelDensity(bandwidth=0.5),
        "fitted mixture": lambda codes: GaussianMixture(2).fit(codes.astype(float)),
        "second stage": SecondStageVAE((8,), max_iter=2),
        "rng": rng,
    }


@pytest.mark.parametrize("name", [name for name in densities() if name != "rng"])
def test_samples_come_from_any_density(fitted, low_rank, name):
    density = densities()[name]
    if callable(density):
        density = density(fitted.transform(low_rank))
    drawn, again, other = (
        fitted.sample(7, seed, density=density, X=low_rank) for seed in (0, 0, 1)
    )
    assert drawn.shape == (7, 12)
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, again)
    assert not np.array_equal(drawn, other)


def test_gaussian_samples_have_the_moments_of_the_codes(fitted, low_rank):
    codes = fitted.transform(low_rank)
    expected = fitted.inverse_transform(
        np.random.default_rng(0).multivariate_normal(
            codes.mean(0),
            np.cov(codes.T, bias=True).reshape([codes.shape[1]] * 2),
            4000,
        )
    )
    drawn = fitted.sample(4000, 0, density="gaussian")
    # Two Monte-Carlo estimates from 4000 rows each.
    scale = expected.std(0).max()
    np.testing.assert_allclose(drawn.mean(0), expected.mean(0), atol=0.12 * scale)
    np.testing.assert_allclose(drawn.std(0), expected.std(0), atol=0.12 * scale)


def test_an_unfitted_density_is_not_fitted_in_place(fitted, low_rank):
    density = GaussianMixture(2)
    fitted.sample(3, density=density, X=low_rank)
    assert not hasattr(density, "means_")
    with pytest.raises(ValueError, match=r"has to be fitted to codes.*pass X="):
        fitted.sample(3, density=density)
    with pytest.raises(ValueError, match=r"density='gmm' has to be fitted"):
        fitted.sample(3, density="gmm")


@pytest.mark.parametrize("density", ["normal", 3, LogisticRegression()])
def test_what_is_no_density_is_refused(fitted, density):
    with pytest.raises(ValueError, match="density must be one of"):
        fitted.sample(3, density=density)


# --- state ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "copied",
    [
        lambda model, path: pickle.loads(pickle.dumps(model)),
        lambda model, path: copy.deepcopy(model),
        lambda model, path: joblib.load(joblib.dump(model, path)[0]),
        lambda model, path: model.save(path) or type(model).load(path),
    ],
    ids=["pickle", "deepcopy", "joblib", "save"],
)
def test_a_copy_does_the_same(fitted, low_rank, copied, tmp_path):
    # What was set since the fit belongs to the next one.
    fitted.set_params(n_components=7, hidden_layer_sizes=(3, 3))
    twin = copied(fitted, tmp_path / "model.bin")
    assert twin.get_params() == fitted.get_params()
    assert twin.history_ == fitted.history_
    for method in ("transform", "score_samples"):
        np.testing.assert_array_equal(
            getattr(twin, method)(low_rank), getattr(fitted, method)(low_rank)
        )
    np.testing.assert_array_equal(twin.sample(3, 0), fitted.sample(3, 0))
    np.testing.assert_array_equal(twin.active_components_, fitted.active_components_)
    twin.set_params(n_components=2).fit(low_rank)


def test_only_a_fit_that_weighed_its_axes_says_how_sure_it_is(fitted):
    if "_verdict" not in vars(fitted):
        with pytest.raises(AttributeError, match="has not weighed its axes"):
            fitted.dimension_interval()
        assert not hasattr(fitted, "count_probabilities_")
        assert not hasattr(fitted, "count_stability_")
        return
    odds, count = fitted.count_probabilities_, fitted.n_active_components_
    assert odds.sum() == pytest.approx(1.0)
    assert fitted.count_stability_ == odds[count]
    for confidence in (0.5, 0.9, 0.99):
        low, high = fitted.dimension_interval(confidence)
        assert 0 <= low <= high < len(odds)
        # No interval of as many numbers is more probable.
        width = high - low + 1
        sums = np.convolve(odds, np.ones(width), mode="valid")
        assert sums[low] == pytest.approx(sums.max())


def test_a_pickle_is_small_and_holds_no_data(fitted, low_rank):
    module = fitted._module
    n_moments = sum(
        2 * p.numel() for phase in module.phases() for p in phase.parameters
    )
    n_numbers = sum(v.numel() for v in module.state_dict().values()) + n_moments
    # 4 bytes a number; the rest, names and history, does not grow with the data.
    assert len(pickle.dumps(fitted)) < 4 * n_numbers + 15_000 < 1.5 * low_rank.nbytes


def test_a_shallow_copy_shares_the_module(fitted):
    assert copy.copy(fitted)._module is fitted._module


@every_estimator
def test_methods_need_a_fit(cls, low_rank):
    model = fast(cls)
    for method in ("transform", "inverse_transform", "reconstruct", "score_samples"):
        with pytest.raises(NotFittedError):
            getattr(model, method)(low_rank)
    for call in (model.sample, lambda: model.save("x"), lambda: model.to_onnx("x")):
        with pytest.raises(NotFittedError):
            call()


@pytest.mark.filterwarnings("ignore:The features of X:UserWarning")
@every_estimator
def test_a_failed_fit_leaves_no_half_fitted_model(cls, low_rank):
    model = fast(cls).fit(low_rank)
    with pytest.raises(ValueError, match=r"diverged|too large"):
        model.fit(low_rank * 1e30)
    with pytest.raises(NotFittedError):
        model.transform(low_rank)


@every_estimator
def test_partial_fit_goes_on_and_counts(cls, low_rank):
    model = fast(cls)
    for i in range(3):
        assert model.partial_fit(low_rank[i * 100 : (i + 1) * 100]) is model
        assert model.n_iter_ == i + 1
    assert model.transform(low_rank).shape[0] == 400
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(low_rank[:, :5])


@every_estimator
def test_partial_fits_learn(cls, low_rank):
    model = fast(cls, n_components=4, hidden_layer_sizes=(32,), learning_rate=0.01)
    first = model.partial_fit(low_rank).history_["train_loss"][0]
    for _ in range(20):
        model.partial_fit(low_rank)
    assert model.history_["train_loss"][-1] < 0.7 * first


@every_estimator
def test_warm_start_goes_on_with_what_is_set_now(cls, low_rank):
    model = plain(cls, warm_start=True).fit(low_rank)
    before = weights(model)
    # Small, but not so small that float32 weights stay where they are.
    model.set_params(max_iter=3, learning_rate=1e-6).fit(low_rank)
    assert model.n_iter_ == 5
    assert {len(column) for column in model.history_.values()} == {5}
    assert model.history_["learning_rate"][-1] == 1e-6
    assert weights(model) != before
    model.set_params(n_components=3)
    with pytest.raises(ValueError, match="do not fit those that were trained"):
        model.fit(low_rank)


@every_estimator
def test_warm_start_after_a_pickle_goes_on(cls, low_rank):
    model = pickle.loads(pickle.dumps(fast(cls, warm_start=True).fit(low_rank)))
    assert model.fit(low_rank).n_iter_ == 4


# --- in company -----------------------------------------------------------------


@every_estimator
def test_a_grid_search_in_a_pipeline_changes_what_it_says(cls, low_rank):
    pipeline = make_pipeline(StandardScaler(), plain(cls))
    name = pipeline.steps[-1][0]
    grid = {f"{name}__n_components": [1, 3], f"{name}__learning_rate": [1e-12, 0.02]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(low_rank)
    best = search.best_estimator_[-1]
    assert best.learning_rate == 0.02
    assert len(best.relevance_) == best.n_components
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 4


@every_estimator
def test_codes_feed_a_classifier(cls, low_rank):
    y = low_rank[:, 0] > 0
    settings = {"n_components": 6, "hidden_layer_sizes": (32,), "learning_rate": 0.01}
    model = fast(cls, **settings, max_iter=20, output_components="all")
    pipeline = make_pipeline(model, LogisticRegression())
    assert pipeline.fit(low_rank, y).score(low_rank, y) > 0.9


@every_estimator
def test_data_frames_keep_index_and_names(cls, low_rank):
    frame = pd.DataFrame(low_rank, columns=list("abcdefghijkl"))
    frame.index = frame.index + 7
    model = fast(cls, output_components="all").set_output(transform="pandas").fit(frame)
    codes = model.transform(frame)
    name = cls.__name__.lower()
    assert list(codes.columns) == [f"{name}0", f"{name}1"]
    assert list(codes.index) == list(frame.index)
    assert list(model.feature_names_in_) == list("abcdefghijkl")


@every_estimator
def test_tensors_are_taken_as_arrays_are(cls, low_rank):
    from_array = fast(cls).fit(low_rank)
    from_tensor = fast(cls).fit(torch.from_numpy(low_rank).double())
    assert weights(from_array) == weights(from_tensor)
    codes = from_tensor.transform(torch.from_numpy(low_rank))
    np.testing.assert_array_equal(codes, from_array.transform(low_rank))
    np.testing.assert_array_equal(
        from_tensor.inverse_transform(torch.from_numpy(codes)),
        from_array.inverse_transform(codes),
    )


@every_single_fit
def test_binary_rows_are_the_same_in_any_precision(cls):
    x = np.random.default_rng(0).integers(0, 2, (40, 5))
    settings = {"architecture": "linear_mlp", "likelihood": "bernoulli"}
    double, single = (
        fast(cls, **settings).fit(x.astype(dtype)) for dtype in ("f8", "f4")
    )
    assert weights(double) == weights(single)


@every_estimator
def test_images_are_taken_flat_or_folded(cls):
    images = np.random.default_rng(0).random((60, 1, 32, 48)).astype(np.float32)
    flat = images.reshape(60, -1)
    model = fast(cls, architecture="ngvae", input_shape=(1, 32, 48)).fit(images)
    twin = fast(cls, architecture="ngvae", input_shape=(32, 48)).fit(flat)
    assert weights(model) == weights(twin)
    np.testing.assert_array_equal(model.transform(images), model.transform(flat))
    assert model.reconstruct(images).shape == flat.shape


@every_estimator
def test_a_fit_learns(cls, low_rank):
    settings = {"n_components": 6, "hidden_layer_sizes": (32,), "learning_rate": 0.01}
    short = plain(cls, **settings).fit(low_rank)
    long = plain(cls, **settings, max_iter=30).fit(low_rank)
    assert long.score(low_rank) > short.score(low_rank)
    # Better than the mean, by far: three directions hold all but 1e-4.
    error = np.square(long.reconstruct(low_rank) - low_rank).mean()
    assert error < 0.3 * low_rank.var()


@every_single_fit
def test_skorchs_parameters_and_callbacks_are_used(cls, low_rank):
    seen = []

    class Look(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.optimizer_.param_groups[0]["weight_decay"])

    params = {"optimizer__weight_decay": 0.25}
    fast(cls, skorch_params=params, callbacks=[Look()]).fit(low_rank)
    assert seen == [0.25, 0.25]
    with pytest.raises(ValueError, match="wheels"):
        fast(cls, skorch_params={"wheels": 4}).fit(low_rank)


@every_single_fit
def test_scikit_learns_callbacks_stop_and_see_snapshots(cls, low_rank):
    pytest.importorskip("sklearn.callback")
    scores = []

    class Stop:
        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
            if context.task_name == "epoch":
                scores.append((fitted_estimator, fitted_estimator.score(X)))
            return len(scores) == 3

        def teardown(self, estimator, context):
            pass

    model = plain(cls, max_iter=9).set_callbacks(Stop()).fit(low_rank)
    assert model.n_iter_ == 3
    assert len({score for _, score in scores}) == 3
    # A snapshot is not the live model.
    first, score = scores[0]
    assert first.score(low_rank) == score
    pickle.loads(pickle.dumps(model.set_callbacks()))


@every_single_fit
def test_ctrl_c_keeps_a_model_and_warns(cls, low_rank):
    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            if len(net.history) == 3:
                signal.raise_signal(signal.SIGINT)

    model = fast(cls, max_iter=9, callbacks=[Interrupt()])
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(low_rank)
    assert model.n_iter_ == 2
    assert np.isfinite(model.transform(low_rank)).all()


@every_single_fit
def test_ctrl_c_in_the_first_epoch_keeps_the_initial_weights(cls, low_rank):
    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="interrupted by user"):
        model = fast(cls, callbacks=[Interrupt()]).fit(low_rank)
    assert model.n_iter_ == 0
    assert model.score(low_rank) < 0


@every_single_fit
def test_verbose_prints_a_table_and_a_closing_line(cls, low_rank, capsys):
    model = fast(cls, verbose=2, max_iter=5).fit(low_rank)
    # TwoStageVAE has another training to tell of.
    header, *rows, closing = capsys.readouterr().out.splitlines()[:4]
    assert header.split()[0] == "epoch"
    assert {"n_active", "seconds", "train_loss"} <= set(header.split())
    assert [row.split()[0] for row in rows] == ["2", "4"]
    assert len({len(line) for line in (header, *rows)}) == 1
    found = f"{model.n_active_components_} of {model.n_components} components active"
    assert closing.startswith("5 epochs in ")
    assert closing.endswith(found)
    fast(cls).fit(low_rank)
    assert capsys.readouterr().out == ""


def test_notebooks_show_it(fitted):
    assert type(fitted).__name__ in fitted._repr_html_()
    assert type(fitted).__name__ in repr(clone(fitted))


# Of graphs that are alike, one is enough but for `make test-slow`.
ONE_OF_A_KIND = [
    "ARDVAE",
    "Autoencoder",
    "FlowVAE",
    "IRMAE",
    "L0ARMVAE",
    "LeastVolumeAE",
    "MaskAAE",
    "NGVAE",
    "VAE",
    "VRRAE",
]


@pytest.mark.parametrize(
    "fitted",
    [
        pytest.param(cls, marks=() if name in ONE_OF_A_KIND else pytest.mark.slow)
        for cls, name in zip(CLASSES, IDS, strict=True)
    ],
    ids=IDS,
    indirect=True,
)
def test_onnx_models_do_what_transform_does(fitted, low_rank, tmp_path, recwarn):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    fitted.set_params(output_components="active")
    codes = fitted.transform(low_rank)
    expected = {"encoder": codes, "decoder": fitted.inverse_transform(codes)}
    for part, name, rows in (("encoder", "X", low_rank), ("decoder", "codes", codes)):
        path = tmp_path / f"{part}.onnx"
        fitted.to_onnx(path, part=part)
        session = runtime.InferenceSession(path)
        for n in (400, 1):
            (ours,) = session.run(None, {name: rows[:n]})
            # Float32 sums in another order.
            np.testing.assert_allclose(ours, expected[part][:n], rtol=1e-4, atol=1e-5)
    # One file each, and not a word.
    assert {file.name for file in tmp_path.iterdir()} == {
        "encoder.onnx",
        "decoder.onnx",
    }
    assert not recwarn.list


# --- bad input ------------------------------------------------------------------

PAIRS = TensorDataset(torch.ones(9, 3), torch.ones(9))
DATES = np.datetime64("2020-01-01") + np.arange(18).reshape(9, 2)
BAD_DATA = {
    "nan": (np.full((9, 3), np.nan), "NaN"),
    "infinite": (np.full((9, 3), np.inf), "infinity"),
    "too large for float32": (np.full((9, 3), 1e300), "infinity or a value too large"),
    "one row": (np.ones((1, 3)), "1 sample"),
    "no rows": (np.ones((0, 3)), "0 sample"),
    "no columns": (np.ones((9, 0)), "0 feature"),
    "strings": (np.array([["a", "b"]] * 9), "convert|numeric|dtype"),
    "complex": (np.ones((9, 3)) * 1j, "Complex data not supported"),
    "one dimension": (np.ones(9), "2D array"),
    "three dimensions": (np.ones((9, 3, 3)), r"set input_shape=\(3, 3\)"),
    "images": (np.ones((9, 8, 8, 3)), r"set input_shape=\(8, 8, 3\) \(channels first"),
    "nan tensor": (torch.full((9, 3), torch.nan), "NaN or infinity"),
    "short tensor": (torch.ones(1, 3), "minimum of 2"),
    "folded tensor": (torch.ones(9, 3, 3), r"2D array.*set input_shape=\(3, 3\)"),
    "flat tensor": (torch.ones(9), "Expected 2D array"),
    "loader": (DataLoader(PAIRS), r"X is a DataLoader, .* torch\.stack"),
    "dataset": (PAIRS, "X is a TensorDataset, .* partial_fit"),
    "dates": (DATES, r"dates, times or durations \(datetime64\[D\]\), whose numbers"),
    "durations": (DATES - DATES[0, 0], r"timedelta64\[D\]"),
    "list of dates": (list(DATES), r"datetime64\[D\]"),
    "frame of dates": (
        pd.DataFrame({"when": DATES[:, 0].astype("M8[ns]")}),
        r"\(datetime64\[ns\]\) in the columns \['when'\]",
    ),
    "frame with dates": (
        pd.DataFrame(
            {
                "a": np.ones(9),
                "when": pd.to_datetime(DATES[:, 0].astype("M8[ns]"), utc=True),
                "long": pd.to_timedelta(np.arange(9), unit="s"),
            }
        ),
        r"\['when', 'long'\]",
    ),
    "polars with dates": (
        pl.DataFrame({"a": np.ones(9), "when": DATES[:, 0]}),
        r"\(Date\) in the columns \['when'\]",
    ),
    "complex tensor": (torch.ones(9, 3) * 1j, "Complex data not supported"),
}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("case", BAD_DATA)
@every_estimator
def test_bad_data_are_refused_by_name(cls, case):
    data, message = BAD_DATA[case]
    with pytest.raises(ValueError, match=message):
        fast(cls).fit(data)


BAD_PARAMS = [
    ({"n_components": 0}, "n_components"),
    ({"n_components": 2.5}, "n_components"),
    ({"architecture": "resnet"}, "architecture"),
    ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes"),
    ({"activation": "swoosh"}, "activation"),
    ({"activation": object}, "activation=.*makes no layer"),
    ({"input_shape": (3, 0)}, "input_shape"),
    ({"input_shape": (5, 5)}, "input_shape=.*has 25"),
    ({"likelihood": "poisson"}, "likelihood"),
    ({"likelihood": "bernoulli"}, r"likelihood='bernoulli' needs data in \[0, 1\]"),
    ({"architecture": "maskaae"}, r"ends in a sigmoid needs data in \[0, 1\]"),
    ({"architecture": "ardvae_mnist"}, "works on images: set input_shape"),
    ({"max_iter": 0}, "max_iter"),
    ({"batch_size": 0}, "batch_size"),
    ({"learning_rate": 0.0}, "learning_rate"),
    ({"validation_fraction": 1.0}, "validation_fraction"),
    ({"tol": -1.0}, "tol"),
    ({"output_components": "some"}, "output_components"),
    ({"device": "gpu"}, "device='gpu' is not a device"),
    ({"device": "cuda:99"}, "device='cuda:99' is not available"),
    ({"callbacks": "all"}, "callbacks"),
    ({"callbacks": [[1]]}, r"callbacks holds \[1\]"),
]


@pytest.mark.parametrize(("params", "message"), BAD_PARAMS, ids=str)
@every_estimator
def test_bad_parameters_are_refused_by_name(cls, params, message, low_rank):
    with pytest.raises(ValueError, match=message):
        fast(cls, **params).fit(low_rank)


def test_bad_shapes_are_refused_with_both(fitted, low_rank):
    with pytest.raises(ValueError, match=r"11 features, but .* expecting 12"):
        fitted.transform(low_rank[:, :11])
    with pytest.raises(ValueError, match=r"5 features, but .* codes of .* columns"):
        fitted.inverse_transform(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="dates, times or durations"):
        fitted.inverse_transform(DATES)
    with pytest.raises(ValueError, match=r"set input_shape=\(3, 4\)"):
        fitted.transform(low_rank.reshape(-1, 3, 4))
    with pytest.raises(ValueError, match=r"n_samples == 0, must be >= 1"):
        fitted.sample(0)


@every_estimator
def test_images_of_another_shape_are_refused_with_both(cls):
    model = fast(cls, input_shape=(2, 3))
    with pytest.raises(ValueError, match=r"\(9, 3, 2\), but input_shape=\(2, 3\)"):
        model.fit(np.ones((9, 3, 2)))


@every_estimator
def test_channels_that_are_last_are_named(cls):
    model = fast(cls, input_shape=(3, 4, 5))
    with pytest.raises(ValueError, match=r"channels are last: pass np\.moveaxis"):
        model.fit(np.ones((9, 4, 5, 3)))


@pytest.mark.filterwarnings("ignore:penalty='mmd' compares the rows:UserWarning")
@every_estimator
def test_batch_normalisation_of_single_rows_names_the_parameter(cls, low_rank):
    def encoder(shape, n_outputs):
        return nn.Sequential(nn.BatchNorm1d(*shape), nn.Linear(*shape, n_outputs))

    model = fast(cls, architecture=(encoder, nn.Linear(2, 12)), batch_size=1)
    with pytest.raises(ValueError, match=r"set batch_size to 2 or more \(batch_size=1"):
        model.fit(low_rank[:20])
    model.set_params(batch_size=2).fit(low_rank[:21])


@every_estimator
def test_a_large_scale_is_warned_of(cls, low_rank):
    with pytest.warns(UserWarning, match="StandardScaler"):
        plain(cls).fit(low_rank * 255)


@every_estimator
def test_constant_and_single_columns_are_fitted(cls, low_rank):
    with_constant = np.hstack([low_rank, np.full((400, 2), 7.0, dtype=np.float32)])
    assert np.isfinite(fast(cls).fit(with_constant).score(with_constant))
    assert np.isfinite(fast(cls).fit(low_rank[:, :1]).score(low_rank[:, :1]))


@every_estimator
def test_more_components_than_rows_or_features_are_fitted(cls):
    x = np.random.default_rng(0).standard_normal((5, 3))
    model = fast(cls, n_components=9).fit(x)
    assert model.relevance_.shape == (9,)
    assert np.isfinite(model.transform(x)).all()


@pytest.mark.filterwarnings("always::sklearn.exceptions.ConvergenceWarning")
@every_estimator
def test_data_without_variance_collapse_with_a_warning(cls):
    x = np.full((50, 4), 3.0, dtype=np.float32)
    with pytest.warns(ConvergenceWarning, match="no active component"):
        model = fast(cls).fit(x)
    assert model.n_active_components_ == 0
    codes = model.set_params(output_components="active").transform(x)
    assert codes.shape == (50, 0)
    assert model.inverse_transform(codes).shape == (50, 4)
    assert model.sample(3).shape == (3, 4)
    assert model.sample(3, density="gaussian").shape == (3, 4)
    assert list(model.get_feature_names_out()) == []
    assert np.isfinite(model.score(x))


# Examples enough over all estimators, which share what meets the numbers first.
@examples(max_examples=20)
@given(
    n_rows=st.integers(2, 30),
    n_features=st.integers(1, 6),
    log_scale=st.floats(-30, 30),
    n_components=st.integers(1, 8),
    batch_size=st.integers(1, 40),
    validation_fraction=st.sampled_from([0.0, 0.1, 0.9]),
)
@every_single_fit
def test_any_finite_data_give_a_finite_fit_or_a_clear_error(
    cls, n_rows, n_features, log_scale, n_components, batch_size, validation_fraction
):
    x = np.random.default_rng(n_rows).standard_normal((n_rows, n_features))
    model = fast(
        cls,
        n_components=n_components,
        batch_size=batch_size,
        validation_fraction=validation_fraction,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        message = ""
        try:
            model.fit(x * 10.0**log_scale)
        except ValueError as error:
            message = str(error)
        # Squares overflow float32 from 1.8e19 on, sums and products of them before,
        # squared covariances from 4e9 on.
        if message:
            assert log_scale > 9
            assert "diverged" in message or "when it is squared" in message
            return
        assert abs(x).max() * 10.0**log_scale < 1.9e19
        scores = model.score_samples(x * 10.0**log_scale)
        # On the brink of overflow a score may be minus infinity, which it nearly is.
        assert not np.isnan(scores).any()
        assert log_scale > 18 or np.isfinite(scores).all()
    for name in ("relevance_", "relevance_ratio_", "noise_variance_"):
        assert np.isfinite(getattr(model, name)).all(), name
    assert np.isfinite(model.sample(3, 0)).all()


def test_the_table_is_not_empty():
    assert ARDVAE in CLASSES
