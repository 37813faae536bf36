"""The engine against hand-written loops, and what it does when things go wrong."""

import copy
import dataclasses
import math
import signal

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping
from torch import nn
from torch.utils.data import DataLoader

from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.module import (
    AutoencoderModule,
    HeldOut,
    LossTerms,
    Networks,
    Phase,
)
from sklearn_ardvae.training.batches import TensorBatches
from sklearn_ardvae.training.callbacks import ConvergenceMonitor, join_histories
from sklearn_ardvae.training.net import AutoencoderNet


class Plain(AutoencoderModule):
    """The smallest autoencoder: mean squared error, nothing else."""

    def __init__(self, dropout=False):
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Linear(5, 2), nn.Dropout(0.5 if dropout else 0.0))
        if not dropout:
            encoder = encoder[0]
        super().__init__(
            Networks(
                encoder,
                nn.Linear(2, 5),
                GaussianLikelihood(),
                2,
                5,
                foreign=dropout,
            )
        )

    def loss(self, x, noise):
        error = self.likelihood.reconstruction(x, self.decoder(self.encode(x))).mean()
        return LossTerms(error, {"reconstruction": error})


class Alternating(Plain):
    """Two phases with losses of their own; the second one on fresh batches."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def _draw(self, n_rows, generator):
        return torch.randn(n_rows, 2, generator=generator)

    def _push(self, x, noise):
        self.calls.append(("push", len(x)))
        term = (self.encode(x) - noise).square().sum(1).mean()
        return LossTerms(term, {"distance": term})

    def _fit(self, x, noise):
        self.calls.append(("fit", len(x)))
        return self.loss(x, noise)

    def phases(self):
        return [
            Phase("fit", list(self.decoder.parameters()), self._fit, self.draw_noise),
            Phase(
                "push",
                list(self.encoder.parameters()),
                self._push,
                self._draw,
                repeats=3,
                fresh_batch=True,
                learning_rate_factor=0.1,
            ),
        ]


def data(n_rows=64):
    return torch.randn(n_rows, 5, generator=torch.Generator().manual_seed(1))


def make_net(module, **settings):
    defaults = {
        "seed": 3,
        "max_epochs": 3,
        "batch_size": 16,
        "lr": 0.01,
        "verbose": 0,
        "validation_fraction": 0.25,
    }
    return AutoencoderNet(module, **(defaults | settings)).initialize()


def monitor(**settings):
    defaults = {
        "lr_patience": None,
        "early_stopping": False,
        "n_iter_no_change": 5,
        "tol": 1e-4,
    }
    return "convergence", ConvergenceMonitor(**(defaults | settings))


def test_training_is_that_of_a_loop_written_by_hand():
    x = data()
    net = make_net(Plain(), validation_fraction=0.0, batch_size=-1).train(x)
    twin = Plain()
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = twin.loss(x, None).total
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    for ours, theirs in zip(net.module_.parameters(), twin.parameters(), strict=True):
        # One batch in another order: sums of 64 float32 numbers.
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(net.history[:, "train_loss"], losses, rtol=1e-5)


def test_losses_are_means_over_rows_also_with_a_smaller_last_batch():
    module = Plain()
    net = make_net(
        module, lr=0.0, max_epochs=1, batch_size=20, optimizer=torch.optim.SGD
    )
    x = data(50)
    net.train(x)
    record = net.history[-1]
    n = record["train_loss"] * 38 + record["valid_loss"] * 12
    assert n / 50 == pytest.approx(module.loss(x, None).total.item(), rel=1e-5)
    assert record["train_reconstruction"] == pytest.approx(record["train_loss"])


@pytest.mark.parametrize("iterator", [TensorBatches, DataLoader])
def test_rows_come_in_a_new_order_in_each_epoch(iterator):
    class Seeing(Plain):
        def loss(self, x, noise):
            if self.training:
                seen.append(x[:, 0].clone())
            return super().loss(x, noise)

    orders = []
    for _ in range(2):
        seen = []
        net = make_net(Seeing(), iterator_train=iterator, max_epochs=2)
        net.train(data())
        orders.append(torch.cat(seen).reshape(2, 48))
    assert torch.equal(*orders)
    first, second = orders[0]
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, second.sort().values)


def test_each_phase_moves_only_its_own_parameters():
    module = Alternating()
    start = copy.deepcopy(module.state_dict())
    make_net(module, push_optimizer__lr=0.0, max_epochs=1).train(data())
    moved = {k for k, v in module.state_dict().items() if not torch.equal(v, start[k])}
    assert moved == {"decoder.weight", "decoder.bias"}


def test_phases_run_in_order_and_each_repeat_draws_its_own_rows():
    module = Alternating()
    net = make_net(module, max_epochs=1)
    net.train(data())
    assert module.calls == [("fit", 16), *[("push", 16)] * 3] * 3
    assert {"train_loss", "train_push", "train_distance"} <= set(net.history[-1])
    assert net.push_optimizer_.param_groups[0]["lr"] == pytest.approx(1e-3)


def test_an_alternating_fit_repeats_bit_by_bit():
    weights = []
    for _ in range(2):
        module = Alternating()
        make_net(module).train(data())
        weights.append(module.encoder.weight.clone())
    assert torch.equal(*weights)


def test_the_learning_rate_halves_on_a_plateau_for_every_phase():
    net = make_net(
        Alternating(), max_epochs=5, lr=1e-12, callbacks=[monitor(lr_patience=2)]
    )
    net.train(data())
    # The first epoch improves on infinity, the others on nothing.
    np.testing.assert_allclose(
        net.history[:, "learning_rate"], [1e-12, 1e-12, 1e-12, 5e-13, 5e-13]
    )
    assert net.push_optimizer_.param_groups[0]["lr"] == pytest.approx(2.5e-14)


def test_training_stops_and_the_best_weights_come_back():
    kept = {}

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            kept[net.history[-1]["valid_loss"]] = copy.deepcopy(
                net.module_.state_dict()
            )

    # A learning rate far too high: the loss rises from the start.
    module = Plain()
    net = make_net(
        module,
        lr=3.0,
        max_epochs=50,
        callbacks=[Watch(), monitor(early_stopping=True, n_iter_no_change=4)],
    )
    net.train(data())
    assert len(net.history) < 50
    assert net.stop_requested_
    best = kept[min(kept)]
    assert all(torch.equal(v, best[k]) for k, v in module.state_dict().items())


def test_improvement_is_relative_also_for_negative_losses():
    class Scripted:
        optimizers_ = ()
        interrupted_ = stop_requested_ = False
        probe_ = torch.zeros(2, 2)

        def __init__(self, module):
            self.module_ = module
            self.history = []

        def request_stop(self):
            self.stop_requested_ = True

    net = Scripted(Plain())
    _, callback = monitor(early_stopping=True, n_iter_no_change=2, tol=0.01)
    callback.on_train_begin(net)
    for loss, stops in [(-10.0, False), (-10.05, False), (-10.2, False)]:
        net.history.append({"train_loss": loss})
        callback.on_epoch_end(net)
        assert net.stop_requested_ is stops
    for loss, stops in [(-10.25, False), (-10.29, True)]:
        net.history.append({"train_loss": loss})
        callback.on_epoch_end(net)
        assert net.stop_requested_ is stops


def test_held_out_rows_are_drawn_anew_and_kept_from_the_steps():
    shown, trained = [], []

    class Holding(Plain):
        held_out = HeldOut(share=0.25, every=2)

        def start_epoch(self, epoch):
            if epoch.held_out is not None:
                shown.append((epoch.index, set(epoch.held_out[:, 0].tolist())))

        def loss(self, x, noise):
            if self.training:
                trained.append((len(shown), set(x[:, 0].tolist())))
            return super().loss(x, noise)

    make_net(Holding(), max_epochs=4, validation_fraction=0.0).train(data())
    assert [index for index, _ in shown] == [0, 2]
    assert all(len(rows) == 16 for _, rows in shown)
    assert shown[0][1] != shown[1][1]
    for n_shown, rows in trained:
        assert not rows & shown[n_shown - 1][1]
    for draw in (1, 2):
        assert len(set.union(*(rows for n, rows in trained if n == draw))) == 48


def test_shared_held_out_rows_are_not_withheld_and_come_when_it_is_time():
    sizes = {}

    class Sharing(Plain):
        held_out = HeldOut(withheld=False, every=2)

        def start_epoch(self, epoch):
            if epoch.held_out is not None:
                sizes[epoch.index] = len(epoch.held_out)

    net = make_net(Sharing(), max_epochs=6, validation_fraction=0.0, batch_size=8)
    net.train(data())
    assert sizes == {0: 64, 2: 64, 4: 64}
    assert net.history[-1]["train_batch_count"] == 8


@pytest.mark.parametrize("rule", [HeldOut(most=70), HeldOut(share=0.9)])
def test_at_most_half_of_the_rows_are_withheld_and_a_warning_says_so(rule):
    sizes = []

    class Greedy(Plain):
        held_out = dataclasses.replace(rule, parameter="prior_samples")

        def start_epoch(self, epoch):
            sizes.append(len(epoch.held_out))

    net = make_net(Greedy(), max_epochs=2, validation_fraction=0.0, batch_size=8)
    with pytest.warns(UserWarning, match="prior_samples asks for .* 32 are withheld"):
        net.train(data())
    assert sizes == [32, 32]
    assert net.history[-1]["train_batch_count"] == 4


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_fit_and_says_where(bad):
    class Breaking(Plain):
        def loss(self, x, noise):
            terms = super().loss(x, noise)
            if self.training and self.epoch == 1:
                parts = {"reconstruction": terms.total, "penalty": terms.total * bad}
                return LossTerms(terms.total, parts)
            return LossTerms(terms.total, {**terms.parts, "penalty": terms.total})

        def start_epoch(self, epoch):
            self.epoch = epoch.index

    with pytest.raises(
        ValueError, match=r"train_penalty not finite in epoch 2\. .*lear"
    ):
        make_net(Breaking()).train(data())


class Interrupting(Callback):
    def __init__(self, epoch, event="on_batch_end"):
        self.epoch = epoch
        setattr(self, event, self.interrupt)

    def interrupt(self, net, **kwargs):
        if len(net.history) == self.epoch:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_keeps_the_epochs_that_were_finished():
    net = make_net(Plain(), callbacks=[Interrupting(3), monitor()], max_epochs=9)
    net.train(data())
    assert net.interrupted_
    assert len(net.history) == 2


def test_skorchs_early_stopping_is_no_interruption():
    stopper = EarlyStopping(patience=2, sink=lambda text: None)
    net = make_net(Plain(), lr=0.0, callbacks=[stopper], max_epochs=9)
    net.set_params(lr=1e-12)
    net.train(data())
    assert len(net.history) < 9
    assert not net.interrupted_


def test_skorchs_gradient_clipping_clips():
    norms = []

    class Look(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            squares = [p.grad.square().sum() for _, p in named_parameters]
            norms.append(sum(squares).sqrt().item())

    clipping = GradientNormClipping(0.01)
    make_net(Plain(), callbacks=[clipping, Look()]).train(data())
    assert max(norms) == pytest.approx(0.01, rel=1e-4)


def test_history_is_bounded_and_ready_for_skorchs_callbacks():
    net = make_net(Plain(), max_epochs=4).train(data())
    assert [len(row["batches"]) for row in net.history] == [1] * 4
    assert all(row["train_batch_count"] == 3 for row in net.history)


def test_dropout_is_seeded_and_leaves_the_global_generator_alone():
    weights = []
    for _ in range(2):
        module = Plain(dropout=True)
        torch.manual_seed(11)
        make_net(module).train(data())
        drawn = torch.rand(2)
        torch.manual_seed(11)
        assert torch.equal(drawn, torch.rand(2))
        weights.append(module.decoder.weight.clone())
        torch.rand(5)
    assert torch.equal(*weights)


def test_a_data_loader_may_take_the_place_of_our_batches():
    settings = {"iterator_train": DataLoader, "iterator_train__drop_last": True}
    net = make_net(Plain(), batch_size=20, **settings).train(data())
    assert net.history[-1]["train_batch_count"] == 2
    assert net.history[-1]["train_loss"] < net.history[0]["train_loss"]


def test_an_argument_that_batches_do_not_take_is_refused():
    net = make_net(Plain(), iterator_train__num_workers=2)
    with pytest.raises(TypeError, match="num_workers"):
        net.train(data())


def test_optimisers_resume_with_their_moments_and_the_new_rate():
    module = Plain()
    first = make_net(module).train(data())
    states = first.optimizer_states()
    second = make_net(module, lr=0.5)
    second.resume_optimizers(states)
    step = second.optimizer_.state_dict()["state"][0]["step"]
    assert step == states[0]["state"][0]["step"] > 0
    assert second.optimizer_.param_groups[0]["lr"] == 0.5


@pytest.mark.slow
# Of torch's own compiler.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_losses_may_be_compiled():
    eager, compiled = Plain(), Plain()
    make_net(eager).train(data())
    make_net(compiled, compile=True, compile__dynamic=True).train(data())
    torch.testing.assert_close(eager.decoder.weight, compiled.decoder.weight)


def test_networks_of_a_user_are_said_not_to_be_compiled():
    with pytest.warns(UserWarning, match="not compiled"):
        make_net(Plain(dropout=True), compile=True).initialize()


def test_histories_join_with_gaps_filled():
    later = [
        {"epoch": 1, "dur": 0.1, "batches": [], "train_loss": 2.0, "n_active": 3},
        {"train_loss": 1.0, "train_loss_best": True, "train_batch_count": 4},
    ]
    joined = join_histories({"train_loss": [3.0], "valid_loss": [5.0]}, later)
    assert joined["train_loss"] == [3.0, 2.0, 1.0]
    assert joined["valid_loss"][0] == 5.0
    assert set(joined) == {"train_loss", "valid_loss", "n_active"}
    assert all(len(column) == 3 for column in joined.values())
    assert math.isnan(joined["n_active"][0])
