"""The networks of the papers: layers, sizes, starts, and what they refuse."""

import pytest
import torch
from torch import nn

from sklearn_ardvae.nn.architectures import ARCHITECTURES, he_normal
from sklearn_ardvae.nn.likelihoods import BernoulliLikelihood, GaussianLikelihood
from sklearn_ardvae.nn.networks import build_networks


def build(architecture, shape, *, likelihood=None, n_components=5, n_outputs=10, **kw):
    settings = {"hidden_layer_sizes": (8,), "activation": "relu"} | kw
    networks = build_networks(
        architecture,
        shape=shape,
        n_components=n_components,
        n_outputs=n_outputs,
        likelihood=likelihood or GaussianLikelihood(),
        **settings,
    )
    return networks.encoder, networks.decoder


def widths(network, kind):
    return [m.out_channels for m in network.modules() if isinstance(m, kind)]


SHAPES = {
    "ardvae_mnist": [(1, 32, 32), (32, 32), (3, 32, 32)],
    "ardvae_celeba": [(3, 64, 64)],
    "ardvae_cifar10": [(3, 32, 32)],
    "ardvae_dsprites": [(1, 64, 64), (3, 64, 64)],
    "maskaae": [(1, 28, 28), (17,)],
    "ngvae": [(3, 64, 64), (1, 32, 48)],
    "rrae": [(1, 28, 28), (3, 32, 32), (1, 64, 64), (1, 20, 37)],
}


def test_every_architecture_has_shapes_to_be_tested_on():
    assert set(SHAPES) == set(ARCHITECTURES)


@pytest.mark.parametrize(
    ("name", "shape"), [(name, shape) for name in SHAPES for shape in SHAPES[name]]
)
@pytest.mark.parametrize("likelihood", [GaussianLikelihood, BernoulliLikelihood])
def test_rows_go_in_and_rows_come_out(name, shape, likelihood):
    encoder, decoder = build(name, shape, likelihood=likelihood())
    n_features = torch.Size(shape).numel()
    assert encoder(torch.rand(3, n_features)).shape == (3, 10)
    assert decoder(torch.randn(3, 5)).shape == (3, n_features)


@pytest.mark.parametrize(
    ("name", "shape", "encoder_widths", "first", "decoder_widths"),
    [
        # Table 4 of ARD-VAE's supplement: the FC sizes are those after FLATTEN.
        ("ardvae_mnist", (1, 32, 32), [64, 128, 256, 512], 2048, [256, 128, 64, 1]),
        ("ardvae_celeba", (3, 64, 64), [64, 128, 256, 512], 32768, [256, 128, 64, 3]),
        ("ardvae_cifar10", (3, 32, 32), [128, 256, 512, 1024], 65536, [512, 256, 3]),
        # Table 5.
        ("ardvae_dsprites", (1, 64, 64), [32, 32, 64, 64], 1024, [64, 32, 32, 1]),
        ("ngvae", (3, 64, 64), [32, 32, 64, 64], 1024, [64, 32, 32, 3]),
        ("rrae", (1, 28, 28), [32, 64], 128, [256, 128, 32, 8]),
    ],
)
def test_layers_are_the_papers(name, shape, encoder_widths, first, decoder_widths):
    encoder, decoder = build(name, shape)
    assert widths(encoder, nn.Conv2d) == encoder_widths
    assert widths(decoder, nn.ConvTranspose2d) == decoder_widths
    assert decoder[0].out_features == first


@pytest.mark.parametrize("name", ["ardvae_mnist", "ardvae_celeba", "ardvae_cifar10"])
def test_batch_normalisation_is_keras(name):
    shape = SHAPES[name][0]
    encoder, _ = build(name, shape)
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 4
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}


def test_the_last_layer_follows_the_likelihood():
    last = {
        ("ardvae_mnist", (1, 32, 32)): nn.Sigmoid,
        ("ardvae_celeba", (3, 64, 64)): nn.Tanh,
        ("ardvae_dsprites", (3, 64, 64)): nn.Sigmoid,
    }
    for (name, shape), layer in last.items():
        _, decoder = build(name, shape)
        assert isinstance(decoder[-2], layer)
        _, decoder = build(name, shape, likelihood=BernoulliLikelihood())
        assert not isinstance(decoder[-2], nn.Sigmoid | nn.Tanh)


def test_he_normal_has_keras_variance():
    layer = he_normal(nn.Conv2d(64, 256, 4))
    # Standard error of a variance of 262 144 numbers: 0.3 %.
    assert layer.weight.var().item() == pytest.approx(2 / (64 * 16), rel=0.01)
    # Keras counts a transposed kernel's outputs as its fan in.
    layer = he_normal(nn.ConvTranspose2d(256, 64, 4))
    assert layer.weight.var().item() == pytest.approx(2 / (64 * 16), rel=0.01)


def test_rrae_starts_as_equinox_does():
    # Its transposed convolutions are uniform within 1 / sqrt(inputs * 3 * 3).
    _, decoder = build("rrae", (1, 32, 32))
    layers = [m for m in decoder if isinstance(m, nn.ConvTranspose2d)]
    for layer, n_in in zip(layers, [32, 256, 128, 32], strict=True):
        bound = (9 * n_in) ** -0.5
        # The largest of 2304 or more draws is within 1 % of the bound but for e^-23.
        assert 0.99 * bound < layer.weight.abs().max().item() <= bound
        assert layer.bias.abs().max().item() <= bound


def test_the_last_stride_1_layer_of_celeba_is_tensorflows_same():
    # Of the full size n + 3, one row goes at the start and two at the end.
    _, decoder = build("ardvae_celeba", (3, 64, 64))
    layer = decoder[-3]
    x = torch.randn(1, 64, 8, 8)
    full = nn.functional.conv_transpose2d(x, layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), full[..., 1:9, 1:9])


def test_mlp_is_mirrored():
    encoder, decoder = build("mlp", (12,), hidden_layer_sizes=(7, 6), activation="tanh")
    sizes = [m.out_features for m in encoder if isinstance(m, nn.Linear)]
    assert sizes == [7, 6, 10]
    assert [m.out_features for m in decoder if isinstance(m, nn.Linear)] == [6, 7, 12]
    assert sum(isinstance(m, nn.Tanh) for m in encoder) == 2


@pytest.mark.parametrize("activation", [object, torch.tanh, lambda: torch.tanh])
def test_an_activation_has_to_make_a_layer(activation):
    with pytest.raises(
        ValueError, match=r"activation=.* makes no layer.*torch\.nn\.Tanh"
    ):
        build("mlp", (12,), activation=activation)


def test_an_int_is_one_hidden_layer():
    encoder, _ = build("mlp", (12,), hidden_layer_sizes=9)
    assert encoder[0].out_features == 9


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("ardvae_mnist", (1, 28, 28)),
        ("ardvae_mnist", (32, 32, 1)),
        ("ngvae", (32, 48, 3)),
        ("rrae", (28, 28, 1)),
        ("ardvae_celeba", (3, 32, 32)),
        ("ngvae", (3, 60, 64)),
    ],
)
def test_a_preset_that_does_not_fit_names_both_shapes(name, shape):
    with pytest.raises(
        ValueError, match=r"input_shape=.*channels|k.*input_shape="
    ) as e:
        build(name, shape)
    assert str(shape) in str(e.value)
    assert name in str(e.value)


@pytest.mark.parametrize("name", ["ardvae_mnist", "ngvae", "rrae"])
def test_a_convolutional_preset_needs_an_image(name):
    with pytest.raises(ValueError, match="works on images: set input_shape"):
        build(name, (1024,))


class TestOwnNetworks:
    def test_modules_are_copied(self):
        encoder, decoder = nn.Linear(6, 10), nn.Linear(5, 6)
        built, _ = build((encoder, decoder), (6,))
        assert built is not encoder
        torch.testing.assert_close(built.weight, encoder.weight)

    def test_factories_are_told_the_shapes(self):
        told = []

        def make_encoder(shape, n_outputs):
            told.append((shape, n_outputs))
            return nn.Sequential(nn.Flatten(), nn.Linear(32, n_outputs))

        def make_decoder(n_components, shape):
            told.append((n_components, shape))
            return nn.Sequential(nn.Linear(n_components, 32), nn.Unflatten(1, shape))

        encoder, decoder = build((make_encoder, make_decoder), (2, 4, 4))
        assert told == [((2, 4, 4), 10), (5, (2, 4, 4))]
        assert encoder(torch.zeros(3, 32)).shape == (3, 10)
        assert decoder(torch.zeros(3, 5)).shape == (3, 32)

    def test_parts_are_put_side_by_side(self):
        class Parts(nn.Module):
            def __init__(self):
                super().__init__()
                self.mean, self.log_variance = nn.Linear(6, 5), nn.Linear(6, 5)

            def forward(self, x):
                return self.mean(x), self.log_variance(x)

        encoder, _ = build((Parts(), nn.Linear(5, 6)), (6,))
        x, parts = torch.randn(3, 6), encoder.network
        expected = torch.hstack([parts.mean(x), parts.log_variance(x)])
        torch.testing.assert_close(encoder(x), expected)

    def test_networks_are_left_in_training_mode(self):
        encoder, decoder = build((nn.Linear(6, 10), nn.Linear(5, 6)), (6,))
        assert encoder.training
        assert decoder.training

    @pytest.mark.parametrize(("role", "shape"), [("encoder", (6,)), ("decoder", (6,))])
    def test_zeros_that_give_nan_are_warned_of(self, role, shape):
        class Direction(nn.Linear):
            def forward(self, x):
                return super().forward(x / x.norm(dim=1, keepdim=True))

        pair = {"encoder": nn.Linear(6, 10), "decoder": nn.Linear(5, 6)}
        pair[role] = Direction(*{"encoder": (6, 10), "decoder": (5, 6)}[role])
        with pytest.warns(UserWarning, match=f"the {role} puts out NaN .* for zeros"):
            build(tuple(pair.values()), shape)


class Broken(nn.Linear):
    """A linear layer that lost its weights."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        nn.init.constant_(self.weight, torch.nan)


class Recurrent(nn.LSTM):
    """Takes rows, and gives what torch's LSTM gives: not a tensor."""


class Nothing(nn.Module):
    def forward(self, x):
        return None


IMAGE = (3, 4, 4)
ENCODER, DECODER = nn.Linear(6, 10), nn.Linear(5, 6)
FOLDED_ENCODER = nn.Sequential(nn.Flatten(), nn.Linear(48, 10))
UNWANTED = {
    # pair, shape of a sample, what the message says
    "encoder, wrong width": (
        (nn.Linear(6, 5), DECODER),
        (6,),
        r"the encoder must turn shape \(n, 6\) into \(n, 10\) \(2 numbers for each "
        r"component, or as many tensors\), but returns a tensor of shape \(2, 5\)",
    ),
    "decoder, wrong width": (
        (ENCODER, nn.Linear(5, 7)),
        (6,),
        r"the decoder must turn shape \(n, 5\) into \(n, 6\), but .* \(2, 7\)\. Change",
    ),
    "encoder of images, wrong width": (
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 9)), nn.Linear(5, 48)),
        IMAGE,
        r"encoder must turn shape \(n, 3, 4, 4\) into \(n, 10\).* shape \(2, 9\)",
    ),
    "encoder of images, not flat": (
        (nn.Conv2d(3, 10, 4), nn.Linear(5, 48)),
        IMAGE,
        r"returns a tensor of shape \(2, 10, 1, 1\)\. End it with torch\.nn\.Flatten",
    ),
    "decoder of images, wrong size": (
        (FOLDED_ENCODER, nn.Sequential(nn.Linear(5, 75), nn.Unflatten(1, (3, 5, 5)))),
        IMAGE,
        r"decoder must turn shape \(n, 5\) into \(n, 3, 4, 4\), but returns a tensor "
        r"of shape \(2, 3, 5, 5\)",
    ),
    "all rows in one": (
        (nn.Sequential(nn.Flatten(0), nn.Linear(12, 10)), DECODER),
        (6,),
        r"returns a tensor of shape \(10,\)",
    ),
    "LSTM": (
        (Recurrent(6, 10), DECODER),
        (6,),
        r"returns a tuple of \(a tensor of shape \(2, 10\), a tuple of .* Wrap it in a "
        "module that returns the one tensor",
    ),
    "nothing": ((Nothing(), DECODER), (6,), "the encoder .* but returns None. Wrap it"),
    "wrong input": (
        (ENCODER, nn.Linear(4, 6)),
        (6,),
        r"the decoder cannot take a tensor of shape \(2, 5\).*mat1 and mat2",
    ),
    "None for a network": (
        (ENCODER, None),
        (6,),
        r"the decoder must be a torch\.nn\.Module, or .* when called as "
        r"decoder\(n_components, input_shape\); got None",
    ),
    "a function of nothing": (
        (lambda: ENCODER, DECODER),
        (6,),
        r"the encoder, .* cannot be called as encoder\(input_shape, n_outputs\) with "
        r"\(\(6,\), 10\): .*takes 0 positional arguments",
    ),
    "a function of a string": (
        (lambda *_: "no", DECODER),
        (6,),
        r"the encoder, .* must make a torch\.nn\.Module .* it returned 'no'",
    ),
    "three networks": ((ENCODER, DECODER, None), (6,), "a name or a pair.* 3 items"),
    "NaN": ((Broken(6, 10), DECODER), (6,), "encoder puts out NaN .* whatever it gets"),
}


@pytest.mark.parametrize("name", UNWANTED)
def test_a_network_that_does_not_do_is_named_with_its_role(name):
    pair, shape, message = UNWANTED[name]
    with pytest.raises(ValueError, match=f"(?s)architecture.*{message}"):
        build(pair, shape)


@pytest.mark.parametrize("sizes", [(0,), (8, -1), (2.5,), ("a",)])
def test_hidden_layer_sizes_are_positive_integers(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes must hold integers >= 1"):
        build("mlp", (6,), hidden_layer_sizes=sizes)
