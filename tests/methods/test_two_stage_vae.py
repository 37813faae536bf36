"""TwoStageVAE: what its stages share, what the second draws, and when it is trained."""

import pickle
import signal

import numpy as np
import pytest
import torch
from estimator_table import fast
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from skorch.callbacks import Callback

from sklearn_ardvae import VAE, TwoStageVAE
from sklearn_ardvae.methods.second_stage import SecondStageModule


def second_stage_weights(model):
    weights = model._module.second_stage.state_dict()
    return {name: value.clone() for name, value in weights.items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_first_stage_is_the_learned_variance_vae(low_rank):
    settings = {"noise": "learned", "n_components": 3, "max_iter": 5}
    one = fast(VAE, **settings).fit(low_rank)
    two = fast(TwoStageVAE, **settings).fit(low_rank)
    for method in ("transform", "reconstruct", "score_samples"):
        np.testing.assert_array_equal(
            getattr(two, method)(low_rank), getattr(one, method)(low_rank)
        )
    assert two.history_ == one.history_
    assert TwoStageVAE().noise == "learned"


def test_the_second_stage_has_parameters_of_its_own(low_rank):
    model = fast(
        TwoStageVAE,
        second_stage_hidden_layer_sizes=(5, 3),
        second_stage_max_iter=4,
        second_stage_learning_rate=1e-3,
    ).fit(low_rank)
    assert model.n_iter_ == 2
    assert model.second_stage_history_["learning_rate"] == [1e-3] * 4
    weights = model._module.second_stage.encoder.parameters()
    assert [len(weight) for weight in weights] == [5, 5, 3, 3, 4, 4]
    with pytest.raises(ValueError, match="second_stage_hidden_layer_sizes must hold"):
        model.set_params(second_stage_hidden_layer_sizes=(5, 0)).fit(low_rank)
    with pytest.raises(ValueError, match="second_stage_max_iter"):
        model.set_params(second_stage_max_iter=0).fit(low_rank)


def test_samples_are_decoded_draws_without_noise(low_rank):
    model = fast(TwoStageVAE, hidden_layer_sizes=(), max_iter=5).fit(low_rank)
    drawn = model.sample(50, 0)
    # A linear decoder of two codes: noise would leave its plane.
    values = np.linalg.svd(drawn - drawn.mean(0), compute_uv=False)
    assert values[1] > 0.1
    assert values[2] < 1e-5 * values[0]


def test_codes_are_drawn_as_the_posterior_of_the_data_is(low_rank):
    model = TwoStageVAE(
        4, hidden_layer_sizes=(32,), max_iter=60, batch_size=32, random_state=0
    ).fit(low_rank)
    x = torch.from_numpy(low_rank)
    with torch.no_grad():
        codes, std = model._module.encode(x), model._module.code_std(x)
        drawn = model._module.draw_prior(4000, torch.Generator().manual_seed(0))
    expected = np.cov(codes.numpy().T, bias=True) + np.diag((std**2).mean(0))
    # 400 rows give a variance to 7 %; codes of four axes, one of them not needed.
    np.testing.assert_allclose(np.cov(drawn.numpy().T), expected, atol=0.2)
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.15)


def test_a_ring_is_sampled_better_than_from_the_prior():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((6, 2)))[0]
    angle = rng.uniform(0, 2 * np.pi, 2000)
    x = np.column_stack((np.cos(angle), np.sin(angle))) @ basis.T * 1.5
    x = (x + 0.02 * rng.standard_normal(x.shape)).astype(np.float32)
    train, held_out = x[:1000], x[1000:]
    model = TwoStageVAE(
        2, hidden_layer_sizes=(32,), max_iter=120, batch_size=64, random_state=0
    ).fit(train)

    def distance(drawn):
        within = cdist(drawn, drawn).mean() + cdist(held_out, held_out).mean()
        return 2 * cdist(drawn, held_out).mean() - within

    with_second_stage = distance(model.sample(1000, 0))
    model._module.second_stage.trained.fill_(False)
    assert with_second_stage < 0.5 * distance(model.sample(1000, 0))


def test_an_interrupted_first_stage_leaves_the_prior(low_rank):
    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            if len(net.history) == 2:
                signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="interrupted by user") as caught:
        model = fast(TwoStageVAE, callbacks=[Interrupt()]).fit(low_rank)
    assert any("before the second stage" in str(w.message) for w in caught)
    assert model.second_stage_history_ == {}
    generator = torch.Generator().manual_seed(0)
    z = model._module.draw_prior(5, generator)
    assert torch.equal(z, torch.randn(5, 2, generator=generator.manual_seed(0)))
    # Fitting on trains it.
    model.set_params(warm_start=True, callbacks=None).fit(low_rank)
    assert len(model.second_stage_history_["train_loss"]) == 2
    assert model._module.second_stage.trained


def test_an_interrupted_second_stage_keeps_both(low_rank, monkeypatch):
    loss, calls = SecondStageModule.loss, []

    def interrupted(self, x, noise):
        calls.append(x)
        if len(calls) == 100:
            signal.raise_signal(signal.SIGINT)
        return loss(self, x, noise)

    monkeypatch.setattr(SecondStageModule, "loss", interrupted)
    model = fast(TwoStageVAE, second_stage_max_iter=9, batch_size=16)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(low_rank)
    assert model.n_iter_ == 2
    assert 1 <= len(model.second_stage_history_["train_loss"]) < 9
    assert np.isfinite(model.sample(5, 0)).all()


def test_both_stages_go_on(low_rank):
    model = fast(TwoStageVAE, warm_start=True).fit(low_rank)
    before = second_stage_weights(model)
    model = pickle.loads(pickle.dumps(model)).fit(low_rank)
    lengths = {len(column) for column in model.second_stage_history_.values()}
    assert lengths == {4}
    assert not same(before, second_stage_weights(model))
    streamed = fast(TwoStageVAE)
    for i in range(3):
        streamed.partial_fit(low_rank[i * 100 : (i + 1) * 100])
        assert len(streamed.second_stage_history_["train_loss"]) == i + 1


def test_a_second_stage_that_fails_leaves_no_half_fitted_model(low_rank):
    model = fast(TwoStageVAE).fit(low_rank)
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(second_stage_learning_rate=1e30).fit(low_rank)
    assert not model.__sklearn_is_fitted__()


def test_a_saved_model_samples_as_before(low_rank, tmp_path):
    model = fast(TwoStageVAE, max_iter=5).fit(low_rank)
    model.save(tmp_path / "model")
    twin = TwoStageVAE.load(tmp_path / "model")
    np.testing.assert_array_equal(twin.sample(5, 0), model.sample(5, 0))
    assert twin.second_stage_history_ == model.second_stage_history_


@pytest.mark.slow
def test_digits_look_more_like_digits_than_from_the_prior():
    x = (load_digits().data / 16).astype(np.float32)
    x = np.random.default_rng(0).permutation(x)
    model = TwoStageVAE(16, random_state=0).fit(x[:1400])

    def distance(drawn):
        within = cdist(drawn, drawn).mean() + cdist(x[1400:], x[1400:]).mean()
        return 2 * cdist(drawn, x[1400:]).mean() - within

    with_second_stage = distance(model.sample(1400, 0))
    model._module.second_stage.trained.fill_(False)
    assert with_second_stage < 0.8 * distance(model.sample(1400, 0))
