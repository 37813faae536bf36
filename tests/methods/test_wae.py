"""WAE: its losses against numpy, its phases, its noise, and where its codes end."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch import nn
from torch.distributions import Normal

from sklearn_ardvae import WAE
from sklearn_ardvae.methods.wae import WAEModule
from sklearn_ardvae.nn.likelihoods import BernoulliLikelihood, GaussianLikelihood
from sklearn_ardvae.nn.module import Networks

D, L, B = 5, 3, 7


def module(*, gan=False, likelihood=None, **changes):
    torch.manual_seed(0)
    settings = {
        "penalty_weight": 4.0,
        "input_noise": 0.0,
        "critic_rate": 0.5,
        "prior_in_logit": False,
    }
    return WAEModule(
        Networks(
            nn.Sequential(nn.Linear(D, 4), nn.Tanh(), nn.Linear(4, L)),
            nn.Sequential(nn.Linear(L, 4), nn.Tanh(), nn.Linear(4, D)),
            likelihood or GaussianLikelihood(),
            L,
            D,
        ),
        critic=nn.Sequential(nn.Linear(L, 6), nn.Tanh(), nn.Linear(6, 1))
        if gan
        else None,
        **settings | changes,
    ).double()


def draws(n, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=generator, dtype=torch.float64)


def numbers(*tensors):
    return [tensor.detach().numpy() for tensor in tensors]


def sigmoid(h):
    return 1 / (1 + np.exp(-h))


def published_mmd(z, p):
    """Return the estimate as WAE's reference code has it, by tables of all pairs."""

    def table(a, b):
        distances = np.square(a[:, None] - b).sum(2)
        scales = [2 * L * t for t in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)]
        return sum(c / (c + distances) for c in scales)

    n = len(z)
    within = table(z, z) + table(p, p)
    return (within.sum() - np.trace(within)) / (n * (n - 1)) - 2 * table(z, p).mean()


class TestLosses:
    def test_mmd(self):
        model, x, p = module(), draws(B, D), draws(B, L, seed=1)
        z = model.encode(x)
        z, output, rows, prior = numbers(z, model.decoder(z), x, p)
        error = np.square(output - rows).sum(1).mean()
        mmd = published_mmd(z, prior)
        terms = model.loss(x, (p,))
        assert terms.parts["reconstruction"].item() == pytest.approx(error)
        assert terms.parts["mmd"].item() == pytest.approx(mmd)
        assert terms.total.item() == pytest.approx(error + 4.0 * mmd)

    def test_cross_entropies_are_sums_over_features(self):
        model = module(likelihood=BernoulliLikelihood())
        x = draws(B, D).sigmoid()
        q, rows = numbers(model(x), x)
        expected = -(rows * np.log(q) + (1 - rows) * np.log(1 - q)).sum(1).mean()
        found = model.loss(x, (draws(B, L),)).parts["reconstruction"].item()
        assert found == pytest.approx(expected)

    def test_autoencoder_and_critic(self):
        model, x, p = module(gan=True), draws(B, D), draws(B, L, seed=1)
        h, h_prior = (
            numbers(model.critic(z))[0][:, 0] for z in (model.encode(x).detach(), p)
        )
        generator = -np.log(sigmoid(h)).mean()
        terms = model.adversarial_loss(x, (p,))
        error = model.loss(x, (p,)).parts["reconstruction"].item()
        assert terms.parts["generator"].item() == pytest.approx(generator)
        assert terms.total.item() == pytest.approx(error + 4.0 * generator)
        expected = -np.log(sigmoid(h_prior)).mean() - np.log(sigmoid(-h)).mean()
        assert model.critic_loss(x, (p,)).total.item() == pytest.approx(expected)

    def test_the_prior_in_the_logit_is_its_log_density(self):
        model, z = module(gan=True), draws(B, L)
        plain = model.logit(z)
        model.prior_in_logit = True
        density = Normal(0.0, 1.0).log_prob(z).sum(1)
        constant = model.logit(z) - plain - density
        torch.testing.assert_close(constant, constant[:1].expand(B))
        drawn = draws(200_000, L, seed=1)
        mean = (model.logit(drawn) - model.critic(drawn)[:, 0]).mean()
        # Half a chi-squared of L degrees: its mean has an error of 0.003.
        assert mean.item() == pytest.approx(0.0, abs=0.012)

    def test_one_row_has_no_mmd(self):
        model, x = module(), draws(1, D)
        terms = model.loss(x, (draws(1, L),))
        assert terms.parts["mmd"] == 0.0
        assert terms.total == terms.parts["reconstruction"]

    @pytest.mark.parametrize("gan", [False, True])
    def test_gradients_are_those_of_finite_differences(self, gan):
        model, x = module(gan=gan, prior_in_logit=gan), draws(B, D)
        noise = (draws(B, L, seed=1), 0.1 * draws(B, D, seed=2))
        for phase in model.phases():
            parameter = phase.parameters[0]
            (found,) = torch.autograd.grad(phase.loss(x, noise).total, parameter)
            step, values = 1e-6, parameter.data.view(-1)
            for i in range(len(values)):
                sides = []
                for sign in (1, -1):
                    values[i] += sign * step
                    sides.append(phase.loss(x, noise).total.item())
                    values[i] -= sign * step
                slope = (sides[0] - sides[1]) / (2 * step)
                assert found.view(-1)[i].item() == pytest.approx(slope, 1e-5, 1e-7)


class TestPhases:
    def test_each_trains_its_own_parameters(self):
        model = module(gan=True)
        autoencoder, critic = model.phases()
        assert [autoencoder.name, critic.name] == ["autoencoder", "critic"]
        assert [autoencoder.repeats, critic.repeats] == [1, 1]
        assert critic.learning_rate_factor == 0.5
        ids = [{id(p) for p in phase.parameters} for phase in (autoencoder, critic)]
        assert ids[1] == {id(p) for p in model.critic.parameters()}
        assert not ids[0] & ids[1]
        assert ids[0] | ids[1] == {id(p) for p in model.parameters()}

    def test_the_critics_loss_does_not_move_the_encoder(self):
        model, noise = module(gan=True), (draws(B, L, seed=1),)
        model.critic_loss(draws(B, D), noise).total.backward()
        assert all(p.grad is None for p in model.encoder.parameters())
        assert all(p.grad is not None for p in model.critic.parameters())

    @pytest.mark.parametrize("frozen", ["autoencoder", "critic"])
    def test_a_rate_of_0_leaves_a_group_alone(self, low_rank, frozen):
        rates = {"optimizer__lr": 0.01, "critic_optimizer__lr": 0.01}
        rates["critic_optimizer__lr" if frozen == "critic" else "optimizer__lr"] = 0.0
        start, end = (
            WAE(
                2,
                penalty="gan",
                critic_layer_sizes=4,
                hidden_layer_sizes=(4,),
                early_stopping=False,
                max_iter=n_epochs,
                skorch_params=rates,
                random_state=0,
            ).fit(low_rank[:100])
            for n_epochs in (1, 2)
        )
        for name, value in start._module.named_parameters():
            same = torch.equal(value, end._module.get_parameter(name))
            assert same == (name.startswith("critic") == (frozen == "critic")), name


class TestInputNoise:
    def test_it_is_what_the_encoder_sees_and_only_in_training(self):
        model = module(input_noise=0.3)
        generator = torch.Generator().manual_seed(0)
        prior, disturbance = model.draw_noise(20_000, generator)
        assert disturbance.std().item() == pytest.approx(0.3, rel=0.01)
        (prior_of_validation,) = model.eval().draw_noise(20, generator)
        assert prior_of_validation.shape == (512, L)
        x, disturbance = draws(B, D), 0.3 * draws(B, D, seed=2)
        terms = model.loss(x, (prior[:B].double(), disturbance))
        output = model.decoder(model.encode(x + disturbance))
        expected = (output - x).square().sum(1).mean().item()
        assert terms.parts["reconstruction"].item() == pytest.approx(expected)

    def test_it_smoothes_the_encoder(self, low_rank):
        settings = {"hidden_layer_sizes": (16,), "max_iter": 30, "random_state": 0}
        settings |= {"batch_size": 50, "learning_rate": 0.01}
        errors = []
        noise = np.random.default_rng(1).standard_normal(low_rank.shape)
        for input_noise in (0.0, 1.0):
            model = WAE(6, 0.1, input_noise=input_noise, **settings).fit(low_rank)
            output = model.reconstruct(low_rank + noise.astype(np.float32))
            errors.append(np.square(output - low_rank).mean())
        assert errors[1] < 0.9 * errors[0]


def gaussian_manifold(n=1000):
    """Rows (n, 10) on a curved sheet over two normal coordinates."""
    z = np.random.default_rng(0).standard_normal((n, 2))
    maps = np.random.default_rng(1).standard_normal((4, 10))
    return (np.c_[z, np.sin(z)] @ maps).astype(np.float32)


class TestEstimator:
    def test_a_large_weight_presses_codes_to_the_prior(self):
        x = gaussian_manifold()
        settings = {"hidden_layer_sizes": (32,), "max_iter": 50, "random_state": 0}
        settings |= {"batch_size": 100, "learning_rate": 0.01, "early_stopping": False}
        pressed = WAE(2, 1000.0, **settings).fit(x)
        free = WAE(2, 0.0, **settings).fit(x)
        codes = pressed.transform(x)
        # The MMD of batches of 100 rows is noisy, and so is what it trains.
        np.testing.assert_allclose(codes.mean(0), 0.0, atol=0.15)
        np.testing.assert_allclose(np.cov(codes.T), np.eye(2), atol=0.2)
        # Not only in its moments: each axis is normal in its quantiles.
        quantiles = np.quantile(codes, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
        expected = np.array([-1.645, -0.674, 0.0, 0.674, 1.645])[:, None]
        np.testing.assert_allclose(quantiles, np.tile(expected, 2), atol=0.25)
        moments = np.cov(free.transform(x).T) - np.eye(2)
        assert np.abs(moments).max() > 0.5

    def test_by_default_it_reconstructs_digits(self):
        x = (load_digits().data / 16).astype(np.float32)
        train, test = x[:1400], x[1400:]
        model = WAE(16, max_iter=25, random_state=0).fit(train)
        error = np.square(model.reconstruct(test) - test).mean()
        assert error < 0.35 * np.square(train.mean(0) - test).mean()
        assert model.transform(x).shape == (1797, 16)

    def test_codes_that_deceive_a_critic_have_the_moments_of_the_prior(self):
        x = gaussian_manifold()
        model = WAE(
            2,
            penalty="gan",
            critic_layer_sizes=(64, 64),
            hidden_layer_sizes=(32,),
            batch_size=100,
            max_iter=60,
            random_state=0,
        ).fit(x)
        codes = model.transform(x)
        # An adversary is less exact than a distance that is given.
        np.testing.assert_allclose(codes.mean(0), 0.0, atol=0.25)
        np.testing.assert_allclose(np.cov(codes.T), np.eye(2), atol=0.5)
        assert np.square(model.reconstruct(x) - x).mean() < 0.2 * x.var(0).mean()
        # The critic's opinion in training, the distance that it stands for after.
        names = set(model.history_)
        assert {"train_generator", "train_critic", "valid_mmd"} < names
        assert model.history_["valid_mmd"][-1] < 0.5 * model.history_["valid_mmd"][0]

    def test_adam_is_the_papers_for_a_critic_unless_another_is_asked_for(self):
        x, seen = gaussian_manifold(50), []

        class Look(Callback):
            def on_train_end(self, net, **kwargs):
                groups = [optimizer.param_groups[0] for optimizer in net.optimizers_]
                seen.append([(g["lr"], g.get("betas", (0, 0))[0]) for g in groups])

        settings = {"critic_layer_sizes": 4, "max_iter": 1, "callbacks": [Look()]}
        WAE(2, penalty="gan", critic_learning_rate=0.002, **settings).fit(x)
        WAE(2, **settings).fit(x)
        own = {"optimizer": torch.optim.SGD}
        WAE(2, penalty="gan", skorch_params=own, learning_rate=1e-4, **settings).fit(x)
        assert seen[:2] == [[(0.004, 0.5), (0.002, 0.5)], [(0.004, 0.9)]]
        assert seen[2][0] == (1e-4, 0)

    def test_samples_are_decoded_draws_of_the_prior(self, low_rank):
        model = WAE(3, max_iter=5, hidden_layer_sizes=(8,), random_state=0)
        model.fit(low_rank)
        drawn = model._module.draw_prior(100_000, torch.Generator().manual_seed(0))
        np.testing.assert_allclose(drawn.mean(0), 0.0, atol=0.02)
        np.testing.assert_allclose(np.cov(drawn.T), np.eye(3), atol=0.02)

    def test_batches_of_one_row_have_no_penalty_and_say_so(self, low_rank):
        with pytest.warns(UserWarning, match=r"batch_size=1 leaves no penalty"):
            model = WAE(2, batch_size=1, max_iter=1).fit(low_rank[:20])
        assert model.history_["train_mmd"] == [0.0]
        settings = {"critic_layer_sizes": 3, "max_iter": 1, "random_state": 0}
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            warnings.simplefilter("ignore", ConvergenceWarning)
            WAE(2, penalty="gan", batch_size=1, **settings).fit(low_rank[:20])

    @pytest.mark.parametrize(
        ("params", "name"),
        [
            ({"penalty_weight": -1.0}, "penalty_weight"),
            ({"penalty": "kl"}, "penalty"),
            ({"input_noise": -0.1}, "input_noise"),
            ({"critic_layer_sizes": 0}, "critic_layer_sizes"),
            ({"critic_learning_rate": 0.0}, "critic_learning_rate"),
            ({"prior_in_logit": "yes"}, "prior_in_logit"),
        ],
    )
    def test_bad_parameters_are_named(self, low_rank, params, name):
        with pytest.raises(ValueError, match=f"'{name}' parameter of WAE"):
            WAE(**params).fit(low_rank)
