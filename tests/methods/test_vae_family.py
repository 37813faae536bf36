"""VAE, BetaVAE, BetaTCVAE and DIPVAE against formulas and a model with a solution."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.decomposition import PCA
from torch import nn

from sklearn_ardvae import VAE, BetaVAE
from sklearn_ardvae.methods.dip_vae import DIPVAEModule
from sklearn_ardvae.methods.tc_vae import (
    BetaTCVAEModule,
    stratified_log_weights,
)
from sklearn_ardvae.methods.vae import BetaVAEModule, VAEModule
from sklearn_ardvae.nn.likelihoods import BernoulliLikelihood, GaussianLikelihood
from sklearn_ardvae.nn.module import EpochStart, Networks
from sklearn_ardvae.nn.posteriors import GaussianPosterior

D, L, B = 5, 3, 7


def module(cls, *, likelihood=None, **settings):
    torch.manual_seed(0)
    encoder, decoder = nn.Linear(D, 2 * L), nn.Linear(L, D)
    likelihood = likelihood or GaussianLikelihood()
    return cls(Networks(encoder, decoder, likelihood, L, D), **settings).double()


@pytest.fixture
def rows():
    return torch.randn(B, D, generator=torch.Generator().manual_seed(1)).double()


@pytest.fixture
def noise():
    return torch.randn(B, L, generator=torch.Generator().manual_seed(2)).double()


def pieces(model, x, noise):
    """Return posterior and reconstructions as numpy arrays."""
    mean, log_variance = model.encoder(x).chunk(2, 1)
    z = mean + (0.5 * log_variance).exp() * noise
    arrays = mean, log_variance, z, model.decoder(z)
    return [a.detach().numpy() for a in arrays]


def kl(mean, log_variance):
    return 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).sum(1)


def vae(noise_model, variance=1.0, **settings):
    own = {"noise_model": noise_model, "initial_noise_variance": variance}
    return module(VAEModule, **own, **settings)


def start(model, index=0, n_epochs=10, n_rows=100):
    generator = torch.Generator()
    model.start_epoch(EpochStart(index, n_epochs, n_rows, None, generator))


class TestVAE:
    @pytest.mark.parametrize("noise_model", ["fixed", "learned"])
    def test_the_loss_is_minus_the_bound(self, rows, noise, noise_model):
        model = vae(noise_model, 0.3)
        mean, log_variance, _, output = pieces(model, rows, noise)
        log_p = stats.norm.logpdf(rows.numpy(), output, np.sqrt(0.3)).sum(1)
        expected = (kl(mean, log_variance) - log_p).mean()
        # The noise variance was a float32 before it was doubled.
        assert model.loss(rows, noise).total.item() == pytest.approx(expected, rel=1e-6)

    def test_the_profiled_variance_is_the_best_one(self, rows, noise):
        model = vae("profiled")
        profiled = model.loss(rows, noise)
        others = []
        for variance in np.geomspace(0.1, 10.0, 101):
            model = vae("fixed", variance)
            others.append(model.loss(rows, noise).total.item())
        assert profiled.total.item() <= min(others)
        assert profiled.total.item() == pytest.approx(min(others), abs=1e-2)

    def test_profiled_and_learned_agree_where_the_learned_one_rests(self, rows, noise):
        profiled = vae("profiled")
        terms = profiled.loss(rows, noise)
        variance = terms.parts["noise_variance"].item()
        learned = vae("learned", variance)
        loss = learned.loss(rows, noise).total
        loss.backward()
        assert loss.item() == pytest.approx(terms.total.item(), rel=1e-6)
        assert abs(learned.log_noise_variance.grad.item()) < 1e-5
        terms.total.backward()
        for one, other in zip(
            profiled.decoder.parameters(), learned.decoder.parameters(), strict=True
        ):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-8)

    def test_bernoulli_has_no_noise_variance(self, noise):
        x = torch.rand(B, D).double()
        model = vae("learned", likelihood=BernoulliLikelihood())
        mean, log_variance, _, logits = pieces(model, x, noise)
        p = 1 / (1 + np.exp(-logits))
        entropy = -(x.numpy() * np.log(p) + (1 - x.numpy()) * np.log(1 - p)).sum(1)
        expected = (entropy + kl(mean, log_variance)).mean()
        assert model.loss(x, noise).total.item() == pytest.approx(expected)

    @pytest.mark.parametrize("noise_model", ["profiled", "learned"])
    def test_a_linear_vae_is_probabilistic_pca(self, noise_model):
        rng = np.random.default_rng(0)
        directions = np.linalg.qr(rng.standard_normal((8, 2)))[0]
        x = rng.standard_normal((3000, 2)) * [2.0, 1.0] @ directions.T
        x = (x + 0.3 * rng.standard_normal(x.shape)).astype(np.float32)
        model = VAE(
            2,
            noise=noise_model,
            hidden_layer_sizes=(),
            learning_rate=0.01,
            max_iter=150,
            n_iter_no_change=150,
            random_state=0,
        ).fit(x)
        pca = PCA(2).fit(x)
        # The bound is tight at the solution, up to the posterior's diagonal and the
        # precision of training. `score` has the squared error, posterior included,
        # as its noise variance, which is what the solution's bound needs.
        assert model.score(x) == pytest.approx(pca.score(x), abs=0.1)
        assert model.history_["train_noise_variance"][-1] == pytest.approx(
            pca.noise_variance_ * (1 + 2 / 6), rel=0.4
        )


class TestBetaVAE:
    def test_the_loss_has_the_weight(self, rows, noise):
        model = module(
            BetaVAEModule, beta=4.0, capacity=None, capacity_rise=0.5, n_epochs=9
        )
        mean, log_variance, _, output = pieces(model, rows, noise)
        error = ((rows.numpy() - output) ** 2).sum(1)
        expected = (error + 4.0 * kl(mean, log_variance)).mean()
        assert model.loss(rows, noise).total.item() == pytest.approx(expected)

    def test_the_capacity_rises_and_is_what_the_kl_is_held_at(self, rows, noise):
        model = module(
            BetaVAEModule, beta=10.0, capacity=20.0, capacity_rise=0.5, n_epochs=99
        )
        seen = []
        for index in (0, 1, 4, 5, 9):
            start(model, index, n_epochs=10)
            seen.append((model.present_capacity.item(), model.settled))
        expected = [(0, False), (4, False), (16, False), (20, True), (20, True)]
        assert seen == expected
        terms = model.loss(rows, noise)
        gap = abs(terms.parts["kl"].item() - 20.0)
        expected = terms.parts["reconstruction"].item() + 10.0 * gap
        assert terms.total.item() == pytest.approx(expected)

    def test_the_capacity_of_a_stream_rises_over_max_iter_pieces(self, low_rank):
        model = BetaVAE(2, capacity=20.0, max_iter=10, hidden_layer_sizes=(8,))
        for _ in range(8):
            model.partial_fit(low_rank)
        found = model.history_["train_capacity"]
        np.testing.assert_allclose(found, [0, 4, 8, 12, 16, 20, 20, 20], rtol=1e-6)

    def test_training_reaches_the_capacity(self, low_rank):
        model = BetaVAE(
            4, beta=10.0, capacity=3.0, max_iter=60, batch_size=50, random_state=0
        ).fit(low_rank)
        # The batch's mean KL is held there within the noise of a batch.
        assert model.history_["valid_kl"][-1] == pytest.approx(3.0, abs=0.5)


class TestTotalCorrelation:
    @pytest.mark.parametrize("estimator", ["weighted", "stratified"])
    def test_the_slopes_are_finite_differences(self, estimator):
        model = module(BetaTCVAEModule, beta=1.0, tc_weight=2.0, estimator=estimator)
        start(model, n_rows=100)
        generator = torch.Generator().manual_seed(0)
        pieces = torch.randn((3, 5, 3), generator=generator, dtype=torch.float64)

        def total_correlation(z, mean, log_variance):
            return model.total_correlation(GaussianPosterior(mean, log_variance), z)

        assert torch.autograd.gradcheck(
            total_correlation, [p.requires_grad_() for p in pieces.unbind()]
        )

    def test_the_estimate_is_that_of_a_loop(self, rows, noise):
        model = module(BetaTCVAEModule, beta=1.5, tc_weight=4.0, estimator="stratified")
        start(model, n_rows=100)
        mean, log_variance, z, output = pieces(model, rows, noise)
        density = np.exp(
            stats.norm.logpdf(z[:, None], mean[None], np.exp(log_variance / 2)[None])
        )
        n, m = 100, B - 1
        tc = 0.0
        for i in range(B):
            w = np.full(B, 1 / m)
            w[i] = 1 / n
            w[(i + 1) % B] = (n - m) / (n * m)
            joint = np.log(w @ density[i].prod(1))
            tc += (joint - np.log(w @ density[i]).sum()) / B
        error = ((rows.numpy() - output) ** 2).sum(1)
        expected = error.mean() + 1.5 * (kl(mean, log_variance).mean() + 3.0 * tc)
        assert model.loss(rows, noise).total.item() == pytest.approx(expected)

    def test_stratified_weights_add_up_to_one(self):
        for n_batch, n_rows in ((2, 2), (5, 17), (64, 1000)):
            weights = stratified_log_weights(n_batch, n_rows).exp()
            torch.testing.assert_close(weights.sum(1), torch.ones(n_batch))

    def test_stratified_weights_are_unbiased(self):
        # Over all batches that hold row 0 of a set of four, the mean weight of each
        # row is 1/4: the estimate of q(z) is that of the whole set.
        n, total, count = 4, np.zeros(4), 0
        for second in range(1, n):
            for third in set(range(1, n)) - {second}:
                weights = stratified_log_weights(3, n).exp().numpy()[0]
                for row, weight in zip((0, second, third), weights, strict=True):
                    total[row] += weight
                count += 1
        np.testing.assert_allclose(total / count, 0.25, rtol=1e-6)

    def test_independent_axes_have_none_and_copies_have_much(self):
        model = module(BetaTCVAEModule, beta=1.0, tc_weight=2.0, estimator="weighted")
        generator = torch.Generator().manual_seed(0)
        mean = torch.randn(1000, 2, generator=generator).double()
        log_variance = torch.full_like(mean, np.log(0.1))
        z = mean + 0.1**0.5 * torch.randn(1000, 2, generator=generator).double()
        q = GaussianPosterior(mean, log_variance)
        free = model.total_correlation(q, z).item()
        copied = mean[:, :1].expand(-1, 2)
        q = GaussianPosterior(copied, log_variance)
        tied = model.total_correlation(q, z - mean + copied).item()
        # Codes are N(0, C), C = [[1.1, 1], [1, 1.1]]: TC = -log(1 - r^2) / 2. The
        # estimate has 1000 posteriors for 1000 samples, hence a bias of some percent.
        exact = -0.5 * np.log(1 - (1 / 1.1) ** 2)
        assert abs(free) < 0.1
        assert tied == pytest.approx(exact, rel=0.1)


class TestDIPVAE:
    def make(self, kind="i"):
        weights = {"off_diagonal_weight": 3.0, "diagonal_weight": 7.0}
        return module(DIPVAEModule, beta=1.0, kind=kind, **weights)

    def test_the_penalty_of_known_covariances(self):
        model = self.make()
        assert model.penalty(torch.eye(L)).item() == 0.0
        covariance = torch.tensor([[2.0, 0.5, 0], [0.5, 1.0, 0], [0, 0, 0.0]])
        expected = 3.0 * 2 * 0.25 + 7.0 * (1.0 + 0.0 + 1.0)
        assert model.penalty(covariance).item() == pytest.approx(expected)

    @pytest.mark.parametrize("kind", ["i", "ii"])
    def test_the_covariance_is_that_of_means_or_of_samples(self, kind):
        model = self.make(kind)
        rng = np.random.default_rng(0)
        mean, log_variance = rng.standard_normal((2, 200_000, L))
        expected = np.cov(mean.T, bias=True)
        if kind == "ii":
            z = mean + np.exp(log_variance / 2) * rng.standard_normal(mean.shape)
            expected = np.cov(z.T, bias=True)
        q = GaussianPosterior(torch.from_numpy(mean), torch.from_numpy(log_variance))
        found = model.covariance(q)
        # Sampled second moments of 200 000 rows.
        np.testing.assert_allclose(found, expected, atol=0.02)

    def test_the_loss_is_the_sum_of_its_terms(self, rows, noise):
        model = self.make("ii")
        mean, log_variance, _, output = pieces(model, rows, noise)
        covariance = np.cov(mean.T, bias=True) + np.diag(np.exp(log_variance).mean(0))
        off = covariance - np.diag(np.diag(covariance))
        penalty = 3 * (off**2).sum() + 7 * ((np.diag(covariance) - 1) ** 2).sum()
        error = ((rows.numpy() - output) ** 2).sum(1)
        expected = (error + kl(mean, log_variance)).mean() + penalty
        assert model.loss(rows, noise).total.item() == pytest.approx(expected)
