"""IRMAE and LoRAE against linear algebra and data of known rank."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from sklearn_ardvae import IRMAE, LoRAE
from sklearn_ardvae.methods.irmae import IRMAEModule, above_the_gap
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.module import Networks
from sklearn_ardvae.relevance import jacobian_weights, select_active


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def module(n=5, n_layers=4, **settings):
    return IRMAEModule(
        Networks(nn.Identity(), nn.Identity(), GaussianLikelihood(), n, n),
        n_linear_layers=n_layers,
        active_rule="variance",
        variance_threshold=0.01,
        **settings,
    )


class TestModule:
    def test_the_product_is_what_the_layers_do(self):
        model, x = module(), torch.randn(9, 5)
        torch.testing.assert_close(model.latent(x), x @ model.product().T)
        by_hand = np.linalg.multi_dot(
            [layer.weight.detach().numpy() for layer in list(model.layers)[::-1]]
        )
        np.testing.assert_allclose(model.product().detach().numpy(), by_hand, atol=1e-6)

    def test_layers_start_differently_without_bias(self):
        weights = [layer.weight for layer in module().layers]
        assert all(layer.bias is None for layer in module().layers)
        assert not any(torch.equal(weights[0], other) for other in weights[1:])

    def test_all_layers_receive_gradients(self):
        model = module()
        model.loss(torch.randn(9, 5), None).total.backward()
        assert all(layer.weight.grad.abs().max() > 0 for layer in model.layers)

    def test_loss_is_a_sum_over_features_plus_the_nuclear_norm(self):
        model, x = module(n_layers=1, nuclear_weight=0.7), torch.randn(9, 5)
        terms = model.loss(x, None)
        w = model.layers[0].weight.detach().numpy()
        error = np.square(x.numpy() - x.numpy() @ w.T).sum(1).mean()
        norm = np.linalg.svd(w, compute_uv=False).sum()
        assert terms.parts["reconstruction"].item() == pytest.approx(error, rel=1e-5)
        assert terms.parts["nuclear_norm"].item() == pytest.approx(norm, rel=1e-5)
        assert terms.total.item() == pytest.approx(error + 0.7 * norm, rel=1e-5)

    def test_the_penalised_layer_is_in_the_path(self):
        # d/dW of |X - X W'|^2 / B + c |W|_* = 2 (W X' - X') X / B + c U V'.
        model, x = module(n_layers=1, nuclear_weight=0.7), torch.randn(9, 5)
        model.loss(x, None).total.backward()
        w, rows = model.layers[0].weight.detach().numpy(), x.numpy()
        u, _, v = np.linalg.svd(w)
        expected = 2.0 * (w @ rows.T - rows.T) @ rows / 9 + 0.7 * u @ v
        np.testing.assert_allclose(
            model.layers[0].weight.grad.numpy(), expected, atol=1e-5
        )

    def test_codes_are_principal_components_and_back(self):
        model, x = module().eval(), torch.randn(200, 5) + 2.0
        model.finish(x, torch.Generator(), streaming=False)
        with torch.no_grad():
            latent, codes = model.latent(x).numpy(), model.encode(x).numpy()
            torch.testing.assert_close(model.decode(model.encode(x)), model.latent(x))
        expected = PCA().fit_transform(latent.astype(np.float64))
        signs = np.sign((codes * expected).sum(0))
        np.testing.assert_allclose(codes, expected * signs, atol=1e-4)

    def test_a_direction_that_the_decoder_ignores_has_variance_and_no_relevance(self):
        model, rows = module(n=4, n_layers=1).eval(), torch.randn(500, 4)
        orthogonal = torch.linalg.qr(rows - rows.mean(0))[0]
        x = orthogonal * torch.tensor([4.0, 3.0, 2.0, 1.0])
        model.layers[0].weight.data.copy_(torch.eye(4))
        model.decoder = nn.Linear(4, 4, bias=False)
        model.decoder.weight.data.copy_(torch.diag(torch.tensor([0.0, 1.0, 1.0, 1.0])))
        model.finish(x, torch.Generator(), streaming=False)
        assert model.is_active().tolist() == [True] * 4
        codes = model.encode(x)
        variance = model.component_variance(codes.var(0))
        relevance = jacobian_weights(model.decode, codes, variance) * variance
        kept = select_active(relevance.detach().double().numpy(), 0.99)
        assert kept.tolist() == [1, 2, 3]
        model.active_rule = "relevance"
        assert model.is_active() is None


def plane(n_rows=500, rank=3, n_features=20):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n_rows, rank)) @ rng.standard_normal((rank, n_features))
    return (x / x.std()).astype(np.float32)


class TestTheGap:
    @pytest.mark.parametrize(
        ("variances", "count"),
        [
            ([4.0, 2.0, 1.0, 1e-5, 1e-6], 3),
            # The largest drop, not the first of an order of magnitude.
            ([100.0, 8.0, 1e-4, 1e-5], 2),
            ([4.0, 2.0, 1.0, 0.5], 4),
            ([9.0, 1.0], 2),
            ([11.0, 1.0], 1),
            # Below 1.2e-7 of the largest nothing is told apart: the second of these is
            # what a fit of a few epochs left.
            ([1.0, 1e-3, 1e-9, 1e-15, 1e-30, 0.0], 2),
            ([6.0, 4.6, 5e-4, 7e-6, 5e-7, 5e-15], 2),
            ([1.0, 0.5, 0.0, 0.0], 2),
            ([3.0], 1),
            ([0.0, 0.0], 0),
        ],
    )
    def test_axes_before_the_largest_drop_are_kept(self, variances, count):
        kept = above_the_gap(torch.tensor(variances))
        assert kept.tolist() == [i < count for i in range(len(variances))]

    def test_it_does_not_depend_on_the_scale(self):
        variances = torch.tensor([4.0, 2.0, 1.0, 1e-5, 1e-6])
        for scale in (1e-12, 1e12):
            assert above_the_gap(scale * variances).sum() == 3


class TestWeightDecay:
    SETTINGS = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}

    def weights(self, **settings):
        module = IRMAE(4, **self.SETTINGS, **settings).fit(plane()).module_
        return [p.detach().numpy() for p in module.parameters()]

    def test_it_is_that_of_adamw(self):
        # Its first step is theta (1 - r w) - r u, whose u has nothing to do with w.
        rows = plane(n_rows=64)
        settings = {"batch_size": 64, "max_iter": 1, "learning_rate": 0.01}
        settings |= {"validation_fraction": 0.0, "early_stopping": False}
        starts, ends = [], []

        def fitted(decay):
            model = IRMAE(4, weight_decay=decay, **(self.SETTINGS | settings))
            model.fit(rows)
            ends.append([p.detach().numpy() for p in model.module_.parameters()])
            starts.append(
                [p.detach().numpy() for p in model._build_module().parameters()]
            )

        fitted(0.0)
        fitted(0.5)
        for start, plain, decayed in zip(starts[0], *ends, strict=True):
            np.testing.assert_allclose(decayed, plain - 0.01 * 0.5 * start, atol=1e-6)

    def test_it_is_what_skorch_makes_of_the_same_settings(self):
        by_hand = {"optimizer": torch.optim.AdamW, "optimizer__weight_decay": 0.1}
        pairs = zip(
            self.weights(weight_decay=0.1),
            self.weights(skorch_params=by_hand),
            strict=True,
        )
        assert all(np.array_equal(a, b) for a, b in pairs)

    def test_what_the_user_says_of_the_optimiser_goes_before_it(self):
        pairs = zip(
            self.weights(
                weight_decay=0.1, skorch_params={"optimizer__weight_decay": 0}
            ),
            self.weights(),
            strict=True,
        )
        # AdamW without decay is Adam, up to the order of sums.
        for a, b in pairs:
            np.testing.assert_allclose(a, b, atol=1e-5)

    def test_the_settings_of_its_paper_find_the_rank_of_a_plane(self):
        model = IRMAE(
            16,
            4,
            weight_decay=1e-6,
            active_rule="gap",
            hidden_layer_sizes=(64,),
            batch_size=50,
            max_iter=120,
            random_state=0,
        ).fit(plane())
        assert model.n_active_components_ == model.history_["n_active"][-1] == 3


class TestEstimators:
    @pytest.mark.parametrize("cls", [IRMAE, LoRAE])
    def test_it_finds_the_rank_of_a_plane(self, cls):
        x = plane()
        model = cls(
            16, hidden_layer_sizes=(64,), batch_size=50, max_iter=120, random_state=0
        ).fit(x)
        assert model.n_active_components_ == 3
        assert model.history_["n_active"][-1] == 3
        assert np.square(model.reconstruct(x) - x).mean() < 0.01
        variances = model.component_variance_
        assert np.all(np.diff(variances) <= 1e-6 * variances[0])
        codes = model.set_params(output_components="all").transform(x)
        np.testing.assert_allclose(codes.var(0), variances, atol=1e-3 * variances[0])

    def test_linear_layers_concentrate_the_code(self):
        x = plane()
        shares = [
            model.component_variance_[:3].sum() / model.component_variance_.sum()
            for model in (
                IRMAE(16, n, hidden_layer_sizes=(64,), max_iter=40, random_state=0).fit(
                    x
                )
                for n in (1, 4)
            )
        ]
        assert shares[1] > shares[0]

    def test_a_larger_penalty_leaves_fewer_directions(self):
        counts = [
            LoRAE(8, weight, hidden_layer_sizes=(), max_iter=40, random_state=0)
            .fit(plane(rank=6))
            .n_active_components_
            for weight in (1e-3, 10.0)
        ]
        assert counts[0] == 6
        assert counts[1] < 6

    def test_the_threshold_counts_variances(self):
        model = IRMAE(6, active_rule="variance", max_iter=5, random_state=0)
        for threshold, count in ((0.0, 6), (0.999, 1)):
            model.set_params(variance_threshold=threshold).fit(plane())
            assert model.n_active_components_ == count

    @pytest.mark.parametrize(
        ("model", "name"),
        [
            (IRMAE(2, 0), "n_linear_layers"),
            (IRMAE(2, variance_threshold=1.0), "variance_threshold"),
            (IRMAE(2, weight_decay=-1e-6), "weight_decay"),
            (LoRAE(2, 0.0), "nuclear_weight"),
            (LoRAE(2, variance_threshold=-0.1), "variance_threshold"),
        ],
        ids=str,
    )
    def test_bad_parameters_are_refused_by_name(self, model, name):
        with pytest.raises(ValueError, match=name):
            model.fit(plane())
