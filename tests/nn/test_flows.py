"""Flows against autograd's Jacobians, their inverses, and integrals over a grid."""

import math

import pytest
import torch
from torch.func import jacrev, vmap

from sklearn_ardvae.nn.flows import (
    AutoregressiveStep,
    InverseAutoregressiveFlow,
    MaskedLinear,
)

UPDATES = pytest.mark.parametrize("update", ["gated", "exponential"])
LAYERS = pytest.mark.parametrize("layers", [(), (7,), (12, 9)], ids=str)


def randomised(module, seed=0, scale=0.7):
    """Give every weight, zeros among them, a random value in float64."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return module


def flow(n=2, n_context=0, n_steps=2, layers=(12,), update="gated", **kwargs):
    made = InverseAutoregressiveFlow(
        n, n_context, n_steps=n_steps, hidden_layer_sizes=layers, update=update
    )
    return randomised(made, **kwargs)


def normal(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def jacobians(function, *args):
    """Return the Jacobian of each row with respect to the first argument."""

    def of_one_row(*row):
        return function(*(a[None] for a in row))[0]

    return vmap(jacrev(of_one_row))(*args)


@UPDATES
@LAYERS
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("n_context", [0, 3])
def test_the_log_determinant_is_that_of_the_jacobian(update, layers, n, n_context):
    made = flow(n, n_context, n_steps=3, layers=layers, update=update)
    z, context = normal(6, n), normal(6, n_context, seed=2)
    full = jacobians(lambda *args: made(*args)[0], z, context)
    _, log_det = made(z, context)
    sign, expected = torch.linalg.slogdet(full)
    assert torch.equal(sign, torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(log_det, expected, rtol=1e-9, atol=1e-9)


@LAYERS
@pytest.mark.parametrize("n_context", [0, 3])
@pytest.mark.parametrize("backwards", [False, True])
def test_axes_see_all_axes_before_them_and_no_other(layers, n_context, backwards):
    n = 5
    step = AutoregressiveStep(n, n_context, layers, update="gated", backwards=backwards)
    network = randomised(step).network
    rows = normal(4, n_context + n)
    seen = jacobians(network, rows).abs().sum(0) > 0
    context, axes = seen[:, :n_context], seen[:, n_context:]
    assert context.all()
    before = torch.ones(n, n).tril(-1).bool()
    before = before.T if backwards else before
    # Both numbers of an axis, M and S.
    assert torch.equal(axes, before.repeat(2, 1))


def test_the_order_is_reversed_between_steps():
    made = flow(4, 0, n_steps=3)
    z, context = normal(3, 4), normal(3, 0)
    for i, step in enumerate(made.steps):
        full = jacobians(lambda *args, s=step: s(*args)[0], z, context)
        other_half = full.triu(1) if i % 2 == 0 else full.tril(-1)
        assert not other_half.any()
        assert (full - other_half).diagonal(dim1=1, dim2=2).gt(0).all()
    both = jacobians(lambda *args: made(*args)[0], z, context)
    assert both.abs().min() > 0


@UPDATES
def test_it_begins_as_a_multiple_of_the_identity(update):
    made = InverseAutoregressiveFlow(
        3, 2, n_steps=4, hidden_layer_sizes=[8], update=update
    ).double()
    z = normal(5, 3)
    end, log_det = made(z, normal(5, 2, seed=2))
    gate = 1.0 if update == "exponential" else 1.0 / (1.0 + math.exp(-2.0))
    torch.testing.assert_close(end, gate**4 * z)
    torch.testing.assert_close(log_det, torch.full_like(log_det, 12 * math.log(gate)))


@UPDATES
def test_slopes_are_bounded_whatever_the_network_says(update):
    made = flow(3, 0, n_steps=1, update=update, scale=50.0)
    z, log_det = made(normal(100, 3), normal(100, 0))
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_det).all()
    largest = 0.0 if update == "gated" else 9.0
    assert log_det.max() <= largest
    assert update == "gated" or log_det.min() >= -largest


def inverse(step, target, backwards):
    """Invert a step axis by axis: given those before it an axis is mapped linearly."""
    z, context = torch.zeros_like(target), target[:, :0]
    axes = range(target.shape[1])
    for axis in reversed(axes) if backwards else axes:
        start = step(z, context)[0][:, axis]
        z[:, axis] = 1.0
        slope = step(z, context)[0][:, axis] - start
        z[:, axis] = (target[:, axis] - start) / slope
    return z


@UPDATES
def test_the_density_of_what_comes_out_integrates_to_1(update):
    made = flow(2, 0, n_steps=2, layers=(6,), update=update, scale=0.5)
    # Smooth and 0 at the edge, so that a sum over a grid is an integral to many digits.
    spacing = 0.04
    axis = torch.arange(-16.0, 16.0, spacing, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        z = grid
        for i in (1, 0):
            z = inverse(made.steps[i], z, backwards=i == 1)
        again, log_det = made(z, z[:, :0])
        torch.testing.assert_close(again, grid, rtol=1e-6, atol=1e-6)
        log_normal = -0.5 * z.square().sum(1) - math.log(2 * math.pi)
        density = (log_normal - log_det).exp() * spacing**2
        drawn = made(normal(200_000, 2), normal(200_000, 0))[0]
    assert density.sum().item() == pytest.approx(1.0, abs=1e-3)
    # Moments by the grid's density and by draws, a standard error of which is 0.2 %.
    mean = density @ grid
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.02, rtol=0.0)
    covariance = (density[:, None] * (grid - mean)).T @ (grid - mean)
    torch.testing.assert_close(drawn.T.cov(), covariance, atol=0.03, rtol=0.03)


def test_masks_are_not_part_of_the_state():
    made = flow(3, 0)
    assert all("mask" not in name for name in made.state_dict())
    layers = [m for m in made.modules() if isinstance(m, MaskedLinear)]
    assert {layer.mask.dtype for layer in layers} == {torch.float64}
