"""Bumps, shifts and manifolds: ranks, local dimensions, moments."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import PolynomialFeatures

from sklearn_ardvae.datasets import (
    make_gaussian_bumps,
    make_manifold,
    make_network_manifold,
    make_shift,
)


def rank(data, tolerance=1e-5):
    """Number of singular values above float32's rounding."""
    values = np.linalg.svd(np.asarray(data, float), compute_uv=False)
    return int((values > tolerance * values[0]).sum())


def local_dimension(data, n_neighbors=30, n_points=60):
    """Most frequent number of components that explain 95 % of a small patch."""
    index = NearestNeighbors(n_neighbors=n_neighbors).fit(data)
    counts = []
    for neighbors in index.kneighbors(data[:n_points], return_distance=False):
        patch = data[neighbors].astype(float)
        values = np.linalg.svd(patch - patch.mean(0), compute_uv=False) ** 2
        shares = np.cumsum(values) / values.sum()
        counts.append(int((shares < 0.95).sum()) + 1)
    return int(np.bincount(counts).argmax())


def test_bumps_have_the_papers_moments_and_formula():
    bumps = make_gaussian_bumps(n_test=50, random_state=0)
    assert bumps.data.shape == (100, 4096)
    assert bumps.data_test.shape == (50, 4096)
    # Mean and standard deviation of the paper's code, to its five digits.
    assert bumps.mean == pytest.approx(0.06074, abs=5e-6)
    assert bumps.scale == pytest.approx(0.16356, abs=5e-6)
    axis = np.linspace(-1, 1, 64)
    t, s = np.meshgrid(axis, axis, indexing="ij")
    for data, factors in (
        (bumps.data, bumps.factors),
        (bumps.data_test, bumps.factors_test),
    ):
        for row, (s0, t0) in zip(data[:40], factors[:40], strict=True):
            bump = np.exp(-((s - s0) ** 2 + (t - t0) ** 2) / (2 * 0.2**2))
            expected = (bump - bumps.mean) / bumps.scale
            np.testing.assert_allclose(row.reshape(64, 64), expected, atol=2e-6)
    grid = np.linspace(-0.5, 0.5, 10)
    assert {tuple(c) for c in bumps.factors} == {(a, b) for a in grid for b in grid}


def test_bumps_standardised_each_by_their_own():
    bumps = make_gaussian_bumps(n_test=80, standardize="each", random_state=0)
    for data in (bumps.data, bumps.data_test):
        assert data.mean(dtype=float) == pytest.approx(0.0, abs=1e-6)
        assert data.std(dtype=float) == pytest.approx(1.0, abs=1e-6)
    plain = make_gaussian_bumps(n_test=80, standardize=None, random_state=0)
    assert plain.data.min() >= 0.0
    assert plain.data.max() <= 1.0
    assert (plain.mean, plain.scale) == (0.0, 1.0)


def test_diagonal_test_set():
    diagonal = make_gaussian_bumps(n_test=40, diagonal_test=True, random_state=0)
    centers = diagonal.factors_test
    np.testing.assert_array_equal(centers[:, 0], centers[:, 1])
    images = diagonal.data_test.reshape(-1, 64, 64)
    np.testing.assert_allclose(images, images.transpose(0, 2, 1), atol=1e-6)
    free = make_gaussian_bumps(n_test=400, random_state=0).factors_test
    assert abs(np.corrcoef(free.T)[0, 1]) < 0.25
    assert np.abs(free).max() <= 0.5


@pytest.mark.parametrize("max_shift", [0.5, 1.8])
def test_shifted_sines_have_rank_two(max_shift):
    shift = make_shift(max_shift=max_shift)
    assert shift.data.shape == (199, 200)
    assert rank(shift.data) == 2 == shift.n_linear
    t = np.linspace(0, 2 * np.pi, 200)
    np.testing.assert_allclose(shift.data, np.sin(t - np.pi * shift.factors), atol=1e-6)
    assert shift.factors.min() == 0.0
    assert shift.factors.max() < max_shift


def test_noise_of_shifted_sines():
    clean, noisy = make_shift(), make_shift(noise=0.2, random_state=0)
    # 39 800 draws: a relative standard error of 0.35 %.
    assert (noisy.data - clean.data).std() == pytest.approx(0.2, rel=0.02)
    assert rank(noisy.data) == 199


@pytest.mark.parametrize(("n", "d"), [(1, 30), (8, 128), (16, 64)])
def test_network_manifold_is_a_homogeneous_function_of_its_latents(n, d):
    manifold = make_network_manifold(400, n_dimensions=n, n_features=d, random_state=0)
    assert manifold.data.shape == (400, d)
    assert manifold.factors.shape == (400, n)
    assert manifold.n_true == n
    assert manifold.data.std(dtype=float) == pytest.approx(1.0, abs=1e-5)
    if n == 1:
        # Two rays, one for each sign.
        assert rank(manifold.data) == 2 == manifold.n_linear
        up = manifold.factors[:, 0] > 0
        rays = manifold.data[up] / manifold.factors[up]
        np.testing.assert_allclose(
            rays, np.broadcast_to(rays[:1], rays.shape), rtol=1e-4
        )


def test_network_manifold_has_normal_latents_and_spans_all_its_width():
    manifold = make_network_manifold(20_000, n_dimensions=4, random_state=1)
    z = manifold.factors
    # Standard errors 0.007 and 0.01: five of them.
    np.testing.assert_allclose(z.mean(0), 0.0, atol=0.036)
    np.testing.assert_allclose(np.cov(z.T), np.eye(4), atol=0.05)
    assert rank(manifold.data[:2000]) == 128 == manifold.n_linear


@pytest.mark.parametrize("n", [1, 3, 6])
def test_linear_manifold_has_its_rank(n):
    manifold = make_manifold("linear", 300, n_dimensions=n, random_state=0)
    assert rank(manifold.data) == n == manifold.n_true == manifold.n_linear


@pytest.mark.parametrize(
    ("kind", "n", "spans"),
    [
        ("sphere", 1, 2),
        ("sphere", 2, 3),
        ("sphere", 3, 4),
        ("torus", 1, 2),
        ("torus", 2, 4),
        ("torus", 3, 6),
        ("swiss_roll", 1, 2),
        ("swiss_roll", 2, 3),
        ("swiss_roll", 3, 4),
    ],
)
def test_curved_manifolds_span_more_than_their_dimension(kind, n, spans):
    manifold = make_manifold(
        kind, 12_000, n_dimensions=n, n_features=20, random_state=0
    )
    assert rank(manifold.data[:500]) == spans == manifold.n_linear
    assert manifold.n_true == n
    assert local_dimension(manifold.data) == n


# Each with the most dimensions that it spans with n latents.
RANDOM_MAPS = {
    "network": lambda n: 128,
    "shallow_relu_network": lambda n: 100,
    "tanh_network": lambda n: 64,
    "shallow_tanh_network": lambda n: 64,
    "random_sines": lambda n: 200,
    "mixed_sines": lambda n: 64,
    "quadratic": lambda n: n * (n + 3) // 2,
}


@pytest.mark.parametrize("kind", RANDOM_MAPS)
@pytest.mark.parametrize("n", [2, 3])
def test_random_maps_have_their_dimension(kind, n):
    manifold = make_manifold(
        kind, 12_000, n_dimensions=n, n_features=20, random_state=0
    )
    assert manifold.n_true == n
    assert manifold.factors.shape == (12_000, n)
    # Of unit variance, uniform in a cube of edge 2 sqrt(3) or normal, or of variance
    # 1/3 for the cube of edge 2. Standard errors: 0.009, 0.013.
    variance = 1 / 3 if kind == "shallow_tanh_network" else 1.0
    np.testing.assert_allclose(manifold.factors.mean(0), 0.0, atol=0.05)
    np.testing.assert_allclose(
        np.cov(manifold.factors.T), variance * np.eye(n), atol=0.065
    )
    assert local_dimension(manifold.data) == n


@pytest.mark.parametrize("kind", RANDOM_MAPS)
def test_random_maps_span_no_more_than_they_say(kind):
    # With 20 latents nothing is so smooth that what it spans is lost in rounding.
    manifold = make_manifold(
        kind, 1000, n_dimensions=20, n_features=200, random_state=0
    )
    assert rank(manifold.data) == manifold.n_linear == min(RANDOM_MAPS[kind](20), 200)
    narrow = make_manifold(kind, 400, n_dimensions=8, n_features=30, random_state=0)
    assert rank(narrow.data) == narrow.n_linear == 30


def unexplained(z, x, degree):
    """Root of the mean square of what no polynomial in the latents explains."""
    monomials = PolynomialFeatures(degree).fit_transform(z)
    left = x - monomials @ np.linalg.lstsq(monomials, x, rcond=None)[0]
    return np.sqrt(np.square(left).mean())


def test_quadratic_is_quadratic_in_its_latents():
    manifold = make_manifold("quadratic", 2000, n_dimensions=5, random_state=0)
    z, x = manifold.factors, manifold.data.astype(float)
    # Data of unit variance, rounded to 24 bits.
    assert unexplained(z, x, 2) < 1e-6
    assert unexplained(z, x, 1) > 0.1


@pytest.mark.parametrize(
    ("kind", "error"),
    # Sines are entire; the poles of tanh lie at pi / 2 i over the weights, and slow
    # the polynomials down.
    [
        ("random_sines", 1e-6),
        ("mixed_sines", 1e-6),
        ("shallow_tanh_network", 1e-4),
        ("tanh_network", 1e-3),
    ],
)
def test_smooth_maps_of_one_latent_are_nearly_polynomials(kind, error):
    manifold = make_manifold(kind, 4000, n_dimensions=1, n_features=30, random_state=0)
    z, x = manifold.factors[:, 0], manifold.data.astype(float)
    z = z / np.abs(z).max()
    basis = np.polynomial.chebyshev.chebvander(z, 40)
    solved = np.linalg.lstsq(basis, x, rcond=None)[0]
    assert np.sqrt(np.square(x - basis @ solved).mean()) < error
    if kind == "tanh_network":  # no biases: an odd function, but for the mean
        even, odd = np.abs(solved[2::2]).max(), np.abs(solved[1::2]).max()
        assert even < 1e-3 * odd


@pytest.mark.parametrize(
    ("kind", "n_kinks"), [("network", 1), ("shallow_relu_network", 100)]
)
def test_rectifiers_of_one_latent_are_straight_between_kinks(kind, n_kinks):
    manifold = make_manifold(kind, 4000, n_dimensions=1, n_features=30, random_state=0)
    order = manifold.factors[:, 0].argsort()
    z, x = manifold.factors[order], manifold.data[order].astype(float)
    gaps = np.diff(z, axis=0)
    wide = gaps[:, 0] > 1e-4  # or rounding changes a slope by more than 1e-2
    slopes = (np.diff(x, axis=0) / gaps)[wide]
    turns = (np.abs(np.diff(slopes, axis=0)) > 1e-2).any(1).sum()
    assert wide.sum() > 3000
    # A kink between two rows changes two slopes.
    assert n_kinks / 2 < turns <= 2 * n_kinks


@pytest.mark.parametrize("kind", ["linear", "sphere", "torus", *RANDOM_MAPS])
@pytest.mark.parametrize("width", [24, 90])
def test_manifolds_have_unit_variance_around_their_mean(kind, width):
    data = make_manifold(kind, 500, n_features=width, random_state=0).data.astype(float)
    assert data.var(0).mean() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(data.mean(0), 0.0, atol=1e-5)


def test_sphere_and_torus_lie_where_they_should():
    sphere = make_manifold("sphere", 2000, n_dimensions=4, random_state=0)
    data = sphere.data.astype(float)
    # Equal distance from one centre, found by least squares: |x|^2 = 2 x.c + const.
    basis = np.linalg.svd(data - data.mean(0), full_matrices=False)[2][:5]
    points = (data - data.mean(0)) @ basis.T
    design = np.c_[2 * points, np.ones(len(points))]
    solved = np.linalg.lstsq(design, (points**2).sum(1), rcond=None)[0]
    radii = np.linalg.norm(points - solved[:5], axis=1)
    np.testing.assert_allclose(radii, radii.mean(), rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(sphere.factors, axis=1), 1.0)
    # Uniform: mean 0 and covariance I / 5.
    np.testing.assert_allclose(sphere.factors.mean(0), 0.0, atol=0.05)
    np.testing.assert_allclose(np.cov(sphere.factors.T), np.eye(5) / 5, atol=0.03)
    torus = make_manifold("torus", 2000, n_dimensions=3, random_state=0)
    angles = torus.factors
    assert angles.min() >= 0
    assert angles.max() < 2 * np.pi
    # The rotation keeps distances: those of the circles' points, up to one factor.
    circles = np.hstack([np.cos(angles), np.sin(angles)])
    pairs = np.random.default_rng(0).integers(0, 2000, (500, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    true = np.linalg.norm(circles[pairs[:, 0]] - circles[pairs[:, 1]], axis=1)
    got = np.linalg.norm(torus.data[pairs[:, 0]] - torus.data[pairs[:, 1]], axis=1)
    np.testing.assert_allclose(
        got / true, np.full(len(pairs), (got / true)[0]), rtol=1e-4
    )


def test_swiss_roll_is_uniform_along_its_arc():
    t = make_manifold("swiss_roll", 8000, n_dimensions=2, random_state=0).factors[:, 0]
    arc = 0.5 * (t * np.sqrt(1 + t**2) + np.arcsinh(t))
    ends = 0.5 * (
        (e := np.array([1.5, 4.5]) * np.pi) * np.sqrt(1 + e**2) + np.arcsinh(e)
    )
    share = np.histogram(arc, bins=10, range=tuple(ends))[0] / 8000
    # Standard error 0.0034; that t^2 / 2 is not quite the arc adds 2 %.
    np.testing.assert_allclose(share, 0.1, atol=0.015)


def test_products_add_their_dimensions_and_share_the_variance():
    product = make_manifold(
        ("sphere", "torus", "linear"),
        6000,
        n_dimensions=(2, 1, 3),
        n_features=12,
        random_state=0,
    )
    assert product.n_true == 6
    assert rank(product.data) == product.n_linear == 3 + 2 + 3
    assert product.factors.shape == (6000, 3 + 1 + 3)
    # Sphere, circle and flat have variances 2, 1 and 3 in 3, 2 and 3 directions, in a
    # total that scales to 12: the eigenvalues of the covariance show them.
    values = np.linalg.eigvalsh(np.cov(product.data.T.astype(float)))[::-1] / 2.0
    expected = sorted([2 / 3] * 3 + [1 / 2] * 2 + [1.0] * 3, reverse=True) + [0] * 4
    np.testing.assert_allclose(values, expected, atol=0.06)


def test_products_with_networks_fill_the_width():
    product = make_manifold(
        ("network", "sphere"), 500, n_dimensions=(3, 2), n_features=40, random_state=0
    )
    assert rank(product.data) == 40 == product.n_linear
    assert product.n_true == 5
    assert (
        local_dimension(
            make_manifold(
                ("torus", "swiss_roll"), 12_000, n_dimensions=(1, 1), random_state=0
            ).data
        )
        == 2
    )


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("make", [make_manifold, make_network_manifold])
def test_noise_is_relative_to_the_data(make, noise):
    clean = (
        make(2000, random_state=0)
        if make is make_network_manifold
        else make("torus", 2000, random_state=0)
    )
    noisy = (
        make(2000, noise=noise, random_state=0)
        if make is make_network_manifold
        else make("torus", 2000, noise=noise, random_state=0)
    )
    assert clean.data.std(dtype=float) == pytest.approx(1.0, abs=1e-5)
    assert (noisy.data - clean.data).std(dtype=float) == pytest.approx(noise, rel=0.01)
    assert noisy.noise_variance == pytest.approx(noise**2)
    assert noisy.data.dtype == np.float32


def test_repeatable_and_apart_from_the_global_generator():
    before = np.random.get_state()[1].copy()
    for kind in ("linear", "swiss_roll", "sphere", "torus", *RANDOM_MAPS):
        one, two, other = (
            make_manifold(kind, 50, n_dimensions=2, random_state=seed)
            for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(one.data, two.data)
        assert not np.allclose(one.data, other.data)
        data, factors = make_manifold(
            kind, 50, n_dimensions=2, random_state=0, return_X_y=True
        )
        np.testing.assert_array_equal(data, one.data)
        np.testing.assert_array_equal(factors, one.factors)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    ("data", "start", "end"),
    [
        (
            lambda: make_network_manifold(5, n_dimensions=3, noise=0.1, random_state=0),
            (-0.9461254, 0.5961691),
            (-0.5693681, -0.3531160),
        ),
        (
            lambda: make_manifold(
                ("network", "sphere"),
                5,
                n_dimensions=2,
                n_features=20,
                noise=0.1,
                random_state=0,
            ),
            (-0.6006457, 1.1276826),
            (0.3208880, -1.3035704),
        ),
        (
            lambda: make_manifold(
                ("swiss_roll", "torus"),
                5,
                n_dimensions=2,
                n_features=20,
                random_state=0,
            ),
            (1.5520281, 0.5946066),
            (-1.5537173, -1.0556021),
        ),
    ],
)
def test_a_seed_gives_the_same_data_in_every_release(data, start, end):
    rows = data().data
    # Of sums in other orders: about 1e-6.
    np.testing.assert_allclose(rows[0, :2], start, atol=1e-5)
    np.testing.assert_allclose(rows[-1, -2:], end, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: make_manifold("cube"), ValueError, "kind must be one of 'network'"),
        (lambda: make_manifold(()), ValueError, "at least one kind"),
        (lambda: make_manifold(("torus", 3)), ValueError, "kind must be one of"),
        (
            lambda: make_manifold(("torus", "sphere"), n_dimensions=(1, 2, 3)),
            ValueError,
            "has 3 entries for the 2 manifolds",
        ),
        (
            lambda: make_manifold("torus", n_dimensions=8, n_features=15),
            ValueError,
            "n_features must be at least 16",
        ),
        (
            lambda: make_manifold("network", n_dimensions=8, n_features=7),
            ValueError,
            "n_features must be at least 8",
        ),
        (lambda: make_manifold(n_dimensions=0), ValueError, "n_dimensions must be"),
        (lambda: make_manifold(n_samples=1), ValueError, "n_samples must be"),
        (lambda: make_manifold(noise=-1), ValueError, "noise must be a finite"),
        (lambda: make_manifold(noise="a"), TypeError, "noise must be a number"),
        (
            lambda: make_network_manifold(n_dimensions=200),
            ValueError,
            r"n_dimensions must be an integer in \[1, 128\]",
        ),
        (
            lambda: make_network_manifold(negative_slope=0.0),
            ValueError,
            "negative_slope must be a finite number > 0",
        ),
        (lambda: make_gaussian_bumps(1), ValueError, "n_grid must be"),
        (lambda: make_gaussian_bumps(width=0.0), ValueError, "width must be"),
        (
            lambda: make_gaussian_bumps(standardize=True),
            ValueError,
            "standardize must be one of 'train', 'each', None",
        ),
        (lambda: make_shift(1), ValueError, "n_samples must be"),
        (lambda: make_shift(max_shift=np.nan), ValueError, "max_shift must be"),
        (lambda: make_shift(n_features=True), TypeError, "n_features must be"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
