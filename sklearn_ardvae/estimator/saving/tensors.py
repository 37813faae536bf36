"""States with arrays for tensors, and the other way round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["as_arrays", "as_tensors"]


def as_arrays(state: Any) -> Any:
    """Return a state with arrays for tensors, on the host."""
    return _replaced(state, Tensor, lambda tensor: tensor.detach().cpu().numpy())


def as_tensors(state: Any) -> Any:
    """Return a state with tensors for arrays: copies, aligned as torch does it."""
    return _replaced(state, np.ndarray, torch.tensor)


def _replaced(state: Any, kind: type, make: Callable[[Any], Any]) -> Any:
    if isinstance(state, kind):
        return make(state)
    if isinstance(state, dict):
        return {key: _replaced(value, kind, make) for key, value in state.items()}
    if type(state) in (list, tuple):
        return type(state)(_replaced(value, kind, make) for value in state)
    return state
