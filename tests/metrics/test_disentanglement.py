"""Scores of representations of which the truth is known."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score

from sklearn_ardvae.metrics import (
    beta_vae_score,
    dci_scores,
    factor_vae_score,
    modularity_explicitness,
    mutual_info_gap,
    mutual_information_matrix,
    sap_score,
)

SIZES = (3, 4, 2)
GRID = np.stack(np.unravel_index(np.arange(24), SIZES), axis=1)
FACTORS = np.repeat(GRID, 25, axis=0)
PERFECT = (FACTORS - FACTORS.mean(0)) / FACTORS.std(0)
ROTATED = PERFECT @ ortho_group.rvs(3, random_state=0)
CONSTANT = np.full((600, 3), 2.0)
RANDOM = np.random.default_rng(0).standard_normal((600, 3))

FAST = {"n_train": 400, "n_test": 200, "random_state": 0}

SCORES = {
    "factor_vae": lambda z, v=FACTORS: factor_vae_score(z, v, **FAST),
    "beta_vae": lambda z, v=FACTORS: beta_vae_score(z, v, **FAST),
    "mig": lambda z, v=FACTORS: mutual_info_gap(z, v, random_state=0),
    "dci_d": lambda z, v=FACTORS: _dci(z, v).disentanglement,
    "dci_c": lambda z, v=FACTORS: _dci(z, v).completeness,
    "dci_i": lambda z, v=FACTORS: _dci(z, v).informativeness,
    "sap": lambda z, v=FACTORS: sap_score(z, v, continuous_factors=True, **FAST),
    "sap_discrete": lambda z, v=FACTORS: sap_score(z, v, **FAST),
    "modularity": lambda z, v=FACTORS: _modular(z, v).modularity,
    "explicitness": lambda z, v=FACTORS: _modular(z, v).explicitness,
}


def _dci(codes, factors):
    return dci_scores(codes, factors, estimator=LogisticRegression(C=1e4), **FAST)


def _modular(codes, factors):
    return modularity_explicitness(codes, factors, **FAST)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("factor_vae", 0.0),
        ("beta_vae", 0.0),
        ("mig", 1e-12),
        ("dci_i", 0.0),
        # Correlation of 400 draws of independent factors: 1/400, squared, each.
        ("sap", 0.02),
        ("modularity", 0.02),
        # The middle values of three and four are no half-lines.
        ("explicitness", 0.15),
    ],
)
def test_a_perfect_representation_scores_1(name, tolerance):
    assert SCORES[name](PERFECT) == pytest.approx(1.0, abs=max(tolerance, 1e-12))


def test_dci_of_a_perfect_representation_of_two_values_is_1():
    factors = FACTORS.copy()
    factors[:, :2] %= 2
    found = dci_scores(factors, factors, **FAST)  # the paper's gradient boosting
    assert found.disentanglement == pytest.approx(1.0, abs=1e-6)
    assert found.completeness == pytest.approx(1.0, abs=1e-6)
    assert found.informativeness == found.informativeness_train == 1.0


@pytest.mark.parametrize("name", ["factor_vae", "mig", "sap", "modularity"])
def test_a_permutation_and_signs_change_nothing(name):
    turned = PERFECT[:, [2, 0, 1]] * [-1.0, 1.0, -1.0]
    assert SCORES[name](turned) == pytest.approx(SCORES[name](PERFECT), abs=0.02)


@pytest.mark.parametrize(
    "name", ["factor_vae", "beta_vae", "mig", "dci_d", "dci_c", "sap", "modularity"]
)
def test_a_rotation_and_noise_lower_the_score(name):
    perfect, rotated = SCORES[name](PERFECT), SCORES[name](ROTATED)
    assert rotated < perfect - 0.05
    if name != "modularity":  # a random axis knows as little of all factors
        assert SCORES[name](RANDOM) < rotated


@pytest.mark.parametrize("name", [n for n in SCORES if n not in ("dci_i",)])
def test_constant_codes_score_0(name):
    expected = 0.5 if name == "explicitness" else 0.0
    assert SCORES[name](CONSTANT) == pytest.approx(expected, abs=1e-12)
    with pytest.warns(UserWarning, match="codes has no columns"):
        assert SCORES[name](CONSTANT[:, :0]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", [n for n in SCORES if not n.startswith("dci")])
def test_the_scale_of_codes_does_not_matter(name):
    # Powers of two, so that rounding is the same; but for pruning, of one factor.
    assert SCORES[name](ROTATED * 2.0**-12) == pytest.approx(
        SCORES[name](ROTATED), abs=1e-6
    )


@pytest.mark.parametrize("name", [n for n in SCORES if n != "explicitness"])
def test_scores_are_reproducible_and_leave_the_global_generator_alone(name):
    state = np.random.get_state()[1].copy()
    assert SCORES[name](ROTATED) == SCORES[name](ROTATED)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_chance_levels_of_random_codes():
    # Of five standard errors; codes know nothing of the row's factors once there
    # are many more rows than votes can see.
    rng = np.random.default_rng(1)
    factors = np.repeat(GRID, 1000, axis=0)
    noise = rng.standard_normal((len(factors), 3))
    error = 5 * np.sqrt(1 / 3 * 2 / 3 / 2000)
    settings = {"n_train": 4000, "n_test": 2000, "random_state": 0}
    assert factor_vae_score(noise, factors, **settings) == pytest.approx(1 / 3, abs=0.1)
    found = beta_vae_score(noise, factors, **settings)
    assert found == pytest.approx(1 / 3, abs=2 * error)


# --- votes ------------------------------------------------------------------------


def test_a_callable_scores_as_the_complete_grid_does():
    turn = ortho_group.rvs(3, random_state=0)

    def encode(values):
        assert values.shape[1] == 3
        assert len(values) <= 8192
        return (values - FACTORS.mean(0)) / FACTORS.std(0) @ turn

    settings = {"n_train": 2000, "n_test": 2000, "random_state": 0}
    for score in (factor_vae_score, beta_vae_score):
        called, looked_up = (score(z, GRID, **settings) for z in (encode, encode(GRID)))
        # Two estimates, each with a standard error of at most 0.011.
        assert called == pytest.approx(looked_up, abs=0.06)


def test_factor_vae_score_of_an_axis_for_two_factors():
    # Axis 0 tells factor 0, axis 1 is constant if and only if both of the others
    # are: votes for factors 1 and 2 are won by the remaining axis or lost.
    codes = PERFECT[:, [0, 1]]
    found = factor_vae_score(codes, FACTORS, n_train=5000, n_test=5000, random_state=0)
    # Factor 2 has no axis: its votes, a third, go to either and are all wrong.
    assert found == pytest.approx(2 / 3, abs=5 * np.sqrt(2 / 9 / 5000))


def test_pruning_by_either_scale():
    codes = PERFECT.copy()
    codes[:, 2] *= 0.04
    relative = factor_vae_score(codes, FACTORS, **FAST)
    assert relative < 0.8  # the narrow axis has no vote
    kept = factor_vae_score(codes, FACTORS, prune_threshold=0.01, **FAST)
    assert kept == 1.0
    wide = codes * 100
    assert factor_vae_score(wide, FACTORS, prune="absolute", **FAST) == 1.0
    assert factor_vae_score(codes / 100, FACTORS, prune="absolute", **FAST) == 0.0


def test_groups_and_pairs_share_their_factor_only():
    from sklearn_ardvae.metrics._factors import FactorDraws

    rng = np.random.default_rng(0)
    values = GRID * 10  # classes are ranks, values are not
    for codes in (values.astype(float), lambda v: v.astype(float)):
        draws = FactorDraws(codes, values, rng)
        for k in range(3):
            groups = np.concatenate(list(draws.groups(k, 300, 64)))
            assert groups.shape == (300, 64, 3)
            shared = np.ptp(groups, axis=1) == 0
            assert shared[:, k].all()
            assert not shared[:, [i for i in range(3) if i != k]].any()
            one, other = map(np.concatenate, zip(*draws.pairs(k, 300, 8), strict=True))
            same = (one == other).mean((0, 1))
            assert same[k] == 1.0
            for i in set(range(3)) - {k}:  # independent: equal by chance
                assert same[i] == pytest.approx(1 / SIZES[i], abs=0.06)
            shares = np.bincount(groups[:, 0, k].astype(int) // 10) / 300
            np.testing.assert_allclose(shares, 1 / SIZES[k], atol=0.15)


# --- information ------------------------------------------------------------------


def test_information_of_known_tables():
    # A noisy binary channel that flips 1 in 4: 1 - h(1/4) bits.
    codes = np.repeat([0.0, 1.0, 1.0, 0.0], [30, 10, 30, 10])[:, None]
    factors = np.repeat([0, 0, 1, 1], [30, 10, 30, 10])[:, None]
    flip = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    found = mutual_information_matrix(codes, factors)
    np.testing.assert_allclose(found, [[np.log(2) - flip]], rtol=1e-12)
    gap = mutual_info_gap(codes, factors)
    assert gap == pytest.approx((np.log(2) - flip) / np.log(2))


def test_information_is_that_of_histograms():
    edges = [np.histogram(z, 20)[1] for z in ROTATED.T]
    expected = [
        [mutual_info_score(np.digitize(z, e[:-1]), v) for v in FACTORS.T]
        for z, e in zip(ROTATED.T, edges, strict=True)
    ]
    found = mutual_information_matrix(ROTATED, FACTORS)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_gap_of_two_equal_axes_is_0():
    assert mutual_info_gap(FACTORS[:, [0, 0]], FACTORS[:, :1]) == 0.0


def test_gaussian_mixture_of_separate_and_of_equal_posteriors():
    options = {"method": "gaussian_mixture", "random_state": 0}
    sharp = np.full(PERFECT.shape, np.log(1e-4))
    # Modes 100 standard deviations apart: each axis tells its factor exactly.
    found = mutual_info_gap(PERFECT, FACTORS, log_variance=sharp, **options)
    assert found == pytest.approx(1.0, abs=1e-9)
    blind = np.zeros_like(PERFECT)
    found = mutual_info_gap(CONSTANT, FACTORS, log_variance=blind, **options)
    assert found == pytest.approx(0.0, abs=1e-12)


def test_gaussian_mixture_agrees_with_integration():
    # Two Gaussians a distance of 2 apart: information by quadrature.
    codes = np.repeat([-1.0, 1.0], 1000)[:, None]
    factors = np.repeat([0, 1], 1000)[:, None]
    z = np.linspace(-12, 12, 20_001)
    p = np.exp(-0.5 * (z - np.array([[-1.0], [1.0]])) ** 2) / np.sqrt(2 * np.pi)
    mixture = p.mean(0)
    expected = np.trapezoid(p * np.log(p / mixture), z).mean() / np.log(2)
    found = mutual_info_gap(
        codes,
        factors,
        method="gaussian_mixture",
        log_variance=np.zeros_like(codes),
        random_state=0,
    )
    # 2000 draws of a log ratio of standard deviation about 0.6: 0.014 over log 2.
    assert found == pytest.approx(expected, abs=0.07)


# --- predictors -------------------------------------------------------------------


def test_dci_from_given_importances():
    class Fixed(RandomForestClassifier):
        feature_importances_ = np.array([0.5, 0.5, 0.0])

    found = dci_scores(PERFECT, FACTORS, estimator=Fixed(5), **FAST)
    # Each axis in use serves all factors; each factor is spread over 2 of 3 axes.
    assert found.disentanglement == pytest.approx(0.0, abs=1e-9)
    assert found.completeness == pytest.approx(1 - np.log(2) / np.log(3), abs=1e-9)


def test_dci_with_one_axis_or_one_factor():
    one_axis = _dci(PERFECT[:, :1], FACTORS)
    assert one_axis.completeness == 1.0
    one_factor = _dci(PERFECT, FACTORS[:, :1])
    assert one_factor.disentanglement == 1.0


def test_sap_of_binary_factors():
    rng = np.random.default_rng(0)
    factors = rng.integers(2, size=(3000, 2))
    # Perfect on one axis, chance on the other: a gap of one half.
    found = sap_score(factors, factors, n_train=2000, n_test=1000, random_state=0)
    assert found == pytest.approx(0.5, abs=0.06)
    raw = sap_score(10 * factors, factors, standardize=False, n_train=2000, n_test=1000)
    assert raw == pytest.approx(0.5, abs=0.06)


def test_continuous_sap_is_the_squared_correlation():
    rng = np.random.default_rng(0)
    factor = rng.standard_normal(500)
    codes = np.stack([factor + rng.standard_normal(500), np.zeros(500)], axis=1)
    found = sap_score(
        codes,
        factor[:, None],
        continuous_factors=True,
        n_train=499,
        n_test=1,
        random_state=0,
    )
    expected = np.corrcoef(codes[:, 0], factor)[0, 1] ** 2
    assert found == pytest.approx(expected, abs=0.01)  # one row is left out


def test_modularity_of_an_axis_that_knows_two_factors_equally():
    from sklearn_ardvae.metrics.informativeness import _modularity

    np.testing.assert_allclose(_modularity(np.array([[1.0, 1.0, 0.0]])), [0.5])
    several = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(_modularity(several), [0.0, 1.0, 0.0])


# --- bad input --------------------------------------------------------------------


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (PERFECT[:-1], FACTORS, "inconsistent numbers of samples"),
        (PERFECT, FACTORS * 0, "each of its 3 columns is constant"),
        (np.where(PERFECT > 1, np.nan, PERFECT), FACTORS, "codes contains NaN"),
        (PERFECT, np.where(FACTORS > 1, np.nan, 0.0), "factors contains NaN"),
        (PERFECT[:1], FACTORS[:1], "minimum of 2 is required"),
    ],
)
def test_bad_input_is_named(name, codes, factors, message):
    with pytest.raises(ValueError, match=message):
        SCORES[name](codes, factors)


@pytest.mark.parametrize("name", ["factor_vae", "mig", "sap"])
def test_a_constant_factor_is_left_out_with_a_warning(name):
    more = np.column_stack([FACTORS, np.ones(len(FACTORS))])
    with pytest.warns(UserWarning, match=r"Columns \[3\] of factors are constant"):
        found = SCORES[name](PERFECT, more)
    assert found == pytest.approx(SCORES[name](PERFECT), abs=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: factor_vae_score(PERFECT, FACTORS, prune="no"), "prune must be"),
        (lambda: factor_vae_score(PERFECT, FACTORS, batch_size=1), "batch_size == 1"),
        (lambda: factor_vae_score(lambda v: v[:5], GRID), "must return one for each"),
        (lambda: beta_vae_score(PERFECT, FACTORS[:, :1]), "two columns of factors"),
        (lambda: mutual_info_gap(PERFECT, FACTORS, method="no"), "method must be"),
        (
            lambda: mutual_info_gap(PERFECT, FACTORS, method="gaussian_mixture"),
            "needs log_variance",
        ),
        (
            lambda: mutual_info_gap(PERFECT, FACTORS, log_variance=PERFECT),
            "leave it out",
        ),
        (lambda: mutual_info_gap(PERFECT, RANDOM), "looks continuous"),
        (lambda: dci_scores(PERFECT, FACTORS, estimator="no"), "estimator must be"),
        (
            lambda: dci_scores(PERFECT[:9], np.eye(9, 1, dtype=int), random_state=3),
            "one value only",
        ),
        (
            lambda: sap_score(PERFECT, FACTORS.astype(str) + "!", continuous_factors=1),
            "factors that are numbers",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_factors_may_be_words():
    words = np.array(["a", "b", "c", "d"])[FACTORS]
    assert mutual_info_gap(PERFECT, words) == pytest.approx(1.0)
