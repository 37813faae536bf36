"""Chaotic systems: other solvers, identities, and exponents of the literature."""

from functools import partial

import numpy as np
import pytest
import scipy.fft
from scipy.integrate import simpson, solve_ivp
from scipy.spatial.distance import pdist

from sklearn_ardvae.datasets import make_kuramoto_sivashinsky, make_lorenz96
from sklearn_ardvae.datasets._solvers import (
    follow,
    kuramoto_sivashinsky_step,
    lorenz96_step,
    lorenz96_tendency,
    n_modes,
)

MAKERS = (make_kuramoto_sivashinsky, make_lorenz96)
# Both with starts on the way to the attractor only: for what does not need it.
short_ks = partial(
    make_kuramoto_sivashinsky, n_samples=60, transient=2.0, n_trajectories=4
)
short_lorenz96 = partial(make_lorenz96, n_samples=60, transient=0.5, n_trajectories=4)
SHORT = (short_ks, short_lorenz96)


def front(length, n_points, *, seed=0, size=1.0):
    """Return a random sum of the first four waves on the grid, of mean 0."""
    x = 2 * np.pi * np.arange(n_points) / n_points
    a, b = np.random.default_rng(seed).standard_normal((2, 4, 1))
    m = np.arange(1, 5)[:, None]
    return size * (a * np.cos(m * x) + b * np.sin(m * x)).sum(0)


def burn(u, length, *, time, max_step=0.01, n_snapshots=2):
    """Solve the Kuramoto-Sivashinsky equation; return the snapshots of u."""
    n_points = len(u)
    waves = follow(
        partial(kuramoto_sivashinsky_step, length, n_points),
        scipy.fft.rfft(u)[None, : n_modes(n_points) + 1],
        transient=0.0,
        interval=time / (n_snapshots - 1),
        n_snapshots=n_snapshots,
        max_step=max_step,
    )
    return scipy.fft.irfft(waves[0], n_points)


def blow(x, *, time, max_step, forcing=8.0):
    """Solve the Lorenz-96 model; return the last state."""
    return follow(
        partial(lorenz96_step, forcing),
        x[None],
        transient=time,
        interval=1.0,
        n_snapshots=1,
        max_step=max_step,
    )[0, 0]


def translated(u, shift, length):
    """Return u(x - shift) of a function on the grid."""
    k = 2 * np.pi / length * np.arange(len(u) // 2 + 1)
    return scipy.fft.irfft(scipy.fft.rfft(u) * np.exp(-1j * k * shift), len(u))


def derivative(u, length, order):
    k = 2 * np.pi / length * np.arange(u.shape[-1] // 2 + 1)
    return scipy.fft.irfft((1j * k) ** order * scipy.fft.rfft(u), u.shape[-1])


def exponents(step, x, *, time, n_steps, n_exponents, skip):
    """Return the Lyapunov exponents: growth of small frames, by QR, over `time`."""
    size = 1e-6
    generator = np.random.default_rng(0)
    frame = np.linalg.qr(generator.standard_normal((x.size, n_exponents))).Q
    grown = []
    for _ in range(round(time)):
        states = np.vstack([x, x + size * frame.T])
        for _ in range(n_steps):
            states = step(states)
        x = states[:1]
        frame, triangle = np.linalg.qr((states[1:] - x).T / size)
        grown.append(np.log(np.abs(np.diag(triangle))))
    return np.mean(grown[skip:], axis=0)


class TestKuramotoSivashinskySolver:
    # Even and odd grids, to where the two-thirds rule keeps 5, 6 and 11 waves; one
    # grid holds m = n / 3, which would be an alias of itself.
    @pytest.mark.parametrize(
        ("length", "n_points"), [(10.0, 16), (10.0, 18), (12.0, 19), (22.0, 34)]
    )
    def test_waves_follow_the_galerkin_system(self, length, n_points):
        # The same modes with their products as explicit sums, without any grid.
        top = (n_points - 1) // 3
        m = np.arange(-top, top + 1)
        k = 2 * np.pi / length * m

        def tendency(_, c):
            products = np.convolve(c, c)[top : 3 * top + 1]
            return (k**2 - k**4) * c - 0.5j * k * products

        u = front(length, n_points)
        start = np.exp(-2j * np.pi * np.outer(m, np.arange(n_points)) / n_points)
        start = start @ u / n_points
        solved = solve_ivp(
            tendency, (0, 1), start, method="DOP853", rtol=1e-11, atol=1e-12
        ).y[:, -1]
        expected = np.exp(1j * np.outer(np.arange(n_points), k) * length / n_points)
        got = burn(u, length, time=1.0, max_step=1 / 512)[-1]
        # Of values up to 2; the scheme's error is 3e-10.
        np.testing.assert_allclose(got, (expected @ solved).real, atol=5e-9)

    def test_steps_are_of_fourth_order(self):
        u = burn(front(22.0, 34), 22.0, time=20.0, max_step=0.05)[-1]
        fine = burn(u, 22.0, time=1.0, max_step=1 / 1024)[-1]
        errors = [
            np.abs(burn(u, 22.0, time=1.0, max_step=h)[-1] - fine).max()
            for h in (1 / 64, 1 / 128, 1 / 256)
        ]
        # Of 1e-8 to 5e-11; fast waves lower the order of longer steps.
        np.testing.assert_allclose(
            np.log2(np.divide(errors[:-1], errors[1:])), 4, rtol=0.06
        )

    @pytest.mark.parametrize("mean", [0.0, 1.5])
    def test_the_mean_is_conserved(self, mean):
        rows = burn(front(22.0, 64) + mean, 22.0, time=20.0, n_snapshots=5)
        np.testing.assert_allclose(rows.mean(1), mean, atol=1e-14)

    def test_energy_changes_by_what_waves_gain_and_lose(self):
        rows = burn(front(22.0, 64, size=3.0), 22.0, time=2.0, n_snapshots=401)
        gain = np.square(derivative(rows, 22.0, 1)).mean(1)
        loss = np.square(derivative(rows, 22.0, 2)).mean(1)
        energy = 0.5 * np.square(rows).mean(1)
        # What is compared is no small difference.
        assert energy[0] - energy[-1] > 1.0
        balance = simpson(gain - loss, x=np.linspace(0, 2, 401))
        # The sum is off by 2e-7, of 6.
        assert energy[-1] - energy[0] == pytest.approx(balance, abs=1e-5)

    def test_moving_frames_see_the_same(self):
        # Galilei: u(x - c t, t) + c is a solution with u.
        u, c, time = front(22.0, 64), 0.7, 3.0
        still = burn(u, 22.0, time=time, max_step=0.005)[-1]
        moving = burn(u + c, 22.0, time=time, max_step=0.005)[-1]
        # The scheme's errors differ between the frames: 3e-9.
        expected = translated(still, c * time, 22.0) + c
        np.testing.assert_allclose(moving, expected, atol=1e-7)

    def test_translations_and_reflections_commute_with_time(self):
        u = front(22.0, 64)
        later = burn(u, 22.0, time=5.0)[-1]
        # Rounding only, grown by instabilities.
        got = burn(translated(u, 3.3, 22.0), 22.0, time=5.0)[-1]
        np.testing.assert_allclose(got, translated(later, 3.3, 22.0), atol=1e-11)
        # u -> -u(-x)
        got = burn(-np.roll(u[::-1], 1), 22.0, time=5.0)[-1]
        np.testing.assert_allclose(got, -np.roll(later[::-1], 1), atol=1e-11)

    def test_odd_solutions_stay_odd(self):
        u = front(22.0, 64)
        u = u - np.roll(u[::-1], 1)
        later = burn(u, 22.0, time=5.0)[-1]
        assert np.abs(later).max() > 0.5
        np.testing.assert_allclose(later, -np.roll(later[::-1], 1), atol=1e-11)

    def test_small_waves_grow_and_decay_at_their_rates(self):
        u = front(22.0, 64, size=1e-9)
        before, after = scipy.fft.rfft(u), scipy.fft.rfft(burn(u, 22.0, time=3.0)[-1])
        k = 2 * np.pi / 22.0 * np.arange(1, 5)
        # The products are 1e-9 of the waves.
        expected = np.exp(3.0 * (k**2 - k**4))
        np.testing.assert_allclose(after[1:5] / before[1:5], expected, rtol=1e-7)

    @pytest.mark.parametrize(("length", "at_rest"), [(6.0, True), (6.6, False)])
    def test_rest_is_stable_up_to_a_length_of_two_pi(self, length, at_rest):
        u = front(length, 32, size=0.1)
        rms = np.sqrt(np.square(burn(u, length, time=200.0, max_step=0.05)[-1]).mean())
        # The first wave decays by exp(-0.106 t) or grows by exp(0.085 t).
        assert (rms < 1e-6) if at_rest else (rms > 0.1)

    def test_exponents_and_their_gap_at_length_22(self):
        # After 8 exponents, the dimension of the inertial manifold, comes a gap; the
        # next is -1.963 (Ding et al., arXiv 1604.01859). A frame of mean 0.
        one_step = kuramoto_sivashinsky_step(22.0, 48, 0.1)
        top = n_modes(48)

        def step(flat):
            v = np.zeros((len(flat), top + 1), complex)
            v[:, 1:] = flat[:, :top] + 1j * flat[:, top:]
            v = one_step(v)[:, 1:]
            return np.hstack([v.real, v.imag])

        u = burn(front(22.0, 48), 22.0, time=150.0, max_step=0.1)[-1]
        v = scipy.fft.rfft(u)[None, 1 : top + 1]
        x = np.hstack([v.real, v.imag])
        found = exponents(step, x, time=400, n_steps=10, n_exponents=9, skip=20)
        # Over starts, the standard errors are 0.01 of it and 0.04 of the sum.
        assert found[7] > -0.5
        assert found[8] == pytest.approx(-1.963, abs=0.05)
        # The sum of the first 8, 0.048 - 0.003 - 0.189 - 0.256 - 0.290 - 0.310.
        assert found[:8].sum() == pytest.approx(-1.0, abs=0.2)


class TestKuramotoSivashinskyData:
    @pytest.mark.parametrize(("length", "n_points"), [(22.0, 64), (44.0, 64)])
    def test_gain_and_loss_balance_on_the_attractor(self, length, n_points):
        fronts = make_kuramoto_sivashinsky(
            2000, length=length, n_features=n_points, n_trajectories=40, random_state=0
        )
        u = fronts.data.astype(float)
        np.testing.assert_allclose(u.mean(1), 0.0, atol=1e-6)
        gain = np.square(derivative(u, length, 1)).mean()
        loss = np.square(derivative(u, length, 2)).mean()
        # Equal over long times. Over seeds, the standard error is 0.1 %, and 2 % below.
        assert gain == pytest.approx(loss, rel=0.02)
        # Not at rest, and as large at its end as at its start.
        first = fronts.time < 25
        assert 1.0 < u.std() < 1.5
        assert u[first].std() == pytest.approx(u[~first].std(), rel=0.1)

    def test_the_grid_does_not_matter_while_it_resolves(self):
        coarse, fine = (
            short_ks(n_features=n, interval=0.5, random_state=0) for n in (64, 128)
        )
        # The waves that 64 points leave out are 1e-7 of the whole, and float32.
        np.testing.assert_allclose(coarse.data, fine.data[:, ::2], atol=1e-5)
        np.testing.assert_allclose(coarse.grid, fine.grid[::2])
        np.testing.assert_allclose(fine.grid, np.linspace(0, 22, 128, endpoint=False))
        # The coarsest that is let through: 0.1 % left out, over 9 units of time.
        least = short_ks(n_features=34, interval=0.5, random_state=0)
        points = scipy.fft.irfft(scipy.fft.rfft(least.data)[:, :12], 128) * 128 / 34
        assert np.square(points - fine.data).mean() < 1e-4 * fine.data.var()

    def test_starts_are_sums_of_the_unstable_waves(self):
        fronts = make_kuramoto_sivashinsky(
            50, length=44.0, transient=0.0, n_trajectories=50, random_state=0
        )
        waves = np.abs(scipy.fft.rfft(fronts.data.astype(float))) / 64
        # 7 waves of a length above 2 pi fit into 44.
        assert waves[:, 1:8].min() > 1e-4
        np.testing.assert_allclose(waves[:, [0, *range(8, 33)]], 0.0, atol=1e-7)
        np.testing.assert_allclose(np.square(fronts.data).mean(1), 1.0, rtol=1e-5)


class TestLorenz96Solver:
    def test_the_tendency_is_the_formula(self):
        x = np.random.default_rng(0).standard_normal((3, 7))
        expected = [
            [
                (row[(i + 1) % 7] - row[i - 2]) * row[i - 1] - row[i] + 5.0
                for i in range(7)
            ]
            for row in x
        ]
        np.testing.assert_allclose(lorenz96_tendency(x, 5.0), expected, rtol=1e-12)

    @pytest.mark.parametrize("n_sites", [4, 5, 40])
    def test_products_conserve_energy_and_volume(self, n_sites):
        x = 3.0 * np.random.default_rng(0).standard_normal((1, n_sites))
        products = lorenz96_tendency(x, 8.0) + x - 8.0
        # A sum of terms up to 100 that cancel.
        assert (x * products).sum() == pytest.approx(0.0, abs=1e-11)
        # Quadratic: central differences are exact. Only damping contracts volumes.
        moved = np.eye(n_sites)
        slopes = lorenz96_tendency(x + moved, 8.0) - lorenz96_tendency(x - moved, 8.0)
        assert np.trace(slopes) / 2 == pytest.approx(-n_sites, abs=1e-10)

    @pytest.mark.parametrize("forcing", [0.0, 8.0, 30.0])
    def test_the_forcing_at_every_site_is_a_fixed_point(self, forcing):
        x = np.full(40, forcing)
        later = blow(x, time=1.0, max_step=0.01, forcing=forcing)
        np.testing.assert_array_equal(later, x)

    def test_small_waves_grow_and_decay_at_their_rates(self):
        # exp(i theta j) on the fixed point: rate F (e^(i theta) - e^(-2 i theta)) - 1.
        forcing, theta = 8.0, 2 * np.pi * np.arange(21) / 40
        delta = 1e-9 * np.random.default_rng(0).standard_normal(40)
        later = blow(forcing + delta, time=0.5, max_step=0.002) - forcing
        rate = forcing * (np.exp(1j * theta) - np.exp(-2j * theta)) - 1.0
        expected = scipy.fft.irfft(scipy.fft.rfft(delta) * np.exp(0.5 * rate), 40)
        # Rounding of 8 is 1e-15, and is grown 100 times.
        np.testing.assert_allclose(later, expected, atol=1e-12)

    def test_another_solver_finds_the_same(self):
        x = 8.0 + np.random.default_rng(0).standard_normal(40)
        solved = solve_ivp(
            lambda _, y: (np.roll(y, -1) - np.roll(y, 2)) * np.roll(y, 1) - y + 8.0,
            (0, 2),
            x,
            method="DOP853",
            rtol=1e-12,
            atol=1e-12,
        ).y[:, -1]
        # The scheme's error is 1e-6, grown by chaos.
        got = blow(x, time=2.0, max_step=0.001)
        np.testing.assert_allclose(got, solved, atol=1e-5)

    def test_steps_are_of_fourth_order(self):
        x = 8.0 + np.random.default_rng(0).standard_normal(40)
        fine = blow(x, time=1.0, max_step=1 / 2048)
        errors = [
            np.abs(blow(x, time=1.0, max_step=h) - fine).max()
            for h in (1 / 64, 1 / 128, 1 / 256)
        ]
        # Of 0.04 to 2e-4.
        np.testing.assert_allclose(
            np.log2(np.divide(errors[:-1], errors[1:])), 4, rtol=0.06
        )

    def test_exponents_of_the_standard_case(self):
        # 13 exponents are positive, their Kaplan-Yorke dimension is 27.1, and errors
        # double in 2.1 days of 0.2 units of time (Lorenz and Emanuel 1998).
        x = 8.0 + np.random.default_rng(0).standard_normal(40)
        x = blow(x, time=20.0, max_step=0.01)[None]
        step = lorenz96_step(8.0, 0.02)
        found = 5.0 * exponents(step, x, time=1500, n_steps=10, n_exponents=40, skip=50)
        # The trace of the Jacobian, but for the order of the steps.
        assert found.sum() == pytest.approx(-40.0, abs=0.01)
        # Over starts, the standard errors are 0.13, and 2 % of the leading exponent.
        sums = np.cumsum(found)
        whole = int((sums > 0).sum())
        dimension = whole + sums[whole - 1] / -found[whole]
        assert dimension == pytest.approx(27.1, abs=0.6)
        assert np.log(2) / found[0] * 5 == pytest.approx(2.1, rel=0.1)
        assert 12 <= (found > 0).sum() <= 14


@pytest.mark.parametrize("forcing", [8.0, 16.0])
def test_forcing_and_damping_balance_on_the_attractor(forcing):
    weather = make_lorenz96(4000, forcing=forcing, n_trajectories=40, random_state=0)
    x = weather.data.astype(float)
    # Equal over long times, as products conserve energy; standard error 0.2 %.
    assert np.square(x).mean() == pytest.approx(forcing * x.mean(), rel=0.02)
    assert x.std() > 3.0
    assert weather.forcing == forcing


@pytest.mark.parametrize("make", SHORT)
class TestSnapshots:
    def test_rows_are_an_interval_apart(self, make):
        rows = make(interval=0.5, random_state=0)
        finer = make(interval=0.25, n_samples=120, random_state=0)
        every_other = finer.data.reshape(4, 30, -1)[:, ::2]
        # Float32 of steps of the same length.
        np.testing.assert_allclose(
            rows.data.reshape(4, 15, -1)[:, :4], every_other[:, :4], atol=1e-3
        )
        np.testing.assert_allclose(rows.time.reshape(4, 15), [0.5 * np.arange(15)] * 4)

    def test_the_transient_is_time(self, make):
        later = make(transient=1.0, interval=0.5, random_state=0)
        start = make(transient=0.0, interval=0.5, random_state=0)
        np.testing.assert_allclose(
            later.data[later.time == 0], start.data[start.time == 1.0], atol=1e-4
        )

    def test_rows_are_shared_out_to_trajectories(self, make):
        even, uneven = make(random_state=0), make(n_samples=58, random_state=0)
        np.testing.assert_array_equal(np.bincount(even.trajectory), [15] * 4)
        np.testing.assert_array_equal(np.bincount(uneven.trajectory), [15, 15, 14, 14])
        kept = ~((even.trajectory >= 2) & (even.time == even.time.max()))
        for key in ("data", "time", "trajectory"):
            np.testing.assert_array_equal(uneven[key], even[key][kept])
        # Of more trajectories the first are the same.
        more = make(n_samples=75, n_trajectories=5, random_state=0)
        np.testing.assert_allclose(more.data[:60], even.data, atol=1e-5)
        starts = even.data[even.time == 0]
        assert pdist(starts).min() > 1.0

    def test_noise_is_relative_to_the_data(self, make):
        clean = make(n_samples=400, interval=0.1, random_state=0)
        noisy = make(n_samples=400, interval=0.1, noise=0.3, random_state=0)
        added = noisy.data.astype(float) - clean.data
        expected = 0.3 * clean.data.std(dtype=float)
        # 16 000 draws: a relative standard error of 0.6 %.
        assert added.std() == pytest.approx(expected, rel=0.03)
        assert noisy.noise_variance == pytest.approx(expected**2, rel=1e-5)
        assert clean.noise_variance == 0.0

    def test_repeatable_and_apart_from_the_global_generator(self, make):
        before = np.random.get_state()[1].copy()
        one, two, other = (make(noise=0.1, random_state=seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(one.data, two.data)
        assert not np.allclose(one.data, other.data)
        assert one.data.dtype == np.float32
        data, time = make(noise=0.1, random_state=0, return_X_y=True)
        np.testing.assert_array_equal(data, one.data)
        np.testing.assert_array_equal(time, one.time)
        np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    ("make", "start", "end"),
    [
        (make_kuramoto_sivashinsky, (2.1074681, 2.1018362), (0.8032325, 1.1235194)),
        (make_lorenz96, (-1.9387159, -7.7183018), (6.9556451, -3.1337667)),
    ],
)
def test_a_seed_gives_the_same_data_in_every_release(make, start, end):
    rows = make(6, transient=1.0, n_trajectories=3, noise=0.1, random_state=0).data
    # Float32, and too early for chaos.
    np.testing.assert_allclose(rows[0, :2], start, atol=1e-5)
    np.testing.assert_allclose(rows[-1, -2:], end, atol=1e-5)


BAD = [
    ({"n_samples": 0}, ValueError, "n_samples must be an integer >= 1"),
    ({"n_features": 3}, ValueError, "n_features must be"),
    ({"n_features": 64.0}, TypeError, "n_features must be an integer"),
    ({"interval": 0.0}, ValueError, "interval must be a finite number > 0"),
    ({"transient": -1.0}, ValueError, "transient must be a finite number >= 0"),
    ({"transient": np.inf}, ValueError, "transient must be a finite number >= 0"),
    ({"n_trajectories": 0}, ValueError, "n_trajectories must be"),
    (
        {"n_samples": 5, "n_trajectories": 6},
        ValueError,
        r"n_trajectories must be an integer in \[1, 5\]; got 6",
    ),
    ({"noise": -0.1}, ValueError, "noise must be a finite number >= 0"),
]


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        *((make, *case) for make in MAKERS for case in BAD),
        (
            make_kuramoto_sivashinsky,
            {"length": 0.0},
            ValueError,
            "length must be a finite number > 0",
        ),
        (
            make_kuramoto_sivashinsky,
            {"length": 22, "n_features": 33},
            ValueError,
            "n_features must be at least 34 for length=22, .* wave numbers up to 2.9",
        ),
        (
            make_kuramoto_sivashinsky,
            {"length": 100.0},
            ValueError,
            "n_features must be at least 142 for length=100",
        ),
        (make_lorenz96, {"forcing": -1.0}, ValueError, "forcing must be a finite"),
        (make_lorenz96, {"forcing": "8"}, TypeError, "forcing must be a number"),
    ],
)
def test_bad_arguments(make, options, error, message):
    with pytest.raises(error, match=message):
        make(**options)
