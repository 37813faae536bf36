"""FactorVAE and AAE: their losses against numpy, and games whose solution is known."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_digits
from torch import nn

from sklearn_ardvae import AAE, FactorVAE, MaskAAE
from sklearn_ardvae.methods.aae import AAEModule
from sklearn_ardvae.methods.factor_vae import FactorVAEModule, permute_columns
from sklearn_ardvae.nn.critics import make_critic
from sklearn_ardvae.nn.likelihoods import BernoulliLikelihood, GaussianLikelihood
from sklearn_ardvae.nn.module import Networks

D, L, B = 5, 3, 7


def factor_vae(critic=None, encoder=None, likelihood=None, **changes):
    torch.manual_seed(0)
    settings = {"gamma": 6.0, "critic_rate": 0.1} | changes
    return FactorVAEModule(
        Networks(
            encoder or nn.Linear(D, 2 * L),
            nn.Linear(L, D),
            likelihood or GaussianLikelihood(),
            L,
            D,
        ),
        beta=0.3,
        critic=critic or make_critic(L, (6,)),
        **settings,
    ).double()


def aae(gaussian=False, likelihood=None, **changes):
    torch.manual_seed(0)
    settings = {"adversarial_weight": 0.2, "critic_rate": 0.1} | changes
    return AAEModule(
        Networks(
            nn.Linear(D, 2 * L if gaussian else L),
            nn.Linear(L, D),
            likelihood or GaussianLikelihood(),
            L,
            D,
        ),
        critic=make_critic(L, (6,)),
        gaussian=gaussian,
        **settings,
    ).double()


def normal(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.fixture
def rows():
    return normal(B, D, seed=1)


@pytest.fixture
def noise():
    return normal(B, L, seed=2)


def linear(layer, values):
    return values @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def logit(critic, z):
    """A perceptron with one hidden layer of ReLU, in numpy, shape (n_rows,)."""
    return linear(critic[2], np.maximum(linear(critic[0], z), 0.0))[:, 0]


def posterior_draw(encoder, x, noise):
    mean, log_variance = np.split(linear(encoder, x.numpy()), 2, axis=1)
    return mean, log_variance, mean + np.exp(log_variance / 2) * noise.numpy()


def is_their_slope(module, phase, x, noise):
    """Compare the gradient of a phase with finite differences, for each parameter."""
    step = 1e-6
    parameters = list(phase.parameters)
    found = torch.autograd.grad(phase.loss(x, noise).total, parameters)
    for parameter, gradient in zip(parameters, found, strict=True):
        values = parameter.data.view(-1)
        for i in range(len(values)):
            sides = []
            for sign in (1, -1):
                values[i] += sign * step
                sides.append(phase.loss(x, noise).total.item())
                values[i] -= sign * step
            slope = (sides[0] - sides[1]) / (2 * step)
            assert gradient.view(-1)[i].item() == pytest.approx(slope, abs=1e-6)


def doubled(noise):
    """Draws of float32 as float64, in whatever they are packed."""
    if isinstance(noise, tuple):
        return tuple(doubled(value) for value in noise)
    return None if noise is None else noise.double()


def moved_by(module, phase, x, noise, optimizer):
    """Return the parts of the module that one update of the phase changes."""
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    phase.loss(x, noise).total.backward(inputs=list(phase.parameters))
    optimizer(phase.parameters).step()
    return {
        name.partition(".")[0]
        for name, p in module.named_parameters()
        if not torch.equal(p, before[name])
    }


class TestPermutation:
    def test_columns_keep_their_values(self):
        z, share = normal(50, 4, seed=0), torch.rand(50, 4)
        permuted = permute_columns(z, share)
        assert torch.equal(permuted.sort(0).values, z.sort(0).values)
        orders = {tuple(column.tolist()) for column in share.argsort(0).T}
        assert len(orders) == 4

    def test_dependence_is_gone(self):
        first = normal(20_000, 1, seed=0)
        z = torch.cat((first, first, first.square()), dim=1)
        generator = torch.Generator().manual_seed(1)
        permuted = permute_columns(z, torch.rand(z.shape, generator=generator)).numpy()
        # Correlations of independent columns have a deviation of 1 / sqrt(20 000).
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert abs(np.corrcoef(permuted[:, a], permuted[:, b])[0, 1]) < 4 / 141
            squares = permuted[:, a] ** 2, permuted[:, b]
            assert abs(np.corrcoef(*squares)[0, 1]) < 4 / 141


class TestFactorVAE:
    @pytest.mark.parametrize("likelihood", [GaussianLikelihood, BernoulliLikelihood])
    def test_the_loss_is_the_formula(self, rows, noise, likelihood):
        if likelihood is BernoulliLikelihood:
            rows = rows.sigmoid()
        model, x = factor_vae(likelihood=likelihood()), rows.numpy()
        mean, log_variance, z = posterior_draw(model.encoder, rows, noise)
        output = linear(model.decoder, z)
        if likelihood is BernoulliLikelihood:
            p = 1 / (1 + np.exp(-output))
            losses = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)
        else:
            losses = ((output - x) ** 2).sum(1)
        kl = 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).sum(1)
        tc = logit(model.critic, z).mean()
        expected = losses.mean() + 0.3 * (kl.mean() + 6.0 * tc)
        terms = model.loss(rows, noise)
        assert terms.total.item() == pytest.approx(expected)
        assert terms.parts["total_correlation"].item() == pytest.approx(tc)

    def test_the_critic_has_no_part_in_what_training_stops_by(self, rows, noise):
        model = factor_vae().eval()
        before = model.loss(rows, noise)
        for parameter in model.critic.parameters():
            parameter.data += 1.0
        after = model.loss(rows, noise)
        reconstruction, kl, before_tc = before.parts.values()
        torch.testing.assert_close(before.total, reconstruction + 0.3 * kl)
        torch.testing.assert_close(after.total, before.total)
        assert after.parts["total_correlation"] != before_tc

    def test_the_critics_loss_is_the_papers_with_two_logits(self, rows, noise):
        """Half the softmax cross entropies of codes and permuted codes."""
        model = factor_vae()
        share = torch.rand(B, L, generator=torch.Generator().manual_seed(3))
        _, _, z = posterior_draw(model.encoder, rows, noise)
        order = np.argsort(share.numpy(), axis=0)
        permuted = np.take_along_axis(z, order, axis=0)
        total = 0.0
        for codes, label in ((z, 0), (permuted, 1)):
            h = logit(model.critic, codes)
            # Any two logits with the difference h, here shifted by 1.7.
            logits = np.stack([h + 1.7, np.full(B, 1.7)], axis=1)
            log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            total -= 0.5 * log_p[:, label].mean()
        found = model.critic_loss(rows, (noise, share)).total.item()
        assert found == pytest.approx(total)

    @pytest.mark.parametrize("index", [0, 1])
    def test_gradients_are_those_of_finite_differences(self, rows, index):
        model = factor_vae()
        phase = model.phases()[index]
        noise = phase.draw_noise(B, torch.Generator().manual_seed(0))
        is_their_slope(model, phase, rows, doubled(noise))

    def test_phases_move_only_their_own_parameters(self, rows):
        model = factor_vae()
        vae, critic = model.phases()
        assert critic.fresh_batch
        assert not vae.fresh_batch
        assert (vae.name, vae.learning_rate_factor) == ("vae", 1.0)
        assert (critic.name, critic.learning_rate_factor) == ("critic", 0.1)
        moved = []
        for phase in (vae, critic):
            noise = phase.draw_noise(B, torch.Generator().manual_seed(0))
            moved.append(moved_by(model, phase, rows, doubled(noise), torch.optim.Adam))
        assert moved == [{"encoder", "decoder"}, {"critic"}]

    def test_gamma_0_is_a_beta_vae(self, rows, noise):
        """Neither the loss nor the fit then depends on the critic."""
        terms = factor_vae(gamma=0.0).loss(rows, noise)
        parts = terms.parts
        expected = parts["reconstruction"] + 0.3 * parts["kl"]
        torch.testing.assert_close(terms.total, expected)


class Given(nn.Module):
    """An encoder whose posterior is the row itself, with a spread of 4e-5."""

    def forward(self, x):
        return torch.cat((x, torch.full_like(x, -20.0)), dim=1)


class BestCritic(nn.Module):
    """The log of the joint density over those of the axes, of a centred Gaussian."""

    def __init__(self, covariance):
        super().__init__()
        zero, scale = torch.zeros(len(covariance)), covariance.diagonal().sqrt()
        self.joint = torch.distributions.MultivariateNormal(zero, covariance)
        self.single = torch.distributions.Normal(zero, scale)

    def forward(self, z):
        ratio = self.joint.log_prob(z) - self.single.log_prob(z).sum(1)
        return ratio[:, None]


class TestDensityRatio:
    """The critic alone, trained on codes whose total correlation is known."""

    def trained(self, draw, n_steps=300, n_rows=1000):
        model = factor_vae(make_critic(L, (64, 64), nn.SiLU), Given()).float()
        _, phase = model.phases()
        optimizer = torch.optim.Adam(phase.parameters, lr=5e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
        generator = torch.Generator().manual_seed(0)
        for _ in range(n_steps):
            noise = phase.draw_noise(n_rows, generator)
            optimizer.zero_grad()
            phase.loss(draw(n_rows, generator), noise).total.backward()
            optimizer.step()
            schedule.step()
        x, noise = draw(50_000, generator), phase.draw_noise(50_000, generator)
        with torch.no_grad():
            tc = model.critic(x).mean().item()
            return model, tc, phase.loss(x, noise).total.item()

    def test_it_is_the_total_correlation_of_a_gaussian(self):
        correlation = np.array([[1, 0.7, 0.4], [0.7, 1, 0.1], [0.4, 0.1, 1]])
        root = torch.from_numpy(np.linalg.cholesky(correlation)).float()

        def draw(n_rows, generator):
            return torch.randn((n_rows, 3), generator=generator) @ root.T

        _, tc, loss = self.trained(draw)
        exact = -0.5 * np.linalg.slogdet(correlation)[1]
        # The integrand's deviation of about 1 makes 0.005 over 50 000 rows; what
        # 300 steps leave to learn is larger, and the tails are learned last.
        assert tc == pytest.approx(exact, rel=0.1)
        # The least loss, from draws of the exact log density ratio.
        rng = np.random.default_rng(0)
        joint = rng.multivariate_normal(np.zeros(3), correlation, 400_000)
        single = rng.standard_normal((400_000, 3))
        normal = stats.multivariate_normal(cov=correlation)
        h, h_permuted = (
            normal.logpdf(z) - stats.norm.logpdf(z).sum(1) for z in (joint, single)
        )
        least = np.logaddexp(0, -h).mean() + np.logaddexp(0, h_permuted).mean()
        assert loss == pytest.approx(0.5 * least, abs=0.01)

    def test_its_slope_is_that_of_the_total_correlation(self):
        """What moves the encoder, with the best discriminator in its place.

        Codes A x of normal x have the correlations of A A'. The densities in the
        discriminator stay as they are while A moves, which leaves no term out: scores
        have mean 0.
        """
        a = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.8, 0.0], [0.2, -0.5, 0.7]])
        a = a.double().requires_grad_()

        def total_correlation(a):
            covariance = a @ a.T
            return 0.5 * (covariance.diagonal().log().sum() - covariance.logdet())

        exact = total_correlation(a)
        (slope,) = torch.autograd.grad(exact, a)

        encoder = nn.Linear(3, 6, bias=False).double()
        encoder.weight.data.zero_()
        encoder.weight.data[:3] = a.detach()
        model = factor_vae(BestCritic((a @ a.T).detach()), encoder)
        model.decoder = nn.Linear(3, 3).double()
        x = normal(200_000, 3, seed=0)
        tc = model.loss(x, torch.zeros_like(x)).parts["total_correlation"]
        (found,) = torch.autograd.grad(tc, encoder.weight)
        # Integrands of deviation below 5, over 200 000 rows: 0.011.
        assert tc.item() == pytest.approx(exact.item(), abs=0.02)
        torch.testing.assert_close(found[:3], slope, atol=0.05, rtol=0)
        assert slope.abs().max() > 0.5

    def test_independent_axes_have_none(self):
        scale = torch.tensor([0.5, 1.0, 2.0])

        def draw(n_rows, generator):
            return scale * torch.randn((n_rows, 3), generator=generator)

        _, tc, loss = self.trained(draw, n_steps=100)
        assert tc == pytest.approx(0.0, abs=0.03)
        assert loss == pytest.approx(math.log(2), abs=0.01)


@pytest.mark.parametrize("gaussian", [False, True])
class TestAAE:
    def draw(self, model, gaussian, rows, noise):
        """Return the module's noise and the codes it makes, as numpy."""
        if gaussian:
            return noise, posterior_draw(model.encoder, rows, noise)[2]
        return None, linear(model.encoder, rows.numpy())

    def test_the_losses_are_the_formulas(self, rows, noise, gaussian):
        model = aae(gaussian)
        draw, z = self.draw(model, gaussian, rows, noise)
        error = ((linear(model.decoder, z) - rows.numpy()) ** 2).sum(1).mean()
        assert model.loss(rows, draw).total.item() == pytest.approx(error)
        prior = normal(B, L, seed=5)
        real = 1 / (1 + np.exp(-logit(model.critic, prior.numpy())))
        fake = 1 / (1 + np.exp(-logit(model.critic, z)))
        found = model.critic_loss(rows, (prior, draw)).total.item()
        assert found == pytest.approx(-np.log(real).mean() - np.log(1 - fake).mean())
        found = model.generator_loss(rows, draw).total.item()
        assert found == pytest.approx(-np.log(fake).mean())

    def test_phases_move_only_their_own_parameters(self, rows, noise, gaussian):
        model = aae(gaussian)
        phases = model.phases()
        assert [p.name for p in phases] == ["autoencoder", "critic", "generator"]
        assert [p.learning_rate_factor for p in phases] == [1.0, 0.1, 0.2]
        assert not any(phase.fresh_batch for phase in phases)
        moved = []
        for phase in phases:
            draw = doubled(phase.draw_noise(B, torch.Generator().manual_seed(0)))
            moved.append(moved_by(model, phase, rows, draw, torch.optim.Adam))
        assert moved == [{"encoder", "decoder"}, {"critic"}, {"encoder"}]

    @pytest.mark.parametrize("index", [0, 1, 2])
    def test_gradients_are_those_of_finite_differences(
        self, rows, noise, gaussian, index
    ):
        model = aae(gaussian)
        phase = model.phases()[index]
        draw = doubled(phase.draw_noise(B, torch.Generator().manual_seed(0)))
        is_their_slope(model, phase, rows, draw)

    def test_codes_are_the_means(self, rows, noise, gaussian):
        model = aae(gaussian)
        expected = linear(model.encoder, rows.numpy())[:, :L]
        np.testing.assert_allclose(model.encode(rows).detach().numpy(), expected)

    def test_deviations_are_those_of_the_draws(self, rows, noise, gaussian):
        """Two opposite draws of noise 1 are two deviations apart."""
        model = aae(gaussian)
        ones = torch.ones_like(model.encode(rows))
        apart = model.draw_code(rows, ones) - model.draw_code(rows, -ones)
        torch.testing.assert_close(model.code_std(rows), apart / 2)


@pytest.fixture(scope="module")
def manifold():
    """Rows (1500, 8) of a smooth image of the plane with normal coordinates."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((1500, 2))
    x = np.tanh(z @ rng.normal(0, 0.5, (2, 8))) + 0.5 * z @ rng.normal(0, 0.5, (2, 8))
    return (x / x.std()).astype(np.float32)


class TestEstimators:
    FAST = {"hidden_layer_sizes": (32,), "batch_size": 100, "random_state": 0}

    @pytest.mark.parametrize("posterior", ["deterministic", "gaussian"])
    def test_aae_presses_codes_towards_the_prior(self, manifold, posterior):
        def fit(weight, max_iter):
            return AAE(
                2,
                weight,
                posterior=posterior,
                critic_layer_sizes=(64, 64),
                critic_learning_rate=4e-3,
                max_iter=max_iter,
                **self.FAST,
            ).fit(manifold)

        model = fit(0.5, 60)
        codes = model.transform(manifold)
        # Second moments of 1500 normal numbers have a deviation of 0.04; a game that
        # goes round its equilibrium adds more.
        assert np.abs(codes.mean(0)).max() < 0.15
        assert np.abs(np.cov(codes.T) - np.eye(2)).max() < 0.25
        distance = max(stats.kstest(column, "norm").statistic for column in codes.T)
        assert distance < 0.1
        # Without the discriminator the codes are anything.
        codes = fit(0.0, 5).transform(manifold)
        assert np.abs(np.cov(codes.T) - np.eye(2)).max() > 0.5
        # Draws of the prior then have the moments of the data.
        drawn = model.sample(1500, 0)
        deviation = manifold.std(0)
        assert np.all(np.abs(drawn.mean(0) - manifold.mean(0)) < 0.2 * deviation)
        np.testing.assert_allclose(drawn.std(0), deviation, rtol=0.2)
        error = np.square(model.reconstruct(manifold) - manifold).mean()
        assert error < 0.1 * manifold.var(0).mean()

    @pytest.mark.parametrize(
        "model",
        [
            AAE(10, critic_layer_sizes=(100, 100), max_iter=6),
            FactorVAE(10, critic_layer_sizes=(100, 100), max_iter=12),
        ],
        ids=lambda model: type(model).__name__,
    )
    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_digits_are_reconstructed_better_than_by_their_mean(self, model):
        x = (load_digits().data / 16).astype(np.float32)
        model.set_params(random_state=0).fit(x[:1500])
        error = np.square(model.reconstruct(x[1500:]) - x[1500:]).mean()
        assert error < 0.6 * np.square(x[:1500].mean(0) - x[1500:]).mean()
        assert np.isfinite(list(model.history_.values())).all()

    @pytest.mark.parametrize("cls", [FactorVAE, AAE])
    def test_the_critic_has_layers_and_a_rate_of_its_own(self, cls, low_rank):
        model = cls(
            2,
            critic_layer_sizes=(5, 7),
            critic_learning_rate=2e-4,
            learning_rate=1e-2,
            max_iter=1,
            **self.FAST,
        ).fit(low_rank)
        widths = [p.shape for p in model._module.critic.parameters()]
        assert widths[::2] == [(5, 2), (7, 5), (1, 7)]
        phases = {phase.name: phase for phase in model._module.phases()}
        assert phases["critic"].learning_rate_factor == pytest.approx(0.02)

    @pytest.mark.parametrize(
        ("cls", "params", "name"),
        [
            (FactorVAE, {"gamma": -1.0}, "gamma"),
            (FactorVAE, {"beta": -1.0}, "beta"),
            (FactorVAE, {"critic_layer_sizes": 0}, "critic_layer_sizes"),
            (FactorVAE, {"critic_learning_rate": 0.0}, "critic_learning_rate"),
            (AAE, {"adversarial_weight": -1.0}, "adversarial_weight"),
            (AAE, {"posterior": "student"}, "posterior"),
            (AAE, {"critic_layer_sizes": 0}, "critic_layer_sizes"),
            (AAE, {"critic_learning_rate": 0.0}, "critic_learning_rate"),
        ],
    )
    def test_bad_parameters_are_named(self, low_rank, cls, params, name):
        with pytest.raises(ValueError, match=f"'{name}' parameter of {cls.__name__}"):
            cls(**params).fit(low_rank)

    @pytest.mark.parametrize("cls", [FactorVAE, AAE, MaskAAE])
    def test_a_bad_layer_of_the_critic_is_named(self, low_rank, cls):
        with pytest.raises(ValueError, match=r"critic_layer_sizes must hold integers"):
            cls(critic_layer_sizes=(8, 0)).fit(low_rank)
