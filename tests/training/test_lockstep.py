"""Fits that share their steps are those of fits by themselves, but for rounding."""

import os
import signal
import threading
import time
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from estimator_table import FAST, OF_ONE_FIT, plain
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch import nn

from sklearn_ardvae import ARDVAE, ARDVAECV, VAE, BetaVAE, fit_together
from sklearn_ardvae.training import lockstep
from sklearn_ardvae.training.lockstep import run_in_lockstep
from sklearn_ardvae.training.stacked import StackedNets

# Of float32 in the sums of some epochs.
ROUNDING = 1e-4
# Of one phase, on perceptrons, whose losses have no numbers that differ by the seed.
STACKED = frozenset(
    {
        "ARDVAE",
        "Autoencoder",
        "BetaVAE",
        "DIPVAE",
        "NGVAE",
        "RAE",
        "SparseAE",
        "VAE",
    }
)


@pytest.fixture
def stacks(monkeypatch):
    """Sizes of the stacks that are made."""
    sizes = []

    class Noted(StackedNets):
        def __init__(self, members):
            sizes.append(len(members))
            super().__init__(members)

    monkeypatch.setattr(lockstep, "StackedNets", Noted)
    return sizes


@pytest.fixture(scope="module")
def rows():
    """Rows (100, 6) on a plane of rank 2 with noise of deviation 0.1."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 2)) @ rng.standard_normal((2, 6))
    return (x + 0.1 * rng.standard_normal(x.shape)).astype(np.float32)


def assert_same(model, alone):
    assert model.n_iter_ == alone.n_iter_
    assert model.history_.keys() == alone.history_.keys()
    for name, values in alone.history_.items():
        np.testing.assert_allclose(
            model.history_[name], values, rtol=ROUNDING, atol=ROUNDING, err_msg=name
        )
    assert model.n_active_components_ == alone.n_active_components_
    mine, others = model._module.state_dict(), alone._module.state_dict()
    for name, tensor in others.items():
        torch.testing.assert_close(mine[name], tensor, rtol=1e-3, atol=ROUNDING)


def fits(models, rows):
    return [partial(model.fit, rows) for model in models]


# --- the same as alone --------------------------------------------------------------


@pytest.mark.parametrize("cls", OF_ONE_FIT, ids=[cls.__name__ for cls in OF_ONE_FIT])
@pytest.mark.filterwarnings("ignore")
def test_fits_together_are_fits_alone(cls, rows, stacks):
    models = [plain(cls, random_state=seed) for seed in range(3)]
    alone = [clone(model).fit(rows) for model in models]
    assert fit_together(models, rows) == models
    for model, other in zip(models, alone, strict=True):
        assert_same(model, other)
    assert bool(stacks) == (cls.__name__ in STACKED)
    assert set(stacks) <= {3}


@pytest.mark.parametrize("architecture", ["mlp", "linear_mlp"])
def test_betas_may_differ(architecture, rows, stacks):
    models = [
        ARDVAE(**FAST | {"beta": beta, "max_iter": 8, "architecture": architecture})
        for beta in (1.0, 0.1, 0.01, 0.0)
    ]
    alone = [clone(model).fit(rows) for model in models]
    for model, other in zip(fit_together(models, rows), alone, strict=True):
        assert_same(model, other)
    assert stacks == [4] * 8


def test_courses_by_evidence_are_those_of_fits_alone(rows, stacks):
    models = [ARDVAE(**FAST | {"random_state": s, "max_iter": 12}) for s in range(3)]
    alone = [clone(model).fit(rows) for model in models]
    for model, other in zip(fit_together(models, rows), alone, strict=True):
        assert_same(model, other)
    assert stacks


def test_rows_and_ends_may_differ(rows, stacks):
    """The last batches have 9 to 11 rows, and epochs 5 or 6 batches."""
    settings = FAST | {"beta": 0.05, "validation_fraction": 0.1}
    models = [ARDVAE(**settings | {"max_iter": n}) for n in (2, 3, 5, 5, 6)]
    parts = [rows[:n] for n in (100, 99, 98, 70, 70)]
    alone = [clone(m).fit(part) for m, part in zip(models, parts, strict=True)]
    run_in_lockstep([partial(m.fit, x) for m, x in zip(models, parts, strict=True)])
    for model, other in zip(models, alone, strict=True):
        assert_same(model, other)
    assert stacks == [5, 5, 4, 3, 3]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"optimizer": torch.optim.AdamW, "optimizer__weight_decay": 0.1},
        {"optimizer__amsgrad": True, "optimizer__betas": (0.8, 0.9)},
    ],
    ids=["Adam", "AdamW", "AMSGrad"],
)
def test_optimisers_go_on_by_themselves(params, rows, stacks):
    """Rates that differ, and moments that the nets take along."""
    models = [
        BetaVAE(
            **FAST,
            beta=0.05,
            learning_rate=rate,
            warm_start=True,
            skorch_params=params,
        )
        for rate in (1e-2, 3e-3, 1e-3)
    ]
    alone = [clone(model).fit(rows).fit(rows) for model in models]
    fit_together(models, rows)
    for model, other in zip(models, alone, strict=True):
        assert_same(model.fit(rows), other)
    assert stacks == [3, 3]


def test_a_scale_of_the_users_is_kept_apart(rows, stacks):
    """Of each fit's own rows, by which the loss is multiplied."""
    models = [BetaVAE(**FAST, beta=0.05, architecture="linear_mlp") for _ in range(3)]
    parts = [rows, 2 * rows, rows + 1]
    alone = [clone(m).fit(part) for m, part in zip(models, parts, strict=True)]
    run_in_lockstep([partial(m.fit, x) for m, x in zip(models, parts, strict=True)])
    for model, other in zip(models, alone, strict=True):
        assert_same(model, other)
    assert not stacks


# --- by themselves ------------------------------------------------------------------


def with_own_networks(seed):
    networks = (nn.Linear(6, 4), nn.Linear(2, 6))
    return VAE(**FAST | {"architecture": networks, "random_state": seed})


class CountsBatches(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


@pytest.mark.parametrize(
    "make",
    [
        with_own_networks,
        lambda seed: VAE(**FAST | {"n_components": seed + 1}),
        lambda seed: VAE(**FAST, activation=["relu", "silu", "tanh"][seed]),
        lambda seed: VAE(**FAST | {"batch_size": 16 + seed}),
        lambda seed: VAE(**FAST, callbacks=[CountsBatches()]),
        lambda seed: VAE(**FAST, skorch_params={"optimizer": torch.optim.SGD}),
        lambda seed: VAE(**FAST, skorch_params={"mixed_precision": "bf16"}),
        lambda seed: VAE(**FAST, activation=lambda: nn.Dropout(0.5)),
    ],
    ids=[
        "own",
        "sizes",
        "activations",
        "batches",
        "callbacks",
        "optimiser",
        "precision",
        "draws",
    ],
)
def test_what_does_not_fit_together_is_fitted_side_by_side(make, rows, stacks):
    models = [make(seed) for seed in range(3)]
    alone = [clone(model).fit(rows) for model in models]
    for model, other in zip(fit_together(models, rows), alone, strict=True):
        assert model.history_["train_loss"] == other.history_["train_loss"]
    assert not stacks


def test_two_are_fitted_one_after_the_other(rows):
    threads = set()
    models = [VAE(**FAST, callbacks=[NotesThreads(threads)]) for _ in range(2)]
    fit_together(models, rows)
    assert threads == {threading.get_ident()}


def test_processes_that_were_launched_keep_one_order(rows):
    pytest.importorskip("accelerate")
    threads = set()
    settings = {"device": "accelerate", "callbacks": [NotesThreads(threads)]}
    fit_together([BetaVAE(**FAST, **settings) for _ in range(3)], rows)
    assert threads == {threading.get_ident()}


def test_searches_may_be_fitted_together(rows):
    settings = FAST | {"betas": [0.5, 0.05, 0.005], "cv": 2}
    searches = [ARDVAECV(**settings | {"random_state": seed}) for seed in range(3)]
    alone = [clone(search).fit(rows) for search in searches]
    for search, other in zip(fit_together(searches, rows), alone, strict=True):
        np.testing.assert_allclose(
            search.evidence_path_, other.evidence_path_, rtol=ROUNDING
        )
        assert_same(search, other)


class NotesThreads(Callback):
    def __init__(self, threads):
        self.threads = threads

    def on_train_begin(self, net, **kwargs):
        self.threads.add(threading.get_ident())

    def __sklearn_clone__(self):
        return self


# --- what surrounds them ------------------------------------------------------------


def test_one_that_fails_leaves_the_others(rows):
    models = [VAE(**FAST), VAE(**FAST, learning_rate=1e30), VAE(**FAST)]
    with pytest.raises(ValueError, match="Training diverged"):
        fit_together(models, rows)
    assert [model.__sklearn_is_fitted__() for model in models] == [True, False, True]


def test_warnings_point_at_the_users_line(rows):
    models = [VAE(**FAST | {"max_iter": 3, "random_state": s}) for s in range(3)]
    alone = [clone(model) for model in models]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fit_together(models, rows)
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        for model in alone:
            model.fit(rows)
    assert {warning.filename for warning in seen} == {__file__}
    assert [str(w.message) for w in seen] == [str(w.message) for w in expected]
    assert ConvergenceWarning in {warning.category for warning in seen}


def test_the_configuration_is_that_of_the_caller(rows):
    seen = []

    class Look(Callback):
        def on_train_begin(self, net, **kwargs):
            seen.append(get_config()["working_memory"])

    with config_context(working_memory=7):
        fit_together([VAE(**FAST, callbacks=[Look()]) for _ in range(3)], rows)
    assert seen == [7, 7, 7]


@pytest.mark.parametrize("interrupted", range(3))
def test_ctrl_c_ends_all(rows, interrupted):
    class Interrupt(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 5:
                os.kill(os.getpid(), signal.SIGINT)

    class TakesItsTime(Callback):
        def on_train_end(self, net, **kwargs):
            time.sleep(0.1)

    models = [
        VAE(**FAST | {"max_iter": 10_000, "callbacks": [TakesItsTime()]})
        for _ in range(3)
    ]
    models[interrupted].callbacks.append(Interrupt())
    with pytest.raises(KeyboardInterrupt):
        fit_together(models, rows)
    for model in models:  # all are over, as after Ctrl-C in a fit alone
        assert 5 <= model.n_iter_ < 10_000
        assert np.isfinite(model.transform(rows)).all()


def test_what_is_no_estimator_is_refused(rows):
    with pytest.raises(TypeError, match=r"estimators of sklearn_ardvae; got str"):
        fit_together([VAE(**FAST), "VAE"], rows)
    model = VAE(**FAST)
    with pytest.raises(ValueError, match=r"same estimator twice.*clone"):
        fit_together([model, VAE(**FAST), model], rows)
    assert fit_together([], rows) == []
