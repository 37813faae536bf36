"""What surrounds every call of a module: threads, random numbers, precision."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ..nn.module import AutoencoderModule
from ..randomness import SeededDraws
from .threads import threads_for

__all__ = ["count_flops", "environment", "in_precision_of"]

_doubles: WeakKeyDictionary[AutoencoderModule, tuple[list[int], AutoencoderModule]]
_doubles = WeakKeyDictionary()


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
    draws = SeededDraws(seed) if module.has_foreign_networks else None
    with ExitStack() as stack:
        if next(module.parameters()).device.type == "cpu":
            stack.enter_context(threads_for(n_rows * module.flops_per_row))
        if draws is not None:
            stack.enter_context(draws)
        yield draws


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
