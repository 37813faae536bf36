"""skorch's checkpoints, and what one fit takes over from another's optimisers."""

import copy
import pickle

import numpy as np
import pytest
import torch
from estimator_table import plain
from skorch.callbacks import Callback, Checkpoint, LoadInitState, TrainEndCheckpoint

from sklearn_ardvae import ARDVAE, VRRAE, MaskAAE


class Start(Callback):
    """Keeps the weights and moments that callbacks before it have loaded."""

    def on_train_begin(self, net, **kwargs):
        self.weights_ = copy.deepcopy(net.module_.state_dict())
        self.moments_ = [len(o.state_dict()["state"]) for o in net.optimizers_]


@pytest.mark.parametrize("kind", [Checkpoint, TrainEndCheckpoint])
@pytest.mark.parametrize("cls", [ARDVAE, MaskAAE, VRRAE])
def test_a_fit_begins_where_a_checkpoint_was_left(cls, kind, low_rank, tmp_path):
    others = ("critic", "generator", "mask") if cls is MaskAAE else ()
    files = {f"f_{name}_optimizer": f"{name}.pt" for name in others}

    def checkpoint():
        every_epoch = {} if kind is TrainEndCheckpoint else {"monitor": None}
        return kind(dirname=str(tmp_path), **files, **every_epoch)

    settings = {"early_stopping": False, "max_iter": 3}
    plain(cls, callbacks=[checkpoint()], **settings).fit(low_rank)
    saved = torch.load(next(tmp_path.glob("*params.pt")))
    found, start = checkpoint(), Start()
    callbacks = [found, LoadInitState(found), start]
    again = plain(cls, callbacks=callbacks, **settings).fit(low_rank)
    assert start.weights_.keys() == saved.keys()
    for name, value in saved.items():
        assert torch.equal(start.weights_[name], value), name
    assert all(start.moments_)
    assert again.n_iter_ == 6
    assert {len(column) for column in again.history_.values()} == {6}


@pytest.mark.parametrize("cls", [ARDVAE, MaskAAE])
def test_a_checkpoint_may_pickle_the_net(cls, low_rank, tmp_path):
    checkpoint = Checkpoint(dirname=str(tmp_path), f_pickle="net.pkl", monitor=None)
    model = plain(cls, callbacks=[checkpoint], early_stopping=False).fit(low_rank)
    net = pickle.loads((tmp_path / "net.pkl").read_bytes())
    x = torch.from_numpy(low_rank)
    torch.testing.assert_close(net.module_.encode(x), model._module.encode(x))


def warm(**params):
    return plain(ARDVAE, warm_start=True, **params)


@pytest.mark.filterwarnings("ignore:The features of X:UserWarning")
def test_a_fit_that_fails_leaves_the_moments_alone(low_rank):
    model = warm().fit(low_rank)
    twin = pickle.loads(pickle.dumps(model))
    with pytest.raises(ValueError, match="diverged"):
        model.fit(low_rank * 1e30)
    codes = model.fit(low_rank).transform(low_rank)
    np.testing.assert_array_equal(codes, twin.fit(low_rank).transform(low_rank))


def test_a_shallow_copy_shares_no_moments(low_rank):
    model = warm().fit(low_rank)
    twin = pickle.loads(pickle.dumps(model))
    copy.copy(model).fit(low_rank)
    codes = model.fit(low_rank).transform(low_rank)
    np.testing.assert_array_equal(codes, twin.fit(low_rank).transform(low_rank))


def test_an_optimiser_has_the_settings_of_now(low_rank):
    seen = []

    class Look(Callback):
        def on_epoch_begin(self, net, **kwargs):
            seen.append(net.optimizer_.param_groups[0]["betas"])

    model = warm().fit(low_rank)
    settings = {"optimizer__betas": (0.5, 0.75)}
    model.set_params(callbacks=[Look()], skorch_params=settings).fit(low_rank)
    assert seen == [(0.5, 0.75)] * 2


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.RMSprop])
def test_another_optimiser_begins_anew(optimizer, low_rank):
    model = warm().fit(low_rank)
    model.set_params(skorch_params={"optimizer": optimizer}).fit(low_rank)
    assert model.n_iter_ == 4
