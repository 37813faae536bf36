"""Seeds, streams, and draws that leave the global generators alone."""

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sklearn_ardvae.randomness import SeededDraws, derived_generator, draw_seed


def test_streams_differ_and_repeat():
    def numbers(*streams):
        return torch.rand(4, generator=derived_generator(7, *streams))

    assert torch.equal(numbers(0), numbers(0))
    assert not torch.equal(numbers(0), numbers(1))
    assert not torch.equal(numbers(0, 1), numbers(0, 2))
    assert not torch.equal(numbers(), numbers(0))


def test_a_random_state_is_advanced_and_an_int_is_not():
    state = np.random.RandomState(0)
    assert draw_seed(state) != draw_seed(state)
    assert draw_seed(0) == draw_seed(0)


ones = torch.ones(3)
DRAWS = {
    "linear": lambda: nn.Linear(5, 7).weight,
    "convolution": lambda: nn.Conv2d(2, 3, 3).weight,
    "embedding": lambda: nn.Embedding(3, 2).weight,
    "truncated normal": lambda: nn.init.trunc_normal_(torch.empty(4, 4)),
    "orthogonal": lambda: nn.init.orthogonal_(torch.empty(4, 4)),
    "rand": lambda: torch.rand(3),
    "rand_like": lambda: torch.rand_like(ones),
    "randn": lambda: torch.randn(3),
    "randn_like": lambda: torch.randn_like(ones),
    "randint": lambda: torch.randint(5, (9,)),
    "randint with both ends": lambda: torch.randint(2, 5, (9,)),
    "randint_like": lambda: torch.randint_like(ones, 9),
    "randperm": lambda: torch.randperm(9),
    "normal": lambda: torch.normal(torch.zeros(3), ones),
    "bernoulli": lambda: torch.bernoulli(0.5 * torch.ones(30)),
    "multinomial": lambda: torch.multinomial(torch.ones(9), 7),
    "poisson": lambda: torch.poisson(5.0 * torch.ones(9)),
    "gamma": lambda: torch.distributions.Gamma(ones, ones).sample(),
    "dirichlet": lambda: torch.distributions.Dirichlet(ones).sample(),
    "exponential_": lambda: torch.empty(3).exponential_(),
    "random_": lambda: torch.empty(9).random_(50),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_numbers_are_those_of_a_seeded_global_generator(draw):
    torch.manual_seed(3)
    expected = draw().detach()
    torch.manual_seed(99)
    state = torch.get_rng_state()
    with SeededDraws(3):
        drawn = draw().detach()
    assert torch.equal(drawn, expected)
    assert torch.equal(torch.get_rng_state(), state)


x = torch.randn(6, 4, 8, generator=torch.Generator().manual_seed(0))
NETWORKS = {
    "dropout": nn.Dropout(),
    "functional dropout": lambda x: F.dropout(x),
    "alpha dropout": lambda x: F.alpha_dropout(x, 0.5, training=True),
    "native dropout": lambda x: torch.ops.aten.native_dropout(x, 0.5, True)[0],
    "attention": nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True),
    "scaled attention": lambda x: F.scaled_dot_product_attention(x, x, x, None, 0.3),
    "LSTM": nn.LSTM(8, 3, 2, dropout=0.5, batch_first=True),
    "RReLU": nn.RReLU(),
    "gumbel": F.gumbel_softmax,
    "randn_like": lambda x: x + torch.randn_like(x),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_draw_are_seeded_and_draw_from_nowhere_else(name):
    def run(seed):
        network = NETWORKS[name]
        with SeededDraws(seed):
            out = network(x, x, x) if name == "attention" else network(x)
        return (out[0] if isinstance(out, tuple) else out).detach()

    state = torch.get_rng_state()
    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_without_a_generator_of_its_own_keeps_the_mean():
    ones = torch.ones(100_000)
    with SeededDraws(0):
        out, kept = torch.ops.aten.native_dropout(ones, 0.3, True)
    # 100 000 draws of deviation 0.65: the mean is good to 0.2 %.
    assert out.mean().item() == pytest.approx(1.0, abs=0.01)
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.01)
    assert torch.equal(out, kept / 0.7)
    with SeededDraws(0):
        same, _ = torch.ops.aten.native_dropout(ones, 0.3, False)
    assert torch.equal(same, ones)


def test_a_generator_that_is_given_is_used():
    with SeededDraws(3):
        drawn = torch.randn(3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(
        drawn, torch.randn(3, generator=torch.Generator().manual_seed(1))
    )


def test_other_threads_do_not_notice():
    drawn = []
    with SeededDraws(3):
        torch.manual_seed(5)
        thread = threading.Thread(target=lambda: drawn.append(torch.rand(3)))
        thread.start()
        thread.join()
    torch.manual_seed(5)
    assert torch.equal(drawn[0], torch.rand(3))
