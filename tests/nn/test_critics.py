"""The gradient penalty against critics whose slope is known."""

import pytest
import torch
from torch import nn

from sklearn_ardvae.nn.critics import gradient_penalty, make_critic


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
