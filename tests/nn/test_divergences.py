"""Divergences and log densities against torch.distributions, scipy and sampling."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from torch.distributions import Normal, kl_divergence

from sklearn_ardvae.nn.divergences import (
    gaussian_kl,
    normal_entropy,
    squared_mmd,
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


# --- maximum mean discrepancy -----------------------------------------------------

SCALES = (0.4, 3.0, 20.0)


def draws(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=dtype)


def mmd_by_loops(a, b, scales):
    def kernel(x, y):
        return sum(c / (c + np.square(x - y).sum()) for c in scales)

    n, m = len(a), len(b)
    within_a = sum(kernel(a[i], a[j]) for i in range(n) for j in range(n) if i != j)
    within_b = sum(kernel(b[i], b[j]) for i in range(m) for j in range(m) if i != j)
    across = sum(kernel(x, y) for x in a for y in b)
    return within_a / (n * (n - 1)) + within_b / (m * (m - 1)) - 2 * across / (n * m)


@pytest.mark.parametrize(("n", "m", "width"), [(2, 2, 1), (7, 7, 3), (9, 4, 20)])
def test_squared_mmd_is_that_of_loops(n, m, width):
    a, b = draws(n, width), 1.5 * draws(m, width, seed=1) + 0.3
    expected = mmd_by_loops(a.numpy(), b.numpy(), SCALES)
    assert squared_mmd(a, b, SCALES).item() == pytest.approx(expected, rel=1e-12)
    ours = squared_mmd(a.float(), b.float(), SCALES).item()
    # Means of up to 3 kernels, each with a rounding error of 6e-8 times a few.
    assert ours == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("width", [1, 6])
def test_squared_mmd_of_equal_laws_is_0_on_average(width):
    n, n_draws = 5, 1000
    a, b = draws(n_draws, n, width), draws(n_draws, n, width, seed=1)
    values = np.array(
        [squared_mmd(x, y, SCALES).item() for x, y in zip(a, b, strict=True)]
    )
    error = values.std() / np.sqrt(n_draws)
    assert abs(values.mean()) < 4 * error
    assert 0.2 < np.mean(values < 0) < 0.8
    # What counting the pairs of a row with itself would add, to see that it shows.
    pairs = (len(SCALES) - np.mean([mean_kernel(c, width) for c in SCALES])) / n
    assert pairs > 15 * error


def mean_kernel(scale, width):
    """Return the mean of C / (C + |a - b|^2) for normal a and b."""
    law = stats.chi2(width, scale=2.0)
    return law.expect(lambda s: scale / (scale + s))


@pytest.mark.parametrize("shift", [0.5, 2.0, 10.0])
def test_squared_mmd_of_a_shifted_normal_is_voigts(shift):
    # a - b is normal of variance 2, and the kernel a Lorentz curve.
    def mean(c, m):
        return np.pi * np.sqrt(c) * special.voigt_profile(m, np.sqrt(2), np.sqrt(c))

    expected = sum(2 * (mean(c, 0.0) - mean(c, shift)) for c in SCALES)
    a, b = draws(200, 50, 1) + shift, draws(200, 50, 1, seed=1)
    values = np.array(
        [squared_mmd(x, y, SCALES).item() for x, y in zip(a, b, strict=True)]
    )
    error = values.std() / np.sqrt(len(values))
    assert error < 0.1 * expected
    assert abs(values.mean() - expected) < 4 * error


@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True)])
def test_squared_mmds_gradient_is_that_of_finite_differences(wanted):
    a, b = draws(6, 3), draws(4, 3, seed=1) + 0.5
    a.requires_grad_(wanted[0])
    b.requires_grad_(wanted[1])
    assert torch.autograd.gradcheck(lambda x, y: squared_mmd(x, y, SCALES), (a, b))


def test_squared_mmd_takes_equal_rows_and_rows_far_away():
    row = draws(1, 4, dtype=torch.float32)
    a = row.repeat(5, 1).requires_grad_()
    value = squared_mmd(a, row.repeat(6, 1), SCALES)
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    (slope,) = torch.autograd.grad(value, a)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-6)
    # A shift by 1000 must cost float32 no more than the digits of the rows themselves.
    near, other = draws(30, 4), 2.0 * draws(30, 4, seed=1)
    far = [(x + 1000.0).float() for x in (near, other)]
    expected = mmd_by_loops(near.numpy(), other.numpy(), SCALES)
    assert squared_mmd(*far, SCALES).item() == pytest.approx(expected, abs=2e-4)
    assert squared_mmd(1e15 * far[0], other.float(), SCALES).isfinite()
