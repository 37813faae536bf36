"""A limit on what may be made while a module is built from settings not trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["AllocationLimit"]

# What makes tensors of a size that its arguments say, and what makes one of the same
# size without any numbers.
_FACTORIES: dict[Callable[..., Tensor], Callable[..., Tensor]] = {
    **{
        function: function
        for function in (
            torch.arange,
            torch.empty,
            torch.eye,
            torch.full,
            torch.linspace,
            torch.ones,
            torch.zeros,
            Tensor.new_empty,
            Tensor.new_full,
            Tensor.new_ones,
            Tensor.new_zeros,
        )
    },
    torch.rand: torch.empty,
    torch.randn: torch.empty,
    torch.randperm: torch.empty,
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
        if func in _FACTORIES:
            options = {k: v for k, v in kwargs.items() if k != "generator"}
            empty = _FACTORIES[func](*args, **(options | {"device": "meta"}))
            self.n_tensors -= 1
            self.n_elements -= empty.numel()
            if self.n_tensors < 0 or self.n_elements < 0:
                raise ValueError("its networks would be larger than what is stored.")
        return func(*args, **kwargs)
