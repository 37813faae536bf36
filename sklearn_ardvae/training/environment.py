"""What surrounds every call of a module: threads, random numbers, precision."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ..nn.module import AutoencoderModule
from ..randomness import SeededDraws
from .threads import threads_for

__all__ = [
    "count_flops",
    "environment",
    "in_precision_of",
    "may_draw",
    "takes_double",
]

# Files of torch.nn.modules whose layers draw no random numbers, but for some of them.
_SILENT = frozenset(
    f"torch.nn.modules.{file}"
    for file in (
        "activation",
        "batchnorm",
        "container",
        "conv",
        "flatten",
        "instancenorm",
        "linear",
        "normalization",
        "padding",
        "pixelshuffle",
        "pooling",
        "upsampling",
    )
)
_DRAWING = (
    nn.RReLU,
    nn.MultiheadAttention,
    nn.FractionalMaxPool2d,
    nn.FractionalMaxPool3d,
)

_doubles: WeakKeyDictionary[AutoencoderModule, tuple[list[int], AutoencoderModule]]
_doubles = WeakKeyDictionary()
_takes_double: WeakKeyDictionary[AutoencoderModule, bool] = WeakKeyDictionary()


@contextmanager
def environment(
    module: AutoencoderModule, n_rows: int, seed: int = 0
) -> Iterator[SeededDraws | None]:
    """Run networks inside the block as their size and origin ask for.

    On one thread where they are small; a user's networks with random numbers that
    `seed` determines.

    Parameters
    ----------
    module : AutoencoderModule
    n_rows : int
        Rows that go through the networks at once.
    seed : int
        Of the numbers that a user's networks draw.

    Yields
    ------
    SeededDraws or None
        Where these numbers come from.
    """
    # To look at every operation takes as long again as small networks take.
    draws = SeededDraws(seed) if may_draw(module) else None
    with ExitStack() as stack:
        if next(module.parameters()).device.type == "cpu":
            stack.enter_context(threads_for(n_rows * module.flops_per_row))
        if draws is not None:
            stack.enter_context(draws)
        yield draws


def may_draw(module: AutoencoderModule) -> bool:
    """Return whether networks may draw random numbers by themselves.

    Those of this package do not, nor do those that a user makes of torch's own layers
    of which that is known. Of all other code it is not.
    """
    return module.has_foreign_networks and not all(map(_is_silent, module.modules()))


def _is_silent(layer: nn.Module) -> bool:
    """Return whether a layer certainly draws nothing, its children left aside."""
    room, own = type(layer).__module__, vars(layer)
    hooks = [name for name in own if name.endswith("_hooks") and own[name]]
    package = __name__.partition(".")[0]
    known = room in _SILENT or room.startswith(f"{package}.")
    return not (hooks or "forward" in own or isinstance(layer, _DRAWING)) and known


@torch.no_grad()
def count_flops(module: AutoencoderModule) -> float:
    """Return the floating point operations of a row's way to its code and back."""
    device = next(module.parameters()).device
    rows = torch.zeros(2, module.n_features, device=device)
    was_training = module.training
    module.eval()
    with _Counter() as counter:
        module(rows)
    module.train(was_training)
    return counter.flops / len(rows)


class _Counter(TorchDispatchMode):
    """Adds up what torch's own table says of each operation, in this thread.

    (Torch's ``FlopCounterMode`` hooks into the modules of all threads.)
    """

    flops = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare the import of torch's compiler, as `SeededDraws` does."""
        return False

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.flops += count(*args, **kwargs, out_val=result)
        return result


def in_precision_of(x: Tensor, module: AutoencoderModule) -> AutoencoderModule:
    """Return `module`, or a copy of it in float64 if `x` is.

    In float32 the same row may have another last digit in other company: a product of
    matrices adds up in an order that depends on their shapes. In float64 that is lost
    when the result becomes a float32.
    """
    if x.dtype != torch.float64:
        return module
    versions = [t._version for t in (*module.parameters(), *module.buffers())]
    known, double = _doubles.get(module, (None, module))
    if known != versions:
        double = copy.deepcopy(module).double()
        _doubles[module] = versions, double
    return double


@torch.no_grad()
def takes_double(module: AutoencoderModule) -> bool:
    """Return whether networks can be run in float64: a user's may ask for float32."""
    if not module.has_foreign_networks:
        return True
    if module not in _takes_double:
        # Not every device has float64.
        double = copy.deepcopy(module).cpu().double().eval()
        rows = torch.zeros(2, module.n_features, dtype=torch.float64)
        try:
            with SeededDraws(0):
                _takes_double[module] = double(rows).dtype == rows.dtype
        except RuntimeError:
            _takes_double[module] = False
    return _takes_double[module]
