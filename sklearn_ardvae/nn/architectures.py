"""The networks of the papers, by name.

All of them take and give flat rows, and fold them into images (channels first)
themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from .perceptrons import Ends, Pair, mirrored_perceptrons

__all__ = ["ARCHITECTURES"]


class Rescale(nn.Module):
    """Map [0, 1] to [-1, 1], as the first layer of ARD-VAE's encoders does."""

    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * x - 1.0


class SameTransposedConv(nn.ConvTranspose2d):
    """A 4 x 4 transposed convolution of stride 1 that keeps the size.

    TensorFlow's ``same`` padding takes one row off the start and two off the end.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 4)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(x)[..., 1:-2, 1:-2]


def maskaae(ends: Ends) -> Pair:
    """MaskAAE, its code: four dense layers of 1024, ReLU, glorot-normal start."""
    encoder, decoder = mirrored_perceptrons(ends, (1024,) * 4, nn.ReLU)
    for layer in (*encoder, *decoder):
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    if not ends.likelihood.logits:
        decoder.append(nn.Sigmoid())
    return encoder, decoder


@dataclass(frozen=True)
class ARDVAENetworks:
    """Tables 4 and 5 of ARD-VAE's supplement: 4 x 4 kernels, ``same`` padding.

    Parameters
    ----------
    size : int
        Height and width of the images.
    encoder, decoder : tuple of int
        Channels of the stride-2 convolutions, and of the stride-2 transposed ones
        before the last.
    start : tuple of (int, int)
        Channels and size that the decoder's linear layer is folded into.
    last_stride : int
        Stride of the last transposed convolution, 1 or 2.
    output : type of nn.Module
        Last layer under a Gaussian likelihood (a Bernoulli one takes logits).
    normalise : bool
        Whether batch normalisation follows each convolution.
    rescale : bool
        Whether the encoder maps [0, 1] to [-1, 1] first.
    """

    size: int
    encoder: tuple[int, ...]
    start: tuple[int, int]
    decoder: tuple[int, ...]
    last_stride: int
    output: type[nn.Module]
    normalise: bool = True
    rescale: bool = False

    def __call__(self, ends: Ends) -> Pair:
        channels, height, width = ends.image_shape()
        if (height, width) != (self.size, self.size):
            raise ValueError(
                f"architecture={ends.name!r} is made for images of shape (channels, "
                f"{self.size}, {self.size}), but input_shape={ends.shape}. Pad or "
                "resize the images, or choose another architecture; shapes are "
                "channels first."
            )
        return (
            self.make_encoder(channels, ends.n_outputs),
            self.make_decoder(channels, ends),
        )

    def make_encoder(self, channels: int, n_outputs: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Unflatten(1, (channels, self.size, self.size))]
        if self.rescale:
            layers.append(Rescale())
        for width in self.encoder:
            conv = nn.Conv2d(channels, width, 4, stride=2, padding=1)
            layers += [he_normal(conv), *self.after_conv(width)]
            channels = width
        n_flat = channels * (self.size >> len(self.encoder)) ** 2
        return nn.Sequential(
            *layers, nn.Flatten(), glorot_uniform(nn.Linear(n_flat, n_outputs))
        )

    def make_decoder(self, channels: int, ends: Ends) -> nn.Module:
        width, size = self.start
        first = nn.Linear(ends.n_components, width * size**2)
        layers = [glorot_uniform(first), nn.Unflatten(1, (width, size, size))]
        for next_width in self.decoder:
            conv = nn.ConvTranspose2d(width, next_width, 4, stride=2, padding=1)
            layers += [he_normal(conv), *self.after_conv(next_width)]
            width = next_width
        if self.last_stride == 1:
            last = SameTransposedConv(width, channels)
        else:
            last = nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1)
        layers.append(glorot_uniform(last))
        if not ends.likelihood.logits:
            layers.append(self.output())
        return nn.Sequential(*layers, nn.Flatten())

    def after_conv(self, channels: int) -> list[nn.Module]:
        if not self.normalise:
            return [nn.ReLU()]
        # Keras' defaults (its momentum 0.99 is torch's 0.01).
        return [nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01), nn.ReLU()]


def he_normal(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    """Draw weights from a truncated normal of variance 2 / fan_in, as Keras does."""
    # The fan of a Keras kernel (height, width, in, out); a transposed kernel is
    # stored as (height, width, out, in), so that its "fan in" counts the outputs.
    fan_in = layer.weight[0].numel()
    std = math.sqrt(2.0 / fan_in) / 0.87962566103423978
    nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def glorot_uniform(layer: nn.Linear | nn.ConvTranspose2d) -> nn.Module:
    """Set the weights as Keras does by default."""
    nn.init.xavier_uniform_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def ngvae(ends: Ends) -> Pair:
    """NGVAE, section V: convolutions 3 x 3 of stride 2 with 32, 32, 64, 64 filters.

    The paper gives neither the leaky ReLU's slope nor the last activation: 0.2 and
    a sigmoid here.
    """
    channels, height, width = ends.image_shape()
    if height % 16 or width % 16:
        raise ValueError(
            f"architecture={ends.name!r} halves the image four times and needs "
            "input_shape=(channels, 16 * k, 16 * m); got "
            f"input_shape={ends.shape}. Pad or resize the images."
        )
    small = (64, height // 16, width // 16)
    encoder: list[nn.Module] = [nn.Unflatten(1, (channels, height, width))]
    for n_in, n_out in ((channels, 32), (32, 32), (32, 64), (64, 64)):
        conv = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1)
        encoder += [conv, nn.LeakyReLU(0.2)]
    encoder += [nn.Flatten(), nn.Linear(math.prod(small), ends.n_outputs)]

    decoder: list[nn.Module] = [
        nn.Linear(ends.n_components, math.prod(small)),
        nn.LeakyReLU(0.2),
        nn.Unflatten(1, small),
    ]
    for n_in, n_out in ((64, 64), (64, 32), (32, 32), (32, channels)):
        decoder += [doubling_conv(n_in, n_out), nn.LeakyReLU(0.2)]
    decoder[-1] = nn.Identity() if ends.likelihood.logits else nn.Sigmoid()
    return nn.Sequential(*encoder), nn.Sequential(*decoder, nn.Flatten())


def rrae(ends: Ends) -> Pair:
    """RRAE and VRRAE, their code: two convolutions down, four up, no last activation.

    The last convolution has no padding and a kernel that trims the image to size.
    """
    channels, height, width = ends.image_shape()
    encoder = nn.Sequential(
        nn.Unflatten(1, (channels, height, width)),
        nn.Conv2d(channels, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * math.ceil(height / 4) * math.ceil(width / 4), ends.n_outputs),
    )
    start = (32, math.ceil(height / 16), math.ceil(width / 16))
    decoder: list[nn.Module] = [
        nn.Linear(ends.n_components, math.prod(start)),
        nn.Unflatten(1, start),
    ]
    for n_in, n_out in ((32, 256), (256, 128), (128, 32), (32, 8)):
        decoder += [equinox_uniform(doubling_conv(n_in, n_out)), nn.ReLU()]
    trim = (1 + 16 * start[1] - height, 1 + 16 * start[2] - width)
    decoder += [nn.Conv2d(8, channels, trim), nn.Flatten()]
    return encoder, nn.Sequential(*decoder)


def equinox_uniform(layer: nn.ConvTranspose2d) -> nn.Module:
    """Set the weights as Equinox does: the fan in of its kernels counts the inputs.

    Torch counts the outputs of a transposed convolution; of other layers both count
    the inputs.
    """
    bound = 1.0 / math.sqrt(layer.weight[:, 0].numel())
    nn.init.uniform_(layer.weight, -bound, bound)
    assert layer.bias is not None
    nn.init.uniform_(layer.bias, -bound, bound)
    return layer


def doubling_conv(n_in: int, n_out: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution that doubles height and width."""
    return nn.ConvTranspose2d(n_in, n_out, 3, stride=2, padding=1, output_padding=1)


#: The papers' networks by name.
ARCHITECTURES: dict[str, Callable[[Ends], Pair]] = {
    "ardvae_mnist": ARDVAENetworks(
        size=32,
        encoder=(64, 128, 256, 512),
        start=(512, 2),
        decoder=(256, 128, 64),
        last_stride=2,
        output=nn.Sigmoid,
        rescale=True,
    ),
    "ardvae_celeba": ARDVAENetworks(
        size=64,
        encoder=(64, 128, 256, 512),
        start=(512, 8),
        decoder=(256, 128, 64),
        last_stride=1,
        output=nn.Tanh,
    ),
    "ardvae_cifar10": ARDVAENetworks(
        size=32,
        encoder=(128, 256, 512, 1024),
        start=(1024, 8),
        decoder=(512, 256),
        last_stride=1,
        output=nn.Sigmoid,
        rescale=True,
    ),
    "ardvae_dsprites": ARDVAENetworks(
        size=64,
        encoder=(32, 32, 64, 64),
        start=(64, 4),
        decoder=(64, 32, 32),
        last_stride=2,
        output=nn.Sigmoid,
        normalise=False,
        rescale=True,
    ),
    "maskaae": maskaae,
    "ngvae": ngvae,
    "rrae": rrae,
}
