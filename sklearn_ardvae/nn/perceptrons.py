"""Perceptrons, and what any pair of networks has to fit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from .likelihoods import Likelihood

__all__ = [
    "ACTIVATIONS",
    "Ends",
    "Pair",
    "activation_layer",
    "mirrored_perceptrons",
    "multilayer_perceptron",
]

Pair = tuple[nn.Module, nn.Module]
"""An encoder and a decoder."""

Layer = Callable[[], nn.Module]
"""A class or function that makes a layer."""

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def activation_layer(activation: str | Layer) -> Layer:
    """Return what makes the layer that the parameter ``activation`` means.

    Raises
    ------
    ValueError
        By what is returned, if a callable of the user's makes no layer.
    """
    if isinstance(activation, str):
        return ACTIVATIONS[activation]

    def layer() -> nn.Module:
        try:
            made = activation()
        except TypeError as error:
            raise _no_layer(activation, str(error)) from error
        if not isinstance(made, nn.Module):
            raise _no_layer(activation, f"it returns {made!r}")
        return made

    return layer


def _no_layer(activation: Layer, reason: str) -> ValueError:
    return ValueError(
        f"activation={activation!r} makes no layer when it is called without arguments "
        f"({reason}). Pass a class such as torch.nn.Tanh, a function that returns a "
        f"layer, or one of {', '.join(ACTIVATIONS)}."
    )


@dataclass(frozen=True)
class Ends:
    """What networks have to fit: the shapes of data and codes, and the likelihood."""

    name: str
    shape: tuple[int, ...]
    n_components: int
    n_outputs: int
    likelihood: Likelihood

    @property
    def n_features(self) -> int:
        return math.prod(self.shape)

    def image_shape(self) -> tuple[int, int, int]:
        """Return (channels, height, width); two dimensions mean one channel."""
        if len(self.shape) == 2:
            return (1, *self.shape)
        if len(self.shape) == 3:
            first, _, last = self.shape
            if last in (1, 3) and first > 4:
                raise ValueError(
                    f"input_shape={self.shape} seems to have its channels last; "
                    f"architecture={self.name!r} has them first, as in "
                    f"{(last, *self.shape[:2])}. Bring X into that order: "
                    "np.moveaxis(X, -1, 1)."
                )
            return self.shape
        raise ValueError(
            f"architecture={self.name!r} works on images: set input_shape=(channels, "
            f"height, width) or (height, width); got {self.shape}."
        )


def multilayer_perceptron(sizes: Sequence[int], activation: Layer) -> nn.Sequential:
    """Return linear layers of `sizes` with `activation` between them."""
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


def mirrored_perceptrons(
    ends: Ends,
    hidden_layer_sizes: Sequence[int],
    activation: Layer,
) -> tuple[nn.Sequential, nn.Sequential]:
    """Return an encoder and the decoder with its hidden layers reversed."""
    hidden = list(hidden_layer_sizes)
    encoder = [ends.n_features, *hidden, ends.n_outputs]
    decoder = [ends.n_components, *hidden[::-1], ends.n_features]
    return (
        multilayer_perceptron(encoder, activation),
        multilayer_perceptron(decoder, activation),
    )
