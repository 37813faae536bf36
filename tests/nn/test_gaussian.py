"""Draws of a Gaussian: their moments, also where the covariance is singular."""

import numpy as np
import pytest
import torch

from sklearn_ardvae.nn.gaussian import covariance_root, draw_gaussian


def covariance(rank, n=4, seed=0):
    """A covariance of this rank in float64."""
    factor = np.random.default_rng(seed).standard_normal((n, rank))
    return torch.from_numpy(factor @ factor.T)


@pytest.mark.parametrize("rank", [4, 2, 1, 0])
def test_the_root_times_its_transpose_is_the_covariance(rank):
    given = covariance(rank)
    root = covariance_root(given)
    # Eigenvalues of rounding, 1e-16 and of either sign, have roots of 1e-8.
    torch.testing.assert_close(root @ root.T, given, atol=1e-12, rtol=1e-12)
    assert np.linalg.matrix_rank(root.numpy(), tol=1e-6) == rank


def test_rounding_below_zero_is_zero():
    given = torch.diag(torch.tensor([2.0, -1e-9, 0.0], dtype=torch.float64))
    root = covariance_root(given)
    expected = torch.diag(torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(root @ root.T, expected)


def test_the_root_has_the_precision_of_the_covariance():
    given = covariance(2).float()
    root = covariance_root(given)
    assert root.dtype == torch.float32
    # Entries of order 1, of float32 numbers.
    torch.testing.assert_close(root @ root.T, given, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rank", [4, 2])
def test_draws_have_the_moments_and_the_span(rank, dtype):
    given = covariance(rank).to(dtype)
    mean = torch.tensor([3.0, -1.0, 0.0, 10.0], dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    drawn = draw_gaussian(mean, covariance_root(given), 100_000, generator)
    assert drawn.shape == (100_000, 4)
    assert drawn.dtype == dtype
    scale = given.diagonal().max().item()
    # 100 000 draws: 0.3 % of a deviation on a mean, 0.45 % of a variance.
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.015 * scale**0.5, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), given, atol=0.02 * scale, rtol=0)
    # What the covariance leaves out varies by its rounding alone, whose root it is.
    values, axes = torch.linalg.eigh(given.double())
    outside = (drawn - mean).double() @ axes[:, values < 1e-6 * scale]
    assert outside.shape[1] == 4 - rank
    spread = outside.square().mean(0).sqrt()
    assert torch.all(spread < 3.0 * (torch.finfo(dtype).eps * scale) ** 0.5)


def test_a_generator_repeats_its_draws_and_nothing_else_is_drawn_from():
    mean, root = torch.zeros(2), torch.eye(2)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (
        draw_gaussian(mean, root, 3, torch.Generator().manual_seed(1)) for _ in range(2)
    )
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)
