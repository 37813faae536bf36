"""Rules, plateaus and grids on paths and covariances that are known."""

import numpy as np
import pytest

from sklearn_ardvae import Plateau
from sklearn_ardvae.model_selection.path import (
    best_candidate,
    noise_grid,
    simplest_within_one_error,
    widest_plateau,
)

PATH = np.array(
    [  # means 1, 3, 3.4, 3.6, nan, and for the last of the other size 3.5
        [[0.0, 2.0], [np.nan, 9.0]],
        [[2.0, 4.0], [0.0, 0.0]],
        [[3.0, 3.8], [0.0, 0.0]],
        [[3.4, 3.8], [0.0, 0.0]],
        [[np.nan, 9.0], [3.0, 4.0]],
    ]
)
COUNTS = np.array(
    [
        [[0.0, 1.0], [0.0, 0.0]],
        [[2.0, 2.0], [0.0, 0.0]],
        [[2.0, 3.0], [0.0, 0.0]],
        [[3.0, 4.0], [0.0, 0.0]],
        [[0.0, 0.0], [2.0, 3.0]],
    ]
)


def test_rules_on_a_path_that_was_made_up():
    # The best is 3.6 with standard error 0.2 (deviation 0.2 sqrt 2, two folds), so
    # that 3.4 (rounded up, if need be) and 3.5 are near it, with 2.5 axes each: the
    # better of the two.
    assert best_candidate(PATH) == (3, 0)
    assert PATH[3, 0].std(ddof=1) / 2**0.5 == pytest.approx(0.2)
    assert simplest_within_one_error(PATH, COUNTS) == (4, 1)
    fewer = COUNTS.copy()
    fewer[2, 0] = 1.0
    near = PATH.copy()
    near[2, 0] += 0.01
    assert simplest_within_one_error(near, fewer) == (2, 0)
    near[2, 0] -= 0.02
    assert simplest_within_one_error(near, fewer) == (4, 1)


def test_the_simplest_is_the_best_where_folds_agree():
    path = np.array([[[1.0, 1.0]], [[2.0, 2.0]], [[1.9, 2.0]]])
    counts = np.array([[[1.0, 1.0]], [[5.0, 5.0]], [[2.0, 2.0]]])
    assert simplest_within_one_error(path, counts) == (1, 0)


@pytest.mark.parametrize(
    ("betas", "counts", "expected"),
    [
        ([8, 4, 2, 1], [1, 2, 2, 3], (2, 2, 4)),
        # By the logarithm: 10 to 1 is wider than 100 to 20.
        ([100, 20, 10, 1], [1, 1, 2, 2], (2, 1, 10)),
        # Of equal width the larger betas; a beta alone has none.
        ([8, 4, 2, 1], [1, 1, 2, 2], (1, 4, 8)),
        ([8, 4, 2, 1], [1, 2, 3, 4], (1, 8, 8)),
        # No axes at all are no plateau, unless there is nothing else.
        ([64, 8, 4, 2, 1], [0, 0, 2, 3, 3], (3, 1, 2)),
        ([8, 4, 2], [0, 0, 0], (0, 2, 8)),
        # A range ends where a fit has failed, or the count is another in between.
        ([16, 8, 4, 2, 1], [2, np.nan, 2, 2, 3], (2, 2, 4)),
        ([32, 16, 8, 4, 2, 1], [2, 2, 3, 2, 2, 2], (2, 1, 4)),
        ([3], [7], (7, 3, 3)),
    ],
)
def test_plateaus_of_counts_that_were_made_up(betas, counts, expected):
    found = widest_plateau(np.array(betas, dtype=float), np.array(counts, dtype=float))
    assert found == Plateau(*expected)


# --- the grid -------------------------------------------------------------------


def of_covariance(variances, n_rows=64):
    """Return rows whose covariance is diagonal, divided by the number of rows."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n_rows, len(variances)))
    x = np.linalg.qr(x - x.mean(0))[0] * n_rows**0.5
    return x * np.sqrt(variances) + 3.0


def test_the_grid_is_that_of_known_variances():
    grid = noise_grid(of_covariance([4.0, 2.0, 1.0, 0.2]), 4)
    # Twice the mean variance of 1.8; a tenth of twice the least.
    np.testing.assert_allclose(grid, np.geomspace(3.6, 0.04, 4), rtol=1e-9)


@pytest.mark.parametrize(
    "x",
    [
        of_covariance([4.0, 2.0, 1.0, 0.0]),
        of_covariance(np.ones(6))[:4],  # more features than rows
        of_covariance([1.0, 1e-9]),
    ],
)
def test_a_grid_has_three_decades_at_most(x):
    grid = noise_grid(x, 3)
    assert grid[0] == pytest.approx(2 * x.var(0).mean())
    np.testing.assert_allclose(grid / grid[0], [1, 10**-1.5, 1e-3], rtol=1e-9)


@pytest.mark.parametrize("x", [of_covariance([1.0]), of_covariance([1.0] * 5)])
def test_a_grid_has_a_decade_at_least(x):
    np.testing.assert_allclose(noise_grid(x, 2), [2.0, 0.2], rtol=1e-9)


def test_betas_of_data_without_variance_are_numbers():
    assert np.isfinite(noise_grid(np.full((9, 3), 7.0), 5)).all()


def test_betas_scale_as_the_square_of_the_data():
    x = of_covariance([4.0, 2.0, 1.0, 0.2])
    expected = noise_grid(x, 10)
    np.testing.assert_allclose(noise_grid(1e3 * x, 10), 1e6 * expected, rtol=1e-9)
    np.testing.assert_allclose(noise_grid(x + 5.0, 10), expected, rtol=1e-9)
