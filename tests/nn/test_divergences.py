"""Divergences and log densities against torch.distributions, scipy and sampling."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.distributions import Normal, kl_divergence

from sklearn_ardvae.nn.divergences import (
    gaussian_kl,
    normal_entropy,
    student_t_log_density,
)

finite = st.floats(-5.0, 5.0)


@given(mean=finite, log_variance=finite, log_prior=finite)
def test_gaussian_kl_is_torchs(mean, log_variance, log_prior):
    mean, log_variance, log_prior = (
        torch.tensor([[v]], dtype=torch.float64)
        for v in (mean, log_variance, log_prior)
    )
    ours = gaussian_kl(mean, log_variance, log_prior.exp()[0])
    posterior = Normal(mean, torch.exp(0.5 * log_variance))
    prior = Normal(torch.zeros_like(mean), torch.exp(0.5 * log_prior))
    torch.testing.assert_close(ours, kl_divergence(posterior, prior).sum(1))
    assert ours >= -1e-12


def test_gaussian_kl_is_a_sum_over_axes():
    mean, log_variance = torch.randn(5, 3).double(), torch.randn(5, 3).double()
    prior = torch.tensor([0.1, 1.0, 7.0], dtype=torch.float64)
    posterior = Normal(mean, torch.exp(0.5 * log_variance))
    expected = kl_divergence(posterior, Normal(torch.zeros(3).double(), prior.sqrt()))
    torch.testing.assert_close(gaussian_kl(mean, log_variance, prior), expected.sum(1))


def test_gaussian_kl_vanishes_where_posterior_is_prior():
    prior = torch.tensor([0.1, 1.0, 7.0], dtype=torch.float64)
    kl = gaussian_kl(torch.zeros(1, 3, dtype=torch.float64), prior.log()[None], prior)
    torch.testing.assert_close(kl, torch.zeros_like(kl))


def test_normal_entropy_is_torchs():
    log_variance = torch.linspace(-3, 3, 7, dtype=torch.float64)
    expected = Normal(0.0, torch.exp(0.5 * log_variance)).entropy()
    torch.testing.assert_close(normal_entropy(log_variance), expected)


@pytest.mark.parametrize("degrees", [1.0, 5.0, 100.0, 1e4])
def test_student_t_log_density_is_scipys(degrees):
    z = torch.linspace(-6, 6, 25)[:, None]
    variance = torch.tensor([0.3])
    ours = student_t_log_density(z, torch.tensor(degrees), variance)
    expected = stats.t.logpdf(z.numpy(), degrees, scale=np.sqrt(0.3))
    # Values reach 100; log1p of float32 numbers, times up to 5000 degrees.
    np.testing.assert_allclose(ours.numpy(), expected, rtol=2e-6, atol=2e-5)


@pytest.mark.parametrize(
    ("degrees", "deviation", "difference"),
    [(1e4, 2, 1.7e-4), (1e4, 5, 1.4e-2), (100, 2, 0.017), (100, 5, 1.23)],
)
def test_student_t_is_as_far_from_normal_as_it_should(degrees, deviation, difference):
    z = torch.tensor([[float(deviation)]], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    log_t = student_t_log_density(z, torch.tensor(float(degrees)).double(), one)
    gap = abs(log_t - Normal(0.0, 1.0).log_prob(z)).item()
    assert gap == pytest.approx(difference, rel=0.05)


def test_student_t_prior_is_the_gamma_mixture_of_normals():
    # Eq. 10 of ARD-VAE: integrate N(z; 0, 1/alpha) over alpha ~ Gamma(a, rate b).
    a, b, z = 3.0, 2.0, 1.3
    alpha = stats.gamma(a, scale=1 / b)
    grid = np.linspace(1e-6, alpha.ppf(1 - 1e-12), 200_001)
    density = stats.norm.pdf(z, scale=grid**-0.5) * alpha.pdf(grid)
    integral = np.trapezoid(density, grid)
    ours = student_t_log_density(
        torch.tensor([[z]]).double(),
        torch.tensor(2 * a).double(),
        torch.tensor([b / a]).double(),
    )
    assert ours.item() == pytest.approx(np.log(integral), abs=1e-6)
