"""ARDVAE with nothing set: closed forms, invariances, and what it is not to break.

Fits are of six features and small networks. A small budget makes all stages shorter,
and what is linear needs none.
"""

import copy
import math
import pickle
import signal
import warnings

import numpy as np
import pytest
import torch
from saved_files import same
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sklearn_ardvae import ARDVAE, VAE
from sklearn_ardvae.datasets import make_manifold
from sklearn_ardvae.estimator.verdict import CountWarning
from sklearn_ardvae.nn.linear_path import BesideLinear

SMALL = {"hidden_layer_sizes": (16,), "max_iter": 15, "random_state": 0}
WHOLE = {"n_components": 8, "max_iter": 100}
SHORT = {"n_components": 8, "max_iter": 40}
NOISE = 0.3
D = 6


def plane(n, seed=0, deviation=NOISE):
    """Rows about a plane of deviations 3 and 2, off the origin, beside noise."""
    axes = np.linalg.qr(np.random.default_rng(9).standard_normal((D, 2)))[0]
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((n, 2)) * [3.0, 2.0]
    return codes @ axes.T + deviation * rng.standard_normal((n, D)) + 0.5


def curve(n, seed=0):
    """Rows about a curve that no line or plane comes near."""
    rng = np.random.default_rng(seed)
    t = rng.standard_normal(n)
    rows = (1.5 * t, t**2 - 1, np.sin(2 * t), np.cos(2 * t), np.tanh(2 * t), np.cos(t))
    return np.column_stack(rows) + 0.15 * rng.standard_normal((n, D))


def small(**params):
    return ARDVAE(**{**SMALL, **params})


def ml_pca(x, width):
    """Return PCA with variances divided by the number of rows, not one less."""
    pca = PCA(width, svd_solver="full").fit(x)
    share = (len(x) - 1) / len(x)
    pca.explained_variance_ = share * pca.explained_variance_
    pca.noise_variance_ = share * pca.noise_variance_
    return pca


def best_pca_score(x, unseen):
    return max(PCA(k).fit(x).score(unseen) for k in range(1, x.shape[1]))


def everything(model):
    return {k: v for k, v in model.__getstate__().items() if k != "_sklearn_version"}


@pytest.fixture(scope="module")
def x():
    return plane(300, seed=2)


@pytest.fixture(scope="module")
def unseen():
    return plane(2000, seed=1)


@pytest.fixture(scope="module")
def linear(x):
    return small().fit(x)


@pytest.fixture(scope="module")
def curved():
    """All stages, from both starts."""
    return small(**WHOLE).fit(curve(400))


@pytest.fixture(scope="module")
def short():
    """All stages again, each shorter; it has trials of 1 to 5 axes."""
    return small(**SHORT).fit(curve(400))


@pytest.fixture(scope="module")
def stream():
    """A model that saw 150 pieces of 200 rows."""
    pieces = plane(30_000, seed=3).reshape(150, 200, D)
    model = small(n_components=8, batch_size=25, learning_rate=0.01)
    for piece in pieces:
        model.partial_fit(piece)
    return model


class TestLinearData:
    """What is found is probabilistic PCA of all rows: all has a closed form."""

    def test_the_rank_is_found(self, linear):
        assert linear.n_active_components_ == 2
        assert linear.module_.is_linear

    def test_noise_is_that_of_the_closed_form(self, linear, x):
        values = np.linalg.eigvalsh(np.cov(x.T, bias=True))
        # float32.
        assert linear.noise_variance_ == pytest.approx(values[:-2].mean(), rel=1e-5)
        # The truth: 4 directions of 300 rows, 4 % each; and 2 of 6 degrees are used.
        assert linear.noise_variance_ == pytest.approx(NOISE**2, rel=0.2)

    def test_relevance_is_the_variance_that_an_axis_adds(self, linear, x):
        values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
        expected = values[:2] - values[2:].mean()
        found = linear.relevance_[linear.active_components_]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        np.testing.assert_allclose(linear.prior_variance_, 1.0)

    def test_codes_are_least_squares_and_their_deviations_the_posteriors(
        self, linear, x, unseen
    ):
        pca = ml_pca(x, 2)
        size = np.sqrt(pca.explained_variance_ - pca.noise_variance_)
        expected = pca.transform(unseen) / size
        found = linear.transform(unseen)
        sign = np.sign((found * expected).sum(0))
        np.testing.assert_allclose(found * sign, expected, rtol=1e-3, atol=1e-4)
        std = np.sqrt(pca.noise_variance_ / pca.explained_variance_)
        posterior = linear.code_posterior(unseen[:5])
        np.testing.assert_allclose(posterior.std, np.tile(std, (5, 1)), rtol=1e-4)

    def test_score_is_pcas(self, linear, x, unseen):
        expected = ml_pca(x, 2).score_samples(unseen)
        # Squared errors of some hundred noise variances in float32.
        np.testing.assert_allclose(linear.score_samples(unseen), expected, atol=2e-3)
        # PCA divides by n - 1.
        assert linear.score(unseen) == pytest.approx(PCA(2).fit(x).score(unseen), 0.05)

    def test_reconstructions_are_pcas(self, linear, x, unseen):
        pca = PCA(2).fit(x)
        expected = pca.inverse_transform(pca.transform(unseen))
        np.testing.assert_allclose(linear.reconstruct(unseen), expected, atol=1e-3)
        error = np.square(linear.reconstruct(unseen) - unseen).mean()
        assert error == pytest.approx(np.square(expected - unseen).mean(), rel=1e-4)

    @pytest.mark.parametrize("name", ["linear", "curved"])
    def test_beta_is_twice_the_noise_variance(self, name, request):
        model = request.getfixturevalue(name)
        assert model.beta_ == pytest.approx(2.0 * model.noise_variance_, rel=1e-5)

    @pytest.fixture(params=[False, True])
    def weighed(self, x, monkeypatch, request):
        """The model, the rows that it was fitted to and weighed by, and a word.

        Whether its networks see no more than the axes of the signal.
        """
        rows = {}

        def forget_rows(self):
            rows["unseen"] = self.unseen.double()
            original(self)

        module = ARDVAE._module_class
        original = module.forget_rows
        monkeypatch.setattr(module, "forget_rows", forget_rows)
        if not request.param:
            monkeypatch.setattr(ARDVAE, "_find_signal", lambda self, x: None)
        model = small().fit(x)
        units = model.module_.encoder[0].units
        np.testing.assert_allclose(units.centre, x.mean(0), atol=1e-12)
        assert (units.axes is not None) == request.param
        inside = units.standardise(torch.from_numpy(x)).double()
        is_unseen = torch.cdist(inside, rows["unseen"]).amin(1).numpy() < 1e-4
        # A tenth, but 40 rows at least.
        assert is_unseen.sum() == 40
        return model, x[~is_unseen], x[is_unseen], request.param

    def test_axes_are_worth_what_pca_loses_without_them(self, weighed):
        model, seen, unseen, is_confined = weighed
        values, vectors = np.linalg.eigh(np.cov(seen.T, bias=True))
        top, axes = values[::-1][:2], vectors[:, ::-1][:, :2].T

        def density(kept):
            """Of these axes of the rows that were seen; the others are noise."""
            error = unseen - seen.mean(0)
            error = error - error @ axes[kept].T @ axes[kept]
            # The noise that explains the unseen rows best.
            noise = np.square(error).sum() / len(unseen) / (D - len(kept))
            covariance = axes[kept].T * (top[kept] - noise) @ axes[kept]
            covariance += noise * np.eye(D)
            return multivariate_normal(seen.mean(0), covariance).logpdf(unseen)

        for axis in (0, 1):
            loss = density([0, 1]) - density([1 - axis])
            # float32 rows. The noise that networks do not see, two of six directions,
            # is that of other rows, known to a tenth; and that is 2/3 of the noise.
            of_mean, of_error = (0.1, 0.15) if is_confined else (1e-4, 1e-3)
            assert model.axis_evidence_[axis] == pytest.approx(loss.mean(), rel=of_mean)
            error = loss.std() / math.sqrt(len(unseen) - 1)
            assert model.axis_evidence_std_[axis] == pytest.approx(error, rel=of_error)
        assert np.all(model.axis_evidence_[2:] == 0.0)
        assert np.all(model.axis_evidence_std_[2:] == 0.0)

    def test_features_of_noise_do_not_change_the_count(self, x):
        noise = NOISE * np.random.default_rng(5).standard_normal((len(x), 2))
        assert small().fit(np.hstack((x, noise))).n_active_components_ == 2

    def test_independent_features_are_those_that_pca_has(self):
        rng = np.random.default_rng(3)
        x = rng.standard_normal((500, 8)) * [5.0, 4.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0]
        model = small().fit(x)
        scores = [PCA(k).fit(x[:250]).score(x[250:]) for k in range(1, 8)]
        assert model.n_active_components_ == 1 + int(np.argmax(scores)) == 3

    @pytest.mark.parametrize("n_components", [1, 2, 3])
    def test_there_are_no_more_than_asked_for(self, x, n_components):
        model = small(n_components=n_components, max_iter=5).fit(x)
        assert model.n_active_components_ == min(2, n_components)
        assert model.relevance_.shape == (n_components,)


class TestSameAgain:
    def test_two_fits_are_equal_bit_by_bit(self, short):
        again = small(**SHORT).fit(curve(400))
        assert again.history_ == short.history_
        assert same(everything(again), everything(short))

    def test_snapshots_on_the_way_change_nothing(self, short):
        seen = []

        class Looks(Callback):
            def on_epoch_end(self, net, **kwargs):
                if len(net.history) % 4 == 0:
                    seen.append(model._snapshot(net)["n_active_components_"])

        model = small(**SHORT, callbacks=[Looks()])
        model.fit(curve(400))
        assert len(seen) > 3
        assert model.history_ == short.history_
        rows = curve(50, seed=1)
        np.testing.assert_array_equal(model.transform(rows), short.transform(rows))
        assert model.noise_variance_ == short.noise_variance_

    @pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
    def test_a_power_of_two_changes_no_digit(self, scale, short):
        model = small(**SHORT).fit(scale * curve(400))
        rows = curve(50, seed=1)
        found = model.transform(scale * rows)
        np.testing.assert_array_equal(found, short.transform(rows))
        assert model.history_["train_loss"] == short.history_["train_loss"]
        assert model.history_["n_active"] == short.history_["n_active"]
        np.testing.assert_array_equal(
            model.relevance_, (scale**2 * short.relevance_).astype(np.float32)
        )
        assert model.noise_variance_ == scale**2 * short.noise_variance_
        assert model.beta_ == scale**2 * short.beta_
        np.testing.assert_array_equal(model.axis_evidence_, short.axis_evidence_)
        # The logarithm of the unit is rounded.
        evidence = np.array(model.history_["evidence"]) + D * np.log(scale)
        np.testing.assert_allclose(evidence, short.history_["evidence"], atol=1e-9)
        np.testing.assert_array_equal(
            model.reconstruct(scale * rows), scale * short.reconstruct(rows)
        )
        change = model.score(scale * rows) + D * np.log(scale) - short.score(rows)
        # Each a sum of float32 numbers up to some hundred.
        assert abs(change) < 1e-3

    @pytest.mark.parametrize(
        ("scale", "shift"), [(1e-6, 0.0), (1e6, 0.0), (1.0, 1e4), (1e6, -1e10)]
    )
    def test_scale_and_shift_change_no_more_than_rounding(
        self, scale, shift, linear, x, unseen
    ):
        model = small().fit(scale * x + shift)
        assert model.n_active_components_ == 2
        rows = scale * unseen + shift
        found, expected = model.transform(rows), linear.transform(unseen)
        # Rows are float64; the networks' float32 has 7 digits.
        np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-5)
        ratios = [
            model.noise_variance_ / linear.noise_variance_,
            model.beta_ / linear.beta_,
            *(model.relevance_[:2] / linear.relevance_[:2]),
        ]
        np.testing.assert_allclose(ratios, scale**2, rtol=1e-5)
        change = model.score(rows) + D * np.log(scale) - linear.score(unseen)
        assert abs(change) < 1e-3
        np.testing.assert_allclose(
            (model.reconstruct(rows) - np.float64(shift)) / scale,
            linear.reconstruct(unseen),
            # What is returned is float32, of numbers as large as the shift.
            atol=1e-5 + 1e-7 * abs(shift) / scale,
        )

    def test_single_precision_gives_the_same(self, linear, x, unseen):
        model = small().fit(x.astype(np.float32))
        assert model.n_active_components_ == 2
        found = model.transform(unseen.astype(np.float32))
        np.testing.assert_allclose(
            np.abs(found), np.abs(linear.transform(unseen)), atol=1e-5
        )

    @pytest.mark.parametrize(
        "scale",
        [
            1e-15,
            1e15,
        ],
    )
    def test_extreme_units_do(self, scale, x):
        model = small(max_iter=2).fit(scale * x)
        assert model.n_active_components_ == 2
        assert 0.0 < model.beta_ < math.inf

    def test_units_whose_squares_are_too_large_are_refused(self, x):
        with pytest.raises(ValueError, match="Divide X by a constant"):
            small(max_iter=2).fit(1e30 * x)

    def test_units_whose_squares_are_too_small_are_nothing(self, x):
        with pytest.warns(ConvergenceWarning, match="no active component"):
            model = small(max_iter=2).fit(1e-50 * x)
        assert model.n_active_components_ == 0


class TestNoise:
    @pytest.mark.parametrize("n_features", [2, 8, 40])
    def test_it_has_no_axes(self, n_features):
        rng = np.random.default_rng(4)
        x = 3.0 + 2.0 * rng.standard_normal((250, n_features))
        model = small()
        with pytest.warns(ConvergenceWarning, match="no active component"):
            model.fit(x)
        assert model.n_active_components_ == 0
        assert model.transform(x).shape == (250, 0)
        assert model.axis_evidence_.max() == 0.0
        # All that is left is a normal distribution about the mean.
        variance = x.var(0).mean()
        assert model.noise_variance_ == pytest.approx(variance, rel=1e-5)
        expected = multivariate_normal(x.mean(0), variance * np.eye(n_features))
        np.testing.assert_allclose(
            model.score_samples(x), expected.logpdf(x), rtol=1e-4
        )
        for found in (
            model.reconstruct(x),
            model.inverse_transform(np.zeros((250, 0))),
        ):
            np.testing.assert_allclose(found, np.tile(x.mean(0), (250, 1)), rtol=1e-5)
        assert model.sample(3, random_state=0).shape == (3, n_features)

    @pytest.mark.parametrize(
        "x", [np.ones((30, 4)), np.full((30, 4), 1e7), np.zeros((30, 4))]
    )
    def test_nor_have_constants(self, x):
        model = small()
        with pytest.warns(ConvergenceWarning, match="no active component"):
            model.fit(x)
        assert model.transform(x).shape == (30, 0)
        np.testing.assert_allclose(model.reconstruct(x), x, rtol=1e-6)


class TestCurvedData:
    def test_it_is_better_than_pca(self, curved):
        rows = curve(2000, seed=1)
        assert not curved.module_.is_linear
        assert 1 <= curved.n_active_components_ <= 3
        # It gains 2.2 nats here; a tenth of that is a fault.
        assert curved.score(rows) > best_pca_score(curve(400), rows) + 0.2
        pca = PCA(curved.n_active_components_).fit(curve(400))
        error = np.square(pca.inverse_transform(pca.transform(rows)) - rows).mean()
        assert np.square(curved.reconstruct(rows) - rows).mean() < error

    def test_noise_is_close_to_the_truth(self, curved):
        # The networks' own error adds to it; 400 rows.
        assert 0.15**2 * 0.8 < curved.noise_variance_ < 0.15**2 * 3.0

    def test_each_axis_that_is_left_is_worth_its_price(self, curved):
        worth = curved.axis_evidence_[curved.active_components_]
        assert np.all(worth > 0.01 * D)
        others = np.setdiff1d(np.arange(8), curved.active_components_)
        assert np.all(curved.axis_evidence_[others] == 0.0)
        assert np.all(curved.relevance_[others] == 0.0)

    def test_history_shows_evidence_and_axes(self, curved):
        history = curved.history_
        assert {"evidence", "n_active", "learning_rate"} <= history.keys()
        lengths = {len(column) for column in history.values()}
        assert lengths == {curved.n_iter_}
        assert np.isfinite(history["evidence"]).all()
        # Never more than there are features.
        assert max(history["n_active"]) <= D
        assert curved.n_active_components_ in history["n_active"]

    def test_history_shows_beta(self, curved):
        assert len(curved.history_["beta"]) == curved.n_iter_
        # In the user's units: at first, some twice the variance of a feature.
        assert 0.0 < curved.history_["beta"][0] < 4.0 * curve(400).var(0).mean()
        # That of the best epoch is what unseen rows say, without a share of the others.
        assert curved.beta_ == pytest.approx(min(curved.history_["beta"]), rel=0.3)

    @pytest.mark.parametrize("max_iter", [1, 2, 10, 20])
    def test_a_small_budget_leaves_a_model_no_worse_than_pca(self, max_iter):
        x, rows = curve(400), curve(2000, seed=1)
        model = small(n_components=8, max_iter=max_iter)
        with warnings.catch_warnings():
            # With less than about 10 epochs it is not over.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x)
        assert model.n_iter_ <= max_iter
        # By 3 standard errors on 40 unseen rows, it is better, or it is PCA.
        assert model.score(rows) > best_pca_score(x, rows) - 0.1
        assert model.transform(rows).shape == (2000, model.n_active_components_)

    # In the first and second stage, and in trials.
    @pytest.mark.parametrize("epoch", [1, 12, 34, 47])
    def test_ctrl_c_leaves_a_usable_model(self, epoch):
        class PressCtrlC(Callback):
            def on_batch_end(self, net, **kwargs):
                if len(net.history) == epoch:
                    signal.raise_signal(signal.SIGINT)

        x, rows = curve(400), curve(2000, seed=1)
        model = small(**WHOLE, callbacks=[PressCtrlC()])
        with pytest.warns(UserWarning, match="Training interrupted by user"):
            model.fit(x)
        assert model.n_iter_ == epoch - 1
        assert model.score(rows) > best_pca_score(x, rows) - 0.1
        assert model.transform(rows).shape == (2000, model.n_active_components_)
        names = model.module_.state_dict()
        assert not [n for n in names if n.endswith((".held", ".best", ".linear"))]


class TestWidths:
    @pytest.mark.parametrize(
        ("n", "n_features", "n_components"), [(200, 6, 10), (15, 30, 25)]
    )
    def test_axes_that_cannot_be_exist_in_name_only(self, n, n_features, n_components):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((n, 2)) * 3.0 @ rng.standard_normal((2, n_features))
        x = x + 0.3 * rng.standard_normal(x.shape)
        most = min(n_features, n - 1)
        model = small(n_components=n_components, output_components="all").fit(x)
        for name in ("relevance_", "relevance_ratio_", "prior_variance_"):
            assert getattr(model, name).shape == (n_components,), name
        assert model.axis_evidence_.shape == (n_components,)
        assert np.all(model.relevance_[most:] == 0.0)
        codes = model.transform(x)
        assert codes.shape == (n, n_components)
        assert np.all(codes[:, most:] == 0.0)
        assert len(model.get_feature_names_out()) == n_components
        assert model.n_active_components_ <= most
        # The networks have no more than that.
        maps = [m for m in model.module_.modules() if isinstance(m, BesideLinear)]
        assert maps[0].linear.out_features == maps[1].linear.in_features <= most
        # Either width goes back.
        active = codes[:, model.active_components_]
        whole, part = model.inverse_transform(codes), model.inverse_transform(active)
        np.testing.assert_allclose(whole, part, atol=1e-5)

    @pytest.mark.parametrize("n", [2, 3, 4, 7])
    def test_few_rows_are_fitted_and_warned_of(self, n):
        x = plane(n, seed=2)
        with pytest.warns(ConvergenceWarning):
            model = small(max_iter=2).fit(x)
        assert model.n_active_components_ <= n - 1
        assert np.isfinite(model.reconstruct(x)).all()
        assert np.isfinite(model.score(x))

    def test_a_count_of_few_rows_is_doubted(self):
        x = plane(30, deviation=0.05)
        with pytest.warns(CountWarning, match="30 rows are too few to tell 2 axes"):
            small().fit(x)


class TestOtherAnswers:
    """What a user says goes before what the data say."""

    def test_a_fixed_beta_is_as_it_was(self, x):
        model = small(n_components=8, beta=0.1).fit(x)
        assert model.beta_ == 0.1
        assert not hasattr(model, "axis_evidence_")
        assert not hasattr(model, "axis_evidence_std_")
        assert model.module_.count_by == "relevance"
        assert list(model.history_) == [
            "train_loss",
            "train_reconstruction",
            "train_kl",
            "valid_loss",
            "valid_reconstruction",
            "valid_kl",
            "n_active",
            "learning_rate",
        ]
        modules = list(model.module_.modules())
        assert not any(isinstance(m, BesideLinear) for m in modules)
        # The fewest axes that explain more than 99 %.
        shares = np.sort(model.relevance_ratio_)[::-1].cumsum()
        expected = 1 + np.count_nonzero(shares <= 0.99)
        assert model.n_active_components_ == expected
        terms = {name: np.array(column) for name, column in model.history_.items()}
        total = terms["train_reconstruction"] + 0.1 * terms["train_kl"]
        np.testing.assert_allclose(terms["train_loss"], total, rtol=1e-5)

    @pytest.mark.parametrize("first", ["auto", "auto, then a piece"])
    def test_nothing_of_an_earlier_fit_stays(self, first, x):
        model = small(n_components=8).fit(x)
        if first == "auto":
            model.set_params(beta=0.1).fit(x)
        else:
            model.partial_fit(x)
        assert not hasattr(model, "axis_evidence_")
        assert not hasattr(model, "_verdict")

    def test_relevance_may_count_where_noise_is_found(self):
        model = small(**WHOLE, count_by="relevance").fit(curve(400))
        shares = np.sort(model.relevance_ratio_)[::-1].cumsum()
        expected = 1 + np.count_nonzero(shares <= 0.99)
        assert model.n_active_components_ == expected
        assert model.beta_ == pytest.approx(2.0 * model.noise_variance_, rel=0.3)
        assert len(model.axis_evidence_) == 8

    def test_it_says_which_parameters_its_stages_do_not_look_at(self, x):
        idle = {"lr_patience": None, "tol": 0.1}
        with pytest.warns(UserWarning, match=r"lr_patience=None, tol=0.1 of ARDVAE"):
            small(**idle, max_iter=2).fit(x)
        for used in ({}, {"beta": 0.18}, {"likelihood": "bernoulli"}):
            given = idle if used else {}
            small(**used, **given, max_iter=2).fit(abs(x) / abs(x).max())

    def test_evidence_may_count_where_beta_is_given(self, x):
        fixed = {"beta": 0.18, "count_by": "evidence", "n_iter_no_change": 10}
        model = small(n_components=4, max_iter=400, **fixed).fit(x)
        assert model.beta_ == 0.18
        assert model.n_active_components_ == 2
        assert np.all(model.axis_evidence_[model.active_components_] > 0.01 * D)

    def test_that_count_is_no_more_than_the_features(self, x):
        model = small(beta=0.18, count_by="evidence", n_components=64, max_iter=2)
        model.fit(x)
        assert model.n_active_components_ <= D
        assert max(model.history_["n_active"]) <= D

    def test_a_budget_that_ends_in_its_trial_leaves_what_held(self, x):
        model = small(
            n_components=4,
            beta=0.18,
            count_by="evidence",
            n_iter_no_change=5,
            tol=0.1,
            max_iter=45,
        ).fit(x)
        # It ended in a trial, or this shows nothing.
        trials = model.module_.search.trials
        assert trials.progress.target < trials.held
        assert model.history_["n_active"][-1] == trials.target
        assert model.n_active_components_ == trials.held
        assert model.module_.n_kept() == trials.held
        assert not [n for n in model.module_.state_dict() if n.endswith(".held")]

    def test_bernoulli_has_a_beta_of_1_and_counts_by_evidence(self):
        rng = np.random.default_rng(0)
        x = np.repeat(rng.random((400, 2)) < 0.5, 8, axis=1)
        x = (x ^ (rng.random(x.shape) < 0.05)).astype(float)
        model = small(likelihood="bernoulli", n_components=3, max_iter=500).fit(x)
        assert model.beta_ == 1.0
        assert model.n_active_components_ == 2
        assert "evidence" in model.history_
        # A factor is one bit, which eight noisy features tell almost surely.
        worth = model.axis_evidence_[model.active_components_]
        assert np.all(worth > math.log(2.0))
        modules = list(model.module_.modules())
        assert not any(isinstance(m, BesideLinear) for m in modules)

    def test_a_grid_may_hold_both(self, x):
        model = small(n_components=4)
        search = GridSearchCV(model, {"beta": [0.05, "auto"]}, cv=2).fit(x)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        # 15 epochs are too few for one that does not start at PCA.
        assert search.best_params_ == {"beta": "auto"}

    @pytest.mark.parametrize(
        ("param", "value"),
        [("beta", "none"), ("count_by", "rank"), ("validation_fraction", "all")],
    )
    def test_unknown_words_are_refused(self, param, value, x):
        with pytest.raises(ValueError, match=param):
            small(**{param: value}).fit(x)


class TestGoingOn:
    COPIES = {
        "pickle": lambda model, path: pickle.loads(pickle.dumps(model)),
        "deepcopy": lambda model, path: copy.deepcopy(model),
        "save": lambda model, path: model.save(path) or ARDVAE.load(path),
    }

    @pytest.mark.parametrize("name", ["linear", "curved"])
    @pytest.mark.parametrize("how", COPIES)
    def test_a_copy_is_the_same(self, how, name, request, tmp_path):
        model = request.getfixturevalue(name)
        twin = self.COPIES[how](model, tmp_path / "model")
        rows = curve(50, seed=1)
        for method in ("transform", "score_samples", "reconstruct"):
            found = getattr(twin, method)(rows)
            np.testing.assert_array_equal(found, getattr(model, method)(rows))
        for attribute in ("axis_evidence_", "axis_evidence_std_", "relevance_"):
            np.testing.assert_array_equal(
                getattr(twin, attribute), getattr(model, attribute)
            )
        for attribute in ("noise_variance_", "beta_", "n_active_components_"):
            assert getattr(twin, attribute) == getattr(model, attribute)
        assert same(everything(twin), everything(model))

    @pytest.mark.parametrize("how", COPIES)
    def test_a_copy_knows_what_it_is(self, how, linear, tmp_path):
        twin = self.COPIES[how](linear, tmp_path / "model")
        assert twin.module_.is_linear

    def test_a_fit_goes_on(self, x, unseen):
        model = small(warm_start=True, max_iter=10).fit(x)
        before, n_before = model.score(unseen), model.n_iter_
        model.fit(x)
        assert model.n_iter_ > n_before
        assert model.n_active_components_ == 2
        # PCA of all rows is what networks are measured by.
        assert model.score(unseen) > before - 0.05

    def test_axes_that_went_do_not_come_back(self):
        x, rows = curve(400), curve(2000, seed=1)
        model = small(**SHORT, warm_start=True).fit(x)
        count, score = model.n_active_components_, model.score(rows)
        model.fit(x)
        assert model.n_active_components_ <= count
        assert model.score(rows) > score - 0.05

    def test_a_fit_goes_on_in_the_units_it_began_with(self, x):
        model = small(warm_start=True, max_iter=3).fit(x)
        standard = model.module_.encoder[0].units
        model.fit(2.0 * x + 5.0)
        again = model.module_.encoder[0].units
        assert again.scale == standard.scale
        assert torch.equal(again.centre, standard.centre)

    @pytest.mark.slow
    def test_a_stream_finds_the_noise(self, stream, unseen):
        # It remembers 5 pieces, of which the earlier were explained less well.
        assert NOISE**2 * 0.9 < stream.noise_variance_ < NOISE**2 * 1.5
        assert stream.beta_ == pytest.approx(2.0 * stream.noise_variance_, rel=1e-5)
        expected = PCA(2).fit(plane(2000, seed=5)).score(unseen)
        assert stream.score(unseen) > expected - 0.6

    @pytest.mark.slow
    def test_a_stream_finds_the_axes(self, stream):
        assert stream.n_active_components_ == 2

    def test_a_stream_finds_no_more_axes_than_features(self, x):
        assert small(n_components=8).partial_fit(x).n_active_components_ <= D

    def test_a_stream_without_any_error_has_a_finite_density(self):
        x = np.full((4, D), 1e8)
        model = small(count_by="relevance", max_iter=1).fit(x).partial_fit(x)
        assert model.noise_variance_ > 0.0
        assert np.isfinite(model.score(x))


@pytest.mark.slow
@pytest.mark.parametrize("n_noise", [0, 2])
def test_a_manifold_and_features_of_noise(n_noise):
    data = make_manifold(
        "quadratic", 1500, n_dimensions=3, n_features=20, noise=0.2, random_state=0
    )
    noise = math.sqrt(data.noise_variance) * np.random.default_rng(1).standard_normal(
        (1500, n_noise)
    )
    model = ARDVAE(random_state=0).fit(np.hstack((data.data, noise)))
    assert model.n_active_components_ == 3
    # Issue 11: within 10 % at 8000 rows; the error of networks of 1500 adds to it.
    assert model.noise_variance_ == pytest.approx(data.noise_variance, rel=0.2)


def test_a_warm_start_trains_before_it_tries_again():
    x = plane(200)
    model = VAE(4, count_by="evidence", warm_start=True, **SMALL)
    model.set_params(max_iter=300).fit(x)
    first = model.n_iter_
    # With the trials of the first fit in mind it would end after one epoch.
    assert model.fit(x).n_iter_ > first + model.n_iter_no_change
