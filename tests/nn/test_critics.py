"""Gradient penalty and cross entropies against critics and solutions that are known."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from sklearn_ardvae.nn.critics import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    make_critic,
)


def batches(n=50, m=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, n, m, generator=generator, dtype=torch.float64)
    return first, second, torch.rand(n, 1, generator=generator, dtype=torch.float64)


def test_of_a_linear_critic_it_is_the_norm_of_the_weights_less_1_squared():
    critic = nn.Linear(4, 1).double()
    penalty = gradient_penalty(critic, *batches())
    expected = (critic.weight.norm() - 1.0) ** 2
    torch.testing.assert_close(penalty, expected)
    (found,) = torch.autograd.grad(penalty, critic.weight)
    norm = critic.weight.norm()
    torch.testing.assert_close(found, 2 * (norm - 1) * critic.weight / norm)


def test_of_a_quadratic_critic_it_is_taken_between_the_batches():
    first, second, share = batches()
    penalty = gradient_penalty(
        lambda y: 0.5 * y.square().sum(1, keepdim=True), first, second, share
    )
    between = share * first + (1 - share) * second
    torch.testing.assert_close(penalty, ((between.norm(dim=1) - 1) ** 2).mean())


def test_it_agrees_with_finite_differences_in_the_parameters():
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    names = [name for name, _ in critic.named_parameters()]
    data = batches(8)

    def penalty(*values):
        parameters = dict(zip(names, values, strict=True))
        return gradient_penalty(
            lambda y: torch.func.functional_call(critic, parameters, (y,)), *data
        )

    values = [p.detach().clone().requires_grad_() for p in critic.parameters()]
    assert torch.autograd.gradcheck(penalty, values)


def test_nothing_flows_into_the_batches_and_it_works_without_gradients_around():
    first, second, share = batches()
    first.requires_grad_()
    critic = nn.Linear(4, 1).double()
    gradient_penalty(critic, first, second, share).backward()
    assert first.grad is None
    with torch.no_grad():
        assert gradient_penalty(critic, first, second, share) >= 0


@pytest.mark.parametrize("hidden", [(), (7,), (7, 5)])
def test_a_critic_gives_one_unbounded_number(hidden):
    critic = make_critic(3, hidden)
    assert critic(torch.zeros(9, 3)).shape == (9, 1)
    assert isinstance(critic[-1], nn.Linear)
    assert sum(isinstance(layer, nn.Linear) for layer in critic) == len(hidden) + 1


class TestCrossEntropies:
    def test_they_are_those_of_probabilities(self):
        real, fake = torch.randn(2, 30, 1, generator=torch.Generator().manual_seed(0))
        p_real, p_fake = (1 / (1 + np.exp(-h.double().numpy())) for h in (real, fake))
        expected = -np.log(p_real).mean() - np.log(1 - p_fake).mean()
        assert discriminator_loss(real, fake).item() == pytest.approx(expected)
        assert generator_loss(fake).item() == pytest.approx(-np.log(p_fake).mean())

    def test_they_stay_finite_where_probabilities_are_0(self):
        sure = torch.tensor([[-500.0]], requires_grad=True)
        loss = generator_loss(sure)
        loss.backward()
        assert loss.item() == 500.0
        assert sure.grad.item() == -1.0
        assert discriminator_loss(-sure, sure).item() == 0.0
        assert discriminator_loss(sure, -sure).item() == 1000.0

    def test_nothing_told_apart_costs_2_log_2(self):
        none = torch.zeros(5, 1)
        assert discriminator_loss(none, none).item() == pytest.approx(2 * math.log(2))

    def test_the_log_density_ratio_is_the_best_logit(self):
        """The least loss is 2 log 2 - 2 JSD, here of N(1, 1) and N(0, 1)."""
        n = 200_001
        u = (np.arange(n) + 0.5) / n
        real, fake = (torch.from_numpy(stats.norm.ppf(u, loc=m)) for m in (1.0, 0.0))

        def divergence(t):
            p, q = stats.norm.pdf(t, 1.0), stats.norm.pdf(t)
            middle = 0.5 * (p + q)
            return 0.5 * (p * np.log(p / middle) + q * np.log(q / middle))

        jsd = integrate.quad(divergence, -10, 11)[0]
        best = discriminator_loss(real - 0.5, fake - 0.5)
        # The quantiles' rule leaves out tails of 1e-5, of a loss of order 1.
        assert best.item() == pytest.approx(2 * math.log(2) - 2 * jsd, abs=1e-4)
        for slope, shift in ((1.1, -0.5), (0.9, -0.5), (1.0, -0.4), (1.0, -0.6)):
            other = discriminator_loss(slope * real + shift, slope * fake + shift)
            assert other > best
