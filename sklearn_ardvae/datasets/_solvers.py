"""Solvers of the dynamical systems: fixed steps of fourth order, many trajectories.

States are arrays of shape (n_trajectories, n_variables); a step is a function from
states to the states one time step later.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = [
    "follow",
    "kuramoto_sivashinsky_step",
    "lorenz96_step",
    "lorenz96_tendency",
    "n_modes",
]

Step = Callable[[NDArray], NDArray]


def follow(
    make_step: Callable[[float], Step],
    states: NDArray,
    *,
    transient: float,
    interval: float,
    n_snapshots: int,
    max_step: float,
) -> NDArray:
    """Return the states after the transient and after each interval that follows.

    Parameters
    ----------
    make_step : callable
        Takes the length of a time step and returns the step.
    states : ndarray of shape (n_trajectories, n_variables)
        At the start.
    transient, interval : float
        Each is cut into equal steps.
    n_snapshots : int
    max_step : float
        No step is longer.

    Returns
    -------
    ndarray of shape (n_trajectories, n_snapshots, n_variables)
    """
    snapshots = np.empty((n_snapshots, *states.shape), states.dtype)
    if transient > 0.0:
        n_steps = math.ceil(transient / max_step)
        states = _advance(make_step(transient / n_steps), states, n_steps)
    snapshots[0] = states
    n_steps = math.ceil(interval / max_step)
    step = make_step(interval / n_steps)
    for i in range(1, n_snapshots):
        snapshots[i] = states = _advance(step, states, n_steps)
    return snapshots.swapaxes(0, 1)


def _advance(step: Step, states: NDArray, n_steps: int) -> NDArray:
    for _ in range(n_steps):
        states = step(states)
    return states


def n_modes(n_points: int) -> int:
    """Return the highest wave of a grid whose products are free of aliases.

    The two-thirds rule: waves m and m' give m + m', which the grid takes for
    m + m' - n_points; up to this m that is no wave that is kept.

    Parameters
    ----------
    n_points : int
        Of the grid.
    """
    return (n_points - 1) // 3


def kuramoto_sivashinsky_step(length: float, n_points: int, time_step: float) -> Step:
    r"""Return a step of the Kuramoto-Sivashinsky equation, of fourth order.

    The waves :math:`v_m`, m = 0 to M, of :func:`scipy.fft.rfft`, with
    :math:`k = 2 \pi m / L`, follow

    .. math::
        \dot v = (k^2 - k^4)\, v - \tfrac{1}{2} i k\, \widehat{u^2}.

    The linear part is integrated exactly, the other by four stages, by the scheme
    ETDRK4 of Cox and Matthews (J. Comput. Phys. 176, 2002).

    Parameters
    ----------
    length : float
        Period L.
    n_points : int
        Points of the grid; M is `n_modes` of it.
    time_step : float

    Returns
    -------
    callable
        From waves to waves, complex arrays of shape (n_trajectories, M + 1).
    """
    kept = n_modes(n_points) + 1
    k = 2.0 * np.pi / length * np.arange(kept)
    linear = time_step * (k**2 - k**4)
    half, whole = np.exp(0.5 * linear), np.exp(linear)
    half_weight = 0.5 * time_step * _phi(0.5 * linear)[0]
    phi1, phi2, phi3 = _phi(linear)
    first = time_step * (phi1 - 3.0 * phi2 + 4.0 * phi3)
    middle = time_step * (2.0 * phi2 - 4.0 * phi3)
    last = time_step * (4.0 * phi3 - phi2)
    derivative = -0.5j * k

    def advection(v: NDArray) -> NDArray:
        u = scipy.fft.irfft(v, n_points)
        u *= u
        return derivative * scipy.fft.rfft(u)[:, :kept]

    def step(v: NDArray) -> NDArray:
        halfway = half * v
        at_v = advection(v)
        a = halfway + half_weight * at_v
        at_a = advection(a)
        at_b = advection(halfway + half_weight * at_a)
        c = half * a + half_weight * (2.0 * at_b - at_v)
        at_a += at_b
        return whole * v + first * at_v + middle * at_a + last * advection(c)

    return step


def _phi(z: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    r"""Return :math:`\varphi_{1, 2, 3}`, what is left of exp after 1, 2, 3 terms.

    :math:`\varphi_j(z) = (e^z - \sum_{i<j} z^i / i!) / z^j` cancels near 0, so that it
    is taken as its mean over a circle of radius 1 around z (Kassam and Trefethen,
    SIAM J. Sci. Comput. 26, 2005); z is real, and half of the circle is enough.
    """
    # The mean over n points errs by about 1 / n!.
    circle = np.exp(1j * np.pi * (np.arange(32) + 0.5) / 32)
    w = z[:, None] + circle
    e = np.exp(w)
    phi1 = (e - 1.0) / w
    phi2 = (e - 1.0 - w) / w**2
    phi3 = (e - 1.0 - w - 0.5 * w**2) / w**3
    return phi1.real.mean(1), phi2.real.mean(1), phi3.real.mean(1)


def lorenz96_tendency(x: NDArray, forcing: float) -> NDArray:
    r"""Return :math:`(x_{i+1} - x_{i-2}) x_{i-1} - x_i + F`, i in a ring.

    Parameters
    ----------
    x : ndarray of shape (n_trajectories, n_sites)
    forcing : float
        F.

    Returns
    -------
    ndarray of the shape of `x`
    """
    ring = np.concatenate([x[:, -2:], x, x[:, :1]], axis=1)
    tendency = ring[:, 3:] - ring[:, :-3]
    tendency *= ring[:, 1:-2]
    tendency -= x
    tendency += forcing
    return tendency


def lorenz96_step(forcing: float, time_step: float) -> Step:
    """Return a step of the Lorenz-96 model: the classical Runge-Kutta scheme.

    Parameters
    ----------
    forcing, time_step : float

    Returns
    -------
    callable
        From values to values, arrays of shape (n_trajectories, n_sites).
    """

    def step(x: NDArray) -> NDArray:
        k1 = lorenz96_tendency(x, forcing)
        k2 = lorenz96_tendency(x + 0.5 * time_step * k1, forcing)
        k3 = lorenz96_tendency(x + 0.5 * time_step * k2, forcing)
        k4 = lorenz96_tendency(x + time_step * k3, forcing)
        k2 += k3
        return x + time_step / 6.0 * (k1 + 2.0 * k2 + k4)

    return step
