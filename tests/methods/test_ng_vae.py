"""NGVAE against closed forms, scipy, Monte Carlo, and its own three gradients."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from sklearn_ardvae import NGVAE
from sklearn_ardvae.methods.ng_vae import (
    INFORMATIVE,
    PRIOR,
    UNINFORMATIVE,
    NGVAEModule,
)
from sklearn_ardvae.nn.gamma import draw_gamma, gamma_kl, standardised_log_gamma
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.module import Networks


def module(
    *,
    slope=20.0,
    normalize=True,
    gradient="marginal",
    active_rule="relevance",
    n=1,
    beta=0.5,
):
    return NGVAEModule(
        Networks(nn.Linear(2, 2 * n), nn.Linear(n, 2), GaussianLikelihood(), n, 2),
        beta=beta,
        slope=slope,
        normalize_regime=normalize,
        initial_p=0.2,
        gradient=gradient,
        active_rule=active_rule,
        variance_threshold=0.3,
    )


def posterior(p, mean=None, **settings):
    """The posterior of a module with these settings, at another p and mean."""
    q = module(**settings).posterior(torch.zeros(1, 2))
    return replace(q, p=p, mean=torch.zeros_like(p) if mean is None else mean)


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


class TestRegime:
    def test_stretched_it_reaches_both_ends(self):
        shape, rate = posterior(double(0.0, 1.0)).regime()
        np.testing.assert_allclose(shape, [INFORMATIVE[0], UNINFORMATIVE[0]])
        np.testing.assert_allclose(rate, [INFORMATIVE[1], UNINFORMATIVE[1]])

    def test_as_printed_it_is_the_plain_logistic(self):
        q = posterior(double(0.3), slope=10.0, normalize=False)
        shape, rate = q.regime()
        share = 1 / (1 + math.exp(2.0))
        assert shape.item() == pytest.approx(3.65 + 898.35 * share)
        assert rate.item() == pytest.approx(0.24 + 810.66 * share)

    def test_expected_variances_of_the_paper(self):
        variances = posterior(double(0.0, 1.0)).expected_variance()
        np.testing.assert_allclose(variances, [0.0905660, 0.9], atol=1e-6)
        for (shape, rate), variance in zip(
            (INFORMATIVE, UNINFORMATIVE), variances, strict=True
        ):
            exact = stats.invgamma(shape, scale=rate).mean()
            assert variance.item() == pytest.approx(exact)

    @pytest.mark.parametrize(
        ("slope", "p", "kl", "variance"),
        [(20.0, 0.2162, 0.013399, 0.5239), (50.0, 0.3862, 0.0134, 0.524)],
    )
    def test_the_kl_is_least_inside(self, slope, p, kl, variance):
        grid = torch.linspace(0.001, 0.999, 99_801, dtype=torch.float64)
        q = posterior(grid, slope=slope)
        found = gamma_kl(*q.regime(), *PRIOR)
        best = found.argmin()
        assert grid[best].item() == pytest.approx(p, abs=1e-3)
        assert found[best].item() == pytest.approx(kl, abs=1e-4)
        assert q.expected_variance()[best].item() == pytest.approx(variance, abs=1e-3)

    def test_no_signal_to_noise_ratio_favours_the_informative_regime(self):
        # Why the paper's rule counts nothing once training has converged.
        q = posterior(torch.linspace(1e-4, 1 - 1e-4, 2001, dtype=torch.float64))
        shape, rate = q.regime()
        variance = q.expected_variance()
        for ratio in np.logspace(-2, 4, 25):
            price = gamma_kl(shape, rate, *PRIOR) + 0.5 * shape / rate * variance * (
                ratio
            )
            assert variance[price.argmin()] > 0.5


class TestKL:
    @pytest.mark.parametrize(
        ("posterior", "expected"), [(INFORMATIVE, 31.3831), (UNINFORMATIVE, 3.55584)]
    )
    def test_fixtures_and_quadrature(self, posterior, expected):
        ours = gamma_kl(*(double(v)[0] for v in posterior), *PRIOR).item()
        assert ours == pytest.approx(expected, abs=1e-4)
        q = stats.gamma(posterior[0], scale=1 / posterior[1])
        p = stats.gamma(PRIOR[0], scale=1 / PRIOR[1])
        integral, _ = integrate.quad(
            lambda v: q.pdf(v) * (q.logpdf(v) - p.logpdf(v)),
            *q.ppf([1e-13, 1 - 1e-13]),
            limit=200,
        )
        assert ours == pytest.approx(integral, rel=1e-6)

    def test_of_the_joint_it_is_the_monte_carlo_mean(self):
        ours = posterior(torch.tensor([[0.15]]), torch.tensor([[0.7]]))
        shape, rate = (value.item() for value in ours.double().regime())
        rng = np.random.default_rng(0)
        precision = rng.gamma(shape, 1 / rate, 400_000)
        z = 0.7 + rng.standard_normal(400_000) / np.sqrt(precision)
        q = stats.norm.logpdf(z, 0.7, precision**-0.5) + stats.gamma.logpdf(
            precision, shape, scale=1 / rate
        )
        prior = stats.norm.logpdf(z, 0.0, precision**-0.5) + stats.gamma.logpdf(
            precision, PRIOR[0], scale=1 / PRIOR[1]
        )
        standard_error = (q - prior).std() / math.sqrt(400_000)
        assert abs(ours.kl().item() - (q - prior).mean()) < 4 * standard_error

    def test_it_is_a_sum_over_axes_and_exact_in_float32(self):
        mean, p = torch.tensor([[0.3, -1.0]]), torch.tensor([[0.9, 0.99]])
        found = posterior(p, mean, n=2).kl()
        expected = 0.0
        for m, one in zip(mean[0].double(), p[0].double(), strict=True):
            shape, rate = posterior(one).regime()
            expected += gamma_kl(shape, rate, *PRIOR) + 0.5 * shape / rate * m**2
        assert found.dtype == torch.float32
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)

    def test_the_loss_is_the_squared_error_plus_beta_kl(self):
        model, x = module(beta=0.5), torch.randn(5, 2)
        noise = model.draw_noise(5, torch.Generator().manual_seed(0))
        terms = model.loss(x, noise)
        q = model.posterior(x)
        z = q.sample(noise)
        error = (model.decoder(z) - x).square().sum(1).mean()
        kl = q.kl().mean()
        torch.testing.assert_close(terms.total, error + 0.5 * kl)


class TestDraws:
    @pytest.mark.parametrize("p", [0.0, 0.2, 0.45, 1.0])
    def test_codes_are_students_t(self, p):
        noise = module().draw_noise(40_000, torch.Generator().manual_seed(1)).double()
        p = torch.full((40_000, 1), p).double()
        q = posterior(p, torch.full_like(p, 0.5))
        z = q.sample(noise)[:, 0].numpy()
        shape, rate = (value[0, 0].item() for value in q.regime())
        t = stats.t(2 * shape, 0.5, math.sqrt(rate / shape))
        assert stats.kstest(z, t.cdf).pvalue > 1e-3

    @pytest.mark.parametrize("shape", [3.65, 8.25, 902.0])
    def test_precisions_are_gamma(self, shape):
        generator = torch.Generator().manual_seed(2)
        size = (8, 40_000)
        drawn = draw_gamma(
            torch.full(size[1:], shape, dtype=torch.float64),
            torch.randn(size, generator=generator, dtype=torch.float64),
            torch.rand(size, generator=generator, dtype=torch.float64),
        )
        assert stats.kstest(drawn.numpy(), stats.gamma(shape).cdf).pvalue > 1e-3

    def test_the_prior_is_students_t(self):
        z = module(n=2).draw_prior(20_000, torch.Generator().manual_seed(0))
        t = stats.t(2 * PRIOR[0], scale=math.sqrt(PRIOR[1] / PRIOR[0]))
        assert stats.kstest(z[:, 0].numpy(), t.cdf).pvalue > 1e-3

    def test_the_score_density_is_that_of_the_standardised_logarithm(self):
        shape = double(4.0)[:, None]
        scale = math.sqrt(torch.polygamma(1, shape).item())
        centre = torch.digamma(shape).item()

        def density(e):
            gamma = torch.tensor([[math.exp(e * scale + centre)]], dtype=torch.float64)
            return standardised_log_gamma(shape, gamma)[1].exp().item()

        assert integrate.quad(density, -12, 6)[0] == pytest.approx(1.0, abs=1e-6)


class TestGradients:
    @pytest.mark.parametrize("gradient", ["marginal", "pathwise", "score"])
    def test_they_are_unbiased(self, gradient):
        # Of a linear decoder w z the expected error is known:
        # E |x - w z|^2 = |x - w mu|^2 + |w|^2 B / (A - 1).
        torch.manual_seed(0)
        model = module(gradient=gradient).double()
        n = 20_000
        x = torch.tensor([[0.4, -0.3]], dtype=torch.float64).expand(n, 2)
        phase = model.phases()[0]
        draws = []
        for seed in range(12):
            generator = torch.Generator().manual_seed(seed)
            noise = phase.draw_noise(n, generator)
            terms = phase.loss(x, noise)
            grads = torch.autograd.grad(terms.total, list(model.parameters()))
            draws.append(torch.cat([g.flatten() for g in grads]))
        draws = torch.stack(draws)

        q = model.posterior(x[:1])
        w, b = model.decoder.weight, model.decoder.bias
        error = (x[:1] - b - q.mean * w.T).square().sum()
        error = error + w.square().sum() * q.expected_variance().sum()
        exact = error + 0.5 * q.kl().sum()
        exact = torch.autograd.grad(exact, list(model.parameters()))
        exact = torch.cat([g.flatten() for g in exact])
        standard_error = draws.std(0) / math.sqrt(len(draws))
        deviation = (draws.mean(0) - exact).abs()
        # Student's t with 11 degrees: 5 standard errors are 1 in 2000, and fixed.
        assert torch.all(deviation < 5 * standard_error + 1e-9)
        # And the test is sharp: errors are small beside the gradients.
        assert standard_error.max() < 0.05 * exact.abs().max()

    def test_the_marginal_one_is_that_of_finite_differences(self):
        model = module(n=2).double()
        noise = torch.randn(4, 4, generator=torch.Generator().manual_seed(0)).double()
        x = torch.randn(4, 2, generator=torch.Generator().manual_seed(1)).double()
        assert torch.autograd.gradcheck(
            lambda x: model.loss(x, noise).total, x.requires_grad_()
        )


class TestEstimator:
    FAST = {"hidden_layer_sizes": (16,), "max_iter": 15, "random_state": 0}

    @pytest.mark.parametrize("gradient", ["marginal", "pathwise", "score"])
    def test_every_gradient_learns(self, low_rank, gradient):
        model = NGVAE(4, 0.05, gradient=gradient, **self.FAST).fit(low_rank)
        assert model.noise_variance_ < 0.3 * low_rank.var()
        again = NGVAE(4, 0.05, gradient=gradient, **self.FAST).fit(low_rank)
        assert model.history_ == again.history_

    def test_the_rule_of_the_variance(self, low_rank):
        model = NGVAE(4, active_rule="variance", variance_threshold=10.0, **self.FAST)
        model.fit(low_rank)
        assert model.n_active_components_ == 4
        assert np.all(np.diff(model.relevance_[model.active_components_]) <= 0)
        middle = np.sort(model.expected_variance_)[1:3].mean()
        model.set_params(variance_threshold=middle).fit(low_rank)
        small = np.flatnonzero(model.expected_variance_ < middle)
        assert set(model.active_components_) == set(small)
        assert len(small) == 2

    def test_fitted_variances_are_means_over_the_rows(self, low_rank):
        model = NGVAE(3, **self.FAST).fit(low_rank)
        with torch.no_grad():
            q = model._module.posterior(torch.from_numpy(low_rank))
            variance = q.double().expected_variance().mean(0)
        np.testing.assert_allclose(model.expected_variance_, variance, rtol=1e-4)
        np.testing.assert_allclose(
            model.uninformative_probability_, q.p.mean(0), rtol=1e-4
        )

    def test_converged_variances_stay_near_that_of_the_least_kl(self, low_rank):
        model = NGVAE(4, 0.05, hidden_layer_sizes=(16,), max_iter=50, random_state=0)
        model.fit(low_rank)
        assert model.noise_variance_ < 0.1 * low_rank.var()
        assert np.all(model.expected_variance_ > 0.4)

    @pytest.mark.parametrize(
        ("params", "name"),
        [
            ({"beta": -1.0}, "beta"),
            ({"slope": 0.0}, "slope"),
            ({"initial_p": 1.0}, "initial_p"),
            ({"gradient": "reinforce"}, "gradient"),
            ({"active_rule": "p"}, "active_rule"),
            ({"variance_threshold": 0.0}, "variance_threshold"),
        ],
    )
    def test_bad_parameters_are_named(self, low_rank, params, name):
        with pytest.raises(ValueError, match=f"'{name}' parameter of NGVAE"):
            NGVAE(**params).fit(low_rank)
