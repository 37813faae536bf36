"""The interventional robustness score against its definition."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from sklearn_ardvae.metrics import interventional_robustness

SIZES = (3, 4, 2)
GRID = np.stack(np.unravel_index(np.arange(24), SIZES), axis=1)
SCALED = (GRID - GRID.mean(0)) / GRID.std(0)
CODES = {
    "perfect": SCALED,
    "rotated": SCALED @ ortho_group.rvs(3, random_state=0),
    "random": np.random.default_rng(0).standard_normal((24, 5)),
}


def robustness_by_loops(codes, factors, quantile):
    """The definition, axis by axis, factor by factor, value by value."""
    matrix, far = np.empty((codes.shape[1], factors.shape[1])), []
    for axis, z in enumerate(codes.T):
        far.append(max(abs(z - z.mean())))
        for k, v in enumerate(factors.T):
            spread = []
            for value in set(v.tolist()):
                held = z[v == value]
                spread.append(np.quantile(abs(held - held.mean()), quantile))
            matrix[axis, k] = 1 - np.mean(spread) / far[-1]
    return matrix, np.average(matrix.max(axis=1), weights=far)


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("quantile", [1.0, 0.9, 0.5])
def test_it_is_the_published_formula(name, quantile):
    codes = CODES[name]
    found = interventional_robustness(codes, GRID, quantile=quantile)
    matrix, score = robustness_by_loops(codes, GRID, quantile)
    np.testing.assert_allclose(found.matrix, matrix, rtol=1e-10, atol=1e-12)
    assert found.score == pytest.approx(score, rel=1e-10)
    np.testing.assert_allclose(found.score_per_code, matrix.max(1), atol=1e-12)
    np.testing.assert_array_equal(found.factor_of_code, matrix.argmax(1))


def test_a_sum_of_two_factors_in_closed_form():
    # z = a + b moves by (B - 1) / 2 when a is held, by (A + B - 2) / 2 in all.
    a, b = np.indices((5, 9)).reshape(2, -1)
    found = interventional_robustness(
        (a + b)[:, None], np.stack([a, b], axis=1), quantile=1.0
    )
    np.testing.assert_allclose(found.matrix, [[1 - 8 / 12, 1 - 4 / 12]])
    assert found.score == pytest.approx(2 / 3)


def test_perfect_rotated_and_random_codes_rank_as_they_should():
    factors = np.repeat(GRID, 25, axis=0)
    noise = np.random.default_rng(0).standard_normal((600, 3))
    perfect, rotated, random = (
        interventional_robustness(z, factors).score
        for z in (SCALED.repeat(25, 0), CODES["rotated"].repeat(25, 0), noise)
    )
    assert perfect == pytest.approx(1.0, abs=1e-12)
    assert random < rotated < 0.9


def test_axes_far_from_their_means_count_more_and_constant_ones_not_at_all():
    codes = np.column_stack([1000.0 * GRID[:, 0], GRID.sum(1), np.full(24, 3.0)])
    found = interventional_robustness(codes, GRID)
    assert found.score > 0.99
    assert found.factor_of_code[0] == 0
    assert found.score_per_code[2] == 0.0
    assert found.factor_of_code[2] == -1
    constant = interventional_robustness(codes[:, 2:], GRID)
    assert constant.score == 0.0
    with pytest.warns(UserWarning, match="constant"):
        more = interventional_robustness(codes, np.insert(GRID, 0, 1, axis=1))
    assert more.score == found.score
    np.testing.assert_array_equal(more.factor_of_code[:2], found.factor_of_code[:2] + 1)


def test_factors_are_cut_into_bins():
    rng = np.random.default_rng(0)
    factors = rng.random((4000, 2))
    with pytest.raises(ValueError, match="looks continuous"):
        interventional_robustness(factors, factors)
    found = interventional_robustness(factors, factors, n_bins=20, quantile=1.0)
    # A bin is 1 / 20 wide; its rows are within 1 / 40 of their mean, all within 1 / 2.
    assert found.score == pytest.approx(1 - (1 / 40) / (1 / 2), abs=0.01)
    edges = np.linspace(factors.min(0), factors.max(0), 21)
    classes = np.stack(
        [np.digitize(factors[:, k], edges[1:-1, k]) for k in range(2)], axis=1
    )
    expected = robustness_by_loops(factors, classes, 1.0)[1]
    assert found.score == pytest.approx(expected, rel=1e-10)


def test_rows_are_drawn_reproducibly():
    factors = np.repeat(GRID, 25, axis=0)
    codes = np.random.default_rng(0).standard_normal((600, 3))
    settings = {"n_samples": 200, "random_state": 0}
    found = interventional_robustness(codes, factors, **settings)
    assert found.score == interventional_robustness(codes, factors, **settings).score
    assert found.score != interventional_robustness(codes, factors).score


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantile": 0.0}, "quantile == 0"),
        ({"n_bins": 0}, "n_bins == 0"),
        ({"n_samples": 0}, "n_samples == 0"),
    ],
)
def test_bad_arguments_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        interventional_robustness(SCALED, GRID, **settings)


def test_words_cannot_be_binned():
    with pytest.raises(ValueError, match="n_bins=4 needs factors that are numbers"):
        interventional_robustness(SCALED, np.array(list("abcd"))[GRID], n_bins=4)
