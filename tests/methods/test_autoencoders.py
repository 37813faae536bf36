"""Autoencoder, ContractiveAE, SparseAE and RAE against formulas and PCA."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from sklearn_ardvae import RAE, Autoencoder
from sklearn_ardvae.methods.autoencoder import ContractiveModule, SparseModule
from sklearn_ardvae.methods.rae import RAEModule
from sklearn_ardvae.nn.deterministic import DeterministicModule
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.linear_path import BesideLinear
from sklearn_ardvae.nn.module import Networks

D, L, B = 5, 3, 7


@pytest.fixture
def rows():
    return torch.randn(B, D, generator=torch.Generator().manual_seed(1)).double()


def module(cls, *, encoder=None, decoder=None, **settings):
    torch.manual_seed(0)
    encoder = encoder or nn.Sequential(nn.Linear(D, 4), nn.Tanh(), nn.Linear(4, L))
    decoder = decoder or nn.Sequential(nn.Linear(L, 4), nn.Tanh(), nn.Linear(4, D))
    networks = Networks(encoder, decoder, GaussianLikelihood(), L, D)
    return cls(networks, **settings).double()


def squared_error(model, x):
    return (model(x) - x).square().sum(1).mean().item()


class TestAutoencoder:
    def test_the_loss_is_the_squared_error(self, rows):
        model = module(DeterministicModule)
        total = model.loss(rows, None).total.item()
        assert total == pytest.approx(squared_error(model, rows))

    def test_a_linear_one_spans_what_pca_spans(self, low_rank):
        settings = {"hidden_layer_sizes": (), "learning_rate": 0.02, "max_iter": 300}
        model = Autoencoder(3, random_state=0, **settings).fit(low_rank)
        pca = PCA(3).fit(low_rank)
        best = low_rank - pca.inverse_transform(pca.transform(low_rank))
        error = low_rank - model.reconstruct(low_rank)
        # A tenth of the rows is for validation; the noise is 1 % of the deviation.
        assert (error**2).mean() < 1.5 * (best**2).mean()

    def test_samples_have_the_moments_of_the_codes(self, low_rank):
        model = Autoencoder(3, max_iter=5, random_state=0).fit(low_rank)
        generator = torch.Generator().manual_seed(0)
        drawn = model._module.draw_prior(100_000, generator).numpy()
        codes = model.set_params(output_components="all").transform(low_rank)
        scale = codes.std(0)
        # 100 000 draws: 0.3 % of a deviation on a mean, 0.5 % on a covariance.
        np.testing.assert_allclose(
            drawn.mean(0), codes.mean(0), atol=0.02 * scale.max()
        )
        np.testing.assert_allclose(
            np.cov(drawn.T), np.cov(codes.T, bias=True), atol=0.02 * scale.max() ** 2
        )


class TestContractiveAE:
    def jacobian_norms(self, model, x):
        jacobian = torch.func.vmap(torch.func.jacrev(model.encoder))(x)
        return jacobian.square().sum((1, 2))

    def test_the_exact_penalty_is_that_of_the_jacobian(self, rows):
        model = module(ContractiveModule, penalty_weight=0.3, estimator="exact")
        expected = self.jacobian_norms(model, rows).mean().item()
        terms = model.loss(rows, None)
        assert terms.parts["penalty"].item() == pytest.approx(expected)
        expected = squared_error(model, rows) + 0.3 * expected
        assert terms.total.item() == pytest.approx(expected)

    def test_the_estimate_is_right_on_average(self, rows):
        model = module(ContractiveModule, penalty_weight=0.3, estimator="hutchinson")
        x = rows[:1].expand(20_000, D)
        noise = model.draw_noise(20_000, torch.Generator().manual_seed(0)).double()
        found = model.penalty(x, None, None, noise).item()
        # The relative deviation of one probe is at most 2 ** 0.5: 1 % of the mean.
        expected = self.jacobian_norms(model, rows[:1]).item()
        assert found == pytest.approx(expected, rel=0.04)

    def test_its_gradient_is_that_of_finite_differences(self, rows):
        model = module(ContractiveModule, penalty_weight=0.3, estimator="exact")
        weight = model.encoder[0].weight

        def penalty(w):
            with torch.no_grad():
                weight.copy_(w)
            return model.penalty(rows, None, None, None)

        start = weight.detach().clone()
        (gradient,) = torch.autograd.grad(penalty(start), weight)
        step = torch.zeros_like(start)
        step[1, 2] = 1e-5
        change = penalty(start + step).item() - penalty(start - step).item()
        assert gradient[1, 2].item() == pytest.approx(change / 2e-5, rel=1e-6)

    def test_it_works_where_no_gradient_is_wanted(self, rows):
        model = module(ContractiveModule, penalty_weight=0.3, estimator="exact")
        with torch.no_grad():
            quiet = model.loss(rows, None).total.item()
        assert quiet == pytest.approx(model.loss(rows, None).total.item())


class TestSparseAE:
    def test_the_divergence_of_each_unit(self, rows):
        model = module(SparseModule, penalty_weight=2.0, kind="kl", rate=0.1)
        rates = model.encode(rows).mean(0).detach().numpy()
        kl = 0.1 * np.log(0.1 / rates) + 0.9 * np.log(0.9 / (1 - rates))
        terms = model.loss(rows, None)
        assert terms.parts["penalty"].item() == pytest.approx(kl.sum())
        expected = squared_error(model, rows) + 2.0 * kl.sum()
        assert terms.total.item() == pytest.approx(expected)

    def test_units_that_never_fire_cost_a_finite_amount(self, rows):
        dead = nn.Linear(D, L)
        nn.init.zeros_(dead.weight)
        nn.init.constant_(dead.bias, -1000.0)
        model = module(
            SparseModule, penalty_weight=1.0, kind="kl", rate=0.1, encoder=dead
        )
        assert np.isfinite(model.loss(rows, None).total.item())

    def test_the_sum_of_magnitudes(self, rows):
        model = module(SparseModule, penalty_weight=2.0, kind="l1", rate=0.1)
        expected = model.encode(rows).abs().sum(1).mean().item()
        assert model.loss(rows, None).parts["penalty"].item() == pytest.approx(expected)


class TestRAE:
    def make(self, kind):
        return module(RAEModule, kind=kind, code_weight=0.5, penalty_weight=0.3)

    def expected(self, model, rows, penalty):
        code = 0.5 * model.encode(rows).square().sum(1).mean().item()
        return squared_error(model, rows) + 0.5 * code + 0.3 * penalty

    def test_l2_is_the_sum_of_squared_kernels(self, rows):
        model = self.make("l2")
        kernels = [model.decoder[0].weight, model.decoder[2].weight]
        penalty = sum(np.sum(k.detach().numpy() ** 2) for k in kernels)
        total = model.loss(rows, None).total.item()
        assert total == pytest.approx(self.expected(model, rows, penalty))

    def test_none_has_no_penalty(self, rows):
        model = self.make("none")
        total = model.loss(rows, None).total.item()
        assert total == pytest.approx(self.expected(model, rows, 0.0))

    @pytest.mark.parametrize("quiet", [False, True])
    def test_gradient_is_the_jacobians_norm_on_average(self, rows, quiet):
        model = self.make("gradient")
        x = rows[:1].expand(20_000, D)
        noise = model.draw_noise(20_000, torch.Generator().manual_seed(0)).double()
        z = model.encode(rows[:1])
        jacobian = torch.func.jacrev(model.decoder)(z[0])
        with torch.set_grad_enabled(not quiet):
            found = model.loss(x, noise).parts["penalty"].item()
        # The relative deviation of one probe is at most 2 ** 0.5: 1 % of the mean.
        assert found == pytest.approx(jacobian.square().sum().item(), rel=0.04)

    def test_spectral_kernels_have_norm_one(self, low_rank):
        model = RAE(2, penalty="spectral", max_iter=30, random_state=0).fit(low_rank)
        layers = [
            m for m in model._module.decoder.modules() if isinstance(m, nn.Linear)
        ]
        norms = [torch.linalg.matrix_norm(m.weight, 2).item() for m in layers]
        # What 100 power iterations or more leave; unregularised kernels here have
        # norms of 1 to 5, and after one iteration in each batch these have up to 1.15.
        np.testing.assert_allclose(norms, 1.0, rtol=2e-3)
        assert len(norms) == 3

    @pytest.mark.parametrize("kind", ["l2", "gradient", "none", "spectral"])
    def test_all_but_spectral_kernels_may_start_at_pca(self, kind, low_rank):
        settings = {"max_iter": 1, "learning_rate": 1e-12, "random_state": 0}
        model = RAE(2, penalty=kind, architecture="linear_mlp", **settings)
        module = model.fit(low_rank)._module
        added = [
            layer.perceptron[-1].weight.abs().max().item() > 1e-9
            for layer in module.modules()
            if isinstance(layer, BesideLinear)
        ]
        # A kernel of norm one adds something, so that the rest is not PCA.
        assert added == [kind == "spectral"] * 2
