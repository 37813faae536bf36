"""ARD-VAE against its equations, solvable cases and known dimensions."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.datasets import make_manifold
from sklearn_ardvae.methods.ard_vae import ARDVAEModule
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.module import EpochStart, HeldOut, Networks


class Posterior(nn.Module):
    """An encoder that is told what to say: means x, log variances a constant."""

    def __init__(self, log_variance):
        super().__init__()
        self.register_buffer("log_variance", torch.tensor(log_variance))

    def forward(self, x):
        return torch.cat((x, self.log_variance.expand_as(x)), dim=1)


def module(log_variance=-2.0, *, n=3, prior="gaussian", beta=0.7):
    return ARDVAEModule(
        Networks(Posterior(log_variance), nn.Identity(), GaussianLikelihood(), n, n),
        beta=beta,
        prior=prior,
        held_out=HeldOut(),
    )


def start(model, index, x, *, streaming=False):
    generator = torch.Generator().manual_seed(index)
    model.start_epoch(EpochStart(index, 9, 50, x, generator, streaming))


class TestPrior:
    def test_variances_stay_1_during_the_first_epoch(self):
        model = module()
        start(model, 0, 5.0 * torch.randn(100, 3))
        assert model.prior_variance.tolist() == [1.0, 1.0, 1.0]
        assert model.prior_shape == 50.0

    def test_update_is_equations_8_and_9_with_sampled_codes(self):
        model, x = module(), torch.randn(500, 3) * torch.tensor([1.0, 0.1, 3.0]) + 2.0
        start(model, 1, x)
        noise = torch.randn(500, 3, generator=torch.Generator().manual_seed(1))
        z = x + np.exp(-1.0) * noise
        b = 0.5 * z.square().sum(0)
        torch.testing.assert_close(model.prior_shape, torch.tensor(250.0))
        torch.testing.assert_close(model.prior_variance, b / 250.0)

    def test_it_is_a_second_moment_about_zero_in_expectation(self):
        model, x = module(), torch.randn(40_000, 3) + 2.0
        start(model, 1, x)
        expected = x.square().mean(0) + np.exp(-2.0)
        # The relative standard error of a second moment of 40 000 codes is 0.5 %.
        torch.testing.assert_close(model.prior_variance, expected, rtol=0.02, atol=0.0)

    def test_variances_have_a_floor(self):
        model = module(-20.0)
        start(model, 1, torch.zeros(10, 3))
        assert model.prior_variance.min() == pytest.approx(1e-8)
        assert torch.isfinite(model.loss(torch.zeros(2, 3), torch.zeros(2, 3)).total)

    def test_nothing_changes_without_a_new_set(self):
        model = module()
        start(model, 1, torch.randn(50, 3))
        before = model.prior_variance.clone()
        start(model, 2, None)
        assert torch.equal(model.prior_variance, before)

    def test_a_stream_adds_to_what_is_remembered(self):
        model = module(-20.0)
        first, second = torch.randn(300, 3), 2 * torch.randn(100, 3)
        start(model, 1, first, streaming=True)
        start(model, 2, second, streaming=True)
        # Pooled second moments; the posterior variance of exp(-20) is nothing.
        pooled = torch.cat((first, second)).square().mean(0)
        torch.testing.assert_close(model.prior_variance, pooled, rtol=1e-3, atol=0.0)
        assert model.prior_shape == 200.0

    def test_a_stream_forgets(self):
        model = module(-20.0)
        start(model, 1, torch.randn(5000, 3), streaming=True)
        start(model, 2, torch.randn(10, 3), streaming=True)
        assert model.prior_shape == 1005.0

    @pytest.mark.parametrize("prior", ["gaussian", "student_t"])
    def test_prior_draws_have_its_distribution(self, prior):
        model = module(prior=prior)
        model.prior_variance.copy_(torch.tensor([0.01, 1.0, 9.0]))
        model.prior_shape.fill_(2.0)
        z = model.draw_prior(20_000, torch.Generator().manual_seed(0)).numpy()
        frozen = stats.norm if prior == "gaussian" else stats.t(4)
        for column, scale in zip(z.T, (0.1, 1.0, 3.0), strict=True):
            assert stats.kstest(column / scale, frozen.cdf).pvalue > 1e-3


class TestLoss:
    def test_it_is_the_sum_over_features_plus_beta_times_kl(self):
        model, x = module(beta=0.7), torch.randn(4, 3)
        model.prior_variance.copy_(torch.tensor([0.5, 1.0, 2.0]))
        terms = model.loss(x, torch.zeros(4, 3))
        v, s2 = np.array([0.5, 1.0, 2.0]), np.exp(-2.0)
        kl = 0.5 * (np.log(v) + 2.0 + (x.numpy() ** 2 + s2) / v - 1.0)
        assert terms.parts["reconstruction"].item() == 0.0
        assert terms.parts["kl"].item() == pytest.approx(kl.sum(1).mean(), rel=1e-5)
        assert terms.total.item() == pytest.approx(0.7 * kl.sum(1).mean(), rel=1e-5)

    def test_students_kl_is_unbiased(self):
        model = module(prior="student_t", n=1)
        model.prior_shape.fill_(3.0)
        model.prior_variance.fill_(0.8)
        x = torch.full((200_000, 1), 0.6)
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        ours = model.loss(x, noise).parts["kl"].item()
        q, t = stats.norm(0.6, np.exp(-1.0)), stats.t(6, scale=0.8**0.5)
        expected = q.expect(lambda z: q.logpdf(z) - t.logpdf(z))
        # Standard error of 200 000 draws of order 1.
        assert ours == pytest.approx(expected, abs=0.01)

    def test_students_kl_tends_to_the_gaussian_one(self):
        x, noise = torch.randn(50, 3), torch.randn(50, 3)
        student, gauss = module(prior="student_t"), module()
        student.prior_shape.fill_(5e5)
        q = gauss.posterior(x)
        z = q.sample(noise)
        sampled = student.kl(q, z)
        expected = -0.5 * (1 + np.log(2 * np.pi) + q.log_variance) + 0.5 * (
            z.square() + np.log(2 * np.pi)
        )
        torch.testing.assert_close(sampled, expected.sum(1), rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize("prior", ["gaussian", "student_t"])
    def test_gradients_are_those_of_finite_differences(self, prior):
        torch.manual_seed(0)
        model = module(prior=prior).double()
        model.encoder = nn.Linear(3, 6).double()
        model.decoder = nn.Linear(3, 3).double()
        model.prior_variance.copy_(torch.tensor([0.5, 1.0, 2.0]))
        model.prior_shape.fill_(4.0)
        noise = torch.randn(5, 3).double()
        assert torch.autograd.gradcheck(
            lambda x: model.loss(x, noise).total,
            torch.randn(5, 3).double().requires_grad_(),
        )


def plane(rank, n_rows=2000, n_features=20, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.standard_normal((n_features, rank)))[0]
    scales = np.linspace(1.0, 2.0, rank)
    x = (rng.standard_normal((n_rows, rank)) * scales) @ directions.T
    return (x + noise * rng.standard_normal(x.shape)).astype(np.float32)


LINEAR = {
    "hidden_layer_sizes": (),
    "learning_rate": 0.01,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def true_beta():
    """A fit whose beta is twice the noise variance."""
    return ARDVAE(6, beta=2 * 0.05**2, max_iter=1000, **LINEAR).fit(plane(3))


class TestLinear:
    """With linear networks ARD-VAE is probabilistic PCA, which has a solution."""

    # What converged says nothing.
    @pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
    @pytest.mark.parametrize("rank", [1, 3, 6])
    def test_it_finds_the_rank(self, rank):
        model = ARDVAE(10, beta=0.1, **LINEAR).fit(plane(rank))
        assert model.n_active_components_ == rank

    def test_relevances_are_the_eigenvalues_less_the_noise(self):
        x = plane(3)
        converged = {"learning_rate": 3e-3, "lr_patience": 30, "n_iter_no_change": 100}
        model = ARDVAE(6, beta=1.0, **LINEAR | converged).fit(x)
        # A linear VAE of noise variance beta / 2 keeps eigenvalue - beta / 2. The
        # prior is estimated from 360 rows: 7 % on a variance; over seeds the sum
        # was within 2.5 % of the truth.
        expected = PCA(3).fit(x).explained_variance_ - 0.5
        found = model.relevance_[model.active_components_]
        np.testing.assert_allclose(found, expected, rtol=0.1)
        assert model.relevance_.sum() == pytest.approx(expected.sum(), rel=0.04)

    def test_a_direction_below_half_beta_is_noise(self):
        # Variances 1, 2.25 and 4; half of beta lies between the first and the second.
        model = ARDVAE(6, beta=3.0, **LINEAR).fit(plane(3))
        assert model.n_active_components_ == 2

    def test_the_evidence_is_that_of_factor_analysis(self, true_beta):
        x, test = plane(3), plane(3, seed=0)[:500]
        best = FactorAnalysis(3, random_state=0).fit(x).score(test)
        # A bound: below the likelihood, by the posterior's diagonal and by the
        # precision of training; the noise alone is worth 20 log(20) = 60 nats.
        assert best - 1.5 < true_beta.score(test) < best + 0.1

    def test_the_noise_variance_is_that_of_the_residuals(self, true_beta):
        # Seventeen of twenty directions are noise; the posterior adds a little.
        assert true_beta.noise_variance_ == pytest.approx(0.05**2, rel=0.1)

    def test_samples_have_the_moments_of_the_data(self):
        x = plane(3, n_rows=4000)
        model = ARDVAE(6, beta=0.2, **LINEAR).fit(x)
        drawn = model.sample(20_000, random_state=0)
        pca = PCA(3).fit(x)
        kept = pca.components_.T * (pca.explained_variance_ - 0.1)
        expected = kept @ pca.components_
        # Standard error of a variance of 20 000 draws: 1 %.
        np.testing.assert_allclose(
            np.cov(drawn.T), expected, atol=0.06 * expected.max()
        )
        np.testing.assert_allclose(drawn.mean(0), x.mean(0), atol=0.05)


class TestCounts:
    @pytest.mark.slow
    @pytest.mark.parametrize(("kind", "n"), [("network", 4), ("random_sines", 3)])
    def test_known_dimensions_are_found_by_default(self, kind, n):
        x = make_manifold(
            kind, 3000, n_dimensions=n, n_features=40, noise=0.1, random_state=1
        ).data
        model = ARDVAE(16, beta=0.2, random_state=0).fit(x)
        assert model.n_active_components_ == n

    @pytest.mark.slow
    @pytest.mark.parametrize("n_components", [32, 64])
    @pytest.mark.parametrize("n", [8, 16])
    def test_random_networks_of_the_issue(self, n, n_components):
        x = make_manifold("network", 20_000, n_dimensions=n, random_state=n).data
        model = ARDVAE(n_components, beta=0.3, random_state=0).fit(x)
        assert model.n_active_components_ == n

    @pytest.mark.slow
    def test_the_evidence_chooses_beta(self):
        x = make_manifold(
            "shallow_tanh_network",
            4000,
            n_dimensions=5,
            n_features=60,
            noise=0.3,
            random_state=0,
        ).data
        search = GridSearchCV(
            ARDVAE(16, random_state=0), {"beta": [0.01, 0.2, 5.0]}, cv=2
        ).fit(x)
        # Twice the noise variance, 0.18, is what beta stands for.
        assert search.best_params_ == {"beta": 0.2}
        assert search.best_estimator_.n_active_components_ == 5

    @pytest.mark.slow
    def test_the_threshold_moves_the_count(self):
        x = plane(6)
        counts = [
            ARDVAE(10, beta=0.1, relevance_threshold=t, **LINEAR)
            .fit(x)
            .n_active_components_
            for t in (0.3, 0.7, 0.99)
        ]
        assert counts[0] < counts[1] < counts[2] == 6

    @pytest.mark.filterwarnings("always::sklearn.exceptions.ConvergenceWarning")
    def test_a_beta_that_is_too_large_collapses_with_a_warning(self):
        with pytest.warns(ConvergenceWarning, match="no active component"):
            model = ARDVAE(6, beta=100.0, **LINEAR).fit(plane(3))
        assert model.n_active_components_ == 0

    @pytest.mark.filterwarnings("always::sklearn.exceptions.ConvergenceWarning")
    def test_a_budget_that_ends_early_says_so(self):
        with pytest.warns(ConvergenceWarning, match="max_iter=3 epochs are over"):
            ARDVAE(6, beta=0.05, max_iter=3, **LINEAR).fit(plane(3))


class TestOptions:
    @pytest.mark.parametrize(
        ("prior_samples", "n_rows", "expected"),
        [
            ("auto", 1000, 200),
            ("auto", 100_000, 10_000),
            ("auto", 3, 1),
            ("all", 1000, 1000),
            (50, 1000, 50),
            (5000, 1000, 1000),
            (0.1, 1000, 100),
            (0.001, 400, 1),
        ],
    )
    def test_size_rule(self, prior_samples, n_rows, expected):
        held_out = ARDVAE(prior_samples=prior_samples)._held_out()
        assert held_out.size(n_rows) == expected
        assert held_out.withheld == (prior_samples != "all")

    def test_all_rows_update_the_prior_as_often_as_asked(self, monkeypatch):
        updates = []
        update = ARDVAEModule.update_prior

        def noted(self, *args):
            updates.append(len(args[0]))
            update(self, *args)

        monkeypatch.setattr(ARDVAEModule, "update_prior", noted)
        model = ARDVAE(2, beta=0.05, prior_samples="all", prior_update_every=5)
        model.set_params(max_iter=20, **LINEAR).fit(plane(2))
        # Epochs 5, 10 and 15, and once after training.
        assert len(updates) == 4

    def test_more_prior_samples_than_rows_leave_half_to_train_on(self):
        model = ARDVAE(4, beta=0.05, prior_samples=5000, max_iter=3, **LINEAR)
        with pytest.warns(UserWarning, match="prior_samples asks for 1800 of the 1800"):
            model.fit(plane(2))

    def test_shape_is_half_the_number_of_codes(self):
        fixed = {"beta": 0.05, "prior_samples": 100, **LINEAR}
        model = ARDVAE(4, max_iter=3, **fixed)
        assert model.fit(plane(2)).prior_shape_ == 1000.0
        model = ARDVAE(4, **fixed).partial_fit(plane(2))
        assert model.prior_shape_ == 50.0

    def test_the_prior_is_updated_as_often_as_asked(self):
        x = plane(2, n_rows=400)
        seen = []

        class Look:
            def __init__(self):
                self.initialize = lambda: self

            def __getattr__(self, name):
                if name == "on_epoch_end":
                    return lambda net, **kw: seen.append(
                        net.module_.prior_variance.tolist()
                    )
                return lambda *args, **kwargs: None

        often = {"prior_update_every": 3, "max_iter": 7}
        looks = {"callbacks": [("look", Look())]}
        ARDVAE(3, beta=0.05, **often, **looks, **LINEAR).fit(x)
        same = [seen[i] == seen[i + 1] for i in range(6)]
        assert same == [True, True, False, True, True, False]

    def test_a_student_t_prior_finds_the_rank_from_few_rows(self):
        x = plane(3, n_rows=300)
        model = ARDVAE(6, beta=0.1, prior="student_t", **LINEAR).fit(x)
        assert model.n_active_components_ == 3

    def test_bernoulli_images_of_one_pixel_pattern(self):
        rng = np.random.default_rng(0)
        pattern = rng.random((3, 12)) < 0.5
        x = pattern[rng.integers(3, size=600)].astype(np.float32)
        model = ARDVAE(
            4, beta=0.5, likelihood="bernoulli", learning_rate=0.01, random_state=0
        ).fit(x)
        assert np.square(model.reconstruct(x) - x).mean() < 0.01
        # The evidence of three equally likely patterns is -log(3) nats at most.
        assert -3.0 < model.score(x) < -np.log(3) + 0.05
        drawn = model.sample(5, 0)
        assert 0.0 <= drawn.min() <= drawn.max() <= 1.0

    def test_jacobians_are_taken_at_as_many_rows_as_asked(self):
        few, many = (
            ARDVAE(4, beta=0.05, relevance_samples=n, max_iter=3, random_state=0).fit(
                plane(2)
            )
            for n in (1, 100)
        )
        np.testing.assert_array_equal(few.transform(plane(2))[:, 0].shape, (2000,))
        assert not np.array_equal(few.relevance_, many.relevance_)

    @pytest.mark.parametrize(
        ("params", "name"),
        [
            ({"beta": -0.1}, "beta"),
            ({"prior": "laplace"}, "prior"),
            ({"prior_update_every": 0}, "prior_update_every"),
            ({"prior_samples": 0}, "prior_samples"),
            ({"prior_samples": 1.5}, "prior_samples"),
            ({"prior_samples": "some"}, "prior_samples"),
            ({"relevance_threshold": 0.0}, "relevance_threshold"),
            ({"relevance_samples": 0}, "relevance_samples"),
        ],
    )
    def test_bad_parameters_are_named(self, params, name):
        with pytest.raises(ValueError, match=f"'{name}' parameter of ARDVAE"):
            ARDVAE(**params).fit(plane(2))


def learned(shape, variances):
    """An estimator whose module has learned this prior."""
    model = ARDVAE()
    model._module = module(n=len(variances))
    model._module.prior_shape.fill_(shape)
    model._module.prior_variance.copy_(torch.as_tensor(variances))
    return model


class TestInterval:
    def test_it_is_the_inverse_gamma_posterior(self):
        model = learned(10.0, [0.5, 1.0, 2.0])
        interval = model.prior_variance_interval(0.9)
        posterior = stats.invgamma(10.0, scale=10.0 * np.array([0.5, 1.0, 2.0]))
        np.testing.assert_allclose(interval[:, 0], posterior.ppf(0.05))
        np.testing.assert_allclose(interval[:, 1], posterior.ppf(0.95))

    @given(confidence=st.floats(0.01, 0.99))
    def test_it_covers_the_truth_as_often_as_it_says(self, confidence):
        # Normal codes of variance 1, and the flat prior a0 = b0 = 0 of eqs. 8 and 9,
        # for which the posterior interval is an exact confidence interval.
        rng = np.random.default_rng(0)
        model = learned(15.0, np.square(rng.standard_normal((4000, 30))).mean(1))
        low, high = model.prior_variance_interval(confidence).T
        covered = np.mean((low < 1.0) & (high > 1.0))
        assert covered == pytest.approx(confidence, abs=0.03)

    @pytest.mark.parametrize("confidence", [0.0, 1.0, -1, 2])
    def test_bad_confidences_are_named(self, confidence):
        model = ARDVAE(3, beta=0.05, max_iter=2, **LINEAR).fit(plane(2))
        with pytest.raises(ValueError, match="confidence == "):
            model.prior_variance_interval(confidence)
