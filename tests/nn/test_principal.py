"""Probabilistic PCA against scikit-learn's, normal densities and known ranks."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

from sklearn_ardvae.nn import principal
from sklearn_ardvae.nn.principal import PrincipalBasis, WidthCurves

SHAPES = [(60, 7), (7, 20), (20, 20)]


def rows(n, n_features, seed=0):
    """Correlated rows of distinct variances, away from the origin, in float64."""
    rng = np.random.default_rng(9)
    rotation = np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    centre = rng.normal(size=n_features)
    drawn = np.random.default_rng(seed).standard_normal((n, n_features))
    spread = np.linspace(3.0, 0.5, n_features)
    return torch.from_numpy(drawn * spread @ rotation + centre)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def most_axes(x):
    return min(len(x) - 1, x.shape[1])


class TestPrincipalBasis:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_axes_and_variances_are_those_of_pca(self, shape):
        x = rows(*shape)
        n = most_axes(x)
        found, pca = PrincipalBasis.of(x, n), PCA(n, svd_solver="full").fit(x)
        np.testing.assert_allclose(found.mean, pca.mean_, rtol=1e-12)
        # PCA divides by n - 1.
        per_row = pca.explained_variance_ * (len(x) - 1) / len(x)
        # Squaring the rows costs half of float64's digits where variances are small.
        np.testing.assert_allclose(found.variances, per_row, rtol=1e-8)
        cosines = np.abs(np.sum(found.axes.numpy() * pca.components_, axis=1))
        np.testing.assert_allclose(cosines, 1.0, rtol=1e-8)
        assert found.total == pytest.approx(x.numpy().var(0).sum(), rel=1e-12)
        assert found.feature_variance == pytest.approx(x.numpy().var(0).mean())

    @pytest.mark.parametrize("width", [0, 1, 3, 6])
    def test_noise_is_the_mean_of_the_variances_that_are_left(self, width):
        x = rows(60, 7)
        found, pca = PrincipalBasis.of(x, 6), PCA(width, svd_solver="full").fit(x)
        expected = pca.noise_variance_ * 59 / 60
        if width == 0:  # where scikit-learn leaves it out
            expected = x.numpy().var(0).mean()
        assert found.noise(width) == pytest.approx(expected, rel=1e-10)

    def test_directions_without_rows_take_part_in_the_noise(self):
        # scikit-learn divides by min(n, D) - k; eq. 8 of Tipping and Bishop has D - k.
        x = rows(7, 20)
        values = np.linalg.eigvalsh(np.cov(x.T, bias=True))
        expected = values[:-2].sum() / 18
        assert PrincipalBasis.of(x, 6).noise(2) == pytest.approx(expected, rel=1e-10)

    def test_noise_has_a_floor(self):
        rng = np.random.default_rng(0)
        x = torch.from_numpy(rng.standard_normal((30, 2)) @ rng.standard_normal((2, 5)))
        found = PrincipalBasis.of(x, 4)
        assert found.noise(2) == found.smallest_noise
        assert found.noise(4) == found.smallest_noise
        assert found.smallest_noise == pytest.approx(1e-6 * x.numpy().var(0).mean())
        constant = PrincipalBasis.of(torch.full((5, 3), 2.0), 2)
        assert constant.noise(0) > 0.0
        assert constant.variances.tolist() == [0.0, 0.0]

    @pytest.mark.parametrize("shape", SHAPES)
    def test_a_shift_changes_nothing(self, shape):
        x = rows(*shape)
        n = most_axes(x) - 1
        at_home, away = PrincipalBasis.of(x, n), PrincipalBasis.of(x + 1e6, n)
        # Rows of 1e6 know their deviations to 1e-10.
        torch.testing.assert_close(away.variances, at_home.variances, rtol=1e-7, atol=0)
        torch.testing.assert_close(away.mean, at_home.mean + 1e6, rtol=1e-14, atol=0)
        cosines = (away.axes * at_home.axes).sum(1).abs()
        torch.testing.assert_close(cosines, torch.ones_like(cosines))

    def test_only_the_rows_of_the_index_count(self):
        x, index = rows(60, 7), torch.tensor([5, 3, 40, 41, 7, 8, 9, 12, 59])
        some, alone = PrincipalBasis.of(x, 6, index), PrincipalBasis.of(x[index], 6)
        assert torch.equal(some.variances, alone.variances)
        assert torch.equal(some.mean, alone.mean)

    def test_blocks_of_rows_are_one_table(self, monkeypatch):
        x = rows(60, 7)
        whole = PrincipalBasis.of(x, 6)
        monkeypatch.setattr(principal, "_MOST", 8)
        blockwise = PrincipalBasis.of(x, 6)
        torch.testing.assert_close(blockwise.variances, whole.variances)
        torch.testing.assert_close(blockwise.mean, whole.mean)

    @pytest.mark.parametrize("shape", SHAPES)
    def test_squares_are_those_of_projections(self, shape):
        x, n = rows(*shape), 4
        unseen = rows(11, shape[1], seed=1)
        pca = PCA(n, svd_solver="full").fit(x)
        along, outside = PrincipalBasis.of(x, n).squares(unseen)
        codes = pca.transform(unseen)
        np.testing.assert_allclose(along, codes**2, rtol=1e-6, atol=1e-8)
        for width in range(n + 1):
            means = codes[:, :width] @ pca.components_[:width] + pca.mean_
            error = np.square(unseen.numpy() - means).sum(1)
            np.testing.assert_allclose(outside[:, width], error, rtol=1e-8)

    @pytest.mark.parametrize("shape", [(50, 20), (20, 50)])
    def test_axes_beyond_the_rank_are_orthonormal_too(self, shape):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((shape[0], 3)) @ rng.standard_normal((3, shape[1]))
        axes = PrincipalBasis.of(torch.from_numpy(x), 10).axes
        torch.testing.assert_close(
            axes @ axes.T, torch.eye(10, dtype=torch.float64), atol=1e-8, rtol=0
        )


class TestWidthCurves:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_densities_are_those_of_normal_rows(self, shape):
        x, unseen = rows(*shape), rows(13, shape[1], seed=1)
        found = PrincipalBasis.of(x, 5)
        curves = WidthCurves.of(found, unseen)
        assert curves.densities.shape == (13, 6)
        axes, variances = found.axes.numpy(), found.variances.numpy()
        for width in range(6):
            error = unseen.numpy() - found.mean.numpy()
            error = error - error @ axes[:width].T @ axes[:width]
            noise = np.square(error).sum() / len(unseen) / (shape[1] - width)
            # An axis has at least the noise.
            more = np.maximum(variances[:width], noise) - noise
            covariance = axes[:width].T * more @ axes[:width]
            covariance += noise * np.eye(shape[1])
            expected = multivariate_normal(found.mean, covariance).logpdf(unseen)
            np.testing.assert_allclose(curves.densities[:, width], expected, rtol=1e-8)
            assert curves.errors[width] == pytest.approx(np.square(error).mean())

    @pytest.mark.parametrize("width", range(1, 6))
    def test_densities_are_those_of_pca_at_that_noise(self, width):
        x, unseen = rows(60, 7), rows(13, 7, seed=1)
        pca = PCA(width, svd_solver="full").fit(x)
        _, outside = PrincipalBasis.of(x, 6).squares(unseen)
        found = WidthCurves.of(PrincipalBasis.of(x, 6), unseen).densities[:, width]
        # Those of PCA, but the variances divided by n and the noise profiled.
        pca.explained_variance_ = pca.explained_variance_ * 59 / 60
        noise = outside[:, width].mean().item() / (7 - width)
        scores = []
        for factor in (0.98, 1.0, 1.02):
            pca.noise_variance_ = factor * noise
            scores.append(pca.score_samples(unseen))
        np.testing.assert_allclose(found, scores[1], rtol=1e-8)
        # No other noise explains the rows as well.
        assert scores[0].mean() < found.mean() > scores[2].mean()

    def test_at_its_own_rows_noise_is_that_of_the_closed_form(self):
        x = rows(60, 7)
        found = PrincipalBasis.of(x, 6)
        _, outside = found.squares(x)
        noise = outside.mean(0)[:6] / (7 - torch.arange(6))
        expected = torch.tensor([found.noise(width) for width in range(6)])
        torch.testing.assert_close(noise, expected.double(), rtol=1e-6, atol=0)

    @pytest.mark.parametrize("least", [1e-3, 0.5, 3.0])
    def test_noise_can_be_held_up(self, least):
        x, unseen = rows(60, 7), rows(13, 7, seed=1)
        found = PrincipalBasis.of(x, 6)
        free, held = (WidthCurves.of(found, unseen, floor) for floor in (0.0, least))
        torch.testing.assert_close(held.noise, free.noise.clamp_min(least))
        for width in range(7):
            # PCA of more noise than it leaves, as scikit-learn has it.
            pca = PCA(max(width, 1), svd_solver="full").fit(x)
            pca.explained_variance_ = pca.explained_variance_ * 59 / 60
            noise = held.noise[width].item()
            pca.noise_variance_ = noise
            pca.explained_variance_ = pca.explained_variance_.clip(
                (1.0 + 1e-10) * noise
            )
            if not width:
                pca.explained_variance_[:] = (1.0 + 1e-10) * noise
            expected = pca.score_samples(unseen)
            np.testing.assert_allclose(held.densities[:, width], expected, rtol=1e-8)

    def test_all_axes_have_no_curve_and_leave_no_noise(self):
        x, unseen = rows(60, 7), rows(13, 7, seed=1)
        found = PrincipalBasis.of(x, 7)
        assert WidthCurves.of(found, unseen).densities.shape == (13, 7)
        losses = WidthCurves.losses(found, unseen, 7)
        x, unseen, axes = x.numpy(), unseen.numpy(), found.axes.numpy()
        mean, variances = x.mean(0), found.variances.numpy()
        whole = multivariate_normal(mean, np.cov(x.T, bias=True)).logpdf(unseen)
        for axis in range(7):
            # Without it, noise is what unseen rows have along it.
            noise = np.square((unseen - mean) @ axes[axis]).mean()
            along = np.maximum(variances, noise)
            along[axis] = noise
            covariance = axes.T * along @ axes
            without = multivariate_normal(mean, covariance).logpdf(unseen)
            np.testing.assert_allclose(losses[:, axis], whole - without, atol=1e-6)

    def test_no_noise_is_less_than_the_floor(self):
        rng = np.random.default_rng(0)
        x = torch.from_numpy(rng.standard_normal((40, 2)) @ rng.standard_normal((2, 6)))
        found = PrincipalBasis.of(x[:30], 4)
        densities = WidthCurves.of(found, x[30:]).densities
        assert densities.isfinite().all()
        at_rank = densities[:, 2].mean().item()
        # Four directions of the least noise, which the rows do not even have.
        expected = -2.0 * math.log(2.0 * math.pi * found.smallest_noise)
        codes = (x[30:] - found.mean) @ found.axes[:2].T
        expected += sum(
            multivariate_normal(0.0, v.item()).logpdf(z).mean()
            for v, z in zip(found.variances[:2], codes.T.numpy(), strict=True)
        )
        assert at_rank == pytest.approx(expected, rel=1e-6)
