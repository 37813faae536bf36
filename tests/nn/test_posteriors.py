"""Posteriors against torch's distributions, and antithetic noise."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sklearn_ardvae.nn.posteriors import (
    LOG_VARIANCE_RANGE,
    GaussianPosterior,
    antithetic,
)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


class TestAntithetic:
    @pytest.mark.parametrize("n", [1, 2, 8])
    def test_the_first_two_moments_are_exact(self, n):
        draws = antithetic(normal(n, 5))
        assert [draw.shape for draw in draws] == [(1, 5)] * (2 * n)
        stacked = torch.cat(draws)
        # Up to rounding, though 2 n is few.
        zeros, ones = (torch.full((5,), v, dtype=torch.float64) for v in (0.0, 1.0))
        torch.testing.assert_close(stacked.mean(0), zeros, atol=1e-15, rtol=0)
        torch.testing.assert_close(stacked.square().mean(0), ones, rtol=1e-14, atol=0)

    def test_each_draw_has_its_mirror_image(self):
        draws = torch.cat(antithetic(normal(4, 3)))
        assert torch.equal(draws[:4], -draws[4:])

    def test_only_the_scale_of_the_noise_is_changed(self):
        noise = normal(4, 3)
        ratio = torch.cat(antithetic(noise))[:4] / noise
        torch.testing.assert_close(ratio, ratio[:1].expand(4, 3))

    def test_a_spread_adds_its_variance_to_a_squared_error(self):
        # Of z = mu + s e the mean of |a - z|^2 is |a - mu|^2 + s^2, without error.
        a, mu, s = normal(3, 5, seed=1)
        errors = [(a - mu - s * e[0]).square() for e in antithetic(normal(2, 5))]
        expected = (a - mu).square() + s.square()
        torch.testing.assert_close(torch.stack(errors).mean(0), expected)


class TestGaussianPosterior:
    @pytest.fixture
    def q(self):
        return GaussianPosterior(normal(6, 3), normal(6, 3, seed=1))

    def test_draws_are_the_mean_and_deviations_of_noise(self, q):
        noise = normal(6, 3, seed=2)
        expected = q.mean + torch.exp(q.log_variance / 2) * noise
        torch.testing.assert_close(q.sample(noise), expected)
        torch.testing.assert_close(q.sample(torch.zeros_like(noise)), q.mean)

    def test_one_draw_of_noise_serves_all_rows(self, q):
        noise = normal(1, 3, seed=2)
        torch.testing.assert_close(q.sample(noise), q.sample(noise.expand(6, 3)))

    def test_its_deviation_is_the_root_of_its_variance(self, q):
        torch.testing.assert_close(q.std.square(), q.log_variance.exp())

    def test_its_kl_is_that_of_torch(self, q):
        variance = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)
        prior = Normal(torch.zeros(3, dtype=torch.float64), variance.sqrt())
        expected = kl_divergence(Normal(q.mean, q.std), prior).sum(1)
        torch.testing.assert_close(q.kl(variance), expected)

    def test_log_variances_of_an_encoder_stay_computable(self):
        given = torch.tensor([[-1e4, -20.0, 0.3, 10.0, 1e4]])
        q = GaussianPosterior.of(torch.zeros(1, 5), given)
        low, high = LOG_VARIANCE_RANGE
        np.testing.assert_allclose(q.log_variance[0], [low, low, 0.3, high, high])
        assert q.std.isfinite().all()
        assert q.kl(torch.ones(5)).isfinite().all()
