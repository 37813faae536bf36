"""MaskAAE: its four losses against numpy, its schedule, its guard, its rates."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_ardvae import MaskAAE
from sklearn_ardvae.methods.mask_aae import MaskAAEModule
from sklearn_ardvae.nn.likelihoods import BernoulliLikelihood, GaussianLikelihood
from sklearn_ardvae.nn.module import EpochStart, Networks

T = (0.10536, 0.7, 3.0)


def module(*, t=T, likelihood=None, **changes):
    torch.manual_seed(0)
    settings = {
        "reconstruction_weight": 100.0,
        "variance_weight": 10.0,
        "penalty_weight": 10.0,
        "n_critic": 5,
        "largest_polarisation": 2048.0,
        "schedule": (0.0, 0.8),
        "collapse_guard": 0.5,
        "n_epochs": 10,
        "mask_init": (3.0, 5.0),
        "mask_threshold": 0.1,
    }
    n = len(t)
    model = MaskAAEModule(
        Networks(
            nn.Linear(4, n), nn.Linear(n, 4), likelihood or GaussianLikelihood(), n, 4
        ),
        critic=nn.Linear(n, 1),
        **settings | changes,
    ).double()
    model.t.data = torch.tensor(t, dtype=torch.float64)
    return model


def rows(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=generator, dtype=torch.float64)


def numbers(model, x):
    """Return u, z, y and the reconstruction of x as arrays."""
    u = 1 - np.exp(-model.t.detach().numpy())
    z = model.encoder(x).detach().numpy()
    y = u * z
    with torch.no_grad():
        output = model.decoder(torch.from_numpy(y)).numpy()
    return u, z, y, output


def critic(model, y):
    return (y @ model.critic.weight.detach().numpy().T)[:, 0] + model.critic.bias.item()


class TestMask:
    def test_algebra(self):
        model = module()
        np.testing.assert_allclose(
            model.mask.detach(), [0.1, 0.503415, 0.950213], atol=1e-5
        )
        x = rows(7)
        u, _, y, _ = numbers(model, x)
        np.testing.assert_allclose(model.encode(x).detach(), y)
        drawn = model.draw_prior(50_000, torch.Generator().manual_seed(0))
        np.testing.assert_allclose(drawn.std(0).detach(), u, rtol=0.02)

    @pytest.mark.parametrize("ends", [(3.0, 5.0), (0.0, 5.0)])  # ours, the paper's
    def test_it_starts_between_its_ends(self, ends):
        model = MaskAAE(20_000, mask_init=ends, hidden_layer_sizes=(1,))
        model.n_features_in_, model._seed = 2, 0
        mask = model._build_module().mask
        low, high = ends
        mean = 1.0 - (np.exp(-low) - np.exp(-high)) / (high - low)
        # Standard errors of the mean: 0.0017 for the paper's start, less for ours.
        assert mask.mean().item() == pytest.approx(mean, abs=0.007)
        assert mask.min() >= 1.0 - np.exp(-low) - 1e-6
        assert mask.max() <= 1.0 - np.exp(-high) + 1e-6

    def test_it_is_projected_and_may_come_back(self):
        model = module(t=(-0.5, 12.0, 1.0))
        assert model.mask.tolist()[:2] == [0.0, pytest.approx(1 - np.exp(-10.0))]
        noise = torch.zeros(5, 3, dtype=torch.float64)
        total = model.mask_loss(rows(5), noise).total
        assert model.t.tolist() == [0.0, 10.0, 1.0]
        (slope,) = torch.autograd.grad(total, model.t)
        assert slope[0] != 0.0


class TestLosses:
    def test_autoencoder(self):
        model, x = module(), rows(30)
        model.scale.fill_(2.0)
        u, z, _, output = numbers(model, x)
        error = np.square(output - x.numpy()).mean() / 2.0
        spread = (np.square(z - z.mean(0)) * np.exp(-10 * u**2)).mean()
        terms = model.loss(x, None)
        assert terms.parts["reconstruction"].item() == pytest.approx(error)
        assert terms.parts["masked_variance"].item() == pytest.approx(spread)
        assert terms.total.item() == pytest.approx(error + 10.0 * spread)

    def test_cross_entropy_is_a_mean_over_rows_and_features(self):
        model = module(likelihood=BernoulliLikelihood())
        x = rows(30).sigmoid()
        _, _, _, logits = numbers(model, x)
        q = 1 / (1 + np.exp(-logits))
        expected = -(x.numpy() * np.log(q) + (1 - x.numpy()) * np.log(1 - q)).mean()
        found = model.loss(x, None).parts["reconstruction"].item()
        assert found == pytest.approx(expected)

    def test_critic(self):
        model, x = module(), rows(30)
        noise = model.draw_critic_noise(30, torch.Generator().manual_seed(0))
        noise = tuple(value.double() for value in noise)
        u, _, y, _ = numbers(model, x)
        distance = critic(model, u * noise[0].numpy()).mean() - critic(model, y).mean()
        # The slope of a linear critic is its weights, everywhere.
        norm = np.linalg.norm(model.critic.weight.detach().numpy())
        terms = model.critic_loss(x, noise)
        assert terms.parts["wasserstein"].item() == pytest.approx(distance)
        expected = -distance + 10.0 * (norm - 1) ** 2
        assert terms.total.item() == pytest.approx(expected)

    def test_generator(self):
        model, x = module(), rows(30)
        _, _, y, _ = numbers(model, x)
        found = model.generator_loss(x, None).total.item()
        assert found == pytest.approx(-critic(model, y).mean())

    def test_mask(self):
        model, x = module(), rows(30)
        model.polarisation.fill_(3.0)
        noise = rows(30, seed=1)[:, :3]
        u, _, y, output = numbers(model, x)
        distance = critic(model, u * noise.numpy()).mean() - critic(model, y).mean()
        error = np.square(output - x.numpy()).mean()
        expected = 100 * error + (1 + distance) ** 2 + 3.0 * (u * (1 - u)).sum()
        terms = model.mask_loss(x, noise)
        assert terms.total.item() == pytest.approx(expected / 100)

    def test_each_trains_its_own_parameters_on_batches_of_its_own(self):
        phases = {phase.name: phase for phase in module().phases()}
        assert list(phases) == ["autoencoder", "critic", "generator", "mask"]
        assert [phase.repeats for phase in phases.values()] == [1, 5, 1, 1]
        assert all(phase.fresh_batch for phase in phases.values())
        model = module()
        groups = {phase.name: phase.parameters for phase in model.phases()}
        assert [p is model.t for p in groups["mask"]] == [True]
        everything = {id(p) for group in groups.values() for p in group}
        assert everything == {id(p) for p in model.parameters()}

    @pytest.mark.parametrize("name", ["autoencoder", "critic", "generator", "mask"])
    def test_gradients_are_those_of_finite_differences(self, name):
        model, x = module(), rows(6)
        phase = next(phase for phase in model.phases() if phase.name == name)
        noise = phase.draw_noise(6, torch.Generator().manual_seed(0))
        if isinstance(noise, tuple):
            noise = tuple(value.double() for value in noise)
        elif noise is not None:
            noise = noise.double()
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
            assert found.view(-1)[i].item() == pytest.approx(slope, rel=1e-4, abs=1e-6)


def weights_over_epochs(model, x, n_epochs, streaming=False):
    seen = []
    for index in range(n_epochs):
        n = index + 1 if streaming else n_epochs
        model.start_epoch(EpochStart(index, n, 50, x, torch.Generator(), streaming))
        seen.append(model.polarisation.item())
    return np.array(seen)


class Perfect(nn.Module):
    """An autoencoder that loses nothing, whatever the mask."""

    def forward(self, x):
        return x


def perfect(**changes):
    model = module(t=(9.0,) * 4, **changes)
    model.encoder = model.decoder = Perfect()
    return model


class TestSchedule:
    @pytest.mark.parametrize("streaming", [False, True])
    def test_it_doubles_in_equal_intervals_up_to_the_cap(self, streaming):
        model = perfect(n_epochs=110)
        seen = weights_over_epochs(model, rows(50), 110, streaming)
        # From 2 / 4 to 2048: 12 doublings, one every 0.8 * 110 / 12 = 7.33 epochs.
        expected = 0.5 * 2.0 ** np.floor(12 * np.arange(110) / 88).clip(max=12)
        np.testing.assert_allclose(seen, expected)
        assert seen[0] == 0.5
        assert seen[88] == seen[-1] == 2048.0

    def test_it_waits_for_its_beginning(self):
        model = perfect(schedule=(0.2, 0.8), n_epochs=100)
        seen = weights_over_epochs(model, rows(50), 100)
        expected = 0.5 * 2.0 ** np.floor(12 * (np.arange(100) - 20) / 60).clip(0, 12)
        np.testing.assert_allclose(seen, expected)

    def test_it_recedes_while_too_much_is_lost(self):
        model, x = perfect(), rows(50)
        model.polarisation.fill_(64.0)
        model.t.data.fill_(0.0)
        model.start_epoch(EpochStart(9, 10, 50, x, torch.Generator()))
        assert model.polarisation == 32.0
        model.t.data.fill_(9.0)
        model.start_epoch(EpochStart(9, 10, 50, x, torch.Generator()))
        assert model.polarisation == 64.0

    def test_it_never_falls_below_its_start(self):
        model = perfect()
        model.t.data.fill_(0.0)
        seen = weights_over_epochs(model, rows(50), 20)
        np.testing.assert_allclose(seen, 0.5)

    def test_the_scale_is_that_of_the_data(self):
        model, x = perfect(), 3.0 * rows(500)
        model.start_epoch(EpochStart(0, 10, 50, x, torch.Generator()))
        variance = x.var(0, correction=0).mean()
        torch.testing.assert_close(model.scale, variance)

    def test_constant_data_have_scale_1(self):
        model = perfect()
        model.start_epoch(
            EpochStart(0, 10, 50, rows(1).expand(9, 4), torch.Generator())
        )
        assert model.scale == 1.0


class TestEstimator:
    FAST = {"hidden_layer_sizes": (16,), "random_state": 0}

    @pytest.mark.parametrize("lr_drop", [5.0, 1.0])
    def test_the_rate_drops_once_for_autoencoder_and_mask(self, low_rank, lr_drop):
        rates = []

        class Look:
            initialize = lambda self: self  # noqa: E731

            def __getattr__(self, name):
                if name == "on_epoch_end":
                    return lambda net, **kw: rates.append(
                        [o.param_groups[0]["lr"] for o in net.optimizers_]
                    )
                return lambda *args, **kwargs: None

        MaskAAE(
            2,
            max_iter=10,
            lr_drop=lr_drop,
            lr_drop_share=0.6,
            callbacks=[("look", Look())],
            **self.FAST,
        ).fit(low_rank[:50])
        before = np.array([4e-3, 8e-4, 8e-4, 4e-3])
        np.testing.assert_allclose(rates[:6], np.tile(before, (6, 1)))
        after = before / [lr_drop, 1.0, 1.0, lr_drop]
        np.testing.assert_allclose(rates[6:], np.tile(after, (4, 1)))

    def test_a_warm_start_keeps_its_rate_and_the_weight(self, low_rank):
        model = MaskAAE(3, max_iter=4, warm_start=True, lr_drop_share=0.5, **self.FAST)
        model.fit(low_rank)
        reached = model.history_["train_polarisation"][-1]
        model.fit(low_rank)
        assert model.history_["train_polarisation"][4] >= reached / 2
        assert set(model.history_["learning_rate"][4:]) == {0.004}

    def test_masks_end_polarised_and_the_rank_is_kept(self, low_rank):
        fast = {"max_iter": 40, "batch_size": 32, "learning_rate": 0.02}
        model = MaskAAE(6, **fast, **self.FAST).fit(low_rank)
        assert np.all((model.mask_ < 0.1) | (model.mask_ > 0.9))
        assert model.n_active_components_ == (model.mask_ >= 0.1).sum()
        assert model.history_["n_active"][-1] == model.n_active_components_
        assert 3 <= model.n_active_components_ <= 6
        assert model.noise_variance_ < 0.2 * low_rank.var()
        assert model.history_["train_polarisation"][-1] == 2048.0
        assert model.n_iter_ == 40

    def test_active_axes_are_those_of_large_masks_most_relevant_first(self, low_rank):
        spread = {"mask_init": (0.0, 5.0), "mask_threshold": 0.6}
        model = MaskAAE(6, max_iter=10, **spread, **self.FAST).fit(low_rank)
        active = model.active_components_
        assert set(active) == set(np.flatnonzero(model.mask_ >= 0.6))
        assert 0 < len(active) < 6
        assert np.all(np.diff(model.relevance_[active]) <= 0)

    def test_the_critic_has_layers_of_its_own(self, low_rank):
        model = MaskAAE(2, max_iter=1, critic_layer_sizes=(5, 7), **self.FAST)
        widths = [p.shape for p in model.fit(low_rank)._module.critic.parameters()]
        assert widths[::2] == [(5, 2), (7, 5), (1, 7)]

    def test_cross_entropies_of_patterns(self):
        rng = np.random.default_rng(0)
        pattern = rng.random((3, 12)) < 0.5
        x = pattern[rng.integers(3, size=300)].astype(np.float32)
        model = MaskAAE(
            3,
            reconstruction_weight=1000.0,
            likelihood="bernoulli",
            max_iter=20,
            batch_size=32,
            learning_rate=0.02,
            **self.FAST,
        ).fit(x)
        assert np.square(model.reconstruct(x) - x).mean() < 0.05

    @pytest.mark.parametrize(
        ("params", "name"),
        [
            ({"reconstruction_weight": 0.0}, "reconstruction_weight"),
            ({"variance_weight": -1.0}, "variance_weight"),
            ({"penalty_weight": -1.0}, "penalty_weight"),
            ({"n_critic": 0}, "n_critic"),
            ({"critic_layer_sizes": 0}, "critic_layer_sizes"),
            ({"polarisation": 0.0}, "polarisation"),
            ({"schedule": "slow"}, "schedule"),
            ({"lr_drop": 0.5}, "lr_drop"),
            ({"lr_drop_share": 1.5}, "lr_drop_share"),
            ({"collapse_guard": 0.0}, "collapse_guard"),
            ({"mask_threshold": 1.0}, "mask_threshold"),
        ],
    )
    def test_bad_parameters_are_named(self, low_rank, params, name):
        with pytest.raises(ValueError, match=f"'{name}' parameter of MaskAAE"):
            MaskAAE(**params).fit(low_rank)

    @pytest.mark.parametrize("ends", [(5.0, 3.0), (3.0,), (-1.0, 3.0), (3.0, 11.0)])
    def test_a_start_is_a_pair_in_order(self, low_rank, ends):
        with pytest.raises(ValueError, match="mask_init must be a pair"):
            MaskAAE(2, mask_init=ends).fit(low_rank)

    @pytest.mark.parametrize("schedule", [(0.5, 0.5), (0.5,), (0.5, 1.1), (-0.1, 1.0)])
    def test_a_schedule_is_a_pair_of_shares(self, low_rank, schedule):
        with pytest.raises(ValueError, match="schedule must be a pair of shares"):
            MaskAAE(2, schedule=schedule).fit(low_rank)
