"""What searches for a smaller model share: weights they keep, numbers they remember."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Remembering", "Shelf"]


class Shelf(nn.Module):
    """Copies of a model's state, each under a name; part of the model's own state.

    A file that was written while something lay here is read with it.
    """

    @torch.no_grad()
    def keep(self, name: str, tensors: Iterable[Tensor]) -> None:
        """Put a copy of `tensors` under `name`, in the place of an earlier one."""
        flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        kept = self._buffers.get(name)
        if kept is not None and kept.shape == flat.shape:
            kept.copy_(flat)
        else:
            self.register_buffer(name, flat)

    @torch.no_grad()
    def put_back(self, name: str, tensors: Iterable[Tensor]) -> None:
        """Give `tensors` the values that lie under `name`."""
        tensors = list(tensors)
        parts = self.get_buffer(name).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def rename(self, name: str, new: str) -> None:
        """Give what lies under `name` another name."""
        kept = self.get_buffer(name)
        self.drop(name, new)
        self.register_buffer(new, kept)

    def drop(self, *names: str) -> None:
        """Forget what lies under `names`, if anything does."""
        for name in names:
            self._buffers.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self._buffers

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Hold what the state holds, and nothing else."""
        self._buffers.clear()
        for name, value in state_dict.items():
            if name.startswith(prefix):
                self.register_buffer(name.removeprefix(prefix), value.clone())
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class Remembering(nn.Module):
    """Has a record of plain numbers, `progress`, that is part of its state.

    Parameters
    ----------
    progress : dataclass of floats
    """

    def __init__(self, progress: Any) -> None:
        super().__init__()
        self.progress = progress

    def get_extra_state(self) -> Tensor:
        return torch.tensor(astuple(self.progress), dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        self.progress = type(self.progress)(*state.tolist())
