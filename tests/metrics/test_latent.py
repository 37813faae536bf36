"""Measures of codes against closed forms."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sklearn_ardvae.metrics import (
    active_units,
    average_off_diagonal_covariance,
    axis_kl,
    latent_decorrelation,
    latent_entropy,
)


def test_axis_kl_is_that_of_torch():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.standard_normal((2, 50, 4))
    prior = np.array([1.0, 0.1, 5.0, 2.0])
    posterior = Normal(*map(torch.from_numpy, (mean, np.exp(0.5 * log_variance))))
    expected = kl_divergence(
        posterior, Normal(torch.zeros(4).double(), torch.from_numpy(prior).sqrt())
    )
    found = axis_kl(mean, log_variance, prior_variance=prior)
    np.testing.assert_allclose(found, expected.mean(0), rtol=1e-10)
    assert axis_kl([[0.0]], [[1e-9]])[0] == pytest.approx(2.5e-19, rel=1e-3)


def test_active_units_by_variance_and_by_divergence():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((5000, 4)) * [1.0, 0.2, 0.05, 0.0]
    assert active_units(codes) == 2  # variances 1, 0.04, 0.0025, 0
    assert active_units(codes, threshold=0.001) == 3
    assert active_units(codes, prior_variance=[1.0, 100.0, 1.0, 1.0]) == 1
    log_variance = np.zeros_like(codes)
    # Half the variances: 0.5, 0.02, 0.00125, 0 nats.
    assert active_units(codes, log_variance=log_variance) == 2
    assert active_units(codes[:, :0]) == 0


def test_off_diagonal_covariance_takes_absolute_values():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((100, 3)) @ rng.standard_normal((3, 3))
    c = np.cov(codes.T)
    expected = np.mean([abs(c[i, j]) for i in range(3) for j in range(3) if i != j])
    assert average_off_diagonal_covariance(codes) == pytest.approx(expected)
    some = average_off_diagonal_covariance(codes, components=[0, 2])
    assert some == pytest.approx(abs(c[0, 2]))
    masked = average_off_diagonal_covariance(codes, components=[True, False, True])
    assert masked == some
    assert average_off_diagonal_covariance(codes[:, :1]) == 0.0
    assert average_off_diagonal_covariance(codes[:, :0]) == 0.0


def test_entropy_of_equal_and_of_unequal_variances():
    rows = np.vstack([np.diag([1.0] * 15), -np.diag([1.0] * 15)])
    assert latent_entropy(rows) == pytest.approx(np.log(15))
    scale = np.array([1.0, 3.0] + 13 * [0.0])
    expected = -(0.1 * np.log(0.1) + 0.9 * np.log(0.9))
    assert latent_entropy(rows * scale) == pytest.approx(expected)


def test_decorrelation_of_a_known_covariance():
    c = np.array([[4.0, 1.0, -1.0], [1.0, 2.0, 0.0], [-1.0, 0.0, 3.0]])
    rng = np.random.default_rng(0)
    z = rng.standard_normal((100, 3))
    z -= z.mean(0)
    z = np.linalg.qr(z)[0] * np.sqrt(99) @ np.linalg.cholesky(c).T
    assert latent_decorrelation(z, reduction="sum") == pytest.approx(9 / 4)
    assert latent_decorrelation(z) == pytest.approx(2 * 9 / 4)
    assert latent_decorrelation([[0.0], [1.0]]) == np.inf


@pytest.mark.parametrize("measure", [latent_entropy, latent_decorrelation])
@pytest.mark.parametrize("n_codes", [0, 2])
def test_constant_codes_are_0_with_a_warning(measure, n_codes):
    with pytest.warns(UserWarning, match="No column of codes varies"):
        assert measure(np.ones((5, n_codes))) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: axis_kl([[1.0]], [[1.0, 2.0]]), "must be equal"),
        (
            lambda: active_units([[1.0], [2.0]], prior_variance=[0.0]),
            "finite numbers > 0",
        ),
        (lambda: active_units([[1.0]]), "minimum of 2 is required"),
        (lambda: latent_entropy([[np.nan], [1.0]]), "NaN"),
        (
            lambda: average_off_diagonal_covariance(np.eye(2), components=[5]),
            "do not index the 2 columns",
        ),
        (lambda: latent_decorrelation(np.eye(2), reduction="no"), "reduction must be"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
