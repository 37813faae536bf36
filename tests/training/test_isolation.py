"""What goes on in other threads and processes changes no fit, and no fit changes it."""

import gc
import multiprocessing
import pickle
import threading
import weakref

import joblib
import numpy as np
import pytest
import torch
from estimator_table import CLASSES, IDS, fast
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from sklearn_ardvae import ARDVAE, VAE
from sklearn_ardvae.estimator.base import BaseAutoencoder
from sklearn_ardvae.relevance import jacobian_weights
from sklearn_ardvae.training import environment

every_estimator = pytest.mark.parametrize("cls", CLASSES, ids=IDS)


def weights(model):
    return pickle.dumps(model.__getstate__()["_weights"])


class Beside:
    """A thread that does something again and again."""

    def __init__(self, act):
        self.act, self.done = act, False

    def __enter__(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.done:
            self.act()

    def __exit__(self, *_):
        self.done = True
        self.thread.join()


def test_a_thread_that_draws_changes_no_fit(low_rank):
    # Few rows, but many fits: that threads meet in one is a rare event.
    x = low_rank[:100]
    expected = weights(fast(ARDVAE).fit(x))
    with Beside(lambda: torch.randn(1000)):
        found = [weights(fast(ARDVAE).fit(x)) for _ in range(60)]
    assert found == [expected] * 60


@every_estimator
def test_a_fit_changes_no_other_threads_numbers(cls, low_rank):
    seen = set()

    def draw():
        torch.manual_seed(3)
        seen.add(tuple(torch.rand(5).tolist()))

    with Beside(draw):
        fast(cls).fit(low_rank).sample(3, random_state=0)
    assert len(seen) == 1


# A process has its own globals, and takes seconds to start.
@pytest.mark.parametrize(
    ("backend", "n_jobs", "n_fits"), [("threading", 4, 32), ("loky", 2, 6)]
)
def test_fits_in_company_are_those_of_one_alone(backend, n_jobs, n_fits, low_rank):
    x = low_rank[:100]
    expected = weights(fast(ARDVAE).fit(x))
    with joblib.parallel_config(backend, n_jobs=n_jobs):
        found = joblib.Parallel()(
            joblib.delayed(fast(ARDVAE).fit)(x) for _ in range(n_fits)
        )
    assert [weights(model) for model in found] == [expected] * n_fits


# Of torch's own first use of forward mode.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_a_thread_in_forward_mode_disturbs_no_relevance():
    decoder = nn.Sequential(nn.Linear(8, 32), nn.SiLU(), nn.Linear(32, 10))
    z = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    expected = jacobian_weights(decoder, z)
    torch.func.jvp(decoder, (z,), (z,))
    failed = []

    def differentiate():
        try:
            torch.func.jvp(decoder, (z,), (z,))
        except RuntimeError as error:
            failed.append(error)

    with Beside(differentiate):
        found = [jacobian_weights(decoder, z) for _ in range(100)]
    assert not failed
    assert all(torch.equal(weights, expected) for weights in found)


class Drawing(nn.Module):
    """A network that draws in every mode, and of whose draws torch knows nothing."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)
        self.attention = nn.MultiheadAttention(n_out, 1, dropout=0.2)

    def forward(self, x):
        h = F.dropout(self.layer(x), 0.1)
        h = h + 0.01 * torch.randn_like(h)
        return h + self.attention(h, h, h)[0]


DRAWING = {
    "networks": {
        "architecture": (
            lambda shape, n_out: Drawing(shape[0], n_out),
            lambda n_in, shape: Drawing(n_in, shape[0]),
        )
    },
    "activation": {"activation": nn.RReLU},
}


@pytest.mark.parametrize("params", DRAWING.values(), ids=DRAWING.keys())
def test_networks_that_draw_are_repeatable_and_leave_the_global_generator(
    params, low_rank
):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second, other = (
        fast(VAE, random_state=seed, **params).fit(low_rank) for seed in (0, 0, 1)
    )
    assert weights(first) == weights(second) != weights(other)
    codes = first.transform(low_rank)
    np.testing.assert_array_equal(codes, second.transform(low_rank))
    np.testing.assert_array_equal(codes, first.transform(low_rank))
    assert first.score(low_rank) == second.score(low_rank)
    np.testing.assert_array_equal(first.sample(3, 0), second.sample(3, 0))
    assert torch.equal(torch.get_rng_state(), state)


def with_hook(layer):
    layer.register_forward_hook(lambda _layer, _args, out: out)
    return layer


def with_own_forward(layer):
    layer.forward = torch.rand_like
    return layer


MAY_DRAW = {
    "layers of torch": (lambda: nn.Sequential(nn.BatchNorm1d(4), nn.SiLU()), False),
    "folding": (lambda: nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Flatten()), False),
    "dropout": (lambda: nn.Dropout(0.5), True),
    "RReLU": (nn.RReLU, True),
    "hook": (lambda: with_hook(nn.ReLU()), True),
    "own forward": (lambda: with_own_forward(nn.ReLU()), True),
    "spectral norm": (lambda: spectral_norm(nn.Linear(4, 4)), True),
    "own class": (lambda: type("Own", (nn.ReLU,), {})(), True),
}


@pytest.mark.parametrize(("make", "expected"), MAY_DRAW.values(), ids=MAY_DRAW.keys())
def test_it_is_known_which_networks_draw_nothing(make, expected, low_rank):
    n_features = low_rank.shape[1]
    encoder = nn.Sequential(nn.Linear(n_features, 4), make(), nn.Linear(4, 4))
    model = VAE(2, architecture=(encoder, nn.Linear(2, n_features)), max_iter=1)
    module = model.partial_fit(low_rank).module_
    assert environment.may_draw(module) == expected


def test_networks_that_draw_nothing_need_no_watching(low_rank, monkeypatch):
    n_features = low_rank.shape[1]
    encoder = nn.Sequential(nn.Linear(n_features, 8), nn.SiLU(), nn.Linear(8, 4))
    networks = (encoder, nn.Linear(2, n_features))
    fitted = [fast(VAE, architecture=networks, n_components=2).fit(low_rank)]
    monkeypatch.setattr(environment, "may_draw", lambda module: True)
    fitted.append(fast(VAE, architecture=networks, n_components=2).fit(low_rank))
    assert weights(fitted[0]) == weights(fitted[1])


def fit_in_a_child(connection, x):
    connection.send(weights(fast(ARDVAE).fit(x)))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork here"
)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_can_fit(low_rank):
    expected = weights(fast(ARDVAE).fit(low_rank))
    context = multiprocessing.get_context("fork")
    with Beside(lambda: fast(ARDVAE).fit(low_rank)):
        for _ in range(5):
            ours, theirs = context.Pipe()
            child = context.Process(target=fit_in_a_child, args=(theirs, low_rank))
            child.start()
            assert ours.poll(60), "the child hangs"
            assert ours.recv() == expected
            child.join()


@every_estimator
def test_nothing_waits_for_the_cyclic_collector(cls, low_rank, monkeypatch):
    seen = []
    kept = BaseAutoencoder._relevance

    def relevance(self, module, x, codes):
        seen.append(weakref.ref(x))
        return kept(self, module, x, codes)

    monkeypatch.setattr(BaseAutoencoder, "_relevance", relevance)
    gc.collect()
    gc.disable()
    try:
        model = fast(cls).fit(low_rank.astype(np.float64))
        assert {ref() for ref in seen} == {None}
    finally:
        gc.enable()
    assert model.n_iter_ == 2
