"""RRAE and VRRAE against their equations and data of known rank."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from sklearn_ardvae import RRAE, VRRAE
from sklearn_ardvae.methods.rank_reduction import RRAEModule, VRRAEModule
from sklearn_ardvae.nn.likelihoods import BernoulliLikelihood, GaussianLikelihood
from sklearn_ardvae.nn.module import EpochStart, Networks

LINEAR = {
    "hidden_layer_sizes": (),
    "batch_size": 64,
    "learning_rate": 4e-3,
    "random_state": 0,
    "early_stopping": False,
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def sine_shift(n_rows=199):
    """Rows sin(t - p pi), p in [0, 1.8): a curve in a plane, exactly."""
    t = np.linspace(0.0, 2.0 * np.pi, 200)
    p = np.linspace(0.0, 1.8, n_rows, endpoint=False)
    return np.sin(t - np.pi * p[:, np.newaxis]).astype(np.float32)


def identity(cls, n=5, rank=2, likelihood=None, **settings):
    """A module whose encoder and decoder do nothing."""
    if cls is VRRAEModule:
        settings = {
            "beta": 0.3,
            "mean_map": "identity",
            "kl_reduction": "sum",
        } | settings
    settings = {"search_tolerance": None, "svd": True, "basis": "all_rows"} | settings
    likelihood = likelihood or GaussianLikelihood()
    networks = Networks(nn.Identity(), nn.Identity(), likelihood, n, n)
    return cls(networks, initial_rank=rank, **settings)


def rows_of_low_rank(n_rows, n=5, rank=2):
    return torch.randn(n_rows, rank) @ torch.linalg.qr(torch.randn(n, rank))[0].T


def relative(x, y):
    return 100.0 * np.linalg.norm(x - y) / np.linalg.norm(x)


def start(model, index=0, streaming=False):
    generator = torch.Generator().manual_seed(0)
    model.start_epoch(EpochStart(index, 9, 50, None, generator, streaming))


class TestRRAELoss:
    def test_it_is_the_relative_error_of_the_truncated_svd(self):
        x = torch.randn(20, 5)
        u, s, v = np.linalg.svd(x.numpy())
        low = u[:, :2] * s[:2] @ v[:2]
        terms = identity(RRAEModule).loss(x, None)
        assert terms.total.item() == pytest.approx(relative(x.numpy(), low), rel=1e-5)
        assert terms.parts["reconstruction"] == terms.total

    def test_cross_entropy_is_a_sum_over_features_and_a_mean_over_rows(self):
        x = torch.rand(9, 5)
        model = identity(RRAEModule, rank=5, likelihood=BernoulliLikelihood())
        expected = nn.functional.binary_cross_entropy_with_logits(x, x) * 5
        torch.testing.assert_close(model.loss(x, None).total, expected)

    def test_a_perfect_reconstruction_and_zeros_have_finite_gradients(self):
        for x in (rows_of_low_rank(9), torch.zeros(9, 5)):
            x.requires_grad_()
            identity(RRAEModule).loss(x, None).total.backward()
            assert x.grad.isfinite().all()

    def test_rows_that_were_not_trained_on_are_projected_on_the_basis(self):
        model, x = identity(RRAEModule), torch.randn(30, 5)
        model.train().loss(x, None)
        model.eval().end_epoch(x)
        v = np.linalg.svd(x.numpy())[2][:2]
        new = torch.randn(3, 5).numpy()
        loss = model.loss(torch.from_numpy(new), None).total
        # One row is projected as any other: no SVD of three rows.
        assert loss.item() == pytest.approx(relative(new, new @ v.T @ v), rel=1e-4)
        codes = model.encode(torch.from_numpy(new))
        assert codes[:, 2:].abs().max() == 0.0
        np.testing.assert_allclose(
            model.decode(codes).numpy(), new @ v.T @ v, atol=1e-5
        )

    def test_without_svd_the_first_outputs_are_the_code(self):
        model, x = identity(RRAEModule, svd=False), torch.randn(9, 5)
        cut = x * torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
        expected = relative(x.numpy(), cut.numpy())
        assert model.loss(x, None).total.item() == pytest.approx(expected, rel=1e-5)
        model.eval()
        assert model.loss(x, None).total.item() == pytest.approx(expected, rel=1e-5)


class TestVRRAELoss:
    def test_its_terms_are_those_of_the_paper(self):
        model, x = identity(VRRAEModule), torch.randn(20, 5)
        noise = torch.randn(20, 5)
        terms = model.loss(x, noise)
        _, s, v = np.linalg.svd(x.double().numpy(), full_matrices=False)
        # The gauge of the batch: turned to the reference, the first unit vectors.
        a, _, b = np.linalg.svd(v[:2] @ np.eye(5)[:, :2])
        basis = v[:2].T @ (a @ b)
        codes = x.double().numpy() @ basis
        weight = model.log_variance_map.weight.detach().double().numpy()
        log_variance = codes @ weight.T + model.log_variance_map.bias.detach().numpy()
        sampled = codes + np.exp(0.5 * log_variance) * noise[:, :2].double().numpy()
        error = relative(x.double().numpy(), sampled @ basis.T)
        kl = 0.5 * (codes**2 + np.exp(log_variance) - 1.0 - log_variance)
        assert terms.parts["reconstruction"].item() == pytest.approx(error, rel=1e-5)
        assert terms.parts["kl"].item() == pytest.approx(kl.sum(1).mean(), rel=1e-5)
        assert terms.total.item() == pytest.approx(error + 0.3 * kl.sum(), rel=1e-5)
        # The mean's share of the KL is that of the kept singular values (eq. 7).
        assert (codes**2).sum() == pytest.approx((s[:2] ** 2).sum(), rel=1e-6)

    def test_the_mean_over_rows_is_an_option(self):
        x, noise = torch.randn(20, 5), torch.randn(20, 5)
        model = identity(VRRAEModule, kl_reduction="mean")
        terms = model.loss(x, noise)
        expected = terms.parts["reconstruction"] + 0.3 * terms.parts["kl"]
        torch.testing.assert_close(terms.total, expected)

    def test_beta_0_leaves_the_error(self):
        model = identity(VRRAEModule, beta=0.0)
        terms = model.loss(torch.randn(20, 5), torch.randn(20, 5))
        assert terms.total == terms.parts["reconstruction"]

    def test_the_profiled_beta_has_the_gradient_of_the_bound(self):
        """Up to a factor: of the Gaussian whose noise variance fits best."""
        x = torch.randn(20, 5, dtype=torch.float64)
        y = (0.9 * x + 0.1 * torch.randn_like(x)).requires_grad_()
        model = identity(VRRAEModule, beta="profiled")
        error = model.error(x, y)
        kl = y.square().sum(1)  # Stands for any function of what is trained.
        (slope,) = torch.autograd.grad(error + model.weighted(kl, error, x), y)
        variance = (x - y).square().mean().detach()
        bound = (x - y).square().sum() / (2.0 * variance) + y.square().sum()
        (expected,) = torch.autograd.grad(bound, y)
        factor = error.item() / x.numel()
        torch.testing.assert_close(slope, factor * expected)

    @pytest.mark.parametrize("training", [True, False])
    def test_its_value_is_minus_that_bound(self, training):
        x, noise = torch.randn(20, 5), torch.randn(20, 5)
        model = identity(VRRAEModule, beta="profiled").train(training)
        error, residuals = model.error, []

        def noted(x, output):
            residuals.append((output - x).detach().double().numpy())
            return error(x, output)

        model.error = noted
        terms = model.loss(x, noise)
        deviation = np.sqrt(np.square(residuals[0]).mean())
        log_likelihood = stats.norm.logpdf(residuals[0], scale=deviation).sum(1).mean()
        expected = terms.parts["kl"].item() - log_likelihood
        assert terms.total.item() == pytest.approx(expected, rel=1e-5)

    def test_the_profiled_beta_of_cross_entropies_is_1(self):
        likelihood = BernoulliLikelihood()
        model = identity(VRRAEModule, beta="profiled", likelihood=likelihood)
        terms = model.loss(torch.rand(20, 5), torch.randn(20, 5))
        torch.testing.assert_close(terms.total, sum(terms.parts.values()))

    def test_without_noise_the_error_has_rraes_gradient(self):
        x = torch.randn(20, 5, dtype=torch.float64, requires_grad=True)
        model = identity(VRRAEModule, beta=0.0).double()
        target = torch.randn(20, 5, dtype=torch.float64)
        noise = torch.zeros(20, 5, dtype=torch.float64)
        gradients = []
        for each, drawn in ((model, noise), (identity(RRAEModule).double(), None)):
            each.error = lambda _, output: (output - target).square().sum()
            (gradient,) = torch.autograd.grad(each.loss(x, drawn).total, x)
            gradients.append(gradient)
        torch.testing.assert_close(*gradients)

    def test_coefficients_of_two_batches_share_one_frame(self):
        model = identity(VRRAEModule, n=6, rank=3)
        plane = torch.linalg.qr(torch.randn(6, 3))[0]
        coefficients = torch.randn(40, 3) * torch.tensor([1.0, 1.01, 1.02])
        x = coefficients @ plane.T
        model.train().loss(x, torch.zeros(40, 6))
        model.eval().end_epoch(x)
        expected = model.encode(x)
        model.train()
        for some in (slice(0, 20), slice(20, 40), slice(5, 9)):
            codes = x[some] @ model.batch_basis(x[some])
            # Near-equal singular values: without the gauge the axes would turn.
            torch.testing.assert_close(codes, expected[some], atol=1e-4, rtol=0)

    def test_a_linear_mean_is_what_is_decoded_and_penalised(self):
        model, x = identity(VRRAEModule, mean_map="linear"), torch.randn(20, 5)
        terms = model.loss(x, torch.zeros(20, 5))
        basis = model.batch_basis(x)
        q = model.heads(x @ basis)
        low_rank = (x @ basis)[:, :2]
        torch.testing.assert_close(q.mean[:, :2], model.to_mean(low_rank))
        kl = 0.5 * (q.mean**2 + q.log_variance.exp() - 1.0 - q.log_variance)
        torch.testing.assert_close(terms.parts["kl"], kl.sum(1).mean())
        error = relative(x.numpy(), (q.mean @ basis.T).detach().numpy())
        assert terms.parts["reconstruction"].item() == pytest.approx(error, rel=1e-5)

    def test_axes_beyond_the_rank_are_those_of_the_prior(self):
        model = identity(VRRAEModule, n=6, rank=4)
        model.axes.set_rank(2)
        q = model.eval().posterior(torch.randn(7, 6))
        assert q.mean[:, 2:].abs().max() == q.log_variance[:, 2:].abs().max() == 0.0

    def test_the_evidence_is_that_of_a_linear_gaussian_model(self):
        # Decoder, basis and posterior are linear and known: log p(x) is in closed
        # form, and with the exact posterior the bound is tight on average.
        model = identity(VRRAEModule, n=3, rank=3).eval()
        noise_variance = 0.5
        posterior_variance = noise_variance / (1.0 + noise_variance)
        x = torch.randn(5, 3)
        mean = x / (1.0 + noise_variance)
        nn.init.zeros_(model.log_variance_map.weight)
        nn.init.constant_(model.log_variance_map.bias, np.log(posterior_variance))
        model.axes.project = lambda y: y / (1.0 + noise_variance)
        draws = model.draw_score_noise(400, torch.Generator().manual_seed(0))
        total, q = torch.zeros(5), model.posterior(x)
        for noise in draws:
            reconstruction, kl = model.bound_terms(x, q, noise)
            total += (
                model.likelihood.log_likelihood(reconstruction, 3, noise_variance) - kl
            )
        expected = torch.distributions.Normal(0.0, (1.0 + noise_variance) ** 0.5)
        expected = expected.log_prob(x).sum(1)
        torch.testing.assert_close(q.mean, mean)
        # Antithetic draws of exact second moments: no sampling error is left.
        torch.testing.assert_close(total / 400, expected, atol=1e-3, rtol=0)


class TestRankSearchInTraining:
    def test_it_watches_the_error_and_not_the_kl(self):
        model, x = identity(VRRAEModule, beta=100.0), torch.randn(20, 5)
        terms = model.loss(x, torch.randn(20, 5))
        total, n_rows = model.epoch_error.tolist()
        assert total / n_rows == pytest.approx(terms.parts["reconstruction"].item())
        assert n_rows == 20

    def test_the_rank_falls_and_comes_back_with_its_weights(self):
        model = identity(RRAEModule, n=4, rank=4, search_tolerance=0.1)
        model.decoder = nn.Linear(4, 4)
        assert not model.settled
        for index in range(11):
            model.epoch_error.copy_(torch.tensor([10.0, 10.0]))
            start(model, index)
        assert model.axes.rank == 2
        kept = model.decoder.weight.detach().clone()
        nn.init.zeros_(model.decoder.weight)
        for index in range(11, 22):
            model.epoch_error.copy_(torch.tensor([90.0, 10.0]))
            start(model, index)
        # Rank 2 failed; 4 goes on from its own weights, then 3 is tried.
        assert model.axes.rank == 4
        assert torch.equal(model.decoder.weight, kept)
        for index in range(22, 33):
            model.epoch_error.copy_(torch.tensor([10.0, 10.0]))
            start(model, index)
        assert model.axes.rank == 3
        for index in range(33, 44):
            model.epoch_error.copy_(torch.tensor([90.0, 10.0]))
            start(model, index)
        assert not model.settled
        for index in range(44, 55):
            model.epoch_error.copy_(torch.tensor([10.0, 10.0]))
            start(model, index)
        assert model.axes.rank == 4
        assert model.settled

    def test_a_trial_that_the_budget_cuts_short_is_called_off(self):
        model = identity(RRAEModule, n=4, rank=4, search_tolerance=0.1)
        model.decoder = nn.Linear(4, 4)
        for index in range(11):
            model.epoch_error.copy_(torch.tensor([10.0, 10.0]))
            start(model, index)
        assert model.axes.rank == 2
        kept = model.decoder.weight.detach().clone()
        nn.init.zeros_(model.decoder.weight)
        model.finish(torch.randn(9, 4), torch.Generator(), streaming=False)
        assert model.axes.rank == 4
        assert torch.equal(model.decoder.weight, kept)
        assert not model.settled

    @pytest.mark.parametrize("cls", [RRAE, VRRAE])
    def test_it_stops_at_2_on_a_shifted_sine(self, cls):
        x = sine_shift()
        assert np.linalg.matrix_rank(x, tol=1e-4) == 2
        model = cls(8, rank_tolerance=0.3, max_iter=250, **LINEAR)
        model.fit(x)
        assert model.rank_ == model.n_active_components_ == 2
        assert model.transform(x).shape == (199, 2)
        assert model.history_["n_active"][0] == 8
        assert relative(x, model.reconstruct(x)) < 5.0


class TestEstimators:
    @pytest.mark.parametrize("basis", ["all_rows", "batches"])
    def test_a_linear_rrae_of_rank_2_reconstructs_the_sine(self, basis):
        x = sine_shift()
        model = RRAE(8, 2, basis=basis, max_iter=150, **LINEAR)
        assert relative(x, model.fit(x).reconstruct(x)) < 3.0
        low = RRAE(8, 1, basis=basis, max_iter=50, **LINEAR).fit(x)
        s = np.linalg.svd(x - x.mean(0), compute_uv=False)
        # Eckart and Young: no affine map through one number does better.
        best = 100.0 * s[1] / np.linalg.norm(x)
        assert best < relative(x, low.reconstruct(x)) < 1.2 * best

    def test_codes_are_sorted_by_their_singular_values(self, low_rank):
        model = RRAE(6, 4, output_components="all", max_iter=20, random_state=0)
        codes = model.fit(low_rank).transform(low_rank)
        size = np.linalg.norm(codes, axis=0)
        assert np.all(np.diff(size) <= 0.0)
        gram = codes[:, :4].T.astype(float) @ codes[:, :4]
        # Left singular vectors: the coefficients are uncorrelated about zero.
        np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-3 * gram.max())

    def test_vrrae_finds_the_plane_and_explains_it_better_with_a_prior(self, low_rank):
        settings = {
            "hidden_layer_sizes": (32,),
            "max_iter": 40,
            "batch_size": 32,
            "random_state": 0,
        }
        model = VRRAE(6, 3, **settings).fit(low_rank)
        assert np.square(model.reconstruct(low_rank) - low_rank).mean() < 0.01
        without = VRRAE(6, 3, 0.0, **settings).fit(low_rank)
        assert model.score(low_rank) > without.score(low_rank)

    def test_ablations_are_fitted(self, low_rank):
        settings = {"max_iter": 3, "hidden_layer_sizes": (8,), "random_state": 0}
        scores = [
            VRRAE(4, 3, **ablation, **settings).fit(low_rank).score(low_rank)
            for ablation in (
                {},
                {"mean_map": "linear"},
                {"svd": False},
                {"svd": False, "mean_map": "linear"},
                {"beta": 0.0},
                {"beta": 0.1},
                {"beta": 0.1, "kl_reduction": "mean"},
                {"basis": "batches"},
            )
        ]
        assert len(set(scores)) == len(scores)

    def test_pieces_of_a_stream_keep_up_the_basis(self, low_rank):
        model = RRAE(6, 3, hidden_layer_sizes=(32,), learning_rate=0.01, random_state=0)
        for _ in range(10):
            for piece in np.split(low_rank, 4):
                model.partial_fit(piece)
        assert model.n_active_components_ == 3
        assert relative(low_rank, model.reconstruct(low_rank)) < 30.0

    @pytest.mark.parametrize("cls", [RRAE, VRRAE])
    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"rank": 5}, "rank=5 exceeds n_components=2"),
            ({"rank": 0}, "'rank' parameter"),
            ({"rank": "best"}, "'rank' parameter"),
            ({"svd": False}, "svd=False leaves nothing that orders"),
            ({"basis": "some"}, "'basis' parameter"),
            ({"rank_tolerance": -1.0}, "'rank_tolerance' parameter"),
        ],
    )
    def test_bad_parameters_are_refused_by_name(self, cls, params, message, low_rank):
        with pytest.raises(ValueError, match=message):
            cls(2, **params).fit(low_rank)
