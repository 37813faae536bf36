"""Networks that start at probabilistic PCA are it: posterior, rows and density."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from torch import nn

from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.linear_path import (
    BesideLinear,
    WithinRange,
    linear_and_perceptrons,
    start_at_principal_axes,
)
from sklearn_ardvae.nn.module import FitStart, Networks
from sklearn_ardvae.nn.perceptrons import Ends, multilayer_perceptron
from sklearn_ardvae.nn.principal import PrincipalBasis
from sklearn_ardvae.nn.variational import VariationalModule
from sklearn_ardvae.training.inference import evidence


class PlainVAE(VariationalModule):
    beta = 1.0


def rows(n=80, n_features=7, seed=0):
    """Rows of variances from 4 to 0.25 in turned axes, as float32."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(9).standard_normal((n_features,) * 2))[0]
    x = rng.standard_normal((n, n_features)) * np.linspace(2.0, 0.5, n_features) @ turn
    return torch.from_numpy(x + 0.5).float()


def networks(x, n_components, *, n_parts=2, hidden=(9, 8), seed=0):
    torch.manual_seed(seed)
    ends = Ends(
        "linear_mlp",
        (x.shape[1],),
        n_components,
        n_parts * n_components,
        GaussianLikelihood(),
    )
    return linear_and_perceptrons(ends, hidden, nn.SiLU)


def start(x, width, n_components=5, **settings):
    """Return the module that starts there, its noise, and W, m of the closed form."""
    encoder, decoder = networks(x, n_components, **settings)
    # Whatever the networks were before.
    with torch.no_grad():
        for parameter in (*encoder.parameters(), *decoder.parameters()):
            parameter += 0.3 * torch.randn_like(parameter)
    principal = PrincipalBasis.of(x, n_components)
    noise = start_at_principal_axes(encoder, decoder, principal, width)
    both = Networks(encoder, decoder, GaussianLikelihood(), n_components, x.shape[1])
    return PlainVAE(both), noise


def closed_form(x, width):
    """Return W, the mean and the noise variance of Tipping and Bishop, by numpy."""
    x = x.double().numpy()
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    noise = values[: x.shape[1] - width].mean()
    order = np.arange(x.shape[1])[::-1][:width]
    weights = vectors[:, order] * np.sqrt(values[order] - noise)
    return weights, x.mean(0), noise


@pytest.mark.parametrize("hidden", [(9, 8), (6,), ()])
def test_the_linear_map_adds_to_the_first_outputs(hidden):
    torch.manual_seed(0)
    perceptron = multilayer_perceptron((4, *hidden, 6), nn.Tanh)
    both, x = BesideLinear(perceptron, 3), torch.randn(5, 4)
    expected = perceptron(x)
    expected[:, :3] += x @ both.linear.weight.T + both.linear.bias
    torch.testing.assert_close(both(x), expected)


@pytest.mark.parametrize("hidden", [(9, 8), (6,), ()])
def test_it_becomes_the_linear_map_it_is_told(hidden):
    torch.manual_seed(0)
    both = BesideLinear(multilayer_perceptron((4, *hidden, 6), nn.Tanh), 3)
    weight, bias, x = torch.randn(3, 4), torch.randn(6), torch.randn(5, 4)
    both.become_linear(weight, bias)
    expected = torch.cat((x @ weight.T, torch.zeros(5, 3)), dim=1) + bias
    torch.testing.assert_close(both(x), expected)


def test_networks_are_mirrored_and_means_are_what_the_map_adds_to():
    encoder, decoder = networks(rows(), 3)
    for network, sizes in [(encoder, (7, 9, 8, 6)), (decoder, (3, 8, 9, 7))]:
        linear = [m for m in network.perceptron if isinstance(m, nn.Linear)]
        assert tuple(m.in_features for m in linear) == sizes[:-1]
        assert linear[-1].out_features == sizes[-1]
    assert (encoder.linear.in_features, encoder.linear.out_features) == (7, 3)
    assert (decoder.linear.in_features, decoder.linear.out_features) == (3, 7)


@pytest.mark.parametrize("width", [0, 1, 3, 5])
class TestStart:
    """float32 has 7 digits, of which sums over 7 features of size 2 cost one."""

    close = {"rtol": 1e-4, "atol": 1e-5}

    def test_the_posterior_is_that_of_the_closed_form(self, width):
        x = rows()
        model, noise = start(x, width)
        weights, mean, variance = closed_form(x, width)
        assert noise == pytest.approx(variance, rel=1e-6)
        within = weights.T @ weights + noise * np.eye(width)
        expected = (x.numpy() - mean) @ weights @ np.linalg.inv(within)
        covariance = noise * np.linalg.inv(within)
        with torch.no_grad():
            q = model.posterior(x)
        # Eigenvectors have either sign.
        sign = np.sign((q.mean[:, :width].numpy() * expected).sum(0))
        np.testing.assert_allclose(
            q.mean[:, :width].numpy() * sign, expected, **self.close
        )
        np.testing.assert_allclose(
            covariance, np.diag(covariance.diagonal()), atol=1e-12
        )
        variances = q.log_variance.exp()[:, :width]
        expected = np.broadcast_to(covariance.diagonal(), variances.shape)
        np.testing.assert_allclose(variances, expected, **self.close)

    def test_further_axes_know_nothing_and_do_nothing(self, width):
        x = rows()
        model, _ = start(x, width)
        with torch.no_grad():
            q = model.posterior(x)
            z = torch.randn(4, 5)
            changed = z.clone()
            changed[:, width:] = torch.randn(4, 5 - width)
            assert torch.equal(model.decode(z), model.decode(changed))
        assert torch.all(q.mean[:, width:] == 0.0)
        assert torch.all(q.log_variance[:, width:] == 0.0)

    def test_rows_are_decoded_by_the_closed_form(self, width):
        x = rows()
        model, noise = start(x, width)
        weights, mean, _ = closed_form(x, width)
        covariance = weights @ weights.T + noise * np.eye(7)
        # The posterior mean of W z + m: Wiener's filter.
        expected = (x.numpy() - mean) @ np.linalg.inv(covariance) @ weights @ weights.T
        with torch.no_grad():
            found = model(x)
        np.testing.assert_allclose(found, expected + mean, rtol=1e-4, atol=1e-4)

    def test_the_bound_is_the_log_density(self, width):
        x, unseen = rows(), rows(30, seed=1)
        model, noise = start(x, width)
        found = evidence(model, unseen, noise, seed=0, axes=range(5))
        weights, mean, variance = closed_form(x, width)
        covariance = weights @ weights.T + variance * np.eye(7)
        expected = multivariate_normal(mean, covariance).logpdf(unseen.double())
        # Squared errors of up to 100 noise variances, to 6 digits.
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
        if width:
            pca = PCA(width, svd_solver="full").fit(x.double().numpy())
            # Which divides by n - 1.
            pca.explained_variance_ = pca.explained_variance_ * 79 / 80
            pca.noise_variance_ = pca.noise_variance_ * 79 / 80
            expected = pca.score_samples(unseen.double().numpy())
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_the_loss_has_no_slope_there():
    # The closed form is where the bound of all weights of linear networks is highest.
    x = rows(200)
    model, noise = start(x, 3, 3, hidden=())
    # An expectation over the noise of the posterior, by pairs of draws.
    draws = model.draw_score_noise(8, torch.Generator().manual_seed(0), range(3))
    total = 0.0
    for draw in draws:
        reconstruction, kl = model.bound_terms(x, model.posterior(x), draw)
        total = total + (reconstruction / (2.0 * noise) + kl).mean() / len(draws)
    total.backward()
    slopes = [p.grad.abs().max().item() for p in model.parameters()]
    # Each is a difference of terms of size 10 to 100 in float32.
    assert max(slopes) < 1e-3


@pytest.mark.parametrize("width", [1, 3, 5])
def test_a_deterministic_encoder_reconstructs_as_pca(width):
    x = rows()
    encoder, decoder = networks(x, 5, n_parts=1)
    principal = PrincipalBasis.of(x, 5)
    start_at_principal_axes(encoder, decoder, principal, width)
    pca = PCA(width, svd_solver="full").fit(x.double().numpy())
    expected = pca.inverse_transform(pca.transform(x.double().numpy()))
    with torch.no_grad():
        codes = encoder(x)
        np.testing.assert_allclose(decoder(codes), expected, rtol=1e-4, atol=1e-4)
    # The scale of codes is that of the probabilistic model: least squares.
    weights, mean, _ = closed_form(x, width)
    expected = (x.numpy() - mean) @ np.linalg.pinv(weights).T
    sign = np.sign((codes[:, :width].numpy() * expected).sum(0))
    np.testing.assert_allclose(
        codes[:, :width].numpy() * sign, expected, rtol=1e-4, atol=1e-4
    )
    assert torch.all(codes[:, width:] == 0.0)


@pytest.mark.parametrize("n_parts", [1, 2])
def test_more_axes_than_the_rank_do_no_harm(n_parts):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 7))
    x = torch.from_numpy(x).float()
    encoder, decoder = networks(x, 5, n_parts=n_parts)
    start_at_principal_axes(encoder, decoder, PrincipalBasis.of(x, 5), 5)
    with torch.no_grad():
        h = encoder(x)
        assert h.isfinite().all()
        error = (decoder(h[:, :5]) - x).square().mean().item()
    # The floor of the noise shrinks codes by a millionth.
    assert error < 1e-6 * x.var().item()


@pytest.mark.parametrize("n_parts", [1, 2])
def test_a_module_begins_there_where_its_weights_are_new(n_parts):
    x, unseen = rows(60), rows(20, seed=1)
    encoder, decoder = networks(x, 5, n_parts=n_parts)
    model = PlainVAE(Networks(encoder, decoder, GaussianLikelihood(), 5, 7))
    seen = torch.arange(50)
    before = [p.clone() for p in model.parameters()]
    model.begin(FitStart(x, seen, unseen, 10, is_new=False))
    for parameter, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
    model.begin(FitStart(x, seen, unseen, 10, is_new=True))
    pca = PCA(5, svd_solver="full").fit(x[:50].double().numpy())
    with torch.no_grad():
        axes = decoder.linear.weight.double().numpy()
    cosines = np.abs((axes / np.linalg.norm(axes, axis=0) * pca.components_.T).sum(0))
    np.testing.assert_allclose(cosines, 1.0, rtol=1e-5)


def test_a_plain_perceptron_is_left_alone():
    encoder = multilayer_perceptron((7, 6, 4), nn.SiLU)
    decoder = multilayer_perceptron((2, 6, 7), nn.SiLU)
    model = PlainVAE(Networks(encoder, decoder, GaussianLikelihood(), 2, 7))
    assert model.networks_beside_linear() == []
    before = [p.clone() for p in model.parameters()]
    model.begin(FitStart(rows(), torch.arange(80), rows(), 10, is_new=True))
    for parameter, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, old)


class TestWithinRange:
    """Perceptrons see no features beyond those of the rows of a fit."""

    def test_before_a_fit_nothing_is_moved(self):
        x = 1e6 * rows()
        assert torch.equal(WithinRange(7)(x), x)

    def test_features_go_to_the_nearest_that_was_shown(self):
        layer = WithinRange(2)
        layer.show(torch.tensor([[-1.0, 5.0], [2.0, 3.0], [0.0, 4.0]]), anew=True)
        x = torch.tensor([[-3.0, 4.5], [0.5, 9.0], [2.0, 3.0]])
        expected = [[-1.0, 4.5], [0.5, 5.0], [2.0, 3.0]]
        assert layer(x).tolist() == expected

    def test_the_mode_does_not_matter(self):
        # Rows of a stream that follows a fit may lie beyond that fit's.
        layer = WithinRange(7)
        layer.show(rows(), anew=True)
        x = 10.0 * rows()
        assert torch.equal(layer.train()(x), layer.eval()(x))
        assert not torch.equal(layer(x), x)

    @pytest.mark.parametrize(
        ("anew", "expected"), [(True, [0.5, 3.0]), (False, [0.0, 3.0])]
    )
    def test_a_fit_that_goes_on_adds_its_rows(self, anew, expected):
        layer = WithinRange(1)
        layer.show(torch.tensor([[0.0], [1.0]]), anew=True)
        layer.show(torch.tensor([[0.5], [3.0]]), anew=anew)
        assert [layer.lowest.item(), layer.highest.item()] == expected

    @pytest.mark.parametrize("is_new", [True, False])
    def test_a_module_shows_all_rows_of_a_fit(self, is_new):
        x = rows()
        module, _ = start(x, 3)
        seen = torch.arange(20)
        module.begin(FitStart(x, seen, x[20:], 500, is_new=is_new))
        within = module.encoder.within
        # Where the fit is not the first, beside those of before: any.
        lowest = x.amin(0) if is_new else torch.full((7,), -torch.inf)
        assert torch.equal(within.lowest, lowest)
        assert torch.equal(within.highest, -lowest if not is_new else x.amax(0))

    def test_beyond_them_networks_go_on_as_their_linear_map(self):
        x = rows()
        encoder, _ = networks(x, 4)
        encoder.within.show(x, anew=True)
        far = x[:1] + torch.tensor([1e3, 0.0, 0.0, -1e3, 0.0, 0.0, 0.0])
        edge = encoder.within(far)
        assert not torch.equal(edge, far)
        gone = encoder(far) - encoder(edge)
        torch.testing.assert_close(
            gone[:, :4], encoder.linear(far) - encoder.linear(edge)
        )
        # Not the log variances.
        assert gone[:, 4:].abs().max() < 1e-5
