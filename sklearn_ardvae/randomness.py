"""Local randomness: every draw comes from one seed, the global streams stay put."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.utils import check_random_state

__all__ = ["derived_generator", "draw_seed", "seeded_global_rng"]

# torch.random.fork_rng saves and restores state of the whole process, so that two
# threads inside it would see each other's numbers.
_GLOBAL_RNG = threading.RLock()


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Return the seed of one fit or one sample, advancing `random_state`."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def derived_generator(
    seed: int, *streams: int, device: str | torch.device = "cpu"
) -> torch.Generator:
    """Return a generator on `device` for the independent stream of `seed` named so."""
    state = np.random.SeedSequence(seed, spawn_key=streams).generate_state(1)
    return torch.Generator(device).manual_seed(int(state[0]))


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
