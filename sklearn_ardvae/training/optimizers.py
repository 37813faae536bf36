"""What torch's optimisers remember, and what they run on."""

from __future__ import annotations

import copy
from typing import Any

import torch

__all__ = ["fused_runs_on", "take_moments"]


def take_moments(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give an optimiser the moments in the `state_dict` of another, not its settings.

    An optimiser of another kind begins anew.
    """
    own = optimizer.state_dict()
    if _kind(own) == _kind(state):
        # Torch keeps the tensors that it is given, and steps change them.
        moments = copy.deepcopy(state["state"])
        optimizer.load_state_dict({**own, "state": moments})


def _kind(state: dict[str, Any]) -> list[dict[str, bool | None]]:
    """Return what the moments in the state of an optimiser depend on.

    The names of its settings, and which of the switches among them are on, but for
    those of how it computes.
    """
    return [
        {
            name: value if isinstance(value, bool) else None
            for name, value in group.items()
            if name not in ("capturable", "differentiable", "foreach", "fused")
        }
        for group in state["param_groups"]
    ]


def fused_runs_on(device: str | torch.device) -> bool:
    """Whether the fused kernel (a third of Adam's time on a CPU) exists there."""
    try:
        torch.optim.Adam([torch.zeros(1, device=device)], fused=True)
    except RuntimeError:
        return False
    return True
