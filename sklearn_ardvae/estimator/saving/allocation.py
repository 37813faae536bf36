"""A limit on what may be made while a module is built from settings not trusted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["AllocationLimit"]


# Options that the device without numbers does not take.
_NOT_WITHOUT_NUMBERS = {"generator", "layout", "out", "pin_memory"}


def _size_as(function: Callable[..., Tensor]) -> Callable[..., int]:
    """Return what says how many numbers `function` would make, without making any."""

    def size(*args: Any, **kwargs: Any) -> int:
        options = {k: v for k, v in kwargs.items() if k not in _NOT_WITHOUT_NUMBERS}
        return function(*args, **(options | {"device": "meta"})).numel()

    return size


def _size_of_range(*bounds: Any, **named: Any) -> int:
    bounds = (0, *bounds) if len(bounds) == 1 and "end" not in named else bounds
    named |= dict(zip(("start", "end", "step"), bounds, strict=False))
    length = float(named["end"]) - float(named.get("start", 0))
    return max(0, math.ceil(length / float(named.get("step", 1))))


# What makes tensors of a size that its arguments say, and that size. On the device
# without numbers some of them would first import much of torch, which takes seconds.
_SIZES: dict[Callable[..., Tensor], Callable[..., int]] = {
    torch.arange: _size_of_range,
    torch.empty: _size_as(torch.empty),
    torch.eye: lambda n, m=None, **_: n * (n if m is None else m),
    torch.full: _size_as(torch.full),
    torch.ones: _size_as(torch.ones),
    torch.rand: _size_as(torch.empty),
    torch.randn: _size_as(torch.empty),
    torch.randperm: lambda n, **_: n,
    torch.zeros: _size_as(torch.zeros),
    Tensor.new_empty: _size_as(Tensor.new_empty),
    Tensor.new_full: _size_as(Tensor.new_full),
    Tensor.new_ones: _size_as(Tensor.new_ones),
    Tensor.new_zeros: _size_as(Tensor.new_zeros),
}


class AllocationLimit(TorchFunctionMode):
    """Raise before torch makes more tensors, or larger ones, than are expected.

    The limit holds in the ``with`` block, in this thread.

    Parameters
    ----------
    n_tensors : int
        How many may be made.
    n_elements : int
        How many numbers they may have together.
    """

    def __init__(self, n_tensors: int, n_elements: int) -> None:
        super().__init__()
        self.n_tensors = n_tensors
        self.n_elements = n_elements

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _SIZES:
            self.n_tensors -= 1
            self.n_elements -= _SIZES[func](*args, **kwargs)
            if self.n_tensors < 0 or self.n_elements < 0:
                raise ValueError("its networks would be larger than what is stored.")
        return func(*args, **kwargs)
