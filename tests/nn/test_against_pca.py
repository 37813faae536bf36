"""When networks are preferred to PCA, where all that is known of both is made up."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp

from sklearn_ardvae.nn import against_pca
from sklearn_ardvae.nn.against_pca import (
    is_compact,
    is_significant,
    is_worth_fewer,
    lead_of_pca,
    leads_as_many,
    price_of_axes,
    reconstructs_as_pca,
)
from sklearn_ardvae.nn.principal import WidthCurves

N_FEATURES = 10


def model(*, noise=0.07, evidence=1.0, n_axes=2, error=0.05):
    """Networks beside PCA that leaves 1, 0.8, ... of a variance of 1.

    PCA's evidence with 0 to 5 axes is -9, -8, -7, -3, 0 and 50, in two rows that differ
    by 0.2: the standard error is 0.1.
    """
    left = torch.tensor([1.0, 0.8, 0.6, 0.3, 0.05, 0.01], dtype=torch.float64)
    rows = torch.tensor([[-0.1], [0.1]], dtype=torch.float64)
    densities = rows + torch.tensor([-9.0, -8.0, -7.0, -3.0, 0.0, 50.0])
    return SimpleNamespace(
        fit_rows=SimpleNamespace(curves=WidthCurves(densities, left, 0.9 * left)),
        unseen=torch.zeros(2, N_FEATURES),
        n_features=N_FEATURES,
        feature_variance=1.0,
        noise=torch.tensor(noise),
        profile_noise=lambda x: torch.full((len(x),), evidence),
        n_kept=lambda: n_axes,
        squared_error=lambda x: error,
    )


class TestIsSignificant:
    @pytest.mark.parametrize("mean", [0.2, 0.28, 0.32, 0.4])
    @pytest.mark.parametrize("lead", [0.0, -0.1, 0.1])
    def test_by_three_standard_errors(self, mean, lead):
        gain = np.random.default_rng(0).standard_normal(100)
        gain = gain / gain.std(ddof=1) + mean - gain.mean() / gain.std(ddof=1)
        found = is_significant(torch.from_numpy(gain), lead)
        assert found == (ttest_1samp(gain + lead, 0.0).statistic > 3.0)

    @pytest.mark.parametrize("n_rows", [1, 0])
    def test_a_row_tells_nothing(self, n_rows):
        assert not is_significant(torch.full((n_rows,), 100.0))


class TestLead:
    @pytest.mark.parametrize(
        ("n_axes", "evidence", "width", "lead"),
        [
            (1, 10.0, 5, 4 * 0.15),
            (4, 10.0, 5, 0.15),
            # None for more axes.
            (5, 100.0, 4, 0.0),
            # No more than 0.08 a feature,
            (1, 10.0, 9, 0.08 * N_FEATURES),
            # and than what they gain on as many of PCA's, whose evidence is -8.
            (1, -7.9, 5, 0.1),
            (1, -8.1, 5, 0.0),
            # More than PCA has were not measured: the widest counts.
            (7, 50.1, 9, 0.1),
        ],
    )
    def test_each_axis_has_its_price(self, n_axes, evidence, width, lead):
        found = lead_of_pca(model(), n_axes, evidence, width)
        assert found == pytest.approx(lead, abs=1e-6)


class TestIsCompact:
    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            # Four axes leave so little; five have the better evidence, 50.
            ({}, True),
            # Significant is 0.3 (two rows: a standard error of 0.1).
            ({"evidence": 0.31}, True),
            ({"evidence": 0.29}, False),
            # Three of four axes are many, and so are two of three, which leave 0.3.
            ({"n_axes": 3}, False),
            ({"noise": 0.31}, False),
            # No number of axes leaves so little: as if there were one more.
            ({"noise": 0.005, "evidence": 51.0, "n_axes": 3}, True),
            ({"noise": 0.005, "evidence": 50.0, "n_axes": 3}, False),
            ({"n_axes": 0}, False),
        ],
    )
    def test_pca_of_the_same_noise_needs_more_axes_and_is_worse(
        self, changed, expected
    ):
        assert is_compact(model(**changed)) == expected

    def test_much_noise_is_no_manifold(self, monkeypatch):
        networks = model(noise=0.31, n_axes=1)
        assert not is_compact(networks)
        monkeypatch.setattr(against_pca, "_COMPACT_NOISE", 0.5)
        assert is_compact(networks)


class TestLeadsAsMany:
    @pytest.mark.parametrize(
        ("n_axes", "evidence", "expected"),
        [
            # Significant is 0.3, whatever PCA of more axes has: 50.
            (2, -6.69, True),
            (2, -6.71, False),
            (4, 0.31, True),
            (4, 0.29, False),
            (7, 49.0, False),
        ],
    )
    def test_as_many_axes_are_the_measure(self, n_axes, evidence, expected):
        assert leads_as_many(model(n_axes=n_axes, evidence=evidence)) == expected


class TestPriceOfAxes:
    @pytest.mark.parametrize(
        ("n_axes", "price"),
        # 0.007 nats a feature each, and no more than 0.1 in all.
        [(-1, 0.0), (0, 0.0), (1, 0.07), (14, 0.98), (15, 1.0), (60, 1.0)],
    )
    def test_is_that_of_a_trial_up_to_a_bound(self, n_axes, price):
        assert price_of_axes(n_axes, N_FEATURES) == pytest.approx(price)


class TestIsWorthFewer:
    @pytest.mark.parametrize(
        ("n_axes", "gain", "width", "expected"),
        [
            # Three axes more may gain 3 * 0.07.
            (2, -0.20, 5, True),
            (2, -0.22, 5, False),
            # None more, nothing.
            (5, -0.01, 5, False),
            (5, 0.01, 4, True),
        ],
    )
    def test_by_the_price_of_the_axes_that_pca_has_more(
        self, n_axes, gain, width, expected
    ):
        networks = model(n_axes=n_axes, evidence=100.0)
        assert is_worth_fewer(networks, gain, width) == expected

    def test_only_of_curved_data(self):
        # As many of PCA's axes have -7; significant is 0.3.
        assert is_worth_fewer(model(evidence=-6.69), -0.2, 5)
        assert not is_worth_fewer(model(evidence=-6.71), -0.2, 5)


class TestReconstructs:
    @pytest.mark.parametrize(
        ("n_axes", "error", "expected"),
        # Two axes leave 0.54, four 0.045, and more than five 0.009.
        [
            (2, 0.53, True),
            (2, 0.55, False),
            (4, 0.044, True),
            (4, 0.046, False),
            (7, 0.0091, False),
        ],
    )
    def test_as_many_axes_are_the_measure(self, n_axes, error, expected):
        assert reconstructs_as_pca(model(n_axes=n_axes, error=error)) == expected
