"""Ctrl-C at any moment: what was learned is kept, and a search can be ended."""

import signal
import threading

import numpy as np
import pytest
from estimator_table import fast
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EarlyStopping

from sklearn_ardvae import ARDVAE, TwoStageVAE
from sklearn_ardvae.training.interrupts import Interrupts

INTERRUPTED = pytest.mark.filterwarnings("ignore:Training interrupted:UserWarning")


class PressCtrlC(Callback):
    def __init__(self, when, epoch=2):
        self.when, self.epoch = when, epoch

    def _press(self, net):
        if len(net.history) == self.epoch:
            signal.raise_signal(signal.SIGINT)

    def on_epoch_begin(self, net, **kwargs):
        if self.when == "on_epoch_begin":
            self._press(net)

    def on_batch_end(self, net, **kwargs):
        if self.when == "on_batch_end":
            self._press(net)

    def on_epoch_end(self, net, **kwargs):
        if self.when == "on_epoch_end":
            self._press(net)

    def on_train_end(self, net, **kwargs):
        if self.when == "on_train_end":
            self._press(net)


def press_at(monkeypatch, owner, name):
    original = getattr(owner, name)

    def pressed(*args, **kwargs):
        signal.raise_signal(signal.SIGINT)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, pressed)


@pytest.mark.parametrize(
    "when", ["on_epoch_begin", "on_batch_end", "on_epoch_end", "on_train_end"]
)
def test_a_callback_that_is_interrupted_loses_nothing(when, low_rank):
    model = fast(ARDVAE, max_iter=2 if when == "on_train_end" else 9)
    model.set_params(callbacks=[PressCtrlC(when)])
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(low_rank)
    assert 1 <= model.n_iter_ <= 2
    assert np.isfinite(model.transform(low_rank)).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_loss_that_is_interrupted_keeps_the_epochs_before(low_rank, monkeypatch):
    module = ARDVAE._module_class
    original, calls = module.loss, []

    def loss(self, x, noise):
        calls.append(len(x))
        if len(calls) == 60:
            signal.raise_signal(signal.SIGINT)
        return original(self, x, noise)

    monkeypatch.setattr(module, "loss", loss)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = fast(ARDVAE, max_iter=50).fit(low_rank)
    assert 1 <= model.n_iter_ < 10


@pytest.mark.parametrize("name", ["_fitted_state", "_train_further"])
def test_what_comes_after_training_is_done_first(name, low_rank, monkeypatch):
    press_at(monkeypatch, ARDVAE, name)
    model = fast(ARDVAE).fit(low_rank)
    assert model.n_iter_ == 2
    assert np.isfinite(model.transform(low_rank)).all()


def test_a_second_one_is_not_held_back(low_rank, monkeypatch):
    def twice(*args):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ARDVAE, "_train_further", twice)
    with pytest.raises(KeyboardInterrupt):
        fast(ARDVAE).fit(low_rank)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@INTERRUPTED
def test_a_search_goes_on_or_ends_as_the_user_says(low_rank):
    def search(on_interrupt):
        press = PressCtrlC("on_epoch_begin", epoch=1)
        model = fast(ARDVAE, callbacks=[press], on_interrupt=on_interrupt)
        return GridSearchCV(model, {"beta": [0.1, 0.2]}, cv=2).fit(low_rank)

    assert hasattr(search("keep"), "best_params_")
    with pytest.raises(KeyboardInterrupt):
        search("raise")


@INTERRUPTED
def test_an_interrupted_fit_that_raises_is_fitted(low_rank):
    model = fast(ARDVAE, max_iter=9, on_interrupt="raise")
    model.set_params(callbacks=[PressCtrlC("on_epoch_end")])
    with pytest.raises(KeyboardInterrupt):
        model.fit(low_rank)
    assert model.n_iter_ == 2


class Stops(Callback):
    """Ends training as skorch's callbacks do."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "callback", [Stops(), EarlyStopping(patience=1, threshold=1e9, sink=lambda _: 0)]
)
def test_a_callback_may_end_training_and_nobody_speaks_of_an_interrupt(
    callback, low_rank
):
    model = fast(ARDVAE, max_iter=9, callbacks=[callback])
    model.fit(low_rank)
    assert model.n_iter_ < 9


def test_the_second_stage_can_be_interrupted(low_rank, monkeypatch):
    module = type(TwoStageVAE()._density()._build_module(2))
    original, calls = module.loss, []

    def loss(self, x, noise):
        calls.append(len(x))
        if len(calls) == 60:
            signal.raise_signal(signal.SIGINT)
        return original(self, x, noise)

    monkeypatch.setattr(module, "loss", loss)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = fast(TwoStageVAE, second_stage_max_iter=50).fit(low_rank)
    assert 1 <= len(model.second_stage_history_["train_loss"]) < 10


class TestInterrupts:
    def test_other_threads_change_no_handler(self):
        seen = []

        def enter():
            with Interrupts():
                seen.append(signal.getsignal(signal.SIGINT))

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert seen == [signal.default_int_handler]

    def test_an_applications_own_handler_stays(self):
        calls = []
        before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
        try:
            with Interrupts() as interrupts:
                signal.raise_signal(signal.SIGINT)
            assert calls == [1]
            assert not interrupts.seen
        finally:
            signal.signal(signal.SIGINT, before)

    def test_nested_blocks_put_the_outer_one_back(self):
        with Interrupts() as outer:
            with Interrupts() as inner:
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGINT)
                assert inner.seen
            assert not outer.seen
            with outer.deferred():
                signal.raise_signal(signal.SIGINT)
            assert outer.seen
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
