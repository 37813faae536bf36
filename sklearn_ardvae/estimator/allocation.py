"""A limit on what may be made while a module is built from settings not trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["AllocationLimit"]

# What makes tensors of a size that its arguments say.
_FACTORIES = {
    getattr(owner, name)
    for owner, names in (
        (
            torch,
            "arange empty eye full linspace ones rand randint randn randperm zeros",
        ),
        (Tensor, "new_empty new_full new_ones new_zeros"),
    )
    for name in names.split()
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
            # Sizes are found on the device that holds no numbers.
            like = {k: v for k, v in kwargs.items() if k != "generator"}
            self.n_tensors -= 1
            self.n_elements -= func(*args, **(like | {"device": "meta"})).numel()
            if self.n_tensors < 0 or self.n_elements < 0:
                raise ValueError("its networks would be larger than what is stored.")
        return func(*args, **kwargs)
