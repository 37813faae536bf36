"""Scores of single factors: which are lost, and that they add up to the total."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_ardvae.metrics import (
    beta_vae_score,
    dci_scores,
    factor_vae_score,
    modularity_explicitness,
    mutual_info_gap,
    sap_score,
)

SIZES = (3, 4, 2)
GRID = np.stack(np.unravel_index(np.arange(24), SIZES), axis=1)
FACTORS = np.repeat(GRID, 25, axis=0)
PERFECT = (FACTORS - FACTORS.mean(0)) / FACTORS.std(0)
NOISY = PERFECT + 0.3 * np.random.default_rng(0).standard_normal(PERFECT.shape)
FAST = {"n_train": 400, "n_test": 200, "random_state": 0}

SCORES = {
    "factor_vae": lambda z, v, **more: factor_vae_score(z, v, **FAST, **more),
    "beta_vae": lambda z, v, **more: beta_vae_score(z, v, **FAST, **more),
    "mig": lambda z, v, **more: mutual_info_gap(z, v, random_state=0, **more),
    "sap": lambda z, v, **more: sap_score(
        z, v, continuous_factors=True, **FAST, **more
    ),
}


# The beta-VAE score would tell a single lost factor by elimination, as is known of it.
@pytest.mark.parametrize("name", ["factor_vae", "mig", "sap"])
def test_a_lost_factor_is_the_one_with_a_low_score(name):
    # Factor 1 has no axis; the other two have one each.
    scores = SCORES[name](PERFECT[:, [0, 2]], FACTORS, per_factor=True)
    assert scores.shape == (3,)
    assert scores[1] < 0.5
    # SAP: the correlation of 400 draws of two independent factors is not quite 0.
    assert min(scores[[0, 2]]) > 0.95


def test_two_lost_factors_are_guessed_at():
    scores = SCORES["beta_vae"](PERFECT[:, :1], FACTORS, per_factor=True)
    assert scores[0] == 1.0
    # Of the points of two factors that look alike, those called right add up to all.
    assert scores[1] + scores[2] == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("name", ["mig", "sap"])
def test_the_total_is_the_mean_over_factors(name):
    each = SCORES[name](NOISY, FACTORS, per_factor=True)
    assert SCORES[name](NOISY, FACTORS) == pytest.approx(each.mean(), rel=1e-12)


@pytest.mark.parametrize("name", ["factor_vae", "beta_vae"])
def test_the_total_is_a_mean_over_votes(name):
    each = SCORES[name](NOISY, FACTORS, per_factor=True)
    total = SCORES[name](NOISY, FACTORS)
    assert each.min() <= total <= each.max()
    # The numbers of votes, a third each, have a deviation of sqrt(2/9 * 200) = 6.7.
    assert total == pytest.approx(each.mean(), abs=5 * 6.7 / 200)


@pytest.mark.parametrize("name", SCORES)
def test_constant_factors_keep_their_place(name):
    more = np.insert(FACTORS, 1, 7, axis=1)
    with pytest.warns(UserWarning, match=r"Columns \[1\] of factors are constant"):
        scores = SCORES[name](NOISY, more, per_factor=True)
    expected = np.insert(SCORES[name](NOISY, FACTORS, per_factor=True), 1, np.nan)
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize("name", SCORES)
def test_constant_codes_score_0_for_each_factor(name):
    scores = SCORES[name](np.ones((600, 2)), FACTORS, per_factor=True)
    np.testing.assert_allclose(scores, 0.0, atol=1e-12)


def test_gaps_of_a_channel_that_loses_one_factor_in_part():
    # Axis 0 is factor 0; axis 1 is factor 1 with a quarter of the bits flipped.
    a, b, flip = np.indices((2, 2, 4)).reshape(3, -1)
    codes = np.stack([a, np.where(flip == 0, 1 - b, b)], axis=1)
    found = mutual_info_gap(codes, np.stack([a, b], axis=1), per_factor=True)
    lost = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)) / np.log(2)
    np.testing.assert_allclose(found, [1.0, 1.0 - lost], rtol=1e-12)


def test_parts_of_dci_are_weighted_means():
    more = np.insert(FACTORS, 0, 7, axis=1)
    with pytest.warns(UserWarning, match="constant"):
        found = dci_scores(NOISY, more, estimator=LogisticRegression(), **FAST)
    share = found.importance / found.importance.sum()
    p = found.importance / found.importance.sum(1, keepdims=True)
    per_code = 1 + np.sum(p * np.log(p), axis=1) / np.log(3)
    np.testing.assert_allclose(found.disentanglement_per_code, per_code, rtol=1e-6)
    assert found.disentanglement == pytest.approx(share.sum(1) @ per_code)
    q = found.importance / found.importance.sum(0)
    per_factor = 1 + np.sum(q * np.log(q), axis=0) / np.log(3)
    assert np.isnan(found.completeness_per_factor[0])
    np.testing.assert_allclose(found.completeness_per_factor[1:], per_factor, rtol=1e-6)
    assert found.completeness == pytest.approx(share.sum(0) @ per_factor)
    accuracies = found.informativeness_per_factor
    assert np.isnan(accuracies[0])
    assert found.informativeness == pytest.approx(accuracies[1:].mean())


def test_parts_of_modularity_and_explicitness_are_means():
    codes = np.column_stack([NOISY[:, 0], NOISY[:, 1] + NOISY[:, 2]])
    found = modularity_explicitness(codes, FACTORS, **FAST)
    assert found.modularity == pytest.approx(found.modularity_per_code.mean())
    assert found.modularity_per_code[0] > found.modularity_per_code[1]
    assert found.explicitness == pytest.approx(found.explicitness_per_factor.mean())
    assert found == modularity_explicitness(codes, FACTORS, **FAST)
