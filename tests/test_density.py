"""Densities over codes: SecondStageVAE against solvable cases, and what it is given."""

import copy
import pickle

import numpy as np
import pytest
import torch
from estimator_table import fast
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from sklearn_ardvae import L0ARMVAE, NGVAE, VAE, Autoencoder, SecondStageVAE
from sklearn_ardvae.density import draw_from_density
from sklearn_ardvae.methods.second_stage import SecondStageModule, SkipPerceptron

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}
# A linear second stage is probabilistic PCA, and is learned fast.
LINEAR = {"hidden_layer_sizes": (), "learning_rate": 0.01, "random_state": 0}


def energy_distance(first, second):
    """2 E|a - b| - E|a - a'| - E|b - b'|, which is 0 for equal distributions only."""
    within = cdist(first, first).mean() + cdist(second, second).mean()
    return 2.0 * cdist(first, second).mean() - within


def ring(n_rows, rng):
    angle, radius = rng.uniform(0, 2 * np.pi, n_rows), rng.normal(1, 0.05, n_rows)
    return np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))


def on_a_plane(n_rows, rng):
    """Codes of 5 axes and rank 2, each axis of variance 1, and their covariance."""
    angle = np.array([0.0, 0.5, 1.2, 2.0, 2.7])
    loadings = np.column_stack((np.cos(angle), np.sin(angle)))
    return rng.standard_normal((n_rows, 2)) @ loadings.T, loadings @ loadings.T


# --- the module -----------------------------------------------------------------


def make_module(width=3, hidden=(4,), noise_variance=0.3):
    torch.manual_seed(0)
    density = SecondStageVAE(hidden, noise_variance=noise_variance)
    return density._build_module(width).double()


def test_the_loss_is_minus_the_bound_at_a_draw_of_the_code():
    module, rng = make_module(), np.random.default_rng(0)
    mean, for_z, for_u = rng.standard_normal((3, 7, 3))
    std = rng.uniform(0.1, 2.0, (7, 3))
    module.set_units(torch.from_numpy(mean), torch.from_numpy(std))
    # The variance of a row drawn at random and then from its posterior.
    scale = np.sqrt(mean.var(0) + (std**2).mean(0))
    z = torch.from_numpy((mean + std * for_z - mean.mean(0)) / scale)
    m, log_variance = (a.detach().numpy() for a in module.encoder(z).chunk(2, 1))
    u = torch.from_numpy(m + np.exp(log_variance / 2) * for_u)
    output = module.decoder(u).detach().numpy()
    kl = 0.5 * (m**2 + np.exp(log_variance) - log_variance - 1).sum(1)
    log_p = stats.norm.logpdf(z.numpy(), output, np.sqrt(0.3)).sum(1)
    rows = torch.from_numpy(np.hstack((mean, std)))
    noise = torch.from_numpy(np.hstack((for_z, for_u)))
    # Buffers and noise variance were float32 before they were doubled.
    found = module.loss(rows, noise).total.item()
    assert found == pytest.approx((kl - log_p).mean(), rel=1e-6)


def test_the_output_layer_sees_the_input():
    network = SkipPerceptron(3, 2, (5, 4), nn.ReLU)
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.cat((x, network.hidden(x)), 1) @ network.output.weight.T
    torch.testing.assert_close(network(x), expected + network.output.bias)
    assert network.hidden(x).min() == 0.0
    linear = SkipPerceptron(3, 2, (), nn.ReLU)
    torch.testing.assert_close(linear(x), linear.output(x))


def test_an_axis_without_variance_is_left_as_it_is():
    module = make_module()
    mean = torch.tensor([[1.0, 0.0, 3e5], [3.0, 0.0, 3e5]])
    module.set_units(mean, torch.zeros(2, 3))
    assert module.code_scale.tolist() == [1.0, 1.0, 1.0]
    assert module.standardise(mean).tolist() == [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


# --- what it learns ---------------------------------------------------------------


def test_normal_codes_are_drawn_with_their_moments():
    rng = np.random.default_rng(0)
    covariance = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, 0.0], [0.0, 0.0, 1e-4]])
    codes = rng.multivariate_normal([5.0, 0.0, -1.0], covariance, 1500)
    density = SecondStageVAE((32,), max_iter=40, batch_size=64, random_state=0)
    drawn = density.fit(codes).sample(4000, random_state=0)
    scale = np.sqrt(np.diag(covariance))
    # Standard errors of 1/sqrt(1500) on means and 1/sqrt(750) on variances, three of
    # each, and 5 % that training leaves.
    difference = (drawn.mean(0) - [5.0, 0.0, -1.0]) / scale
    np.testing.assert_allclose(difference, 0.0, atol=3 / np.sqrt(1500) + 0.05)
    difference = (np.cov(drawn.T) - covariance) / np.outer(scale, scale)
    np.testing.assert_allclose(difference, 0.0, atol=3 / np.sqrt(750) + 0.05)
    # The bound on the mean log density, minus the entropy at best.
    entropy = stats.multivariate_normal([0, 0, 0], covariance).entropy()
    assert -0.1 < density.score(codes) + entropy < 0.05


def test_a_ring_is_drawn_as_a_ring():
    rng = np.random.default_rng(0)
    codes, held_out = ring(1500, rng), ring(1500, rng)
    density = SecondStageVAE((64, 64), max_iter=100, batch_size=64, random_state=0)
    density.fit(codes)
    normal = GaussianMixture(1, random_state=0).fit(codes)
    ours = energy_distance(density.sample(1500, random_state=0), held_out)
    gaussian = energy_distance(normal.sample(1500)[0], held_out)
    assert ours < 0.3 * gaussian
    assert density.score(held_out) > normal.score(held_out) + 0.5


def test_the_noise_of_codes_is_learned_with_them():
    rng, sigma = np.random.default_rng(0), 0.3
    codes, covariance = on_a_plane(1500, rng)
    density = SecondStageVAE(**LINEAR, max_iter=120, batch_size=64)
    density.fit(codes, std=np.full_like(codes, sigma))
    # Every axis has the variance 1 + sigma^2. Probabilistic PCA with as many factors
    # as axes is content with any g^2 up to the smallest eigenvalue, that of the noise;
    # training comes from above.
    noise = sigma**2 / (1 + sigma**2)
    assert 0.4 * noise < density.noise_variance_ < 1.15 * noise
    model = stats.multivariate_normal(np.zeros(5), covariance + sigma**2 * np.eye(5))
    seen = on_a_plane(1500, rng)[0] + sigma * rng.standard_normal((1500, 5))
    exact = model.logpdf(seen).mean()
    assert density.score(seen) == pytest.approx(exact, abs=0.15)
    drawn = density.sample(4000, random_state=0)
    np.testing.assert_allclose(np.cov(drawn.T), model.cov, atol=0.17)


def test_noise_cannot_be_memorised():
    # Fifty copies of one code: were its noise drawn once, g would shrink on it.
    std = np.tile([2.0, 0.5], (50, 1))
    density = SecondStageVAE((32,), max_iter=150, early_stopping=False, random_state=0)
    density.fit(np.zeros((50, 2)), std=std)
    drawn = density.sample(4000, random_state=0)
    np.testing.assert_allclose(drawn.std(0), std[0], rtol=0.25)


def test_noise_is_fresh_in_each_epoch_and_determined_by_the_seed(monkeypatch):
    seen, loss = [], SecondStageModule.loss

    def look(self, x, noise):
        if self.training:
            seen.append(noise[:, :3].sum().item())
        return loss(self, x, noise)

    monkeypatch.setattr(SecondStageModule, "loss", look)
    codes = np.random.default_rng(0).standard_normal((40, 3))
    density = SecondStageVAE((8,), max_iter=4, batch_size=64, random_state=0)
    first = density.fit(codes, std=np.ones_like(codes)).sample(3, random_state=0)
    assert len(set(seen)) == len(seen) == 4
    again = density.fit(codes, std=np.ones_like(codes)).sample(3, random_state=0)
    assert seen[:4] == seen[4:]
    np.testing.assert_array_equal(first, again)
    other = density.set_params(random_state=1).fit(codes).sample(3, random_state=0)
    assert not np.array_equal(first, other)


def test_units_of_the_codes_do_not_matter():
    codes = np.random.default_rng(0).standard_normal((200, 3))
    scale, shift = np.array([1e-6, 1.0, 1e6]), np.array([0.0, 3.0, -1e6])
    one = SecondStageVAE(**SMALL).fit(codes)
    other = SecondStageVAE(**SMALL).fit(codes * scale + shift)
    # Float32 rounds the shifted codes.
    drawn = (other.sample(50, random_state=0) - shift) / scale
    np.testing.assert_allclose(drawn, one.sample(50, random_state=0), atol=1e-4)
    expected = one.score_samples(codes) - np.log(scale).sum()
    found = other.score_samples(codes * scale + shift)
    np.testing.assert_allclose(found, expected, atol=1e-3)


# --- as an estimator --------------------------------------------------------------


@parametrize_with_checks([SecondStageVAE(**SMALL)])
def test_sklearn_check(estimator, check):
    check(estimator)


def test_a_fit_that_was_too_short_says_so():
    codes = np.random.default_rng(0).standard_normal((100, 2))
    with pytest.warns(ConvergenceWarning, match="SecondStageVAE: max_iter=2 .* miss"):
        SecondStageVAE(**SMALL).fit(codes)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))]
)
def test_a_copy_does_the_same(copied):
    codes = np.random.default_rng(0).standard_normal((100, 2))
    density = SecondStageVAE(**SMALL).fit(codes)
    twin = copied(density)
    np.testing.assert_array_equal(
        twin.sample(5, random_state=3), density.sample(5, random_state=3)
    )
    np.testing.assert_array_equal(
        twin.score_samples(codes), density.score_samples(codes)
    )


def test_scores_do_not_depend_on_company_and_globals_are_left_alone():
    codes = np.random.default_rng(0).standard_normal((100, 2)).astype(np.float32)
    torch.manual_seed(3)
    density = SecondStageVAE(**SMALL).fit(codes)
    density.sample(3, random_state=0)
    number = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(number, torch.rand(1))
    scores = density.score_samples(codes)
    np.testing.assert_allclose(density.score_samples(codes[:1]), scores[:1], rtol=1e-4)
    assert density.score(codes) == pytest.approx(scores.mean(dtype=float))
    lengths = {len(column) for column in density.history_.values()}
    assert lengths == {density.n_iter_} == {2}


@pytest.mark.parametrize(
    ("params", "std", "message"),
    [
        ({"hidden_layer_sizes": (8, 0)}, None, "hidden_layer_sizes must hold"),
        ({"noise_variance": 0.0}, None, "noise_variance"),
        ({"activation": "swoosh"}, None, "activation"),
        ({"device": "gpu"}, None, "device='gpu' is not a device"),
        ({}, np.ones((9, 3)), r"std must .* \(9, 2\); got shape \(9, 3\)"),
        ({}, -np.ones((9, 2)), "std must hold standard deviations >= 0"),
        ({}, np.full((9, 2), np.nan), "std contains NaN"),
    ],
)
def test_bad_input_is_refused_by_name(params, std, message):
    with pytest.raises(ValueError, match=message):
        SecondStageVAE(**(SMALL | params)).fit(np.eye(9, 2), std=std)
    with pytest.raises(NotFittedError):
        SecondStageVAE().sample()


# --- from an autoencoder to its density -------------------------------------------


class Recorder(BaseEstimator):
    """A density that tells what it was fitted to."""

    seen: dict

    def fit(self, X, y=None, *, std=None):
        Recorder.seen = {"codes": X, "std": std}
        self.mean_ = X.mean(0)
        return self

    def sample(self, n_samples):
        return np.tile(self.mean_, (n_samples, 1))


@pytest.mark.parametrize("output", ["active", "all"])
def test_the_posteriors_noise_reaches_the_density(low_rank, output):
    settings = {"n_components": 4, "max_iter": 5, "batch_size": 16}
    model = fast(VAE, **settings, output_components=output)
    model.fit(low_rank).sample(3, density=Recorder(), X=low_rank)
    with torch.no_grad():
        q = model._module.posterior(torch.from_numpy(low_rank))
    std = np.exp(q.log_variance.numpy() / 2)
    columns = model.active_components_ if output == "active" else np.arange(4)
    np.testing.assert_allclose(Recorder.seen["std"], std[:, columns], rtol=1e-5)
    np.testing.assert_allclose(Recorder.seen["codes"], model.transform(low_rank))


def test_codes_without_a_posterior_have_no_noise(low_rank):
    fast(Autoencoder).fit(low_rank).sample(3, density=Recorder(), X=low_rank)
    assert Recorder.seen["std"].shape == (400, 2)
    assert not Recorder.seen["std"].any()


def test_deviations_are_those_of_draws(low_rank):
    module = fast(NGVAE).fit(low_rank)._module
    x = torch.from_numpy(low_rank[:3])
    many = x.repeat_interleave(20_000, 0)
    with torch.no_grad():
        noise = module.draw_noise(len(many), torch.Generator().manual_seed(0))
        draws = module.posterior(many).sample(noise)
        spread = (draws - module.encode(many)).reshape(3, 20_000, 2).std(1)
        # Student's t with 2 A >= 7.3 degrees: the deviation of 20 000 draws is good to
        # 1 % or so.
        torch.testing.assert_close(module.code_std(x), spread, rtol=0.05, atol=0.0)


def test_a_closed_gate_has_no_noise(low_rank):
    module = fast(L0ARMVAE).fit(low_rank)._module
    with torch.no_grad():
        module.logits[0] = -3.0
        std = module.code_std(torch.from_numpy(low_rank))
    assert not std[:, 0].any()
    assert std[:, 1].min() > 0.0


def test_the_second_stage_has_a_name(low_rank):
    model = fast(VAE).fit(low_rank)
    drawn = model.sample(7, 0, density="second_stage", X=low_rank[:40])
    assert drawn.shape == (7, 12)
    again = model.sample(7, 0, density="second_stage", X=low_rank[:40])
    np.testing.assert_array_equal(drawn, again)
    with pytest.raises(ValueError, match=r"'second_stage' has to be fitted"):
        model.sample(7, density="second_stage")


def test_the_mixture_has_ten_components_and_full_covariances(monkeypatch):
    fitted = []
    fit = GaussianMixture.fit
    monkeypatch.setattr(
        GaussianMixture, "fit", lambda self, X: fitted.append(self) or fit(self, X)
    )
    codes = np.random.default_rng(0).standard_normal((400, 2))
    draw_from_density("gmm", 3, 0, codes)
    draw_from_density("gmm", 3, 0, codes[:59])
    assert [density.n_components for density in fitted] == [10, 2]
    assert {density.covariance_type for density in fitted} == {"full"}


@pytest.mark.parametrize("density", ["gmm", "second_stage", GaussianMixture(2)])
def test_no_active_component_leaves_nothing_to_fit(density):
    x = np.full((50, 4), 3.0, dtype=np.float32)
    model = fast(VAE, output_components="active").fit(x)
    assert model.sample(3, density=density, X=x).shape == (3, 4)
