"""Local randomness: every draw comes from one seed, the global streams stay put."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch
from sklearn.utils import check_random_state

__all__ = [
    "Stream",
    "derived_generator",
    "derived_seed",
    "draw_seed",
    "seeded_global_rng",
]


class Stream(IntEnum):
    """The independent streams of random numbers that one seed is split into.

    Draws for scores and samples are those of the seed itself.
    """

    NOISE = 0
    SHUFFLE = 1
    VALIDATION = 2
    FINISH = 3
    JACOBIAN_ROWS = 10
    SECOND_STAGE = 11


# torch.random.fork_rng saves and restores state of the whole process, so that two
# threads inside it would see each other's numbers.
_GLOBAL_RNG = threading.RLock()


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Return the seed of one fit or one sample, advancing `random_state`."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def derived_seed(seed: int, *streams: int) -> int:
    """Return the seed of the stream of `seed` that is named so."""
    return int(np.random.SeedSequence(seed, spawn_key=streams).generate_state(1)[0])


def derived_generator(
    seed: int, *streams: int, device: str | torch.device = "cpu"
) -> torch.Generator:
    """Return a generator on `device` for the stream of `seed` that is named so."""
    return torch.Generator(device).manual_seed(derived_seed(seed, *streams))


@contextmanager
def seeded_global_rng(seed: int, device: str | torch.device = "cpu") -> Iterator[None]:
    """Seed torch's global generators inside the block and restore them after it.

    For code that can draw from nowhere else: weight initialisation and dropout. One
    thread at a time.
    """
    device = torch.device(device)
    forked = [device] if device.type == "cuda" else []
    with _GLOBAL_RNG, torch.random.fork_rng(devices=forked):
        torch.default_generator.manual_seed(seed)
        if forked:
            index = (
                torch.cuda.current_device() if device.index is None else device.index
            )
            torch.cuda.default_generators[index].manual_seed(seed)
        yield
