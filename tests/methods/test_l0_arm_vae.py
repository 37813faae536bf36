"""L0ARMVAE against enumeration of its gates and the rules of its schedule."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_ardvae import L0ARMVAE
from sklearn_ardvae.datasets import make_manifold
from sklearn_ardvae.methods.l0_arm_vae import L0ARMVAEModule, axis_kl
from sklearn_ardvae.nn.divergences import gaussian_kl
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.module import EpochStart, Networks


def module(*, tau=0.5, gradient="local_expectation", n=3, tau_relaxation=0.0):
    torch.manual_seed(0)
    model = L0ARMVAEModule(
        Networks(
            nn.Linear(4, 2 * n),
            nn.Sequential(nn.Linear(n, 5), nn.Tanh(), nn.Linear(5, 4)),
            GaussianLikelihood(),
            n,
            4,
        ),
        initial_tau=tau,
        l0_weight=0.3,
        gradient=gradient,
        multiplier_max=20.0,
        tau_relaxation=tau_relaxation,
    )
    return model.double()


def rows(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=generator, dtype=torch.float64)


def noise_for(model, n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise, uniform, axis = model.draw_training_noise(n, generator)
    return noise.double(), uniform.double(), axis


def released(model, logits=(0.7, -0.4, 1.5), average=1.0):
    model.logits.data = torch.tensor(logits, dtype=torch.float64)
    model.released.fill_(True)
    model.multiplier.started.fill_(1.0)
    model.multiplier.average.fill_(average)
    return model


class TestGates:
    @pytest.mark.parametrize("gradient", ["local_expectation", "disarm", "arm"])
    def test_their_gradient_is_that_of_the_enumerated_expectation(self, gradient):
        model = released(module(gradient=gradient), average=1e6)  # no L0
        n, draws = 20_000, []
        x, noise = rows(1).expand(n, 4), torch.zeros(n, 3, dtype=torch.float64)
        for seed in range(12):
            _, uniform, axis = noise_for(model, n, seed)
            model.multiplier.average.fill_(1e6)
            total = model.training_loss(x, (noise, uniform, axis)).total
            draws.append(torch.autograd.grad(total, model.logits)[0])
        draws = torch.stack(draws)

        q = model.posterior(x[:1])
        logits = model.logits.detach().clone().requires_grad_()
        pi, expectation = torch.sigmoid(logits), 0.0
        for bits in itertools.product((0.0, 1.0), repeat=3):
            b = torch.tensor(bits, dtype=torch.float64)
            error = model.gated_error(x[:1], q.mean, b)
            kl = (b * axis_kl(q)).sum(1)
            value = (error + kl / model.multiplier()).sum().detach()
            expectation += (b * pi + (1 - b) * (1 - pi)).prod() * value
        exact = torch.autograd.grad(expectation, logits)[0]
        standard_error = draws.std(0) / np.sqrt(len(draws))
        # Student's t with 11 degrees; the seeds are fixed.
        assert torch.all((draws.mean(0) - exact).abs() < 5 * standard_error)
        assert standard_error.max() < 0.05 * exact.abs().max()

    def test_each_is_flipped_as_often_and_in_any_row(self):
        model, generator = module(), torch.Generator().manual_seed(0)
        axes = torch.stack(
            [model.draw_training_noise(30, generator)[2] for _ in range(900)]
        )
        counts = torch.nn.functional.one_hot(axes, 3).sum(1)
        assert torch.all(counts == 10)
        # A standard error of 0.016 around 1/3.
        shares = torch.nn.functional.one_hot(axes[:, 0], 3).double().mean(0)
        assert torch.all((shares - 1 / 3).abs() < 0.06)

    def test_one_that_the_decoder_ignores_follows_its_price_alone(self):
        model, x = released(module(), average=1e6), rows(64)  # no L0
        model.decoder[0].weight.data[:, 1] = 0.0
        noise = noise_for(model, 64)
        (found,) = torch.autograd.grad(
            model.training_loss(x, noise).total, model.logits
        )
        pi = torch.sigmoid(model.logits.detach()[1])
        kl = axis_kl(model.posterior(x))[:, 1].mean()
        expected = pi * (1 - pi) * kl / model.multiplier().detach()
        torch.testing.assert_close(found[1], expected.detach())

    def test_all_are_open_until_the_constraint_is_met(self):
        model, x = module(tau=1e-3), rows(50)
        model.logits.data.fill_(-3.0)
        noise, uniform, axis = noise_for(model, 50)
        terms = model.training_loss(x, (noise, uniform, axis))
        z = model.posterior(x).sample(noise)
        error = (model.decoder(z) - x).square().sum(1).mean()
        torch.testing.assert_close(terms.parts["reconstruction"], error)
        (found,) = torch.autograd.grad(terms.total, model.logits)
        assert torch.all(found == 0.0)

    def test_l0_counts_only_while_the_constraint_is_met(self):
        for average, met in ((-1.0, True), (1.0, False)):
            model = released(module(tau=1.0), average=average)
            model.gate_gradient = lambda *args: torch.zeros(3, dtype=torch.float64)
            total = model.training_loss(rows(9), noise_for(model, 9)).total
            (found,) = torch.autograd.grad(total, model.logits)
            pi = torch.sigmoid(model.logits.detach())
            kl = axis_kl(model.posterior(rows(9))).mean(0).detach()
            price = (kl + 0.3 * met) / model.multiplier().detach()
            torch.testing.assert_close(found, pi * (1 - pi) * price)

    def test_they_stay_released(self):
        model = module(tau=1e9)
        model.training_loss(rows(9), noise_for(model, 9))
        assert model.released
        model.tau.fill_(0.0)
        for _ in range(3):
            model.training_loss(rows(9), noise_for(model, 9))
        assert model.released

    def test_at_inference_they_are_hard(self):
        model, x = released(module()), rows(5)
        assert model.open_gates.tolist() == [1.0, 0.0, 1.0]
        assert torch.all(model.encode(x)[:, 1] == 0.0)
        changed = model.encode(x) + torch.tensor([0.0, 7.0, 0.0])
        torch.testing.assert_close(model.decode(changed), model.decode(model.encode(x)))
        drawn = model.draw_prior(10, torch.Generator().manual_seed(0))
        assert torch.all(drawn[:, 1] == 0.0)


class TestLoss:
    def test_its_kl_is_that_of_open_axes(self):
        model, x = released(module(), (1.0, 1.0, 1.0)), rows(6)
        q = model.posterior(x)
        ones = torch.ones(3, dtype=torch.float64)
        torch.testing.assert_close(
            axis_kl(q).sum(1), gaussian_kl(q.mean, q.log_variance, ones)
        )
        model.logits.data[1] = -1.0
        _, kl = model.bound_terms(x, q, torch.zeros(6, 3, dtype=torch.float64))
        kept = [0, 2]
        expected = gaussian_kl(q.mean[:, kept], q.log_variance[:, kept], ones[kept])
        torch.testing.assert_close(kl, expected)

    def test_it_is_the_lagrangian_over_the_multiplier(self):
        model, x = released(module(tau=2.0), (9.0, 9.0, 9.0)), rows(6)
        model.multiplier.average.fill_(-1e6)
        terms = model.training_loss(x, noise_for(model, 6))
        error, kl = terms.parts["reconstruction"], terms.parts["kl"]
        weight = terms.parts["multiplier"]
        price = kl + 0.3 * terms.parts["l0"]
        torch.testing.assert_close(terms.total, error + price / weight)
        lagrangian = weight * (error - 2.0) + price
        torch.testing.assert_close(terms.total, lagrangian / weight + 2.0)

    def test_the_multiplier_sees_the_moving_average(self):
        model, x = module(tau=2.0), rows(6)
        noise = noise_for(model, 6)
        first = model.training_loss(x, noise)
        constraint = first.parts["reconstruction"] - 2.0
        torch.testing.assert_close(first.parts["constraint"], constraint)
        (slope,) = torch.autograd.grad(first.total, model.multiplier.rho)
        # d softplus(rho) ** 2 / d rho at multiplier 1, with sigmoid(rho) = 1 - 1/e.
        expected = -2.0 * (1.0 - np.exp(-1.0)) * constraint
        torch.testing.assert_close(slope, expected)
        second = model.training_loss(3.0 * x, noise)
        later = second.parts["reconstruction"] - 2.0
        torch.testing.assert_close(
            second.parts["constraint"], 0.99 * constraint + 0.01 * later
        )

    def test_auto_tau_is_a_share_of_the_variance(self):
        model, x = module(tau="auto"), 3.0 * rows(500) + 2.0
        start = EpochStart(0, 9, 50, x, torch.Generator())
        model.start_epoch(start)
        expected = 0.05 * x.var(0, correction=0).sum()
        torch.testing.assert_close(model.tau, expected)
        model.start_epoch(EpochStart(1, 9, 50, 2 * x, torch.Generator()))
        torch.testing.assert_close(model.tau, expected)

    @pytest.mark.parametrize(
        ("average", "rho", "expected"),
        [(1.0, 99.0, 0.55), (-1.0, 99.0, 0.5), (1.0, 1.0, 0.5)],
    )
    def test_tau_rises_while_it_is_out_of_reach(self, average, rho, expected):
        model = released(module(tau=0.5, tau_relaxation=0.1), average=average)
        model.multiplier.rho.data.fill_(rho)
        model.start_epoch(EpochStart(3, 9, 50, None, torch.Generator()))
        assert model.tau.item() == pytest.approx(expected)


class TestEstimator:
    def test_it_finds_the_rank_and_meets_the_constraint(self, low_rank):
        model = L0ARMVAE(
            6,
            tau=0.5,
            learning_rate=0.02,
            max_iter=80,
            hidden_layer_sizes=(16,),
            random_state=0,
        ).fit(low_rank)
        assert model.n_active_components_ == model.history_["n_active"][-1] == 3
        assert model.history_["n_active"][0] == 6
        assert (model.gate_probability_ > 0.5).sum() == model.n_active_components_
        assert model.history_["train_constraint"][-1] < 0.1
        closed = np.flatnonzero(model.gate_probability_ <= 0.5)
        codes = model.set_params(output_components="all").transform(low_rank)
        assert np.all(codes[:, closed] == 0.0)
        assert np.all(model.relevance_[closed] == 0.0)

    def test_each_gradient_is_used(self, low_rank):
        params = {"tau": 20.0, "max_iter": 2, "hidden_layer_sizes": (8,)}
        found = {
            tuple(
                L0ARMVAE(4, gradient=gradient, random_state=0, **params)
                .fit(low_rank)
                .gate_probability_
            )
            for gradient in ("local_expectation", "disarm", "arm")
        }
        assert len(found) == 3

    def test_a_constraint_out_of_reach_leaves_all_gates_open_and_says_so(
        self, low_rank
    ):
        model = L0ARMVAE(
            4, tau=0.0, max_iter=4, hidden_layer_sizes=(8,), random_state=0
        )
        with pytest.warns(ConvergenceWarning, match="never came down to tau=0"):
            model.fit(low_rank)
        assert model.n_active_components_ == 4
        np.testing.assert_allclose(model.gate_probability_, 0.99, atol=1e-3)
        assert model.tau_ == 0.0

    def test_a_constraint_that_had_to_be_relaxed_is_told(self, low_rank):
        # A multiplier that is at its largest from the start, and an error that falls
        # below what tau rises to.
        model = L0ARMVAE(
            4,
            tau=1.0,
            multiplier_max=0.5,
            tau_relaxation=1.0,
            max_iter=30,
            hidden_layer_sizes=(8,),
            random_state=0,
        )
        with pytest.warns(ConvergenceWarning, match="has been relaxed to"):
            model.fit(low_rank)
        assert model.tau_ > 1.0
        assert model.history_["train_tau"][0] == 1.0
        assert model.history_["train_tau"][-1] == pytest.approx(model.tau_)

    def test_a_constraint_that_is_met_is_not_complained_of(self, low_rank):
        model = L0ARMVAE(4, tau=20.0, max_iter=4, hidden_layer_sizes=(8,))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(low_rank)
        assert not [w for w in caught if "tau=" in str(w.message)]

    @pytest.mark.slow
    def test_surplus_gates_close_beside_many_that_are_needed(self):
        # ARM and DisARM left 20 of these 32 open, without noise, and all with it.
        x = make_manifold("network", 5000, n_dimensions=16, random_state=0).data
        model = L0ARMVAE(32, max_iter=200, hidden_layer_sizes=(128, 128))
        model.set_params(random_state=0).fit(x)
        assert abs(model.n_active_components_ - 16) <= 1

    def test_samples_come_from_the_codes_by_default(self, low_rank):
        model = L0ARMVAE(4, max_iter=4, hidden_layer_sizes=(8,), random_state=0)
        model.fit(low_rank)
        np.testing.assert_array_equal(
            model.sample(5, 0), model.sample(5, 0, density="gaussian")
        )
        assert not np.array_equal(
            model.sample(5, 0), model.sample(5, 0, density="prior")
        )

    def test_all_epochs_are_run_at_one_rate(self, low_rank):
        model = L0ARMVAE(2, max_iter=60, hidden_layer_sizes=(), random_state=0)
        model.fit(np.full_like(low_rank[:20], 0.5))
        assert model.n_iter_ == 60
        assert set(model.history_["learning_rate"]) == {0.004}

    @pytest.mark.parametrize(
        ("params", "name"),
        [
            ({"tau": -1.0}, "tau"),
            ({"tau": "none"}, "tau"),
            ({"l0_weight": -1.0}, "l0_weight"),
            ({"gradient": "reinforce"}, "gradient"),
            ({"multiplier_max": 0.0}, "multiplier_max"),
            ({"tau_relaxation": -0.1}, "tau_relaxation"),
        ],
    )
    def test_bad_parameters_are_named(self, low_rank, params, name):
        with pytest.raises(ValueError, match=f"'{name}' parameter of L0ARMVAE"):
            L0ARMVAE(**params).fit(low_rank)
