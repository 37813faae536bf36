"""From the ``architecture`` parameter to an encoder and a decoder that fit the data.

All networks take and give flat rows; those that work on images fold the rows into
``input_shape`` (channels first) themselves.
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from .._warnings import warn
from .architectures import ARCHITECTURES
from .likelihoods import Likelihood
from .linear_path import linear_and_perceptrons
from .module import Networks
from .perceptrons import Ends, Layer, Pair, activation_layer, mirrored_perceptrons
from .units import NarrowCodes, Restored, Standardised, WideCodes

__all__ = ["PERCEPTRONS", "build_networks", "check_layer_sizes"]

#: Architectures whose layers are the user's to choose.
PERCEPTRONS = {"mlp": mirrored_perceptrons, "linear_mlp": linear_and_perceptrons}


def build_networks(
    architecture: str | tuple,
    *,
    shape: tuple[int, ...],
    n_components: int,
    n_outputs: int,
    likelihood: Likelihood,
    hidden_layer_sizes: ArrayLike,
    activation: str | Layer,
    n_axes: int | None = None,
    n_coordinates: int | None = None,
) -> Networks:
    """Build an encoder and a decoder that fit the data and each other.

    Parameters
    ----------
    architecture : {"mlp", "linear_mlp"} or a key of ARCHITECTURES, or pair
        A pair holds the user's encoder and decoder, each an ``nn.Module`` (copied)
        or a class or function that makes one: ``encoder(shape, n_outputs)`` and
        ``decoder(n_components, shape)``. The encoder may return its output in parts,
        as a tuple of mean and log variance.
    shape : tuple of int
        Shape of one sample; rows are folded into it for the user's encoder.
    n_components, n_outputs : int
        Width of the codes and of the encoder's output.
    likelihood : Likelihood
        Decides whether the decoder ends in logits.
    hidden_layer_sizes, activation
        Layers of ``"mlp"`` and ``"linear_mlp"``; not used by the others.
    n_axes : int or None
        Components that those two really have; the others are there in name only.
    n_coordinates : int or None
        Axes along which the perceptrons of ``"linear_mlp"`` see rows, if not features.

    Returns
    -------
    Networks

    Raises
    ------
    ValueError
        If a network does not fit `shape`, or its output has another shape than is
        wanted or is not finite.
    """
    name = architecture if isinstance(architecture, str) else "a pair"
    ends = Ends(name, tuple(shape), n_components, n_outputs, likelihood)
    if not isinstance(architecture, str):
        pair = own_networks(architecture, ends)
    elif architecture in PERCEPTRONS:
        hidden = check_layer_sizes(hidden_layer_sizes)
        layer = activation_layer(activation)
        pair = _perceptrons(architecture, ends, hidden, layer, n_axes, n_coordinates)
    else:
        pair = ARCHITECTURES[architecture](ends)
    # The networks of this package fold rows themselves.
    is_named = isinstance(architecture, str)
    sample = (ends.n_features,) if is_named else ends.shape
    encoder = checked_network("encoder", pair[0], sample, (n_outputs,), ends)
    decoder = checked_network("decoder", pair[1], (n_components,), sample, ends)
    if len(sample) > 1:
        encoder = nn.Sequential(nn.Unflatten(1, sample), encoder)
        decoder = nn.Sequential(decoder, nn.Flatten())
    return Networks(
        encoder,
        decoder,
        likelihood,
        n_components,
        ends.n_features,
        foreign=not (is_named and isinstance(activation, str)),
    )


def _perceptrons(
    architecture: str,
    ends: Ends,
    hidden: list[int],
    layer: Layer,
    n_axes: int | None,
    n_coordinates: int | None,
) -> Pair:
    """Return perceptrons for no more than `n_axes` components, between the rest."""
    n_parts = ends.n_outputs // ends.n_components
    n_axes = n_axes or ends.n_components
    inner = replace(ends, n_components=n_axes, n_outputs=n_parts * n_axes)
    if n_coordinates is not None:
        inner = replace(inner, shape=(n_coordinates,))
    encoder, decoder = PERCEPTRONS[architecture](inner, hidden, layer)
    if n_axes < ends.n_components:
        encoder = nn.Sequential(encoder, WideCodes(n_parts, ends.n_components))
        decoder = nn.Sequential(NarrowCodes(n_axes), decoder)
    if architecture == "linear_mlp" and not ends.likelihood.logits:
        sizes = ends.n_features, n_coordinates
        encoder = nn.Sequential(Standardised(*sizes), encoder)
        decoder = nn.Sequential(decoder, Restored(*sizes))
    return encoder, decoder


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
    encoder, decoder = pair
    of_encoder = {"input_shape": ends.shape, "n_outputs": ends.n_outputs}
    of_decoder = {"n_components": ends.n_components, "input_shape": ends.shape}
    return _own("encoder", encoder, of_encoder), _own("decoder", decoder, of_decoder)


def _own(role: str, given: Any, arguments: dict[str, Any]) -> nn.Module:
    """Return a copy of a user's module, or what a class or function makes."""
    if isinstance(given, nn.Module):
        return copy.deepcopy(given)
    call = f"{role}({', '.join(arguments)})"
    if not callable(given):
        raise ValueError(
            f"architecture: the {role} must be a torch.nn.Module, or a class or "
            f"function that makes one when called as {call}; got {given!r}."
        )
    try:
        made = given(*arguments.values())
    except TypeError as error:
        raise ValueError(
            f"architecture: the {role}, {given!r}, cannot be called as {call} with "
            f"{tuple(arguments.values())}: {error}. Give a function of these, or a "
            "module."
        ) from error
    if not isinstance(made, nn.Module):
        raise ValueError(
            f"architecture: the {role}, {given!r}, must make a torch.nn.Module when "
            f"called as {call}; it returned {made!r}."
        )
    return made


class Joined(nn.Module):
    """A network whose outputs, as mean and log variance, are put side by side.

    Parameters
    ----------
    network : nn.Module
        Returns tensors of shapes (n_rows, width).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(tuple(self.network(x)), dim=1)


def checked_network(
    role: str,
    network: nn.Module,
    shape_in: tuple[int, ...],
    shape_out: tuple[int, ...],
    ends: Ends,
) -> nn.Module:
    """Return a network after a trial, in which it has to do what is asked of it.

    Parameters
    ----------
    role : {"encoder", "decoder"}
    network : nn.Module
    shape_in, shape_out : tuple of int
        Of one sample. A decoder may return the numbers of a sample in any shape.
    ends : Ends

    Returns
    -------
    nn.Module
        The network itself, or what joins the parts that it returns.
    """
    network.eval()
    zeros = torch.zeros(2, *shape_in)
    output = _output(role, network, zeros, ends)
    if role == "encoder" and _is_in_parts(output):
        network = Joined(network)
        output = _output(role, network, zeros, ends)
    if not isinstance(output, Tensor) or not _has_shape(output, role, shape_out):
        raise ValueError(
            f"architecture: the {role} must turn shape {_rows_of(shape_in)} into "
            f"{_rows_of(shape_out)}{_parts(role, ends)}, but returns "
            f"{_described(output)}. {_remedy(role, output)} (n = 2 here; "
            f"n_components={ends.n_components}, input_shape={ends.shape}.)"
        )
    if not output.isfinite().all():
        ramp = torch.linspace(0.1, 0.9, zeros.numel()).reshape(zeros.shape)
        if not _output(role, network, ramp, ends).isfinite().all():
            raise ValueError(
                f"architecture: the {role} puts out NaN or infinity whatever it gets: "
                "are all its weights finite, and is nothing divided by 0?"
            )
        warn(
            f"architecture: the {role} puts out NaN or infinity for zeros, and with it "
            "the loss becomes NaN wherever they occur: add a small number to what it "
            "divides by or takes the logarithm of."
        )
    return network.train()


def _output(role: str, network: nn.Module, x: Tensor, ends: Ends) -> Any:
    try:
        with torch.no_grad():
            return network(x)
    except Exception as error:
        raise ValueError(
            f"architecture: the {role} cannot take a tensor of shape {tuple(x.shape)}, "
            f"{len(x)} rows with n_components={ends.n_components} and "
            f"input_shape={ends.shape}. It says: {error}"
        ) from error


def _is_in_parts(output: Any) -> bool:
    return isinstance(output, tuple | list) and all(
        isinstance(part, Tensor) and part.ndim == 2 for part in output
    )


def _has_shape(output: Tensor, role: str, shape: tuple[int, ...]) -> bool:
    found = tuple(output.shape[1:])
    if role == "decoder" and len(shape) > 1:  # it is unfolded afterwards
        found, shape = (math.prod(found),), (math.prod(shape),)
    return output.shape[:1] == (2,) and found == shape


def _rows_of(shape: tuple[int, ...]) -> str:
    return f"(n, {', '.join(map(str, shape))})"


def _parts(role: str, ends: Ends) -> str:
    """Say what an encoder's numbers are, where there are several for a component."""
    per_component = ends.n_outputs // ends.n_components
    if role == "decoder" or per_component == 1:
        return ""
    return f" ({per_component} numbers for each component, or as many tensors)"


def _described(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of ({', '.join(map(_described, output))})"
    return repr(output) if output is None else f"a {type(output).__name__}"


def _remedy(role: str, output: Any) -> str:
    if not isinstance(output, Tensor):
        return "Wrap it in a module that returns the one tensor that is meant."
    if role == "encoder" and output.ndim > 2:
        return "End it with torch.nn.Flatten() and a linear layer."
    return "Change its last layer."
