"""Codes, errors and evidence against closed forms, in any company."""

import numpy as np
import pytest
import torch
from estimator_table import CLASSES, IDS, fast
from torch import nn

from sklearn_ardvae import ARDVAE, VAE
from sklearn_ardvae.methods.vae import VAEModule
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.module import Networks
from sklearn_ardvae.training.batches import Rows
from sklearn_ardvae.training.environment import (
    count_flops,
    in_precision_of,
    takes_double,
)
from sklearn_ardvae.training.inference import (
    code_moments,
    evidence,
    in_batches,
    noise_variance,
)

every_estimator = pytest.mark.parametrize("cls", CLASSES, ids=IDS)


def linear_vae(n_components, n_features=30):
    torch.manual_seed(0)
    networks = Networks(
        nn.Linear(n_features, 2 * n_components),
        nn.Linear(n_components, n_features),
        GaussianLikelihood(),
        n_components,
        n_features,
    )
    settings = {"noise_model": "fixed", "initial_noise_variance": 1.0}
    return VAEModule(networks, **settings).double()


def rows(n=50, n_features=30):
    return torch.randn(n, n_features, generator=torch.Generator().manual_seed(1))


def every(x):
    return Rows(x, torch.arange(len(x)))


def exact_error(module, x):
    """Return E |x - W (m + s e) - b|^2 of each row."""
    q = module.posterior(x)
    spread = q.std.square() @ module.decoder.weight.square().sum(0)
    return (module.decoder(q.mean) - x).square().sum(1) + spread


@pytest.mark.parametrize("n_components", [1, 5, 16])
def test_the_bound_of_a_linear_decoder_is_exact(n_components):
    module, x = linear_vae(n_components), rows().double()
    with torch.no_grad():
        kl = module.posterior(x).kl(torch.ones(n_components))
        expected = -15.0 * np.log(2 * np.pi * 0.7) - exact_error(module, x) / 1.4 - kl
        error = exact_error(module, x).mean().item() / 30
    found = evidence(module, x, 0.7, seed=3, axes=range(n_components))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    axes = list(range(n_components))
    assert noise_variance(module, every(x), 3, axes) == pytest.approx(error, rel=1e-6)


def test_of_many_axes_the_first_sixteen_are_exact():
    module, x = linear_vae(40), rows().double()
    with torch.no_grad():
        # Axes that hardly spread matter little.
        module.decoder.weight[:, 16:] *= 1e-4
        exact = exact_error(module, x).mean().item() / 30
    with_axes = noise_variance(module, every(x), 3, range(40))
    without = noise_variance(module, every(x), 3)
    assert with_axes == pytest.approx(exact, rel=1e-3)
    assert abs(with_axes - exact) < 0.01 * abs(without - exact)


def test_moments_of_codes_are_those_of_all_at_once():
    model = fast(ARDVAE, n_components=3)
    # Far from zero, and more rows than go through at once.
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(3000, 12)) + 100.0)
    module = model.fit(x[:100].float())._module.double()
    with torch.no_grad():
        codes = module.encode(x).numpy()
    moments = code_moments(module, x)
    np.testing.assert_allclose(moments.mean, codes.mean(0), rtol=1e-12)
    np.testing.assert_allclose(
        moments.covariance, np.cov(codes.T, bias=True), rtol=1e-8, atol=1e-12
    )


def test_batches_are_put_together_in_order():
    module = linear_vae(2).float()
    x = rows(2500)
    doubled = in_batches(module, lambda m, some: 2.0 * some, x)
    assert torch.equal(doubled, 2.0 * x)
    assert in_batches(module, lambda m, some: some.sum(1), x).shape == (2500,)


class TestPrecision:
    @every_estimator
    def test_float64_rows_have_one_result_in_any_company(self, cls, low_rank):
        x = low_rank[:50].astype(np.float64)
        model = fast(cls).fit(x)
        order = np.random.default_rng(0).permutation(50)
        for method in (model.transform, model.score_samples):
            result = method(x)
            assert result.dtype == np.float32
            np.testing.assert_array_equal(result[order], method(x[order]))
            np.testing.assert_array_equal(result[:7], method(x[:7]))
            close = {"rtol": 1e-3, "atol": 1e-4 * np.abs(result).max()}
            np.testing.assert_allclose(method(x.astype(np.float32)), result, **close)

    def test_the_copy_in_float64_is_kept_as_long_as_the_weights(self):
        module, x = linear_vae(2).float(), rows(3).double()
        copy = in_precision_of(x, module)
        assert copy is in_precision_of(x, module)
        assert in_precision_of(x.float(), module) is module
        with torch.no_grad():
            module.decoder.bias.add_(1.0)
        fresh = in_precision_of(x, module)
        assert torch.equal(fresh.decoder.bias, module.decoder.bias.double())


class InFloat32(nn.Linear):
    """A layer that takes any precision for float32, as people write them."""

    def forward(self, x):
        return super().forward(x.float())


def test_networks_of_float32_are_run_in_it(low_rank):
    networks = (InFloat32(12, 4), InFloat32(2, 12))
    model = VAE(2, architecture=networks, max_iter=2, random_state=0).fit(low_rank)
    double = low_rank.astype(np.float64)
    assert not takes_double(model._module)
    for method in (model.transform, model.reconstruct, model.score_samples):
        np.testing.assert_array_equal(method(double), method(low_rank))
    codes = model.transform(double)
    np.testing.assert_array_equal(
        model.inverse_transform(codes), model.reconstruct(low_rank)
    )
    assert model.intrinsic_dimension_ > 0
    plain = VAE(2, architecture=(nn.Linear(12, 4), nn.Linear(2, 12)), max_iter=1)
    assert takes_double(plain.fit(low_rank)._module)


def test_operations_are_counted():
    # Two layers there and two back: 2 (30 x 4 + 2 x 30), a multiplication and a sum.
    assert count_flops(linear_vae(2).float()) == 2 * (30 * 4 + 2 * 30)
