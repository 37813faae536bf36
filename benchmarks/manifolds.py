"""Manifolds of known dimension, drawn at random, to judge a count against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def leaky_relu_network(rng: np.random.Generator, n: int, d: int, n_rows: int):
    """LMGAE's synthetic data: normal latents, two hidden layers of 128."""
    h = rng.standard_normal((n_rows, n))
    for n_in, n_out in ((n, 128), (128, 128)):
        h = h @ rng.normal(0.0, np.sqrt(2.0 / n_in), (n_in, n_out))
        h = np.where(h > 0.0, h, 0.2 * h)
    return h @ rng.normal(0.0, np.sqrt(2.0 / 128), (128, d))


def shallow_relu_network(rng: np.random.Generator, n: int, d: int, n_rows: int):
    """One hidden layer of 100 leaky ReLUs with biases."""
    h = rng.standard_normal((n_rows, n)) @ rng.standard_normal((n, 100))
    h = h + 0.5 * np.sqrt(n) * rng.standard_normal(100)
    return np.where(h > 0.0, h, 0.1 * h) @ rng.standard_normal((100, d))


def random_sines(rng: np.random.Generator, n: int, d: int, n_rows: int):
    """Each feature the sine of a random direction, of standard deviation 1 rad."""
    z = rng.standard_normal((n_rows, n))
    phases = rng.uniform(0.0, 2.0 * np.pi, d)
    return np.sin(z @ rng.normal(0.0, 1.0 / np.sqrt(n), (n, d)) + phases)


def mixed_sines(rng: np.random.Generator, n: int, d: int, n_rows: int):
    """Random mixtures of 64 sines of uniform latents."""
    z = rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), (n_rows, n))
    phases = rng.uniform(0.0, 2.0 * np.pi, 64)
    waves = np.sin(z @ rng.normal(0.0, 1.0 / np.sqrt(n), (n, 64)) + phases)
    return waves @ rng.standard_normal((64, d))


def tanh_network(rng: np.random.Generator, n: int, d: int, n_rows: int):
    """Uniform latents through two hidden layers of 64 tanh units."""
    h = rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), (n_rows, n))
    for n_in, n_out in ((n, 64), (64, 64)):
        h = np.tanh(h @ rng.normal(0.0, 1.2 / np.sqrt(n_in), (n_in, n_out)))
    return h @ rng.standard_normal((64, d))


def shallow_tanh_network(rng: np.random.Generator, n: int, d: int, n_rows: int):
    """Uniform latents through one hidden layer of 64 tanh units with biases."""
    z = rng.uniform(-1.0, 1.0, (n_rows, n))
    h = z @ rng.normal(0.0, 2.0 / np.sqrt(n), (n, 64)) + 0.3 * rng.standard_normal(64)
    return np.tanh(h) @ rng.standard_normal((64, d))


def quadratic(rng: np.random.Generator, n: int, d: int, n_rows: int):
    """Each feature a linear form plus half the product of two."""
    z = rng.standard_normal((n_rows, n))
    a, b = (z @ rng.normal(0.0, 1.0 / np.sqrt(n), (n, d)) for _ in range(2))
    return a + 0.5 * a * b


KINDS: dict[str, Callable[..., NDArray]] = {
    function.__name__: function
    for function in (
        leaky_relu_network,
        random_sines,
        tanh_network,
        shallow_relu_network,
        mixed_sines,
        shallow_tanh_network,
        quadratic,
    )
}


def make_manifold(
    kind: str, n: int, d: int = 128, n_rows: int = 8000, noise: float = 0.0, seed=0
) -> NDArray[np.float32]:
    """Return rows of unit variance on an n-dimensional manifold, plus noise."""
    rng = np.random.default_rng(seed)
    x = KINDS[kind](rng, n, d, n_rows)
    x = (x - x.mean(0)) / x.std()
    return (x + noise * rng.standard_normal(x.shape)).astype(np.float32)
