"""The axes of the signal: found where the rest is normal noise, and only there."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from scipy.stats import multivariate_normal

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.nn.signal import Signal
from sklearn_ardvae.nn.units import Units
from sklearn_ardvae.nn.widths import Folds

NOISE = 0.3


def plane(n, n_features, rank, *, seed=0, noise=None):
    """Rows of a plane of variance 1 an axis beside `noise`; and the plane's axes."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((n_features, rank)))[0].T
    if noise is None:
        noise = NOISE * rng.standard_normal((n, n_features))
    x = 2.0 * rng.standard_normal((n, rank)) @ axes + noise
    return torch.from_numpy(x), axes


def generator():
    return torch.Generator().manual_seed(0)


class TestSignal:
    def test_it_holds_the_plane(self):
        x, axes = plane(500, 30, 4)
        found = Signal.of(x, 128, 0)
        # Two are spare.
        assert found.axes.shape == (6, 30)
        np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(6), atol=1e-12)
        angles = subspace_angles(found.axes.numpy().T, axes.T)
        # Perturbation theory: noise / signal * sqrt(features / rows) = 0.04.
        assert angles.max() < 0.1
        assert found.widths.width == 4
        assert found.widths_of_halves == (4, 4)
        assert found.noise == pytest.approx(NOISE**2, rel=0.05)
        # Fitted to the rows, the axes leave less of these.
        assert found.noise_of_rows < found.noise

    def test_the_width_is_pcas_for_all_features(self):
        x, _ = plane(500, 30, 4)
        assert Signal.of(x, 128, 0).widths == Folds(x, 128, generator()).widths()

    @pytest.mark.parametrize(
        "x",
        [
            torch.from_numpy(np.random.default_rng(0).standard_normal((300, 20))),
            plane(300, 5, 3)[0],  # hardly fewer axes than all
            plane(9, 20, 2)[0],
            plane(501, 10, 2)[0],  # more rows than 50 for each feature
            plane(300, 20, 2, noise=0.0)[0],
        ],
    )
    def test_there_may_be_none(self, x):
        assert Signal.of(x, 128, 0) is None

    def test_up_to_50_rows_for_each_feature_it_is_looked_for(self):
        assert Signal.of(plane(500, 10, 2)[0], 128, 0) is not None

    def test_it_is_the_same_each_time(self):
        x, _ = plane(300, 20, 3)
        assert torch.equal(Signal.of(x, 128, 7).axes, Signal.of(x, 128, 7).axes)


@pytest.fixture(scope="module")
def x():
    """A bent sheet in 24 features, of which two directions hold signal: and noise."""
    rng = np.random.default_rng(3)
    u = rng.uniform(-1.5, 1.5, (420, 2))
    bent = np.column_stack((u, np.sin(2.0 * u[:, 0]), np.cos(2.0 * u[:, 1])))
    axes = np.linalg.qr(rng.standard_normal((24, 4)))[0].T
    return 3.0 + bent @ axes + 0.15 * rng.standard_normal((420, 24))


@pytest.fixture(scope="module")
def model(x):
    return ARDVAE(8, hidden_layer_sizes=(32,), max_iter=150, random_state=0).fit(x)


def parts(model):
    """The axes of a fitted model, float64, and the noise inside and outside."""
    door = model.module_.encoder[0]
    noise = model.module_.noise_of_axes(model.noise_variance_)
    return door.axes.double().numpy(), noise, door.noise.item()


class TestFittedModel:
    def test_its_networks_see_fewer_features(self, model, x):
        axes, _, outside = parts(model)
        assert 4 <= len(axes) < 12
        assert model.n_features_in_ == model.module_.n_features == 24
        assert model.reconstruct(x).shape == x.shape
        # 420 rows of 12 directions or more know it to 2 %.
        assert outside == pytest.approx(0.15**2, rel=0.07)

    def test_the_noise_is_the_mean_of_all_features(self, model):
        axes, inside, outside = parts(model)
        total = len(axes) * inside + (24 - len(axes)) * outside
        assert model.noise_variance_ == pytest.approx(total / 24, rel=1e-6)
        assert model.beta_ == pytest.approx(2.0 * inside)
        # The networks' own error is part of that inside.
        assert 0.95 * 0.15**2 < model.noise_variance_ < 1.5 * 0.15**2

    def test_reconstructions_lie_in_the_plane_of_the_axes(self, model, x):
        axes, _, _ = parts(model)
        found = model.reconstruct(x.astype(np.float64)) - x.mean(0)
        np.testing.assert_allclose(found @ axes.T @ axes, found, atol=1e-6)

    def test_what_is_outside_changes_no_code(self, model, x):
        axes, _, _ = parts(model)
        shift = np.random.default_rng(0).standard_normal(x.shape)
        shift -= shift @ axes.T @ axes
        found = model.transform(x + shift)
        np.testing.assert_allclose(found, model.transform(x), atol=1e-4)

    def test_but_the_score_by_the_density_of_its_noise(self, model, x):
        axes, _, outside = parts(model)
        rows = (x - x.mean(0)) @ axes.T @ axes + x.mean(0)
        basis = np.linalg.svd(axes)[2][len(axes) :]
        along = (x - x.mean(0)) @ basis.T
        covariance = outside * np.eye(len(basis))
        density = multivariate_normal(np.zeros(len(basis)), covariance).logpdf
        expected = density(along) - density(np.zeros(len(basis)))
        found = model.score_samples(x) - model.score_samples(rows)
        # Differences of numbers of some 10 in float32.
        np.testing.assert_allclose(found, expected, atol=2e-3)

    def test_the_likelihood_is_a_normal_density_of_two_variances(self, model, x):
        axes, inside, outside = parts(model)
        module = copy.deepcopy(model.module_).double()
        rows = torch.from_numpy(x[:20])
        mean = module(rows).detach()
        loss = (rows - mean).square().sum(1)
        found = module.log_likelihood_of(rows, model.noise_variance_)(loss)
        covariance = outside * np.eye(24) + (inside - outside) * axes.T @ axes
        expected = [
            multivariate_normal(m, covariance).logpdf(row)
            for row, m in zip(rows.numpy(), mean.numpy(), strict=True)
        ]
        # The axes are float32.
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)

    def test_history_and_summary_speak_of_all_features(self, model, x):
        # Rows that the steps saw score a little better than those of the history.
        evidence = max(model.history_["evidence"])
        assert evidence == pytest.approx(model.score(x), abs=3.0)
        text = str(model.summary())
        assert f"{len(x)} rows of 24 features" in text
        axes, _, outside = parts(model)
        signal = f"in {len(axes)} directions of 24; outside, normal noise of variance"
        assert f"{signal} {outside:.3g}" in text
        error = np.square(model.reconstruct(x) - x).mean()
        assert model._verdict["error"] == pytest.approx(error, rel=0.2)

    @pytest.mark.parametrize("scale", [1e-3, 1e3])
    def test_units_do_not_matter(self, model, x, scale):
        found = ARDVAE(8, hidden_layer_sizes=(32,), max_iter=150, random_state=0)
        found.fit(scale * x)
        assert found.n_active_components_ == model.n_active_components_
        ratio = found.noise_variance_ / model.noise_variance_
        # Training amplifies rounding.
        assert ratio == pytest.approx(scale**2, rel=0.02)
        expected = model.score(x) - 24 * math.log(scale)
        assert found.score(scale * x) == pytest.approx(expected, abs=0.3)

    @pytest.mark.parametrize("how", ["pickle", "save"])
    def test_copies_are_the_same(self, model, x, how, tmp_path):
        if how == "pickle":
            copied = pickle.loads(pickle.dumps(model))
        else:
            model.save(tmp_path / "model.ardvae")
            copied = ARDVAE.load(tmp_path / "model.ardvae")
        np.testing.assert_array_equal(copied.transform(x), model.transform(x))
        np.testing.assert_array_equal(copied.score_samples(x), model.score_samples(x))

    @pytest.mark.parametrize("part", ["encoder", "decoder"])
    def test_other_runtimes_have_the_axes(self, model, x, part, tmp_path):
        pytest.importorskip("onnxscript")
        runtime = pytest.importorskip("onnxruntime")
        path = tmp_path / "model.onnx"
        model.to_onnx(path, part=part)
        codes = model.transform(x[:7]).astype(np.float32)
        session = runtime.InferenceSession(path)
        name = session.get_inputs()[0].name
        given = x[:7].astype(np.float32) if part == "encoder" else codes
        expected = codes if part == "encoder" else model.inverse_transform(codes)
        found = session.run(None, {name: given})[0]
        np.testing.assert_allclose(found, expected, atol=1e-4)


class TestNotAsked:
    """Rows of a later fit may lie in other directions."""

    def test_of_a_warm_start(self, x):
        model = ARDVAE(4, max_iter=2, warm_start=True, random_state=0).fit(x)
        assert model.module_.encoder[0].axes is None

    def test_of_a_stream(self, x):
        model = ARDVAE(4, random_state=0).partial_fit(x)
        assert model.module_.encoder[0].axes is None

    def test_at_a_fixed_beta(self, x):
        settings = {"architecture": "linear_mlp", "max_iter": 2, "random_state": 0}
        model = ARDVAE(4, beta=0.05, **settings).fit(x)
        assert model.module_.encoder[0].axes is None


def test_units_along_axes_are_coordinates_of_variance_1():
    x, _ = plane(200, 10, 3)
    whole = Units.of(x)
    axes = torch.linalg.qr(torch.randn(10, 4, dtype=torch.float64))[0].T
    units = whole.along(axes, 0.5, whole.standardise(x))
    found = units.standardise(x)
    coordinates = (x - x.mean(0)) @ axes.T
    scale = coordinates.square().mean().sqrt().item()
    np.testing.assert_allclose(found, coordinates / scale, atol=1e-5)
    assert units.scale == pytest.approx(scale, rel=1e-6)
    assert units.noise == pytest.approx(0.5 * whole.scale**2)
    assert units.n_outside == 6
