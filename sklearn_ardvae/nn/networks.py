"""From the ``architecture`` parameter to an encoder and a decoder that fit the data.

All networks take and give flat rows; those that work on images fold the rows into
``input_shape`` (channels first) themselves.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from .architectures import ARCHITECTURES
from .likelihoods import Likelihood
from .module import Networks
from .perceptrons import Ends, Layer, Pair, activation_layer, mirrored_perceptrons

__all__ = ["build_networks", "check_layer_sizes"]


def build_networks(
    architecture: str | tuple,
    *,
    shape: tuple[int, ...],
    n_components: int,
    n_outputs: int,
    likelihood: Likelihood,
    hidden_layer_sizes: ArrayLike,
    activation: str | Layer,
) -> Networks:
    """Build an encoder and a decoder that fit the data and each other.

    Parameters
    ----------
    architecture : {"mlp"} or a key of ARCHITECTURES, or pair
        A pair holds the user's encoder and decoder, each an ``nn.Module`` (copied)
        or a class or function that makes one: ``encoder(shape, n_outputs)`` and
        ``decoder(n_components, shape)``.
    shape : tuple of int
        Shape of one sample; rows are folded into it for the user's encoder.
    n_components, n_outputs : int
        Width of the codes and of the encoder's output.
    likelihood : Likelihood
        Decides whether the decoder ends in logits.
    hidden_layer_sizes, activation
        Layers of ``"mlp"``; not used by the others.

    Returns
    -------
    Networks

    Raises
    ------
    ValueError
        If a network does not fit `shape`, or its output has the wrong width.
    """
    name = architecture if isinstance(architecture, str) else "a pair"
    ends = Ends(name, tuple(shape), n_components, n_outputs, likelihood)
    if not isinstance(architecture, str):
        pair = own_networks(architecture, ends)
    elif architecture == "mlp":
        hidden = check_layer_sizes(hidden_layer_sizes)
        layer = activation_layer(activation)
        pair = mirrored_perceptrons(ends, hidden, layer)
    else:
        pair = ARCHITECTURES[architecture](ends)
    check_widths(pair, ends)
    return Networks(*pair, likelihood, n_components, ends.n_features)


def check_layer_sizes(sizes: ArrayLike, name: str = "hidden_layer_sizes") -> list[int]:
    """Return the value of the parameter `name` as a list of integers >= 1."""
    hidden = np.atleast_1d(sizes).tolist()
    if not all(isinstance(size, int) and size > 0 for size in hidden):
        raise ValueError(
            f"{name} must hold integers >= 1, one for each layer; got {sizes!r}."
        )
    return hidden


def own_networks(pair: tuple, ends: Ends) -> Pair:
    """Return copies of a user's modules, or what a user's classes or functions make."""
    if len(pair) != 2:
        raise ValueError(
            "architecture must be a name or a pair (encoder, decoder); got "
            f"{len(pair)} items."
        )
    make_encoder, make_decoder = pair
    if isinstance(make_encoder, nn.Module):
        encoder = copy.deepcopy(make_encoder)
    else:
        encoder = make_encoder(ends.shape, ends.n_outputs)
    if isinstance(make_decoder, nn.Module):
        decoder = copy.deepcopy(make_decoder)
    else:
        decoder = make_decoder(ends.n_components, ends.shape)
    for role, network in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(network, nn.Module):
            raise ValueError(
                f"architecture: the {role} must be a torch.nn.Module or make one when "
                f"called; got {network!r}."
            )
    if len(ends.shape) > 1:
        encoder = nn.Sequential(nn.Unflatten(1, ends.shape), encoder)
        decoder = nn.Sequential(decoder, nn.Flatten())
    return encoder, decoder


def check_widths(pair: Pair, ends: Ends) -> None:
    """Run two rows of zeros through the networks and compare the widths."""
    trials = (
        ("encoder", pair[0], ends.n_features, ends.n_outputs),
        ("decoder", pair[1], ends.n_components, ends.n_features),
    )
    for role, network, n_in, n_out in trials:
        network.eval()
        with torch.no_grad():
            try:
                output = network(torch.zeros(2, n_in))
            except (RuntimeError, ValueError, TypeError) as error:
                raise ValueError(
                    f"architecture: the {role} cannot take {n_in} numbers per sample "
                    f"(input_shape={ends.shape}): {error}"
                ) from error
        network.train()
        if tuple(output.shape) != (2, n_out):
            raise ValueError(
                f"architecture: the {role} must turn shape (n, {n_in}) into "
                f"(n, {n_out}), but gives (n, {', '.join(map(str, output.shape[1:]))})"
                f"; input_shape={ends.shape}, n_components={ends.n_components}."
            )
