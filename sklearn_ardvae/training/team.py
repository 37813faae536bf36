"""Processes that train one model together, each on a part of every batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .._optional import optional_module
from ..nn.module import AutoencoderModule, Noise
from .environment import takes_double

__all__ = ["ALONE", "LAUNCHED", "Team", "launched_team"]

#: The name of the device that `accelerate launch` and `torchrun` give a process.
LAUNCHED = "accelerate"
# A part of fewer rows has no variance, which a loss may need.
_FEWEST = 2
# Rounding in float64.
_ROUNDING = 1e-9


class Exchange(Protocol):
    """How processes talk."""

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over all processes, on each."""

    def from_first(self, value: Any) -> Any:
        """Return what the first process has, on each."""


class Team:
    """Processes that have the same module, rows and random numbers.

    Each takes its part of a batch and of the noise; gradients are added up, and so each
    makes the same step. All the rest every process does for itself.

    Parameters
    ----------
    n_processes, index : int
    exchange : Exchange or None
        None for a process alone.
    """

    def __init__(
        self, n_processes: int = 1, index: int = 0, exchange: Exchange | None = None
    ) -> None:
        self.n_processes, self.index, self.exchange = n_processes, index, exchange

    @property
    def is_alone(self) -> bool:
        return self.n_processes == 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.index == 0

    def part(self, n_rows: int, index: int | None = None) -> slice:
        """Return which rows of a batch a process takes, by default this one.

        All of a batch that is too small to be shared.
        """
        n, i = self.n_processes, self.index if index is None else index
        if n_rows < _FEWEST * n:
            return slice(0, n_rows)
        return slice(n_rows * i // n, n_rows * (i + 1) // n)

    def weight(self, n_rows: int, index: int | None = None) -> float:
        """Return the weight of a process's part in the mean over a batch."""
        if n_rows < _FEWEST * self.n_processes:
            return 1.0 / self.n_processes
        part = self.part(n_rows, index)
        return (part.stop - part.start) / n_rows

    def add_gradients(self, parameters: Sequence[nn.Parameter], weight: float) -> None:
        """Replace gradients by their weighted sum over all processes."""
        if self.exchange is None:
            return
        gradients = [
            torch.zeros_like(p) if p.grad is None else p.grad for p in parameters
        ]
        flat = torch.cat([gradient.flatten() for gradient in gradients]).mul_(weight)
        pieces = self.exchange.total(flat).split([g.numel() for g in gradients])
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.grad = piece.view_as(parameter)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over all processes."""
        return values if self.exchange is None else self.exchange.total(values)

    def from_first(self, value: Any) -> Any:
        """Return what the first process has."""
        return value if self.exchange is None else self.exchange.from_first(value)

    def check_same(self, value: Any, name: str) -> None:
        """Raise on all processes, if one has another value than the first."""
        differs = torch.tensor(float(self.from_first(value) != value))
        if self.total(differs).item():
            raise ValueError(
                f"{name} differs between the {self.n_processes} processes of "
                f"device={LAUNCHED!r}: each needs the same rows in the same order; "
                "batches are shared out inside."
            )

    @torch.no_grad()
    def check_loss(
        self, module: AutoencoderModule, name: str, x: Tensor, noise: Noise
    ) -> None:
        """Raise unless the loss of a batch is known to be the mean of its parts'.

        Parameters
        ----------
        module : AutoencoderModule
        name : str
            Of the phase whose loss it is.
        x : Tensor of shape (n_rows, n_features)
        noise : Noise
            Of that phase.
        """
        n_rows = len(x)
        if self.is_alone or n_rows < _FEWEST * self.n_processes:
            return
        if not takes_double(module):
            raise ValueError(
                f"device={LAUNCHED!r}: whether processes can share a loss is found out "
                "in float64, which your networks do not take. Let them work in the "
                "dtype of their input, or use one process."
            )
        # In float64, where a small term that is no mean cannot hide in rounding.
        twin = copy.deepcopy(module).cpu().double()
        (phase,) = (phase for phase in twin.phases() if phase.name == name)
        x, noise = x.cpu().double(), _doubled(noise)
        whole = phase.loss(x, noise).total.item()
        shared = 0.0
        for i in range(self.n_processes):
            rows = self.part(n_rows, i)
            loss = phase.loss(x[rows], part_of(noise, n_rows, rows)).total.item()
            shared += self.weight(n_rows, i) * loss
        if not abs(whole - shared) <= _ROUNDING * (1.0 + abs(whole)):
            method = type(module).__name__.removesuffix("Module")
            raise ValueError(
                f"device={LAUNCHED!r}: the loss of {method} over a batch ({whole:.8g}) "
                f"is not the mean of that over its parts ({shared:.8g}), so processes "
                "cannot share it: it compares rows with each other, as batch "
                "normalisation does, or draws noise of its own, as dropout does. Use "
                "one process, or other networks."
            )


#: A process that trains a model by itself.
ALONE = Team()


def part_of(noise: Noise, n_rows: int, rows: slice) -> Noise:
    """Return the noise of some rows; what is not drawn for each row stays."""

    def part(some: Tensor) -> Tensor:
        return some[rows] if some.ndim and len(some) == n_rows else some

    return _mapped(part, noise)


def _doubled(noise: Noise) -> Noise:
    def doubled(some: Tensor) -> Tensor:
        some = some.cpu()
        return some.double() if some.is_floating_point() else some

    return _mapped(doubled, noise)


def _mapped(function: Callable[[Tensor], Tensor], noise: Noise) -> Noise:
    if isinstance(noise, Tensor):
        return function(noise)
    if isinstance(noise, tuple | list):
        return type(noise)(_mapped(function, some) for some in noise)
    return noise


class _ByAccelerate:
    """Talks through Hugging Face Accelerate, and so torch's distributed engine."""

    def __init__(self, utils: Any, device: torch.device) -> None:
        self.utils, self.device = utils, device

    def total(self, values: Tensor) -> Tensor:
        # GPUs add up what lies on them only.
        added = self.utils.reduce(values.to(self.device), reduction="sum")
        return added.to(values.device)

    def from_first(self, value: Any) -> Any:
        return self.utils.broadcast_object_list([value], from_process=0)[0]


def launched_team() -> tuple[Team, torch.device]:
    """Return the processes that were launched together, and this one's device.

    Raises
    ------
    ImportError
        If Accelerate is missing.
    """
    accelerate = optional_module("accelerate", "distributed")
    # Of the CPU it has to be told; a state that there is already stays as it is.
    state = accelerate.PartialState(cpu=not torch.accelerator.is_available())
    if state.num_processes == 1:
        return ALONE, state.device
    # Of the CPU it numbers even that.
    device = state.device if state.device.type != "cpu" else torch.device("cpu")
    utils = optional_module("accelerate.utils", "distributed")
    team = Team(state.num_processes, state.process_index, _ByAccelerate(utils, device))
    return team, device
