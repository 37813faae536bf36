"""A fit that ends in the middle goes on, and ends as if nothing had happened."""

import multiprocessing
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from estimator_table import OF_ONE_FIT, fast
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import nn

from sklearn_ardvae import ARDVAE, ARDVAECV, RRAE, VAE, Autoencoder, FactorVAE
from sklearn_ardvae.estimator import checkpoints

every_single_fit = pytest.mark.parametrize(
    "cls", OF_ONE_FIT, ids=[cls.__name__ for cls in OF_ONE_FIT]
)


class KilledError(BaseException):
    """What no handler expects, as a process that is killed has none."""


class Kill(Callback):
    """Ends a fit in the middle of an epoch, after so many whole ones of it."""

    def __init__(self, after):
        self.after = after

    def on_train_begin(self, net, **kwargs):
        self.epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1

    def on_batch_end(self, net, training=False, **kwargs):
        if training and self.epochs == self.after:
            raise KilledError


@pytest.fixture(autouse=True)
def _each_epoch_is_kept(monkeypatch):
    monkeypatch.setattr(checkpoints, "_SHARE", np.inf)


def bits(model):
    """Return all that a fit has found."""
    state = model.__getstate__()
    history = {k: np.array(v) for k, v in state.pop("history_").items()}
    for name in (*model.get_params(), "_built_from"):
        state.pop(name, None)
    return pickle.dumps(state), history


def assert_same(first, second):
    (state, history), (others, other_history) = bits(first), bits(second)
    assert state == others
    assert history.keys() == other_history.keys()
    for name in history:
        np.testing.assert_array_equal(history[name], other_history[name], name)


def killed(model, after, x):
    """Fit a model that ends after so many epochs; return how many it had."""
    kill = Kill(after)
    model.set_params(callbacks=[*(model.callbacks or []), kill])
    with pytest.raises(KilledError):
        model.fit(x)
    return after


def finished(model, x):
    """Fit a model; return how many epochs that took."""
    count = Kill(-1)
    model.set_params(callbacks=[*(model.callbacks or []), count]).fit(x)
    return count.epochs


# --- the same bits ------------------------------------------------------------------


@every_single_fit
def test_a_fit_that_was_killed_ends_the_same(cls, low_rank, tmp_path):
    settings = {"max_iter": 9, "n_components": 4, "learning_rate": 0.01}
    expected = fast(cls, **settings).fit(low_rank)

    def model():
        return fast(cls, **settings, checkpoint=tmp_path)

    killed(model(), 0, low_rank)
    killed(model(), 1, low_rank)
    killed(model(), 4, low_rank)
    assert len(list(tmp_path.iterdir())) == 2
    last = model()
    n_epochs = finished(last, low_rank)
    assert n_epochs == expected.n_iter_ - 5
    assert_same(last, expected)
    # Nothing is left to do.
    again = model()
    assert finished(again, low_rank) == 0
    assert_same(again, expected)


def curved(n=300):
    rng = np.random.default_rng(0)
    z = rng.standard_normal((n, 2))
    x = np.tanh(z @ rng.standard_normal((2, 12)) * 1.5)
    return x @ rng.standard_normal((12, 10)) + 0.05 * rng.standard_normal((n, 10))


@pytest.mark.parametrize(
    "model",
    [
        ARDVAE(hidden_layer_sizes=(16,), random_state=0),
        VAE(6, count_by="evidence", n_iter_no_change=8, random_state=0),
        RRAE(8, hidden_layer_sizes=(16,), max_iter=60, random_state=0),
    ],
    ids=["course", "trials", "ranks"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_stage_of_a_search_goes_on(model, tmp_path):
    x = curved()
    expected = finished_model = model.__sklearn_clone__()
    expected.fit(x)
    model.set_params(checkpoint=tmp_path)
    # Ever further, by a number that has no common factor with any stage's epochs.
    n_epochs, step = 0, 23
    while n_epochs + step < finished_model.n_iter_:
        n_epochs += killed(model.__sklearn_clone__(), step, x)
    last = model.__sklearn_clone__()
    assert finished(last, x) == expected.n_iter_ - n_epochs
    assert_same(last, expected)


class Noisy(nn.Module):
    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, 8), nn.Dropout(0.5), nn.Linear(8, n_outputs)
        )

    def forward(self, x):
        return self.layers(x)


def test_networks_of_ones_own_draw_the_same_numbers(low_rank, tmp_path):
    n = low_rank.shape[1]
    settings = {"architecture": (Noisy(n, 2), Noisy(2, n)), "max_iter": 6}
    expected = fast(Autoencoder, **settings).fit(low_rank)
    killed(fast(Autoencoder, **settings, checkpoint=tmp_path), 3, low_rank)
    last = fast(Autoencoder, **settings, checkpoint=tmp_path)
    assert finished(last, low_rank) == 3
    assert_same(last, expected)


def test_callbacks_and_schedulers_of_skorch_go_on(low_rank, tmp_path):
    def model(**more):
        scheduler = LRScheduler(torch.optim.lr_scheduler.ExponentialLR, gamma=0.7)
        stop = EarlyStopping("valid_loss", patience=3, threshold=0.05)
        settings = {"callbacks": [scheduler, stop], "max_iter": 40, "batch_size": 16}
        settings |= {"lr_patience": None, "early_stopping": False}
        return fast(Autoencoder, **settings, **more)

    expected = model().fit(low_rank)
    assert 8 < expected.n_iter_ < 40
    for after in (5, 2):
        killed(model(checkpoint=tmp_path), after, low_rank)
    last = model(checkpoint=tmp_path)
    assert finished(last, low_rank) == expected.n_iter_ - 7
    assert_same(last, expected)


def test_a_warm_start_goes_on(low_rank, tmp_path):
    first = fast(FactorVAE, warm_start=True, max_iter=4).fit(low_rank)
    first.save(tmp_path / "first")
    expected = FactorVAE.load(tmp_path / "first").fit(low_rank)

    def model():
        known = FactorVAE.load(tmp_path / "first")
        return known.set_params(checkpoint=tmp_path / "fit")

    killed(model(), 2, low_rank)
    last = model()
    assert finished(last, low_rank) == 2
    assert_same(last, expected)
    # But not to another fit.
    other = fast(FactorVAE, warm_start=True, max_iter=4, checkpoint=tmp_path / "fit")
    with pytest.raises(ValueError, match=r"holds a fit of .*n_iter_=4, not None"):
        other.fit(low_rank)


def test_without_a_seed_the_first_one_counts(low_rank, tmp_path):
    settings = {"random_state": None, "checkpoint": tmp_path, "max_iter": 5}
    first, second = fast(Autoencoder, **settings), fast(Autoencoder, **settings)
    killed(first, 3, low_rank)
    assert finished(second, low_rank) == 2
    assert second._seed == first._seed


def test_a_search_for_beta_goes_on(low_rank, tmp_path):
    settings = {"betas": [0.3, 0.03], "cv": 2, "max_iter": 6}
    # Without a checkpoint fits of the path share their steps, and round otherwise.
    whole = {**settings, "checkpoint": tmp_path / "whole"}
    expected = fast(ARDVAECV, **whole).fit(low_rank)
    tmp_path = tmp_path / "killed"
    killed(fast(ARDVAECV, **settings, checkpoint=tmp_path), 4, low_rank)
    last = fast(ARDVAECV, **settings, checkpoint=tmp_path).fit(low_rank)
    assert last.beta_ == expected.beta_
    np.testing.assert_array_equal(last.evidence_path_, expected.evidence_path_)
    np.testing.assert_array_equal(
        last.transform(low_rank), expected.transform(low_rank)
    )
    # Four fits of the path, and that of all rows.
    assert sum(path.is_dir() for path in tmp_path.iterdir()) == 5
    last.save(tmp_path / "model.safetensors")


def test_partial_fit_keeps_nothing(low_rank, tmp_path):
    for cls in (Autoencoder, ARDVAECV):
        fast(cls, checkpoint=tmp_path / "fit").partial_fit(low_rank)
        assert not (tmp_path / "fit").exists()


# --- what may be wrong --------------------------------------------------------------


def damage(path, kind):
    content = path.read_bytes()
    middle = len(content) // 2
    changed = bytes([content[middle] ^ 1])
    damaged = {
        "half": content[:middle],
        "empty": b"",
        "bit": content[:middle] + changed + content[middle + 1 :],
    }[kind]
    path.write_bytes(damaged)


@pytest.mark.parametrize("kind", ["half", "empty", "bit"])
def test_a_damaged_file_is_told_of_and_the_one_before_is_taken(
    kind, low_rank, tmp_path
):
    expected = fast(Autoencoder, max_iter=7).fit(low_rank)

    def model():
        return fast(Autoencoder, max_iter=7, checkpoint=tmp_path)

    killed(model(), 4, low_rank)
    _, last = sorted(tmp_path.iterdir())
    damage(last, kind)
    second = model()
    with pytest.warns(UserWarning, match=last.stem) as told:
        assert finished(second, low_rank) == 4
    assert Path(told[0].filename).name == Path(__file__).name
    assert_same(second, expected)
    # None is left: from the start.
    for path in tmp_path.glob("epoch-*.safetensors"):
        damage(path, kind)
    # What is kept next is not taken for older than what is damaged.
    with pytest.warns(UserWarning, match="goes on from what was kept before"):
        killed(model(), 1, low_rank)
    third = model()
    assert finished(third, low_rank) == 6
    assert_same(third, expected)


def test_other_data_and_parameters_are_refused(low_rank, tmp_path):
    settings = {"max_iter": 3, "checkpoint": tmp_path}
    fast(Autoencoder, **settings).fit(low_rank)
    with pytest.raises(ValueError, match=r"checkpoint='.*' holds a fit of other data"):
        fast(Autoencoder, **settings).fit(low_rank[::-1])
    with pytest.raises(ValueError, match=r"a fit of learning_rate=.*, not 0\.5"):
        fast(Autoencoder, **settings, learning_rate=0.5).fit(low_rank)
    with pytest.raises(ValueError, match="class=Autoencoder, not VAE"):
        fast(VAE, **settings).fit(low_rank)
    # These do not change what is found.
    same = {"verbose": 1, "output_components": "all", "on_interrupt": "raise"}
    assert finished(fast(Autoencoder, **settings).set_params(**same), low_rank) == 0


def test_another_release_is_refused(low_rank, tmp_path, monkeypatch):
    fast(Autoencoder, checkpoint=tmp_path).fit(low_rank)
    monkeypatch.setattr(torch, "__version__", "9.9")
    with pytest.raises(ValueError, match=r"torch=.*, not 9\.9"):
        fast(Autoencoder, checkpoint=tmp_path).fit(low_rank)


def test_a_folder_that_is_a_file_is_refused(low_rank, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        fast(Autoencoder, checkpoint=tmp_path / "file").fit(low_rank)


def test_what_is_kept_is_small_and_written_seldom(low_rank, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "_SHARE", 1e-9)
    fast(Autoencoder, max_iter=20, checkpoint=tmp_path).fit(low_rank)
    # After the first epoch, and the last.
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert names == ["epoch-00000001.safetensors", "epoch-00000020.safetensors"]
    first, last = (path.stat().st_size for path in sorted(tmp_path.iterdir()))
    # A history of 20 epochs, and best weights; of each row no more than its index.
    assert last < first + 20_000 + 8 * len(low_rank)


# --- processes that are killed ------------------------------------------------------


def fit_in_process(cls, settings, folder, target):
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cls(**settings, random_state=0, checkpoint=folder).fit(curved(600))
    pickle.dump(model, target.open("wb"))


def survives(cls, settings, n_kills, tmp_path):
    """Kill processes until so many are, then let one end; compare what comes out."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["sklearn_ardvae"])

    def started(folder, target):
        arguments = (cls, settings, tmp_path / folder, tmp_path / target)
        process = processes.Process(target=fit_in_process, args=arguments)
        process.start()
        return process

    started("other", "expected").join(300)
    rng = np.random.default_rng(0)
    n_killed = 0
    while not (tmp_path / "model").exists():
        process = started("fit", "model")
        # Some time goes by before the first epoch, too.
        process.join(rng.uniform(0.2, 1.0) if n_killed < n_kills else 300)
        if process.exitcode is None:
            process.kill()
            process.join()
            n_killed += 1
    found, expected = (
        pickle.loads((tmp_path / name).read_bytes()) for name in ("model", "expected")
    )
    assert_same(found, expected)
    return n_killed


def test_a_process_may_be_killed(tmp_path):
    assert survives(ARDVAE, {"max_iter": 80}, 3, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("cls", [ARDVAE, FactorVAE, RRAE])
def test_a_process_may_be_killed_twenty_times(cls, tmp_path):
    settings = {"n_components": 6, "max_iter": 400, "early_stopping": cls is ARDVAE}
    # However fast the processor is, most of them come before the end.
    assert survives(cls, settings, 20, tmp_path) >= 5
