"""A fit goes on after a copy, bit by bit, as if the model had never been copied."""

import copy
import pickle
import pickletools

import joblib
import numpy as np
import pytest
import torch
from estimator_table import CLASSES, IDS, fast, plain
from saved_files import same

from sklearn_ardvae import ARDVAE, RRAE, VRRAE
from sklearn_ardvae.nn.rank_search import RankSearch

COPIES = {
    "pickle": lambda model, path: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, path: copy.deepcopy(model),
    "joblib": lambda model, path: joblib.load(joblib.dump(model, path)[0]),
    "save": lambda model, path: model.save(path) or type(model).load(path),
}


def everything(model):
    """Return all that a fitted model has, as arrays and plain values."""
    return {k: v for k, v in model.__getstate__().items() if k != "_sklearn_version"}


@pytest.mark.parametrize(
    ("make", "cls"),
    [*((plain, cls) for cls in CLASSES), (fast, ARDVAE)],
    ids=[*IDS, "ARDVAE by its own course"],
)
def test_fits_go_on_bit_by_bit(make, cls, low_rank, tmp_path):
    x, pieces = low_rank[:100], low_rank[100:200].reshape(2, 50, 12)
    original = make(cls, warm_start=True).fit(x)
    twins = {name: copied(original, tmp_path / name) for name, copied in COPIES.items()}
    steps = [
        lambda model: model.fit(x),
        lambda model: model.partial_fit(pieces[0]),
        lambda model: model.partial_fit(pieces[1]),
    ]
    for step in steps:
        step(original)
        expected = everything(original)
        for name, copied in COPIES.items():
            step(twins[name])
            assert same(everything(twins[name]), expected), name
            twins[name] = copied(twins[name], tmp_path / name)


@pytest.mark.parametrize("cls", [RRAE, VRRAE])
@pytest.mark.parametrize("how", ["pickle", "save"])
def test_a_trial_of_a_rank_survives(cls, how, low_rank, tmp_path, monkeypatch):
    # Patience of 3 epochs rather than 10 saves time.
    monkeypatch.setattr(RankSearch.__init__, "__defaults__", (3, 0.01))
    x = low_rank[:40]

    def is_trying(model):
        return "held" in model._module.search.shelf

    model = fast(cls, n_components=6, batch_size=40, learning_rate=0.05)
    for _ in range(500):
        if is_trying(model.partial_fit(x)):
            break
    # The trial goes on for some calls, and is lost or won.
    twin = COPIES[how](model, tmp_path / "model")
    assert is_trying(model)
    assert is_trying(twin)
    for _ in range(10):
        model.partial_fit(x)
        twin = COPIES[how](twin.partial_fit(x), tmp_path / "model")
    assert same(everything(twin), everything(model))


OPTIMIZERS = {
    "SGD": {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9},
    "AdamW with amsgrad": {
        "optimizer": torch.optim.AdamW,
        "optimizer__amsgrad": True,
    },
    "NAdam": {"optimizer": torch.optim.NAdam},
    "Adam with other betas": {"optimizer__betas": (0.5, 0.9)},
    "Adam with groups": {
        "optimizer__param_groups": [("encoder*", {"weight_decay": 0.1})]
    },
}


@pytest.mark.parametrize("settings", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_other_optimisers_go_on_too(settings, low_rank, tmp_path):
    model = plain(ARDVAE, skorch_params=settings, warm_start=True).fit(low_rank)
    model.save(tmp_path / "model")
    own = {"skorch_params": settings} if "optimizer" in settings else {}
    twin = ARDVAE.load(tmp_path / "model", **own)
    assert same(everything(twin), everything(model))
    assert same(everything(twin.fit(low_rank)), everything(model.fit(low_rank)))


class Opaque(torch.optim.SGD):
    """Remembers what no file can hold."""

    def state_dict(self):
        return super().state_dict() | {"memory": object()}

    def load_state_dict(self, state_dict):
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "memory"})


def test_an_opaque_optimiser_begins_anew_and_says_so(low_rank, tmp_path):
    settings = {"optimizer": Opaque}
    model = plain(ARDVAE, skorch_params=settings, warm_start=True).fit(low_rank)
    with pytest.warns(UserWarning, match="optimisers remember") as caught:
        model.save(tmp_path / "model")
    assert caught[0].filename == __file__
    twin = ARDVAE.load(tmp_path / "model", skorch_params=settings)
    assert twin._optimizer_states is None
    assert twin.fit(low_rank).n_iter_ == 4


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_a_pickle_holds_nothing_of_torch_or_skorch(cls, low_rank):
    data = pickle.dumps(fast(cls).fit(low_rank))
    modules = {
        argument.partition(".")[0]
        for _, argument, _ in pickletools.genops(data)
        if isinstance(argument, str)
    }
    assert modules.isdisjoint({"torch", "skorch"})


def test_pickles_without_optimisers_are_read(low_rank):
    model = plain(ARDVAE, warm_start=True).fit(low_rank)
    state = model.__getstate__()
    del state["_optimizer_states"]  # as it was up to version 1 of the file format
    twin = ARDVAE.__new__(ARDVAE)
    twin.__setstate__(state)
    np.testing.assert_array_equal(twin.transform(low_rank), model.transform(low_rank))
    assert twin.fit(low_rank).n_iter_ == 4


def test_a_pickle_comes_to_a_device_that_is_there(low_rank):
    model = plain(ARDVAE).fit(low_rank)
    codes = model.transform(low_rank)
    model.device_ = "xpu:7"  # as if it had been fitted there
    twin = pickle.loads(pickle.dumps(model))
    assert twin.device_ == "cpu"
    np.testing.assert_array_equal(twin.transform(low_rank), codes)
