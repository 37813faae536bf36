"""The limit on what is made: before it is made, and in one thread."""

import threading

import pytest
import torch
from torch import nn

from sklearn_ardvae.estimator.saving.allocation import AllocationLimit

TOO_LARGE = {
    "empty": lambda n: torch.empty(n, n),
    "zeros": lambda n: torch.zeros((n, n), dtype=torch.float64, device="cpu"),
    "full": lambda n: torch.full((n, n), 1.5),
    "eye": torch.eye,
    "arange": lambda n: torch.arange(0, n * n, 1),
    "arange by name": lambda n: torch.arange(end=n * n),
    "randn": lambda n: torch.randn(n, n, generator=torch.Generator()),
    "randperm": lambda n: torch.randperm(n * n, generator=torch.Generator()),
    "new_ones": lambda n: torch.ones(1).new_ones(n, n),
    "layer": lambda n: nn.Linear(n, n),
    "convolution": lambda n: nn.Conv2d(n, n, 1),
}


@pytest.mark.parametrize("make", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_what_is_too_large_is_not_made(make):
    # 4e12 numbers would not fit into any memory.
    with AllocationLimit(9, 10**6), pytest.raises(ValueError, match="larger than what"):
        make(2 * 10**6)
    with AllocationLimit(9, 10**6):
        make(20)


def test_sizes_and_tensors_add_up():
    with AllocationLimit(3, 100) as limit:
        torch.zeros(50)
        torch.zeros(49)
        with pytest.raises(ValueError, match="larger than what"):
            torch.zeros(2)
        limit.n_elements = 100
        with pytest.raises(ValueError, match="larger than what"):
            torch.zeros(1)


def test_other_threads_are_free():
    made = []
    with AllocationLimit(0, 0):
        thread = threading.Thread(target=lambda: made.append(torch.zeros(9)))
        thread.start()
        thread.join()
    assert len(made) == 1


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: torch.arange(7), 7),
        (lambda: torch.arange(2, 7), 5),
        (lambda: torch.arange(7, 2, -2), 3),
        (lambda: torch.arange(0.0, 1.0, 0.3), 4),
        (lambda: torch.arange(2, end=7), 5),
        (lambda: torch.arange(start=2, end=torch.tensor(7), step=2), 3),
        (lambda: torch.arange(7, 7), 0),
        (lambda: torch.eye(3), 9),
        (lambda: torch.eye(3, m=2), 6),
        (lambda: torch.rand(size=(2, 3), generator=torch.Generator()), 6),
        (lambda: torch.zeros(2, 3, out=torch.empty(0)), 6),
    ],
)
def test_sizes_are_those_that_are_made(make, size):
    with AllocationLimit(2, 100) as limit:
        assert make().numel() == size
    assert limit.n_elements == 100 - size
