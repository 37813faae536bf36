"""A decoder as steps that a page's script takes one after the other.

Each step is a dict with the name of an operation, ``op``, and its numbers.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from ...nn.linear_path import BesideLinear
from ...nn.module import AutoencoderModule
from ...nn.units import NarrowCodes, Restored
from ...training.environment import takes_double
from .arrays import doubles, floats

__all__ = ["NotInThePage", "Program", "program_of"]

Step = dict[str, Any]
Shapes = dict[nn.Module, tuple[tuple[int, ...], tuple[int, ...]]]

# Beyond these a page would be larger than 22 MB, or a slider slower than the hand.
_MOST_WEIGHTS = 2**22
_MOST_PRODUCTS = 2**25


class NotInThePage(Exception):
    """A decoder, or a step of one, that the page's script cannot run; says why."""


@dataclass
class Program:
    """Steps, and what they cost.

    Parameters
    ----------
    shapes : dict
        The shapes that layers take and give, of one sample.
    steps : list of dict
    n_weights : int
        Numbers in their matrices and kernels.
    n_products : int
        Multiplications of one run.
    """

    shapes: Shapes
    steps: list[Step] = field(default_factory=list)
    n_weights: int = 0
    n_products: int = 0

    def dense(self, weight: Any, bias: Any) -> None:
        """Add ``weight @ x + bias``."""
        n_out, n_in = weight.shape
        shape = {"n_in": n_in, "n_out": n_out}
        step = {"op": "dense", "weight": floats(weight), "bias": doubles(bias)}
        self.steps.append({**step, **shape})
        self.n_weights += n_in * n_out
        self.n_products += n_in * n_out

    def scale(self, factor: Any, shift: Any, repeat: int = 1) -> None:
        """Add ``factor * x + shift``; each number serves `repeat` neighbours."""
        vectors = {"factor": doubles(factor), "shift": doubles(shift)}
        self.steps.append({"op": "scale", "repeat": repeat, **vectors})

    def activation(self, name: str, **settings: float) -> None:
        """Add a function of each number."""
        self.steps.append({"op": "activation", "name": name, **settings})

    def check_size(self) -> None:
        """Raise `NotInThePage` if it is too large for a page."""
        if self.n_weights > _MOST_WEIGHTS:
            raise NotInThePage(
                f"it has {self.n_weights:,} weights, more than {_MOST_WEIGHTS:,}"
            )
        if self.n_products > _MOST_PRODUCTS:
            raise NotInThePage(
                f"a picture takes {self.n_products:,} multiplications, more than "
                f"{_MOST_PRODUCTS:,}"
            )


def program_of(
    module: AutoencoderModule, columns: NDArray, code_mean: NDArray
) -> Program:
    """Return what `inverse_transform` does with codes of some components.

    Parameters
    ----------
    module : AutoencoderModule
    columns : ndarray of int of shape (n_columns,)
        The components.
    code_mean : ndarray of shape (n_components,)
        Where the others are.

    Raises
    ------
    NotInThePage
        If a part of it has no such steps.
    """
    if not takes_double(module):
        raise NotInThePage("it takes float32 alone")
    module = copy.deepcopy(module).cpu().double().eval()
    weight, bias = _before_the_decoder(module, columns, code_mean)
    program = Program(_shapes(module.decoder, torch.from_numpy(bias)[None]))
    program.dense(weight, bias)
    _add(program, module.decoder)
    if module.likelihood.logits:
        program.activation("sigmoid")
    return program


@torch.no_grad()
def _before_the_decoder(
    module: AutoencoderModule, columns: NDArray, code_mean: NDArray
) -> tuple[NDArray, NDArray]:
    """Return the affine map from codes to what reaches the decoder.

    Methods mask codes, stretch them or turn them into other coordinates first. What
    all of that amounts to is read off at the unit vectors, and checked at others.
    """
    n_columns = len(columns)
    random = np.random.default_rng(0).standard_normal((4, n_columns))
    codes = np.concatenate([np.zeros((1, n_columns)), np.eye(n_columns), random])
    whole = torch.from_numpy(np.tile(code_mean.astype(np.float64), (len(codes), 1)))
    whole[:, torch.from_numpy(np.asarray(columns))] = torch.from_numpy(codes)
    seen: list[Tensor] = []
    made: list[Tensor] = []

    def look(_: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append(given[0])
        made.append(output)

    handle = module.decoder.register_forward_hook(look)
    output = module.output(whole)
    handle.remove()
    if len(seen) != 1 or not torch.equal(made[0], output):
        raise NotInThePage("more than its decoder makes rows of codes")
    inputs = seen[0].numpy()
    bias = inputs[0]
    weight = (inputs[1 : 1 + n_columns] - bias).T
    if not np.allclose(inputs, codes @ weight.T + bias, rtol=1e-6, atol=1e-6):
        raise NotInThePage("codes go through more than an affine map before it")
    return weight, bias


@torch.no_grad()
def _shapes(network: nn.Module, row: Tensor) -> Shapes:
    """Look at layers while one sample goes through."""
    shapes: Shapes = {}

    def look(layer: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor) and given and isinstance(given[0], Tensor):
            shapes[layer] = tuple(given[0].shape[1:]), tuple(output.shape[1:])

    handles = [layer.register_forward_hook(look) for layer in network.modules()]
    network(row)
    for handle in handles:
        handle.remove()
    return shapes


def _add(program: Program, layer: nn.Module) -> None:
    """Add the steps of a layer, or of those in it."""
    # Not isinstance: a class below may do anything. Weights under a constraint make a
    # class of their own, which does nothing else.
    kind = type_before_parametrizations(layer)
    add = _ADDERS.get(kind)
    if add is None:
        raise NotInThePage(f"it has a layer of the class {kind.__name__}")
    if layer._forward_hooks or layer._forward_pre_hooks:
        raise NotInThePage("it has a layer with a hook, which may do anything")
    add(program, layer)


def _numbers(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().numpy()


def _sequential(program: Program, layers: Any) -> None:
    for layer in layers:
        _add(program, layer)


def _nothing(program: Program, layer: Any) -> None:
    """Layers that leave the numbers of a row as they are, in evaluation."""


def _linear(program: Program, layer: Any) -> None:
    if len(program.shapes[layer][0]) != 1:
        raise NotInThePage("it has a linear layer along one of several dimensions")
    bias = np.zeros(layer.out_features) if layer.bias is None else _numbers(layer.bias)
    program.dense(_numbers(layer.weight), bias)


def _narrow_codes(program: Program, layer: Any) -> None:
    program.steps.append({"op": "take", "n": layer.n_axes})


def _beside_linear(program: Program, layer: Any) -> None:
    branches = []
    for network in (layer.perceptron, layer.linear):
        branch = Program(program.shapes)
        _add(branch, network)
        branches.append(branch.steps)
        program.n_weights += branch.n_weights
        program.n_products += branch.n_products
    program.steps.append({"op": "sum", "branches": branches})


def _restored(program: Program, layer: Any) -> None:
    if layer.is_identity:
        return
    scale, centre = layer.units.scale, layer.units.centre.numpy()
    if layer.axes is None:
        program.scale(np.full(len(centre), scale), centre)
    else:
        program.dense(scale * _numbers(layer.axes).T, centre)


def _batch_norm(program: Program, layer: Any) -> None:
    if layer.running_var is None:
        raise NotInThePage("its batch normalisation depends on the other rows")
    factor = (layer.running_var + layer.eps).rsqrt()
    shift = -layer.running_mean * factor
    if layer.affine:
        factor, shift = factor * layer.weight, shift * layer.weight + layer.bias
    repeat = math.prod(program.shapes[layer][0][1:])
    program.scale(_numbers(factor), _numbers(shift), repeat)


def _convolution(op: str) -> Callable[[Program, Any], None]:
    def add(program: Program, layer: Any) -> None:
        plain = layer.groups == 1 and set(layer.dilation) == {1}
        if not plain or layer.padding_mode != "zeros" or layer.padding in _NAMED:
            raise NotInThePage("it has convolutions in groups, or of other padding")
        n_out = layer.out_channels
        bias = np.zeros(n_out) if layer.bias is None else _numbers(layer.bias)
        shape_in, shape_out = program.shapes[layer]
        # By tap, channel in, channel out, so that the script runs along memory.
        order = (2, 3, 0, 1) if op == "transposed_convolution" else (2, 3, 1, 0)
        program.steps.append(
            {
                "op": op,
                "weight": floats(_numbers(layer.weight.permute(order))),
                "bias": doubles(bias),
                "shape_in": shape_in,
                "shape_out": shape_out,
                "kernel": layer.kernel_size,
                "stride": layer.stride,
                "padding": layer.padding,
            }
        )
        program.n_weights += layer.weight.numel()
        # A kernel stands at each place of the smaller side.
        places = shape_in if op == "transposed_convolution" else shape_out
        program.n_products += layer.weight.numel() * math.prod(places[1:])

    return add


_NAMED = ("same", "valid")


def _activation(name: str, *settings: str) -> Callable[[Program, Any], None]:
    def add(program: Program, layer: Any) -> None:
        program.activation(name, **{s: float(getattr(layer, s)) for s in settings})

    return add


def _gelu(program: Program, layer: Any) -> None:
    program.activation("gelu" if layer.approximate == "none" else "gelu_tanh")


_ADDERS: dict[type[nn.Module], Callable[[Program, Any], None]] = {
    nn.Sequential: _sequential,
    nn.Identity: _nothing,
    nn.Flatten: _nothing,
    nn.Unflatten: _nothing,
    nn.Dropout: _nothing,
    nn.Linear: _linear,
    NarrowCodes: _narrow_codes,
    BesideLinear: _beside_linear,
    Restored: _restored,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: _convolution("convolution"),
    nn.ConvTranspose2d: _convolution("transposed_convolution"),
    nn.ELU: _activation("elu", "alpha"),
    nn.GELU: _gelu,
    nn.LeakyReLU: _activation("leaky_relu", "negative_slope"),
    nn.ReLU: _activation("relu"),
    nn.Sigmoid: _activation("sigmoid"),
    nn.SiLU: _activation("silu"),
    nn.Tanh: _activation("tanh"),
}
