"""Seeds, streams and the global generator."""

import numpy as np
import torch

from sklearn_ardvae.randomness import (
    derived_generator,
    draw_seed,
    seeded_global_rng,
)


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


def test_the_global_generator_is_restored():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded_global_rng(1):
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with seeded_global_rng(1):
        assert torch.equal(torch.rand(3), first)
