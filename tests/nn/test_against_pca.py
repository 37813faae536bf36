"""When networks are preferred to PCA, where all that is known of both is made up."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, ttest_1samp

from sklearn_ardvae.nn.against_pca import (
    is_compact,
    is_significant,
    is_worth_fewer,
    lead_of_pca,
    leads_as_many,
    price_of_axes,
    reconstructs_as_pca,
)
from sklearn_ardvae.nn.principal import PrincipalBasis, WidthCurves

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


VARIANCES = np.array([30.0, 8.0, 6.0, 4.0, 2.0, 1.0, *[0.05] * 4])


def beside_pca(*, noise=1.5, evidence=-20.0, n_axes=2):
    """Networks beside PCA of rows with these variances, without any noise."""
    rng = np.random.default_rng(0)
    rows, unseen = (rng.standard_normal((n, N_FEATURES)) for n in (2000, 400))
    scale = np.sqrt(VARIANCES)
    principal = PrincipalBasis.of(torch.from_numpy(rows * scale), N_FEATURES)
    return SimpleNamespace(
        principal=principal,
        unseen=torch.from_numpy(unseen * scale),
        feature_variance=VARIANCES.mean(),
        noise=torch.tensor(noise),
        profile_noise=lambda x: torch.full((len(x),), evidence, dtype=torch.float64),
        n_kept=lambda: n_axes,
    )


def best_of_pca(networks):
    """Return the mean log density of PCA with no less noise, and its error."""
    x, principal = networks.unseen.numpy(), networks.principal
    curve = []
    for width in range(N_FEATURES):
        axes = principal.axes[:width].numpy()
        left = x - principal.mean.numpy()
        left = left - left @ axes.T @ axes
        noise = max(networks.noise.item(), (left**2).sum(1).mean() / (10 - width))
        of_axes = np.maximum(principal.variances[:width].numpy(), noise) - noise
        covariance = noise * np.eye(10) + (axes.T * of_axes) @ axes
        normal = multivariate_normal(principal.mean.numpy(), covariance)
        curve.append(normal.logpdf(x))
    best = max(curve, key=np.mean)
    return best.mean(), best.std(ddof=1) / len(x) ** 0.5


class TestIsCompact:
    @pytest.mark.parametrize("noise", [0.1, 0.4, 0.9])
    def test_they_have_to_be_better_than_pca_of_no_less_noise(self, noise):
        networks = beside_pca(noise=noise)
        mean, error = best_of_pca(networks)
        for errors, expected in ((3.1, True), (2.9, False)):
            networks = beside_pca(noise=noise, evidence=mean + errors * error)
            assert is_compact(networks) == expected

    @pytest.mark.parametrize(
        ("noise", "n_axes", "expected"),
        [
            # Four axes leave that little noise, and five have the best evidence.
            (1.1, 3, True),
            (1.1, 4, False),
            (1.1, 0, False),
            # Six have it, and leave it.
            (0.06, 3, True),
            (0.06, 4, False),
            # A quarter of the mean variance of a feature, 5.12.
            (1.25, 1, True),
            (1.3, 1, False),
        ],
    )
    def test_pca_needs_half_as_many_axes_more(self, noise, n_axes, expected):
        networks = beside_pca(noise=noise, n_axes=n_axes, evidence=0.0)
        assert is_compact(networks) == expected

    def test_the_evidence_of_a_subspace_without_noise_does_not_count(self):
        exact = multivariate_normal(np.zeros(10), np.diag(VARIANCES))
        networks = beside_pca(noise=0.9, evidence=-16.0)
        densities = exact.logpdf(networks.unseen.numpy())
        assert densities.mean() > -16.0 > best_of_pca(networks)[0]
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
