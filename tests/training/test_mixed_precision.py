"""bfloat16 in the gradient steps against a loop that rounds by hand."""

import copy

import numpy as np
import pytest
import torch
from estimator_table import CLASSES, IDS, fast, plain
from torch import nn
from torch.nn.functional import linear

from sklearn_ardvae import ARDVAE, Autoencoder
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.module import AutoencoderModule, LossTerms, Networks
from sklearn_ardvae.training.net import AutoencoderNet

BF16 = {"mixed_precision": "bf16"}


class Layer(nn.Linear):
    """Writes down in which precision it multiplies."""

    def __init__(self, n_inputs, n_outputs, seen):
        super().__init__(n_inputs, n_outputs)
        self.seen = seen

    def forward(self, x):
        y = super().forward(x)
        self.seen.add((self.training, y.dtype))
        return y


class Plain(AutoencoderModule):
    """An autoencoder of two layers, squared error and a term of the codes."""

    def __init__(self, seen):
        torch.manual_seed(0)
        ends = Layer(5, 2, seen), Layer(2, 5, seen)
        super().__init__(Networks(*ends, GaussianLikelihood(), 2, 5))

    def loss(self, x, noise):
        z = self.encoder(x)
        error = self.likelihood.reconstruction(x, self.decoder(z)).mean()
        penalty = z.square().sum(1).mean()
        assert error.dtype == penalty.dtype == x.dtype
        return LossTerms(error + 0.1 * penalty, {"reconstruction": error})


class ByHand(Plain):
    def __init__(self):
        super().__init__(set())

    def loss(self, x, noise):
        def rounded(layer, x):
            return linear(
                *(t.bfloat16() for t in (x, layer.weight, layer.bias))
            ).float()

        z = rounded(self.encoder, x)
        error = self.likelihood.reconstruction(x, rounded(self.decoder, z)).mean()
        return LossTerms(error + 0.1 * z.square().sum(1).mean())


def data(n_rows=64):
    return torch.randn(n_rows, 5, generator=torch.Generator().manual_seed(1))


def make_net(module, **settings):
    kwargs = {"seed": 3, "max_epochs": 3, "batch_size": 16, "lr": 0.01, "verbose": 0}
    return AutoencoderNet(module, **(kwargs | settings)).initialize()


def test_steps_are_those_of_a_loop_that_rounds_by_hand():
    x, whole = data(), {"batch_size": -1, "validation_fraction": 0.0}
    net = make_net(Plain(set()), **whole, **BF16).train(x)
    twin = ByHand()
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        twin.loss(x, None).total.backward()
        optimizer.step()
    exact = make_net(Plain(set()), **whole).train(x)
    for ours, theirs, unrounded in zip(
        *(m.parameters() for m in (net.module_, twin, exact.module_)), strict=True
    ):
        assert ours.dtype == torch.float32
        # One batch in another order, so that a sum may be rounded to the next number of
        # 8 bits; that moves three steps of Adam, 0.01 each, by 1 %.
        torch.testing.assert_close(ours, theirs, rtol=0, atol=3e-4)
        assert (ours - unrounded).abs().max() > 0


def test_what_is_read_between_the_steps_is_exact():
    x, seen = data(), set()
    module = Plain(seen)
    make_net(module, validation_fraction=0.5, **BF16).train(x)
    assert seen == {(True, torch.bfloat16), (False, torch.float32)}
    assert not torch.is_autocast_enabled("cpu")


def test_the_monitored_loss_is_that_in_float32():
    x = data()
    net = make_net(Plain(set()), validation_fraction=0.5, max_epochs=1, **BF16)
    valid = []
    step = net.validation_step
    net.validation_step = lambda batch: valid.append(batch[0]) or step(batch)
    net.train(x)
    expected = copy.deepcopy(net.module_).double().loss(torch.cat(valid).double(), None)
    # Of 8 bits it would be wrong by 1e-3.
    np.testing.assert_allclose(
        net.history[-1, "valid_loss"], expected.total.item(), rtol=1e-6
    )


def test_an_error_in_a_network_turns_it_off():
    class Broken(Layer):
        def forward(self, x):
            raise OverflowError("broken")

    module = Plain(set())
    module.decoder = Broken(2, 5, set())
    with pytest.raises(OverflowError, match="broken"):
        make_net(module, **BF16).train(data())
    assert not torch.is_autocast_enabled("cpu")
    assert "forward" not in {**vars(module.encoder), **vars(module.decoder)}


@pytest.mark.parametrize("value", ["fp16", ["bf16"], torch.float16], ids=str)
def test_another_precision_is_refused(value, low_rank):
    with pytest.raises(ValueError, match=r"mixed_precision=.*'bf16' or None"):
        fast(ARDVAE, skorch_params={"mixed_precision": value}).fit(low_rank)


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_every_method_learns_with_it(cls, low_rank):
    exact = plain(cls).fit(low_rank)
    model = plain(cls, skorch_params=BF16).fit(low_rank)
    errors = [
        np.square(m.reconstruct(low_rank) - low_rank).mean() for m in (exact, model)
    ]
    np.testing.assert_allclose(errors[1], errors[0], rtol=0.05)
    assert errors[1] != errors[0]


def test_one_network_may_be_both(low_rank):
    both = nn.Linear(low_rank.shape[1], low_rank.shape[1])
    model = Autoencoder(len(both.weight), architecture=(both, both), max_iter=2)
    model.set_params(skorch_params=BF16, random_state=0).fit(low_rank)
    assert np.isfinite(model.transform(low_rank)).all()


@pytest.mark.slow
@pytest.mark.slow
def test_the_answer_is_the_same(low_rank):
    exact = ARDVAE(5, hidden_layer_sizes=(16,), random_state=0).fit(low_rank)
    model = ARDVAE(5, hidden_layer_sizes=(16,), random_state=0, skorch_params=BF16).fit(
        low_rank
    )
    assert model.n_active_components_ == exact.n_active_components_
    assert model.noise_variance_ == pytest.approx(exact.noise_variance_, rel=0.02)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_losses_may_be_compiled_with_it():
    eager, compiled = Plain(set()), Plain(set())
    make_net(eager, **BF16).train(data())
    make_net(compiled, compile=True, compile__dynamic=True, **BF16).train(data())
    # Compiled code may round to bfloat16 in other places.
    torch.testing.assert_close(
        eager.decoder.weight, compiled.decoder.weight, rtol=0, atol=3e-3
    )
