"""How sure a count is: odds against enumeration, clues, and what they are made from."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sklearn_ardvae import ARDVAE, VAE
from sklearn_ardvae.estimator.certainty import Clues, CountOdds
from sklearn_ardvae.estimator.verdict import CountWarning, _least_worth
from sklearn_ardvae.nn.elimination import Trial


def plane(n=500, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 8))
    return x + 0.1 * rng.normal(size=x.shape)


def fitted(x, **settings):
    return ARDVAE(
        hidden_layer_sizes=(16,), max_iter=120, random_state=0, **settings
    ).fit(x)


@pytest.fixture(scope="module")
def model():
    return fitted(plane())


class TestClues:
    def test_what_log_odds_are_linear_in(self):
        found = Clues(count=6, kept=20.0, intrinsic=4.5).regressors()
        np.testing.assert_allclose(found, [1.0, math.log(20.0), math.log(2.5)])

    @pytest.mark.parametrize(
        ("kept", "expected"), [(-3.0, 0.5), (0.0, 0.5), (1e9, 100.0), (None, 100.0)]
    )
    def test_worth_tells_within_bounds_only(self, kept, expected):
        found = Clues(count=6, kept=kept, intrinsic=6.0).regressors()
        assert found[1] == pytest.approx(math.log(expected))

    @pytest.mark.parametrize("intrinsic", [math.nan, 7.0, 6.0])
    def test_an_intrinsic_dimension_that_is_unknown_or_larger_tells_nothing(
        self, intrinsic
    ):
        assert Clues(count=6, kept=1.0, intrinsic=intrinsic).excess == 0.0


COUNTS = st.integers(0, 30)


@st.composite
def clues(draw):
    count = draw(COUNTS)
    return Clues(
        count=count,
        kept=draw(st.none() | st.floats(-10.0, 1e4)),
        intrinsic=draw(st.just(math.nan) | st.floats(0.0, count + 0.0)),
    )


class TestCountOdds:
    def test_fewer_right_and_more_are_as_the_regressions_say(self):
        found = CountOdds.of(
            Clues(count=5, kept=math.e, intrinsic=4.0), (-1.0, 0.5, 2.0), (0.3, -0.7)
        ).probabilities
        right = found[5]
        odds = -1.0 + 0.5 + 2.0 * math.log(2.0)
        assert found[:5].sum() / right == pytest.approx(math.exp(odds))
        assert found[6:].sum() / right == pytest.approx(math.exp(0.3 - 0.7))
        # One fewer, two, ...: Poisson beyond the first, with 0.9 times 1 less 0.7.
        expected = poisson(0.2).pmf(range(5))
        below = found[4::-1] / found[:5].sum()
        np.testing.assert_allclose(below, expected / expected.sum())
        np.testing.assert_allclose(found[7:] / found[6:-1], 0.2)

    @given(clues())
    def test_probabilities_sum_to_one_and_none_is_of_fewer_than_no_axes(self, clues):
        found = CountOdds.of(clues).probabilities
        assert found.sum() == pytest.approx(1.0)
        assert (found >= 0.0).all()
        assert len(found) == clues.count + 1 + 20
        assert clues.count > 0 or found[0] > 0.0

    @given(
        st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8).filter(
            lambda weights: sum(weights) > 0.01
        ),
        st.floats(0.01, 0.99),
    )
    def test_the_interval_is_the_nearest_of_the_most_probable(
        self, weights, confidence
    ):
        shares = np.array(weights) / sum(weights)
        low, high = CountOdds(shares).interval(confidence)
        n = len(shares)
        # Of each number of neighbours, the most probable.
        most = [
            max(shares[a : a + width].sum() for a in range(n - width + 1))
            for width in range(1, n + 1)
        ]
        # Sums of the same numbers in another order differ in their last bits.
        found = shares[low : high + 1].sum()
        assert found == pytest.approx(most[high - low], abs=1e-12)
        distance = min(abs(each - confidence) for each in most)
        assert abs(found - confidence) == pytest.approx(distance, abs=1e-12)

    @given(clues(), st.floats(0.01, 0.98))
    def test_more_confidence_is_not_narrower(self, clues, confidence):
        odds = CountOdds.of(clues)
        low, high = odds.interval(confidence)
        wider = odds.interval(confidence + 0.01)
        assert high - low <= wider[1] - wider[0]

    def test_what_speaks_against_a_count_lowers_its_odds(self):
        def right(kept, intrinsic):
            return CountOdds.of(Clues(6, kept, intrinsic)).probabilities[6]

        assert right(2.0, 6.0) < right(10.0, 6.0) < right(50.0, 6.0)
        assert right(50.0, 2.0) < right(50.0, 4.0) < right(50.0, 6.0)


def network_module(*trials):
    return SimpleNamespace(is_linear=False, search=SimpleNamespace(log=trials))


class TestLeastWorth:
    def test_of_networks_it_is_what_the_trial_without_it_lost(self):
        module = network_module(
            Trial(9, 8, 0.1, 0.01, 1.0),
            Trial(8, 4, -7.0, 0.1, 0.0),
            Trial(8, 6, -3.0, 0.1, 0.0),
            Trial(8, 7, -0.5, 0.1, 0.0),
        )
        assert _least_worth(module, 8) == 0.5
        assert _least_worth(module, 7) is None

    def test_of_several_trials_the_one_that_lost_least(self):
        module = network_module(
            Trial(8, 7, -0.9, 0.1, 0.0), Trial(8, 7, -0.5, 0.1, 0.0)
        )
        assert _least_worth(module, 8) == 0.5

    def test_of_pca_it_is_what_one_more_gains(self):
        densities = torch.tensor([[-9.0, -7.0, -6.0], [-9.0, -5.0, -4.8]])
        curves = SimpleNamespace(densities=densities)
        module = SimpleNamespace(
            is_linear=True, fit_rows=SimpleNamespace(curves=curves)
        )
        assert _least_worth(module, 1) == pytest.approx(3.0)
        assert _least_worth(module, 2) == pytest.approx(0.6)
        assert _least_worth(module, 0) is None
        assert _least_worth(module, 3) is None


class TestEstimator:
    def test_a_plane_is_sure(self, model):
        assert model.dimension_interval() == (2, 2)
        assert model.count_stability_ > 0.9
        assert model.count_stability_ == model.count_probabilities_[2]

    def test_it_rests_on_what_the_fit_knows(self, model):
        verdict = model._verdict
        assert model.n_active_components_ == 2
        expected = CountOdds.of(
            Clues(2, verdict["kept_worth"], model.intrinsic_dimension_)
        )
        np.testing.assert_array_equal(
            model.count_probabilities_, expected.probabilities
        )
        assert model.dimension_interval(0.999) == expected.interval(0.999)

    def test_noise_has_no_dimension_and_a_few_are_possible(self):
        x = np.random.default_rng(0).standard_normal((300, 6))
        with pytest.warns(ConvergenceWarning, match="no active"):
            found = fitted(x)
        assert found.n_active_components_ == 0
        assert found.dimension_interval()[0] == 0

    def test_it_says_so_where_it_lies_below_the_count(self, model, monkeypatch):
        # As of the clusters of the digits.
        clues = Clues(count=14, kept=20.0, intrinsic=4.6)
        monkeypatch.setattr(type(model), "_clues", lambda _: clues)
        with pytest.warns(CountWarning, match="lies below the 14 axes"):
            low, high = model.dimension_interval()
        assert low < 4.6 < high < 14

    def test_files_know_it_too(self, model, tmp_path):
        model.save(tmp_path / "model.ardvae")
        again = ARDVAE.load(tmp_path / "model.ardvae")
        np.testing.assert_array_equal(
            again.count_probabilities_, model.count_probabilities_
        )

    @pytest.mark.parametrize("confidence", [0.0, 1.0, -1, 90, "0.9", None, math.nan])
    def test_other_confidences_are_refused(self, model, confidence):
        with pytest.raises(ValueError, match="'confidence' parameter of ARDVAE"):
            model.dimension_interval(confidence)

    def test_before_a_fit_it_says_so(self):
        with pytest.raises(NotFittedError):
            ARDVAE().dimension_interval()

    def test_fits_that_compare_nothing_have_none(self):
        found = VAE(3, hidden_layer_sizes=(4,), max_iter=2).fit(plane(60))
        assert not hasattr(found, "count_stability_")
        with pytest.raises(AttributeError, match="ARDVAE"):
            found.dimension_interval()
