"""The kinds of manifold that can be drawn, and how many dimensions each spans.

Shapes are known from geometry and have as many features as they span; random maps of
latents can have any number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "RANDOM_MAPS",
    "SHAPES",
    "draw_points",
    "most_spanned",
    "network_span",
    "random_network",
]

# Points, and their coordinates on the manifold.
Drawn = tuple[NDArray[np.float64], NDArray[np.float64]]


class Kind(NamedTuple):
    """How a manifold is drawn, and the most dimensions that one of n spans."""

    draw: Callable[..., Drawn]
    span: Callable[[int], float]


def draw_points(
    kind: str, n_rows: int, n: int, width: int, random_state: np.random.RandomState
) -> Drawn:
    """Return points of a manifold, and their coordinates on it.

    Parameters
    ----------
    kind : str
        Of `SHAPES` or `RANDOM_MAPS`.
    n_rows : int
    n : int
        Dimension of the manifold.
    width : int
        The most features that random maps may have; shapes have what they span.
    random_state : RandomState instance

    Returns
    -------
    points : ndarray of shape (n_rows, n_features)
    coordinates : ndarray of shape (n_rows, n_coordinates)
    """
    if kind in SHAPES:
        return SHAPES[kind].draw(n_rows, n, random_state)
    return RANDOM_MAPS[kind].draw(n_rows, n, width, random_state)


def most_spanned(kind: str, n: int) -> float:
    """Return the most dimensions that a manifold of n dimensions spans.

    Parameters
    ----------
    kind : str
        Of `SHAPES`, which always span so many, or `RANDOM_MAPS`.
    n : int

    Returns
    -------
    float
    """
    return (SHAPES.get(kind) or RANDOM_MAPS[kind]).span(n)


# --- shapes ---------------------------------------------------------------------------


def _linear(n_rows: int, n: int, rng: np.random.RandomState) -> Drawn:
    z = rng.standard_normal((n_rows, n))
    return z, z


def _swiss_roll(n_rows: int, n: int, rng: np.random.RandomState) -> Drawn:
    # The arc of r = t is about t^2 / 2 long, so that uniform t^2 is uniform arc length.
    start, end = 1.5 * np.pi, 4.5 * np.pi
    t = np.sqrt(rng.uniform(start**2, end**2, n_rows))
    edge = (end**2 - start**2) / 6.0
    straight = rng.uniform(0.0, edge, (n_rows, n - 1))
    points = np.column_stack([t * np.cos(t), t * np.sin(t), straight])
    return points, np.column_stack([t, straight])


def _sphere(n_rows: int, n: int, rng: np.random.RandomState) -> Drawn:
    z = rng.standard_normal((n_rows, n + 1))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    return z, z


def _torus(n_rows: int, n: int, rng: np.random.RandomState) -> Drawn:
    angles = rng.uniform(0.0, 2.0 * np.pi, (n_rows, n))
    return np.hstack([np.cos(angles), np.sin(angles)]), angles


SHAPES = {
    "linear": Kind(_linear, lambda n: n),
    "swiss_roll": Kind(_swiss_roll, lambda n: n + 1),
    "sphere": Kind(_sphere, lambda n: n + 1),
    "torus": Kind(_torus, lambda n: 2 * n),
}


# --- random maps ----------------------------------------------------------------------


def random_network(
    z: NDArray,
    n_features: int,
    n_hidden: int,
    negative_slope: float,
    random_state: np.random.RandomState,
) -> NDArray:
    """Return what a random network of two hidden layers makes of latents.

    Parameters
    ----------
    z : ndarray of shape (n_rows, n)
    n_features : int
    n_hidden : int
        Leaky rectifiers in each hidden layer.
    negative_slope : float
    random_state : RandomState instance
        Draws the weights, of variance 2 over the number of inputs.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
    """
    h = z
    for n_outputs in (n_hidden, n_hidden, n_features):
        if h is not z:
            h = np.maximum(h, negative_slope * h)
        n_inputs = h.shape[1]
        weights = random_state.standard_normal((n_inputs, n_outputs))
        h = h @ (np.sqrt(2.0 / n_inputs) * weights)
    return h


def network_span(n: int, n_hidden: int = 128) -> int:
    """Return the most dimensions that a random network spans.

    Parameters
    ----------
    n : int
        Latents.
    n_hidden : int, default=128
        Width of its hidden layers.
    """
    # One latent without biases is two rays.
    return 2 if n == 1 else max(n, n_hidden)


def _network(n_rows: int, n: int, width: int, rng: np.random.RandomState) -> Drawn:
    z = rng.standard_normal((n_rows, n))
    width = min(width, network_span(n))
    return random_network(z, width, max(n, 128), 0.2, rng), z


def _shallow_relu_network(
    n_rows: int, n: int, width: int, rng: np.random.RandomState
) -> Drawn:
    n_hidden = max(n, 100)
    z = rng.standard_normal((n_rows, n))
    h = z @ rng.standard_normal((n, n_hidden))
    h += 0.5 * np.sqrt(n) * rng.standard_normal(n_hidden)
    return np.maximum(h, 0.1 * h) @ rng.standard_normal((n_hidden, width)), z


def _random_sines(n_rows: int, n: int, width: int, rng: np.random.RandomState) -> Drawn:
    z = rng.standard_normal((n_rows, n))
    return _sines(z, width, rng), z


def _mixed_sines(n_rows: int, n: int, width: int, rng: np.random.RandomState) -> Drawn:
    n_hidden = max(n, 64)
    z = _uniform(n_rows, n, rng)
    return _sines(z, n_hidden, rng) @ rng.standard_normal((n_hidden, width)), z


def _tanh_network(n_rows: int, n: int, width: int, rng: np.random.RandomState) -> Drawn:
    n_hidden = max(n, 64)
    h = z = _uniform(n_rows, n, rng)
    for n_inputs in (n, n_hidden):
        weights = rng.standard_normal((n_inputs, n_hidden))
        h = np.tanh(h @ (1.2 / np.sqrt(n_inputs) * weights))
    return h @ rng.standard_normal((n_hidden, width)), z


def _shallow_tanh_network(
    n_rows: int, n: int, width: int, rng: np.random.RandomState
) -> Drawn:
    n_hidden = max(n, 64)
    z = rng.uniform(-1.0, 1.0, (n_rows, n))
    h = z @ (2.0 / np.sqrt(n) * rng.standard_normal((n, n_hidden)))
    h += 0.3 * rng.standard_normal(n_hidden)
    return np.tanh(h) @ rng.standard_normal((n_hidden, width)), z


def _quadratic(n_rows: int, n: int, width: int, rng: np.random.RandomState) -> Drawn:
    z = rng.standard_normal((n_rows, n))
    a, b = (z @ rng.standard_normal((n, width)) / np.sqrt(n) for _ in range(2))
    return a + 0.5 * a * b, z


def _uniform(n_rows: int, n: int, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Return latents of variance 1 in a cube."""
    return rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), (n_rows, n))


def _sines(z: NDArray, width: int, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Return the sines of random directions, each of variance 1, at random phases."""
    n = z.shape[1]
    directions = rng.standard_normal((n, width)) / np.sqrt(n)
    return np.sin(z @ directions + rng.uniform(0.0, 2.0 * np.pi, width))


RANDOM_MAPS = {
    "network": Kind(_network, network_span),
    "shallow_relu_network": Kind(_shallow_relu_network, lambda n: max(n, 100)),
    "tanh_network": Kind(_tanh_network, lambda n: max(n, 64)),
    "shallow_tanh_network": Kind(_shallow_tanh_network, lambda n: max(n, 64)),
    "random_sines": Kind(_random_sines, lambda _: math.inf),
    "mixed_sines": Kind(_mixed_sines, lambda n: max(n, 64)),
    "quadratic": Kind(_quadratic, lambda n: n * (n + 3) // 2),
}
