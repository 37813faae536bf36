"""Snapshots of chaotic systems, whose attractors are thinner than their space."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from ._bunch import loader, plain_summary
from ._checks import check_count, check_number
from ._solvers import follow, kuramoto_sivashinsky_step, lorenz96_step, n_modes

__all__ = ["make_kuramoto_sivashinsky", "make_lorenz96"]

# The largest error after one unit of time is 1e-5 (L = 200), and 6e-4 (F = 8), of
# values up to 3 and 14.
KS_STEP, LORENZ96_STEP = 0.05, 0.01
# Of the deviation of u, 0.1 % lies in waves beyond it, whatever L.
KS_WAVE_NUMBER = 2.9


@loader
def make_kuramoto_sivashinsky(
    n_samples: int = 5000,
    *,
    length: float = 22.0,
    n_features: int = 64,
    interval: float = 1.0,
    transient: float = 200.0,
    n_trajectories: int = 10,
    noise: float = 0.0,
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    r"""Draw snapshots of the Kuramoto-Sivashinsky equation, a chaotic flame front.

    .. math::
        u_t = -u u_x - u_{xx} - u_{xxxx}, \qquad u(x + L, t) = u(x, t),

    on a grid of equal spacing. Long waves (wave numbers k below 1) are unstable, short
    ones are damped, and the solutions lie, after a transient, on an inertial manifold
    of finite dimension. That dimension is not proved; the numerical studies agree on 8
    for L = 22 [1]_ [2]_. The standard lengths are 22 and 44. For :math:`L \le 2 \pi`
    all solutions decay.

    The equation is integrated as Fourier modes without aliases (two-thirds rule), by
    the exponential scheme ETDRK4 [3]_ [4]_ with steps of 0.05 at most, in double
    precision. The mean of u, which does not change, is 0.

    Parameters
    ----------
    n_samples : int, default=5000
        Number of rows.
    length : float, default=22.0
        Period L. Must be positive.
    n_features : int, default=64
        Points of the grid. The waves free of aliases, the first ``(n_features - 1) //
        3``, must reach the wave number 2.9: 34 points for L = 22, 64 for L = 44.
    interval : float, default=1.0
        Time from one snapshot of a trajectory to its next. Must be positive. Errors
        grow e-fold in about 20 units of time at L = 22.
    transient : float, default=200.0
        Time from a trajectory's start to its first snapshot.
    n_trajectories : int, default=10
        Number of random starts that the rows are shared out to, up to `n_samples`; the
        first trajectories get one row more if they do not divide evenly. A start is a
        sum of the unstable waves with normal coefficients, of mean square 1.
    noise : float, default=0.0
        Standard deviation of normal noise added to each value, relative to that of the
        data.
    return_X_y : bool, default=False
        Return ``(data, time)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws starts and noise.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, n_features), float32, values of u, trajectory by
        trajectory; ``time`` (n_samples,), since the trajectory's first snapshot;
        ``trajectory`` (n_samples,), its index; ``grid`` (n_features,), the points x;
        ``length``; ``noise_variance``, of each value; ``DESCR``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or the grid too coarse for `length`.

    Notes
    -----
    Chaos makes the last bits of a processor's arithmetic visible: one seed gives the
    same rows again on one machine, but on others long trajectories part, at L = 22
    after about 700 units of time.

    References
    ----------
    .. [1] Ding, Chate, Cvitanovic, Siminos, Takeuchi, "Estimating the dimension of an
       inertial manifold from unstable periodic orbits", Phys. Rev. Lett. 117, 2016,
       arXiv 1604.01859.
    .. [2] Linot, Graham, "Deep learning to discover and predict dynamics on an inertial
       manifold", Phys. Rev. E 101, 2020, arXiv 2001.04263.
    .. [3] Cox, Matthews, "Exponential time differencing for stiff systems", J. Comput.
       Phys. 176, 2002.
    .. [4] Kassam, Trefethen, "Fourth-order time-stepping for stiff PDEs", SIAM J. Sci.
       Comput. 26, 2005.

    Examples
    --------
    >>> from sklearn_ardvae.datasets import make_kuramoto_sivashinsky
    >>> fronts = make_kuramoto_sivashinsky(100, transient=20, random_state=0)
    >>> fronts.data.shape, fronts.grid[:3]
    ((100, 64), array([0.     , 0.34375, 0.6875 ]))
    """
    n_samples = check_count("n_samples", n_samples, 1)
    length = check_number("length", length, above=0.0)
    n_features = check_count("n_features", n_features, 1)
    interval = check_number("interval", interval, above=0.0)
    transient = check_number("transient", transient, at_least=0.0)
    n_trajectories = check_count("n_trajectories", n_trajectories, 1, n_samples)
    noise = check_number("noise", noise, at_least=0.0)
    least = 3 * math.ceil(KS_WAVE_NUMBER * length / (2.0 * np.pi)) + 1
    if n_features < least:
        raise ValueError(
            f"n_features must be at least {least} for length={length:g}, to resolve "
            f"wave numbers up to {KS_WAVE_NUMBER}; got {n_features}."
        )
    random_state = check_random_state(random_state)
    waves = follow(
        partial(kuramoto_sivashinsky_step, length, n_features),
        _random_waves(n_trajectories, length, n_features, random_state),
        transient=transient,
        interval=interval,
        n_snapshots=math.ceil(n_samples / n_trajectories),
        max_step=KS_STEP,
    )
    return _snapshot_bunch(
        scipy.fft.irfft(waves, n_features),
        n_samples,
        interval,
        noise,
        random_state,
        return_X_y=return_X_y,
        doc=make_kuramoto_sivashinsky.__doc__,
        grid=length / n_features * np.arange(n_features),
        length=length,
    )


def _random_waves(
    n_trajectories: int,
    length: float,
    n_points: int,
    random_state: np.random.RandomState,
) -> NDArray[np.complex128]:
    """Return sums of the unstable waves, of mean 0 and mean square 1.

    One seed draws the same functions on every grid.
    """
    n_unstable = max(1, int(length / (2.0 * np.pi)))
    drawn = random_state.standard_normal((n_trajectories, n_unstable, 2))
    drawn /= np.sqrt(2.0 * np.square(drawn).sum((1, 2), keepdims=True))
    waves = np.zeros((n_trajectories, n_modes(n_points) + 1), complex)
    waves[:, 1 : n_unstable + 1] = n_points * (drawn[..., 0] + 1j * drawn[..., 1])
    return waves


@loader
def make_lorenz96(
    n_samples: int = 5000,
    *,
    n_features: int = 40,
    forcing: float = 8.0,
    interval: float = 0.5,
    transient: float = 20.0,
    n_trajectories: int = 10,
    noise: float = 0.0,
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    r"""Draw snapshots of the Lorenz-96 model, weather on a ring.

    .. math::
        \dot x_i = (x_{i+1} - x_{i-2})\, x_{i-1} - x_i + F,

    with indices in a ring [1]_. The products conserve :math:`\sum x_i^2`, the linear
    term damps it, F feeds it. With 40 sites and F = 8, the standard case, the attractor
    is chaotic; its Lyapunov (Kaplan-Yorke) dimension is 27.1 [2]_. That is a fractal
    dimension, below that of any smooth manifold around the attractor.

    The model is integrated by the classical Runge-Kutta scheme with steps of 0.01 at
    most, shorter ones for F above 8, in double precision.

    Parameters
    ----------
    n_samples : int, default=5000
        Number of rows.
    n_features : int, default=40
        Number of sites, at least 4.
    forcing : float, default=8.0
        F, not negative.
    interval : float, default=0.5
        Time from one snapshot of a trajectory to its next. Must be positive. Errors
        double in about 0.4 units of time in the standard case.
    transient : float, default=20.0
        Time from a trajectory's start to its first snapshot.
    n_trajectories : int, default=10
        Number of random starts that the rows are shared out to, up to `n_samples`; the
        first trajectories get one row more if they do not divide evenly. A start is the
        fixed point, F at every site, with standard normal perturbations.
    noise : float, default=0.0
        Standard deviation of normal noise added to each value, relative to that of the
        data.
    return_X_y : bool, default=False
        Return ``(data, time)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws starts and noise.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, n_features), float32, trajectory by trajectory; ``time``
        (n_samples,), since the trajectory's first snapshot; ``trajectory``
        (n_samples,), its index; ``forcing``; ``noise_variance``, of each value;
        ``DESCR``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    Chaos makes the last bits of a processor's arithmetic visible: one seed gives the
    same rows again on one machine, but on others trajectories part, in the standard
    case after about 20 units of time.

    References
    ----------
    .. [1] Lorenz, "Predictability: a problem partly solved", ECMWF Seminar on
       Predictability, 1996.
    .. [2] Lorenz, Emanuel, "Optimal sites for supplementary weather observations:
       simulation with a small model", J. Atmos. Sci. 55, 1998.

    Examples
    --------
    >>> from sklearn_ardvae.datasets import make_lorenz96
    >>> weather = make_lorenz96(100, random_state=0)
    >>> weather.data.shape, weather.time[:3]
    ((100, 40), array([0. , 0.5, 1. ]))
    """
    n_samples = check_count("n_samples", n_samples, 1)
    n_features = check_count("n_features", n_features, 4)
    forcing = check_number("forcing", forcing, at_least=0.0)
    interval = check_number("interval", interval, above=0.0)
    transient = check_number("transient", transient, at_least=0.0)
    n_trajectories = check_count("n_trajectories", n_trajectories, 1, n_samples)
    noise = check_number("noise", noise, at_least=0.0)
    random_state = check_random_state(random_state)
    states = follow(
        partial(lorenz96_step, forcing),
        forcing + random_state.standard_normal((n_trajectories, n_features)),
        transient=transient,
        interval=interval,
        n_snapshots=math.ceil(n_samples / n_trajectories),
        # Values grow with F, and rates with the values.
        max_step=LORENZ96_STEP * 8.0 / max(forcing, 8.0),
    )
    return _snapshot_bunch(
        states,
        n_samples,
        interval,
        noise,
        random_state,
        return_X_y=return_X_y,
        doc=make_lorenz96.__doc__,
        forcing=forcing,
    )


def _snapshot_bunch(
    states: NDArray,
    n_samples: int,
    interval: float,
    noise: float,
    random_state: np.random.RandomState,
    *,
    return_X_y: bool,
    doc: str | None,
    **extra: Any,
) -> Bunch | tuple[NDArray, NDArray]:
    """Return `n_samples` of the states, with noise, as a generator does.

    `states` has the shape (n_trajectories, n_snapshots, n_features).
    """
    n_trajectories, n_snapshots, _ = states.shape
    shared, left = divmod(n_samples, n_trajectories)
    counts = shared + (np.arange(n_trajectories) < left)
    trajectory, snapshot = np.nonzero(np.arange(n_snapshots) < counts[:, None])
    data = states[trajectory, snapshot]
    time = interval * snapshot
    noise_variance = float(noise**2 * data.var())
    if noise > 0.0:
        data += math.sqrt(noise_variance) * random_state.standard_normal(data.shape)
    data = data.astype(np.float32)
    if return_X_y:
        return data, time
    return Bunch(
        data=data,
        time=time,
        trajectory=trajectory,
        noise_variance=noise_variance,
        **extra,
        DESCR=plain_summary(doc),
    )
