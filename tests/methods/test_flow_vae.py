"""FlowVAE: its loss by autograd's Jacobian, its bound on models with known evidence."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import nn
from torch.func import jacrev, vmap

from sklearn_ardvae import BetaVAE, FlowVAE
from sklearn_ardvae.methods.flow_vae import FlowVAEModule
from sklearn_ardvae.nn.flows import InverseAutoregressiveFlow
from sklearn_ardvae.nn.likelihoods import BernoulliLikelihood, GaussianLikelihood
from sklearn_ardvae.nn.module import Networks

D, L, B = 5, 3, 7
UPDATES = pytest.mark.parametrize("update", ["gated", "exponential"])


def module(beta=1.0, *, update="gated", n_context=L, likelihood=None, scale=0.5):
    """Return a module whose flow is far from the identity, in float64."""
    torch.manual_seed(0)
    flow = InverseAutoregressiveFlow(
        L, n_context, n_steps=2, hidden_layer_sizes=[6], update=update
    )
    with torch.no_grad():
        for weight in flow.parameters():
            weight.normal_(std=scale)
    encoder, decoder = nn.Linear(D, 2 * L + n_context), nn.Linear(L, D)
    likelihood = likelihood or GaussianLikelihood()
    networks = Networks(encoder, decoder, likelihood, L, D)
    return FlowVAEModule(networks, beta=beta, flow=flow).double()


def normal(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


class TestLoss:
    @UPDATES
    @pytest.mark.parametrize("n_context", [0, L])
    def test_it_is_that_of_the_densities(self, update, n_context):
        model = module(1.7, update=update, n_context=n_context)
        x, noise = normal(B, D), normal(B, L, seed=2)
        output = model.encoder(x).detach()
        mean, deviation = output[:, :L], (output[:, L : 2 * L] / 2).exp()
        z_0, context = mean + deviation * noise, output[:, 2 * L :]

        def push(z, context):
            return model.flow(z[None], context[None])[0][0]

        z_t = vmap(push)(z_0, context).detach()
        _, log_det = torch.linalg.slogdet(vmap(jacrev(push))(z_0, context))
        log_q = stats.norm.logpdf(z_0, mean, deviation).sum(1)
        log_q -= log_det.detach().numpy()
        log_p = stats.norm.logpdf(z_t).sum(1)
        error = ((x - model.decoder(z_t).detach()) ** 2).sum(1).numpy()
        terms = model.loss(x, noise)
        expected = (error + 1.7 * (log_q - log_p)).mean()
        assert terms.total.item() == pytest.approx(expected)
        assert terms.parts["kl"].item() == pytest.approx((log_q - log_p).mean())
        assert terms.parts["reconstruction"].item() == pytest.approx(error.mean())

    def test_codes_are_the_flow_of_the_mean_and_draws_that_of_draws(self):
        model, x, noise = module(), normal(B, D), normal(B, L, seed=2)
        q = model.posterior(x)
        torch.testing.assert_close(model.encode(x), q.sample(torch.zeros(B, L)))
        # The draws that `noise_variance_` is measured on are those of the bound.
        drawn = model.decoder(q.sample(noise))
        error, _ = model.bound_terms(x, q, noise)
        torch.testing.assert_close((x - drawn).square().sum(1), error)

    def test_cross_entropy_takes_the_place_of_the_squared_error(self):
        model = module(likelihood=BernoulliLikelihood())
        x, noise = normal(B, D).sigmoid(), normal(B, L, seed=2)
        q = model.posterior(x)
        p = model.decode(q.sample(noise))
        entropy = -(x * p.log() + (1 - x) * (1 - p).log()).sum(1)
        torch.testing.assert_close(model.bound_terms(x, q, noise)[0], entropy)


@UPDATES
def test_importance_weights_average_to_the_evidence(update):
    # E_q[p(x, z) / q(z|x)] = p(x) for any weights, if and only if the bound has the
    # density of the flow. The decoder is linear, so that p(x) is normal.
    model = module(update=update, scale=0.3)
    with torch.no_grad():
        # A posterior wider than the exact one keeps the weights' variance finite.
        model.encoder.weight.mul_(0.1)
        model.encoder.bias.copy_(torch.tensor([0.0] * L + [1.0] * L + [0.3] * L))
    x, variance, n_draws = normal(1, D), 2.0, 400_000
    with torch.no_grad():
        rows = x.expand(n_draws, -1)
        q = model.posterior(rows)
        error, kl = model.bound_terms(rows, q, normal(n_draws, L, seed=2))
    log_p_x_z = model.likelihood.log_likelihood(error, D, variance)
    weights = (log_p_x_z - kl).exp()
    w, bias = (p.detach().numpy() for p in model.decoder.parameters())
    marginal = stats.multivariate_normal(bias, w @ w.T + variance * np.eye(D))
    standard_error = weights.std() / math.sqrt(n_draws)
    expected = marginal.pdf(x.numpy()[0])
    assert standard_error < 0.005 * expected
    assert abs(weights.mean() - expected) < 4 * standard_error


class TestCorrelatedPosterior:
    """A fixed linear decoder with two columns that are nearly parallel."""

    VARIANCE = 0.1

    @pytest.fixture
    def model(self):
        first, second = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 2)))[0].T
        return np.stack([first, 0.95 * first + math.sqrt(1 - 0.95**2) * second], 1)

    @pytest.fixture
    def rows(self, model):
        rng = np.random.default_rng(1)
        x = rng.normal(size=(2000, 2)) @ model.T
        x += math.sqrt(self.VARIANCE) * rng.normal(size=x.shape)
        return x.astype(np.float32)

    def networks(self, model, n_outputs):
        decoder = nn.Linear(2, 6, bias=False)
        decoder.weight.data = torch.from_numpy(model).float()
        return nn.Linear(6, n_outputs), decoder.requires_grad_(False)

    def bound(self, estimator, x):
        """Return the bound at the true noise variance, by 20 draws of each row."""
        module = estimator._module
        rows = torch.from_numpy(x).repeat(20, 1)
        with torch.no_grad():
            q = module.posterior(rows)
            error, kl = module.bound_terms(rows, q, normal(len(rows), 2).float())
        log_p = module.likelihood.log_likelihood(error, 6, self.VARIANCE)
        return (log_p - kl).mean().item()

    @pytest.mark.slow
    def test_the_flow_closes_the_gap_that_independent_axes_leave(self, model, rows):
        settings = {
            "beta": 2 * self.VARIANCE,
            "max_iter": 40,
            "learning_rate": 0.02,
            "random_state": 0,
        }
        covariance = model @ model.T + self.VARIANCE * np.eye(6)
        exact = stats.multivariate_normal(np.zeros(6), covariance).logpdf(rows).mean()
        # The best independent axes have the diagonal of the posterior's precision.
        precision = np.eye(2) + model.T @ model / self.VARIANCE
        gap = 0.5 * np.log(np.diag(precision).prod() / np.linalg.det(precision))
        assert gap == pytest.approx(0.685, abs=1e-3)

        vae = BetaVAE(2, architecture=self.networks(model, 4), **settings).fit(rows)
        assert exact - self.bound(vae, rows) == pytest.approx(gap, abs=0.05)
        for n_outputs, own in (
            (6, {"flow_layer_sizes": 8}),
            (4, {"flow_layer_sizes": 8, "context": False, "n_flow_steps": 1}),
            (6, {"flow_layer_sizes": (), "flow_update": "exponential"}),
        ):
            networks = self.networks(model, n_outputs)
            flow = FlowVAE(2, architecture=networks, **settings, **own).fit(rows)
            # Nine tenths of it are gone; a bound it remains. Near the exact posterior
            # every draw gives log p(x), so that 16 are enough for `score`.
            assert -0.02 < exact - self.bound(flow, rows) < 0.1 * gap, own
            assert -0.02 < exact - flow.score(rows) < 0.1 * gap, own

        # The draws have the exact posterior's covariance, with its correlation.
        x = torch.from_numpy(rows[:1]).expand(20_000, -1)
        with torch.no_grad():
            z = flow._module.posterior(x).sample(normal(20_000, 2).float()).numpy()
        expected = np.linalg.inv(precision)
        np.testing.assert_allclose(np.cov(z.T), expected, atol=0.15 * expected.max())
        assert np.corrcoef(z.T)[0, 1] == pytest.approx(-9.5 / 11, abs=0.05)


def test_one_component_is_probabilistic_pca():
    # With one axis the flow is affine, and the exact posterior is within reach.
    rng = np.random.default_rng(0)
    x = 2.0 * rng.standard_normal((2000, 1)) * np.array([[0.6, 0.0, 0.8, 0.0]])
    x = (x + 0.5 * rng.standard_normal(x.shape)).astype(np.float32)
    model = FlowVAE(
        1,
        beta=0.5,
        hidden_layer_sizes=(),
        learning_rate=0.01,
        max_iter=60,
        random_state=0,
    ).fit(x)
    assert model.score(x) == pytest.approx(PCA(1).fit(x).score(x), abs=0.05)


def test_digits_by_default():
    x = load_digits().data / 16
    model = FlowVAE(max_iter=30, random_state=0).fit(x)
    error = np.square(model.reconstruct(x) - x).mean()
    # At the end of training, ten times as long, it is 0.22.
    assert error < 0.5 * x.var(0).mean()
    # Samples of N(0, I) have the scale of the data: the prior is where the codes are.
    spread = model.sample(2000, random_state=0).var(0).mean()
    assert 0.25 < spread / x.var(0).mean() < 1.1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"beta": -1.0}, "beta"),
        ({"n_flow_steps": 0}, "n_flow_steps"),
        ({"flow_layer_sizes": (8, 0)}, "flow_layer_sizes must hold integers >= 1"),
        ({"flow_layer_sizes": (8.5,)}, "flow_layer_sizes must hold integers >= 1"),
        ({"flow_update": "affine"}, "flow_update"),
        ({"context": "yes"}, "context"),
        (
            {"context": False, "architecture": (nn.Linear(12, 6), nn.Linear(2, 12))},
            r"encoder must turn shape \(n, 12\) into \(n, 4\)",
        ),
    ],
    ids=str,
)
def test_bad_parameters_are_refused_by_name(params, message, low_rank):
    with pytest.raises(ValueError, match=message):
        FlowVAE(2, **params).fit(low_rank)


def test_the_deviation_of_codes_goes_through_the_flow():
    """A fresh flow multiplies by its gate, so that the deviation is known exactly."""
    torch.manual_seed(0)
    flow = InverseAutoregressiveFlow(
        L, 0, n_steps=2, hidden_layer_sizes=[6], update="gated"
    )
    encoder, decoder = nn.Linear(D, 2 * L), nn.Linear(L, D)
    networks = Networks(encoder, decoder, GaussianLikelihood(), L, D)
    model = FlowVAEModule(networks, beta=1.0, flow=flow)
    x = normal(B, D).float()
    expected = torch.sigmoid(torch.tensor(2.0)) ** 2 * (encoder(x)[:, L:] / 2).exp()
    torch.testing.assert_close(model.code_std(x), expected)
