"""Intrinsic dimensions of data of which they are known, and formulas by loops."""

import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import ortho_group
from sklearn.datasets import make_swiss_roll

from sklearn_ardvae import log_ratios as ratios_of
from sklearn_ardvae.log_ratios import calibrated_dimension, sphere_log_ratio
from sklearn_ardvae.metrics import intrinsic_dimension, local_dimension

METHODS = ["mle", "twonn", "pca", "calibrated"]


def cube(n_dims, n=2000):
    return np.random.default_rng(0).random((n, n_dims))


def sphere(n_dims, n=2000):
    z = np.random.default_rng(0).standard_normal((n, n_dims + 1))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def torus(n_dims, n=2000):
    """Rows on a product of circles: evenly spread, without an edge."""
    angles = 2 * np.pi * cube(n_dims, n)
    return np.hstack([np.cos(angles), np.sin(angles)])


# --- formulas ---------------------------------------------------------------------


def sorted_neighbors(rows, i):
    distances = np.linalg.norm(rows - rows[i], axis=1)
    order = sorted((j for j in range(len(rows)) if j != i), key=lambda j: distances[j])
    return order, distances[order]


def log_ratios(rows, i, method, k):
    _, r = sorted_neighbors(rows, i)
    if method == "twonn":
        return [np.log(r[1] / r[0])]
    return [np.log(r[k - 1] / r[j]) for j in range(k - 1)]


def counted_eigenvalues(rows, i, k, threshold):
    order, _ = sorted_neighbors(rows, i)
    eigenvalues = np.linalg.eigvalsh(np.cov(rows[[i, *order[:k]]].T))
    return sum(value > threshold * eigenvalues[-1] for value in eigenvalues)


ROWS = np.random.default_rng(3).standard_normal((40, 4)) * [1.0, 1.0, 0.5, 0.2]


@pytest.mark.parametrize(("method", "smooth"), [("mle", 0), ("mle", 1), ("twonn", 1)])
def test_local_estimates_are_those_of_all_ratios_together(method, smooth):
    k, expected = 6, []
    for i in range(len(ROWS)):
        order, _ = sorted_neighbors(ROWS, i)
        rows = [i, *order[:k]] if smooth else [i]
        logs = [value for j in rows for value in log_ratios(ROWS, j, method, k)]
        expected.append((len(logs) - 1) / sum(logs))
    found = local_dimension(ROWS, method=method, n_neighbors=k, smooth=bool(smooth))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_local_pca_counts_eigenvalues(threshold):
    k = 8
    counts = [
        counted_eigenvalues(ROWS, i, k, threshold or 0.05) for i in range(len(ROWS))
    ]
    settings = {"method": "pca", "n_neighbors": k, "threshold": threshold}
    found = local_dimension(ROWS, smooth=False, **settings)
    np.testing.assert_array_equal(found, counts)
    smooth = [
        np.mean([counts[j] for j in [i, *sorted_neighbors(ROWS, i)[0][:k]]])
        for i in range(len(ROWS))
    ]
    np.testing.assert_allclose(local_dimension(ROWS, **settings), smooth)
    assert intrinsic_dimension(ROWS, **settings) == np.median(counts)
    # Of more features than neighbours, from the other product of the rows.
    wide = ROWS @ np.linalg.qr(np.random.default_rng(0).standard_normal((30, 4)))[0].T
    np.testing.assert_array_equal(
        local_dimension(wide, smooth=False, **settings), found
    )


def test_the_estimate_of_all_rows_averages_inverses():
    k = 6
    singles = [(k - 1) / sum(log_ratios(ROWS, i, "mle", k)) for i in range(len(ROWS))]
    found = intrinsic_dimension(ROWS, method="mle", n_neighbors=k)
    assert found == pytest.approx(1 / np.mean(1 / np.array(singles)), rel=1e-9)


def test_twonn_is_the_slope_of_the_published_fit():
    n = len(ROWS)
    x = sorted(log_ratios(ROWS, i, "twonn", 2)[0] for i in range(n))
    kept = [(x[i], -np.log(1 - (i + 1) / n)) for i in range(int(0.9 * n))]
    slope = sum(a * b for a, b in kept) / sum(a * a for a, _ in kept)
    assert intrinsic_dimension(ROWS) == pytest.approx(slope, rel=1e-9)


class TestTheSphere:
    @pytest.mark.parametrize("span", [(1, 5), (10, 20)])
    @pytest.mark.parametrize(
        ("n_dims", "log_chord"),
        [
            # A circle: shares of the arc. A sphere: those of its surface, r^2 / 4.
            (1, lambda share: np.log(2 * np.sin(np.pi * share / 2))),
            (2, lambda share: 0.5 * np.log(4 * share)),
            # Few dimensions, near rows: flat.
            (0.25, lambda share: np.log(share) / 0.25),
        ],
        ids=["circle", "sphere", "flat"],
    )
    def test_closed_forms(self, n_dims, log_chord, span):
        first, last = span
        logs = [log_chord(np.exp(digamma(j) - digamma(900))) for j in range(1, 21)]
        expected = np.mean([logs[last - 1] - logs[j - 1] for j in range(first, last)])
        found = sphere_log_ratio(n_dims, 900, first, last)
        # Of a quarter of a dimension, a share of 1 in 50 is not quite small.
        assert found == pytest.approx(expected, rel=1e-6 if n_dims >= 1 else 1e-4)

    @pytest.mark.parametrize("n_dims", [0.1, 0.26, 1.0, 7.3, 80.0, 3000.0])
    def test_it_is_solved_for(self, n_dims):
        mean = sphere_log_ratio(n_dims, 500, 1, 5)
        # Below a quarter it is flat, and above straight between tabled dimensions.
        found = calibrated_dimension(mean, 500, 1, 5)
        assert found == pytest.approx(n_dims, rel=1e-4)

    def test_estimates_are_those_of_its_ratios(self):
        k, n = 6, len(ROWS)
        logs = np.array([log_ratios(ROWS, i, "mle", k) for i in range(n)])
        expected = calibrated_dimension(logs.mean(), n, 1, k)
        found = intrinsic_dimension(ROWS, method="calibrated", n_neighbors=k)
        assert found == pytest.approx(float(expected), rel=1e-9)
        local = local_dimension(ROWS, method="calibrated", n_neighbors=k, smooth=False)
        # Of four degrees of freedom instead of five, without bias.
        expected = calibrated_dimension(logs.sum(axis=1) / 4, n, 1, k)
        np.testing.assert_allclose(local, expected, rtol=1e-9)

    def test_many_dimensions_are_not_underestimated(self):
        # 2000 rows of 4 ratios, correlated: about 2 %.
        rows = sphere(20)
        assert intrinsic_dimension(rows, method="mle") < 17.0
        found = intrinsic_dimension(rows, method="calibrated")
        assert found == pytest.approx(20.0, rel=0.06)
        found = np.median(local_dimension(rows, method="calibrated"))
        assert found == pytest.approx(20.0, rel=0.06)


# --- known dimensions -------------------------------------------------------------


@pytest.mark.parametrize("n_dims", [1, 2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_of_an_even_spread_without_an_edge(method, n_dims):
    rows = torus(n_dims)
    # Means of 2000 rows, correlated over about 20: 1 / sqrt(100) of a scatter of a
    # quarter. What is left is that circles are bent, which pca sees as dimensions.
    found = local_dimension(rows, method=method, n_neighbors=20)
    assert 1 / np.mean(1 / found) == pytest.approx(
        n_dims, rel=0.1 if method == "pca" else 0.05
    )
    settings = {} if method == "twonn" else {"n_neighbors": 20}
    whole = intrinsic_dimension(rows, method=method, **settings)
    assert whole == pytest.approx(n_dims, rel=0.06)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("rows", "n_dims"),
    [
        (cube(2), 2),
        (cube(5), 5),
        (sphere(2), 2),
        (sphere(5), 5),
        (make_swiss_roll(2000, random_state=0)[0], 2),
        (np.random.default_rng(0).standard_normal((2000, 8)), 8),
    ],
    ids=["square", "cube 5", "sphere 2", "sphere 5", "roll", "Gaussian 8"],
)
def test_of_well_known_sets(method, rows, n_dims):
    # Edges make estimates smaller: 4.5 of 5 by 20 neighbours (measured).
    found = np.median(local_dimension(rows, method=method))
    assert found == pytest.approx(n_dims, rel=0.13)
    assert intrinsic_dimension(rows, method=method) == pytest.approx(n_dims, rel=0.13)


@pytest.mark.parametrize("method", METHODS)
def test_of_a_mixture_each_row_has_its_own(method):
    rng = np.random.default_rng(0)
    rows = np.zeros((3000, 6))
    sizes = (1, 2, 5)
    for part, n_dims in enumerate(sizes):
        rows[1000 * part : 1000 * (part + 1), :n_dims] = rng.random((1000, n_dims))
        rows[1000 * part : 1000 * (part + 1), 5] = 10.0 * part
    found = local_dimension(rows, method=method).reshape(3, 1000)
    np.testing.assert_allclose(np.median(found, axis=1), sizes, rtol=0.13)
    # Hardly a row of one part looks like one of the next.
    assert np.mean(found[0] < 1.5) > 0.9
    assert np.mean(found[2] > 3.0) > 0.9


def test_smoothing_makes_estimates_precise():
    rows = torus(2)
    rough, fine = (local_dimension(rows, smooth=smooth) for smooth in (False, True))
    # One row: 19 exponential variables, 1 / sqrt(17); measured 0.07 with neighbours.
    assert rough.std() / 2 == pytest.approx(1 / np.sqrt(17), rel=0.15)
    assert fine.std() / 2 < 0.09
    assert rough.mean() == pytest.approx(2.0, rel=0.03)  # without bias


# --- what does not matter ---------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_isometries_scale_and_order_do_not_matter(method):
    rows = sphere(3, 400)
    expected = local_dimension(rows, method=method)
    turned = rows @ ortho_group.rvs(60, random_state=0)[:4]
    order = np.random.default_rng(0).permutation(400)
    for changed in (turned, 1e150 * turned, 1e-150 * turned, turned + 1000.0):
        found = local_dimension(changed, method=method)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    found = local_dimension(rows[order], method=method)
    np.testing.assert_allclose(found, expected[order], rtol=1e-9)
    whole = intrinsic_dimension(rows, method=method)
    assert intrinsic_dimension(turned, method=method) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_equal_rows_count_once(method):
    rows = sphere(3, 300)
    repeated = np.vstack([rows, rows[:100], rows[:100]])
    expected = local_dimension(rows, method=method)
    found = local_dimension(repeated, method=method)
    np.testing.assert_allclose(found, np.r_[expected, expected[:100], expected[:100]])
    assert intrinsic_dimension(repeated, method=method) == pytest.approx(
        intrinsic_dimension(rows, method=method)
    )


def test_rows_that_are_almost_equal_lose_no_digits():
    # Of 60 features neighbours are searched by products of rows, in which a distance
    # of 1e-10 is lost; its ratio of 1e9 must not become infinite.
    rows = sphere(3, 300) @ ortho_group.rvs(60, random_state=0)[:4]
    near = rows + 1e-10 * np.random.default_rng(0).standard_normal(rows.shape)
    pairs = np.vstack([rows, near])
    found = local_dimension(pairs, n_neighbors=3, smooth=False)
    expected = [1 / sum(log_ratios(pairs, i, "mle", 3)) for i in range(600)]
    # A distance of 1e-9 has 7 digits left.
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("method", ["mle", "twonn"])
def test_a_lattice_is_told(method):
    lattice = np.stack(np.indices((12, 12, 12)), axis=-1).reshape(-1, 3)
    with pytest.warns(UserWarning, match=r"rows of X are as far .* as in a lattice"):
        found = local_dimension(lattice, method=method, n_neighbors=3)
    assert np.isinf(found).any()
    if method == "twonn":
        assert intrinsic_dimension(lattice, method=method) == np.inf


# --- others, and bad input --------------------------------------------------------


def test_scikit_dimension_agrees():
    skdim = pytest.importorskip("skdim")
    rows = sphere(4, 600)
    theirs = skdim.id.MLE(unbiased=True).fit(rows, n_neighbors=20)
    found = local_dimension(rows, smooth=False)
    np.testing.assert_allclose(found, theirs.dimension_pw_, rtol=1e-6)
    theirs = skdim.id.MLE().fit(rows, n_neighbors=20).dimension_
    assert intrinsic_dimension(rows, method="mle") == pytest.approx(theirs, rel=1e-6)
    # Before version 0.5 its distribution started at 0, not at 1 / n.
    theirs = skdim.id.TwoNN().fit(rows).dimension_
    assert intrinsic_dimension(rows) == pytest.approx(theirs, rel=1e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: local_dimension(ROWS, method="no"), "method must be one of"),
        (lambda: intrinsic_dimension(ROWS, method="no"), "method must be one of"),
        (lambda: local_dimension(ROWS, n_neighbors=2), "n_neighbors == 2"),
        (lambda: local_dimension(ROWS, n_neighbors=40), "has 40 different rows of 40"),
        (lambda: local_dimension(0 * ROWS), "has 1 different rows of 40"),
        (lambda: local_dimension(ROWS, threshold=0.1), "is for method='pca'"),
        (
            lambda: local_dimension(ROWS, method="pca", n_neighbors=5, threshold=1.0),
            "threshold == 1",
        ),
        (
            lambda: local_dimension(ROWS, method="twonn", smooth=False),
            "leave smooth=True",
        ),
        (lambda: intrinsic_dimension(ROWS, n_neighbors=5), "takes two neighbours"),
        (lambda: local_dimension([[np.nan], [1.0]]), "X contains NaN"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_neighbours_that_coincide_in_their_last_digits_have_finite_ratios():
    distances = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 0.0], [1.0, 2.0, 2.0]])
    found = ratios_of.log_ratios(distances, 1, 3)
    digits = -np.log(np.finfo(float).eps)
    np.testing.assert_allclose(found, [2 * digits, 0.0, np.log(2.0)])
