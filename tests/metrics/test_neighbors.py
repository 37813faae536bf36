"""Precision, recall, density and coverage against loops and closed forms."""

import numpy as np
import pytest
from sklearn import config_context

from sklearn_ardvae.metrics import density_coverage, improved_precision_recall

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
Y = 1.3 * RNG.standard_normal((50, 3)) + 0.4


def balls(rows, k):
    """The distance of each row from its k-th nearest other row, by sorting."""
    return [
        sorted(np.linalg.norm(rows[i] - r) for j, r in enumerate(rows) if j != i)[k - 1]
        for i in range(len(rows))
    ]


def is_inside(centres, radii, rows):
    return np.array(
        [
            [np.linalg.norm(r - c) <= reach for r in rows]
            for c, reach in zip(centres, radii, strict=True)
        ]
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_they_are_the_published_formulas(k):
    in_real = is_inside(X, balls(X, k), Y)
    in_generated = is_inside(Y, balls(Y, k), X)
    found = improved_precision_recall(X, Y, n_neighbors=k)
    assert found.precision == pytest.approx(in_real.any(axis=0).mean())
    assert found.recall == pytest.approx(in_generated.any(axis=0).mean())
    found = density_coverage(X, Y, n_neighbors=k)
    assert found.density == pytest.approx(in_real.sum() / (k * len(Y)))
    assert found.coverage == pytest.approx(in_real.any(axis=1).mean())


def test_parts_of_a_large_table_add_up():
    whole = improved_precision_recall(X, Y), density_coverage(X, Y)
    # 60 rows of 50 distances in 8 bytes are 24 kB: chunks of a few rows each.
    with config_context(working_memory=0.002):
        assert (improved_precision_recall(X, Y), density_coverage(X, Y)) == whole


@pytest.mark.parametrize("width", [1, 4, 20])
def test_of_one_distribution_density_and_coverage_have_known_means(width):
    rng = np.random.default_rng(1)
    n, m, k = 60, 40, 5
    found = np.array(
        [
            density_coverage(
                rng.standard_normal((n, width)), rng.standard_normal((m, width))
            )
            for _ in range(200)
        ]
    )
    steps = np.arange(1, k + 1)
    expected = 1.0, 1.0 - np.prod((n - steps) / (n + m - steps))
    # Five standard errors of the means of 200 draws.
    error = 5 * found.std(axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - expected) < error)


def test_equal_and_disjoint_sets():
    assert improved_precision_recall(X, X) == (1.0, 1.0)
    assert density_coverage(X, X).coverage == 1.0
    assert improved_precision_recall(X, X + 1e3) == (0.0, 0.0)
    assert density_coverage(X, X + 1e3) == (0.0, 0.0)


def test_a_lost_mode_costs_recall_and_a_false_one_precision():
    rng = np.random.default_rng(0)
    near = [c + 1e-3 * rng.standard_normal((100, 2)) for c in (0.0, 50.0, 100.0)]
    two, three = np.vstack(near[:2]), np.vstack(near)
    assert improved_precision_recall(three, two) == (1.0, pytest.approx(2 / 3))
    assert improved_precision_recall(two, three) == (pytest.approx(2 / 3), 1.0)
    assert density_coverage(three, two).coverage == pytest.approx(2 / 3)


def test_an_outlier_counts_in_precision_and_hardly_in_density():
    rng = np.random.default_rng(0)
    real = np.vstack([rng.standard_normal((200, 2)), [[40.0, 0.0]]])
    wrong = rng.normal([20.0, 0.0], size=(200, 2))
    assert improved_precision_recall(real, wrong).precision > 0.9
    assert density_coverage(real, wrong).density < 0.3


def test_a_far_origin_changes_nothing():
    # Shifts by powers of two; what is left of the digits of rows is the same.
    rows, others = X.round(3) * 1024, Y.round(3) * 1024
    far = 2.0**26
    assert improved_precision_recall(
        rows + far, others + far
    ) == improved_precision_recall(rows, others)
    assert density_coverage(rows + far, others + far) == density_coverage(rows, others)


def test_features_are_those_of_the_other_distances():
    images = X[:, None] * np.ones((1, 2, 1))
    others = Y[:, None] * np.ones((1, 2, 1))
    found = improved_precision_recall(images, others, features=lambda x: x[:, 0])
    assert found == improved_precision_recall(X, Y)
    assert density_coverage(X, Y, features="pca").coverage == (
        pytest.approx(density_coverage(X, Y).coverage)
    )


@pytest.mark.parametrize("function", [improved_precision_recall, density_coverage])
def test_too_few_rows_are_named(function):
    with pytest.raises(ValueError, match="less than the 4 rows of X;"):
        function(X[:4], Y, n_neighbors=4)
    with pytest.raises(ValueError, match="n_neighbors == 0"):
        function(X, Y, n_neighbors=0)
    assert np.isfinite(density_coverage(X, Y[:1])).all()
    with pytest.raises(ValueError, match="less than the 1 rows of X_generated"):
        improved_precision_recall(X, Y[:1])
