"""LeastVolumeAE against numpy, closed forms, PCA and enumeration."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from sklearn.decomposition import PCA
from torch import nn

from sklearn_ardvae import LeastVolumeAE
from sklearn_ardvae.methods.least_volume import LeastVolumeModule
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.module import Networks


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def module(n=5, decoder=None, **settings):
    """A module whose encoder does nothing, nor by default its decoder."""
    networks = Networks(
        nn.Identity(), decoder or nn.Identity(), GaussianLikelihood(), n, n
    )
    settings = {
        "penalty_weight": 0.7,
        "offset": 0.3,
        "active_rule": "pruning",
        "pruning_tolerance": 0.01,
    } | settings
    return LeastVolumeModule(networks, **settings)


def volume(codes, offset):
    return np.prod(codes.std(0) + offset) ** (1 / codes.shape[1])


class TestPenalty:
    def test_the_loss_is_the_squared_error_and_the_volume(self):
        x, doubled = torch.randn(9, 5), nn.Module()
        doubled.forward = lambda z: 2.0 * z
        terms = module(decoder=doubled).loss(x, None)
        expected = volume(x.numpy(), 0.3)
        error = np.square(x.numpy()).sum(1).mean()
        assert terms.parts["penalty"].item() == pytest.approx(expected, rel=1e-5)
        assert terms.total.item() == pytest.approx(error + 0.7 * expected, rel=1e-5)

    def test_its_gradient_is_that_of_the_closed_form(self):
        # dV / dz_il = V / L / (s_l + eta) * (z_il - mean_l) / (B s_l).
        z = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
        module().penalty(z, z, z, None).backward()
        codes = z.detach().numpy()
        s = codes.std(0)
        expected = volume(codes, 0.3) / 5 / (s + 0.3) * (codes - codes.mean(0))
        np.testing.assert_allclose(z.grad.numpy(), expected / (7 * s), rtol=1e-9)

    @pytest.mark.parametrize("n_rows", [1, 4])
    def test_axes_without_variance_have_a_gradient_of_zero(self, n_rows):
        z = torch.randn(n_rows, 5, requires_grad=True)
        codes = z * torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
        module().penalty(codes, codes, codes, None).backward()
        assert z.grad.isfinite().all()
        assert (z.grad[:, 2:] == 0.0).all()

    def test_its_limits_are_the_geometric_and_the_arithmetic_mean(self):
        z = torch.randn(50, 4, dtype=torch.float64) * torch.tensor([3.0, 1.0, 0.5, 0.1])
        s = z.numpy().std(0)
        small = module(4, offset=1e-9).penalty(z, z, z, None).item()
        # To second order the difference is the variance of s over 2 eta.
        large = module(4, offset=1e6).penalty(z, z, z, None).item() - 1e6
        assert small == pytest.approx(np.exp(np.log(s).mean()), rel=1e-6)
        assert large == pytest.approx(s.mean(), abs=1e-5)

    def test_neither_a_shift_nor_the_order_of_axes_changes_it(self):
        z = torch.randn(20, 4, dtype=torch.float64) * torch.arange(1.0, 5.0)
        found = [
            module(4).penalty(c, c, c, None).item()
            for c in (z, z + 7.0, z[:, [2, 0, 3, 1]])
        ]
        np.testing.assert_allclose(found, found[0], rtol=1e-12)

    def test_a_slope_of_the_decoder_is_a_weight_and_an_offset(self):
        # lambda V(eta; z) = (lambda / K) V(K eta; K z), with codes K z at slope 1.
        z = torch.randn(20, 4, dtype=torch.float64)
        at_three = module(4, offset=0.2).penalty(z, z, z, None)
        at_one = module(4, offset=0.6).penalty(z, 3.0 * z, z, None) / 3.0
        assert at_three.item() == pytest.approx(at_one.item(), rel=1e-12)


def test_the_decoder_moves_points_no_further_apart_than_codes(low_rank):
    model = LeastVolumeAE(4, max_iter=5, hidden_layer_sizes=(32, 32), random_state=0)
    module_ = model.fit(low_rank).module_
    norms = [
        torch.linalg.matrix_norm(layer.weight, 2).item()
        for layer in module_.decoder.modules()
        if isinstance(layer, nn.Linear)
    ]
    # What is left of the norms after the power iterations; see test_autoencoders.py.
    np.testing.assert_allclose(norms, 1.0, rtol=2e-3)
    z = 5.0 * torch.randn(300, 4)
    with torch.no_grad():
        slopes = torch.pdist(module_.decode(z)) / torch.pdist(z)
    assert slopes.max() <= 1.0 + 6e-3
    jacobian = torch.func.vmap(torch.func.jacrev(module_.decode))(z[:, None])
    worst = torch.linalg.matrix_norm(jacobian.reshape(300, 12, 4), 2).max()
    assert worst.item() <= 1.0 + 6e-3


def axis_aligned(deviations, n_rows=400):
    """Rows whose axes are uncorrelated, centred, and of these deviations."""
    rows = torch.randn(n_rows, len(deviations), dtype=torch.float64)
    rows = torch.linalg.qr(rows - rows.mean(0))[0] * n_rows**0.5
    return rows * torch.tensor(deviations, dtype=torch.float64)


class TestPruning:
    DEVIATIONS = (0.05, 2.0, 0.3, 1.0, 0.1)

    @pytest.mark.parametrize("tolerance", [0.0, 0.001, 0.01, 0.02, 0.1, 0.3, 0.9])
    def test_it_keeps_the_fewest_of_the_largest_axes_that_do(self, tolerance):
        model = module(pruning_tolerance=tolerance)
        model.prune(axis_aligned(self.DEVIATIONS))
        # With identities for networks an axis that is fixed costs its variance. Any
        # set that keeps to the tolerance has at least as many axes, by enumeration.
        costs = np.square(self.DEVIATIONS)
        sets = itertools.product([False, True], repeat=5)
        most = tolerance * costs.sum()
        allowed = [s for s in sets if costs[~np.array(s)].sum() <= most]
        fewest = min(allowed, key=lambda s: (sum(s), costs[~np.array(s)].sum()))
        assert model.is_active().tolist() == list(fewest)

    def test_an_axis_that_the_decoder_needs_stops_it(self):
        # The axis of least deviation is the only one that the decoder looks at.
        class First(nn.Module):
            def forward(self, z):
                return z * torch.tensor([1.0, 0.0, 0.0])

        x = axis_aligned((0.1, 1.0, 2.0))
        model = module(3, decoder=First())
        model.prune(x)
        assert model.is_active().tolist() == [True] * 3

    def test_fixed_axes_are_at_the_mean_of_their_codes(self):
        # Far from zero: at zero instead, each would cost a hundred.
        model = module(pruning_tolerance=0.03)
        model.prune(axis_aligned(self.DEVIATIONS) + 10.0)
        assert model.is_active().tolist() == [False, True, False, True, False]

    def test_the_error_after_pruning_is_bounded_by_the_deviations(self, low_rank):
        # A decoder of slope 1: sqrt(mse after) <= sqrt(mse) + sqrt(sum of variances).
        model = LeastVolumeAE(6, max_iter=10, hidden_layer_sizes=(32,), random_state=0)
        module_ = model.fit(low_rank).module_
        x = torch.from_numpy(low_rank)
        with torch.no_grad():
            z = module_.encode(x)
            for pruned in ([0], [1, 2], [0, 3, 4, 5]):
                fixed = z.clone()
                fixed[:, pruned] = z.mean(0)[pruned]
                before, after = (
                    (module_.decode(c) - x).square().sum(1).mean().sqrt()
                    for c in (z, fixed)
                )
                size = z[:, pruned].var(0, correction=0).sum().sqrt()
                assert after <= before + (1.0 + 2e-3) * size

    def test_rows_without_variance_have_no_axes(self):
        model = module()
        model.prune(torch.ones(20, 5))
        assert not model.is_active().any()

    def test_the_relevance_is_the_other_rule(self):
        assert module(active_rule="relevance").is_active() is None


def shrunk(s, weight, offset):
    """Deviations of the codes of a linear least-volume autoencoder, all axes on.

    The least of sum (s - sigma)^2 + weight * V: a fixed point in V, the volume.
    """

    def at(v):
        # 2 (s - sigma) (sigma + eta) = w v / L: the larger root is the minimum.
        half = 0.5 * (s - offset)
        return half + np.sqrt(half**2 + s * offset - 0.5 * weight * v / len(s))

    def gap(v):
        return np.prod(at(v) + offset) ** (1 / len(s)) - v

    return at(brentq(gap, 0.5 * offset, s.max() + offset))


class TestLinearData:
    LINEAR = {
        "hidden_layer_sizes": (),
        "batch_size": 100,
        "learning_rate": 0.02,
        "validation_fraction": 0.0,
        "early_stopping": False,
        "random_state": 0,
    }

    def rows(self, deviations, n_features=8, n_rows=500):
        axes = torch.linalg.qr(torch.randn(n_features, len(deviations)))[0].double()
        return (axis_aligned(deviations, n_rows) @ axes.T).float().numpy()

    def test_the_best_codes_are_those_of_pca_but_shrunk(self):
        s = np.array([2.0, 1.0, 0.5])
        axes = torch.linalg.qr(torch.randn(8, 3, dtype=torch.float64))[0]
        x = axis_aligned(tuple(s)) @ axes.T
        found = shrunk(s, 0.5, 1.0)
        encode = axes @ torch.from_numpy(np.diag(found / s))

        def loss(turn):
            """The loss at codes that are turned; the kernel stays orthonormal."""
            encoder, decoder = nn.Linear(8, 3, bias=False), nn.Linear(3, 8, bias=False)
            encoder.weight.data = turn @ encode.T
            decoder.weight.data = axes @ turn.T
            networks = Networks(encoder, decoder, GaussianLikelihood(), 3, 8)
            model = LeastVolumeModule(
                networks,
                penalty_weight=0.5,
                offset=1.0,
                active_rule="pruning",
                pruning_tolerance=0.01,
            )
            return model.double().loss(x, None).total, encoder.weight

        least, weight = loss(torch.eye(3, dtype=torch.float64))
        expected = np.square(s - found).sum() + 0.5 * np.prod(found + 1.0) ** (1 / 3)
        assert least.item() == pytest.approx(expected, rel=1e-9)
        least.backward()
        np.testing.assert_allclose(weight.grad.numpy(), 0.0, atol=1e-9)
        for _ in range(30):
            turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
            assert loss(turn)[0] > least

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_it_counts_the_axes_of_pca(self):
        x = self.rows((2.0, 1.5, 1.0))
        x += 0.01 * np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
        model = LeastVolumeAE(8, 0.5, max_iter=150, **self.LINEAR).fit(x)
        n_of_pca = PCA(0.99, svd_solver="full").fit(x).n_components_
        assert model.n_active_components_ == n_of_pca == 3
        assert model.history_["n_active"][-1] == 3

    def test_rectifiers_find_them_too(self, low_rank):
        model = LeastVolumeAE(
            8, hidden_layer_sizes=(32,), batch_size=50, max_iter=60, random_state=0
        ).fit(low_rank)
        assert model.n_active_components_ == 3
        model.set_params(active_rule="relevance").fit(low_rank)
        assert model.n_active_components_ == 3

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_a_larger_weight_leaves_fewer_axes(self):
        x = self.rows((2.0, 1.0, 0.5, 0.25))
        counts = [
            LeastVolumeAE(4, weight, max_iter=50, **self.LINEAR)
            .fit(x)
            .n_active_components_
            for weight in (0.01, 8.0)
        ]
        assert counts[0] == 4
        assert counts[1] < 4


def test_beside_a_linear_map_it_learns_all_the_same(low_rank):
    settings = {"architecture": "linear_mlp", "hidden_layer_sizes": (32,)}
    model = LeastVolumeAE(6, max_iter=60, random_state=0, **settings).fit(low_rank)
    assert np.square(model.reconstruct(low_rank) - low_rank).mean() < 0.05


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"penalty_weight": -1.0}, "penalty_weight"),
        ({"offset": 0.0}, "offset"),
        ({"pruning_tolerance": 1.0}, "pruning_tolerance"),
        ({"active_rule": "variance"}, "active_rule"),
    ],
    ids=lambda value: str(value),
)
def test_bad_parameters_are_refused_by_name(settings, name, low_rank):
    with pytest.raises(ValueError, match=name):
        LeastVolumeAE(2, **settings).fit(low_rank)
