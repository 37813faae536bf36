"""What trains each phase of a module: its loss, its parameters, its optimiser."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn

from .._warnings import warn
from ..nn.module import LossTerms, Phase
from .books import Sums
from .mixed_precision import in_mixed_precision
from .optimizers import fused_runs_on

if TYPE_CHECKING:
    from .net import AutoencoderNet

__all__ = ["TrainedPhase", "optimizer_prefix", "trained_phases"]


@dataclass(frozen=True)
class TrainedPhase:
    """A phase of the module, and what trains it.

    Parameters
    ----------
    phase : Phase
    parameters : sequence of nn.Parameter
    loss : callable
        That of the phase, compiled and in mixed precision if the user asks for it.
    optimizer : torch.optim.Optimizer
    rates : list of float
        Learning rates at the start, one for each group of the optimiser.
    sums : Sums
        Of the loss and its terms in the present epoch.
    """

    phase: Phase
    parameters: Sequence[nn.Parameter]
    loss: Callable[..., LossTerms]
    optimizer: torch.optim.Optimizer
    rates: list[float]
    sums: Sums = field(default_factory=Sums)


def optimizer_prefix(phase: Phase, place: int) -> str:
    """Return what parameters of a phase's optimiser begin with."""
    return f"{phase.name}_optimizer" if place else "optimizer"


def trained_phases(net: AutoencoderNet) -> list[TrainedPhase]:
    """Return the phases of a net's module, with what its parameters ask for.

    Parameters
    ----------
    net : AutoencoderNet
    """
    compiles = net.compile and not net.module_.has_foreign_networks
    if net.compile and not compiles:
        warn(
            "Networks of your own are not compiled: torch cannot, where their "
            "random numbers are to come from random_state. Leave compile=True out "
            "of skorch_params."
        )
    found = []
    for place, phase in enumerate(net.module_.phases()):
        optimizer = _optimizer_of(net, phase, optimizer_prefix(phase, place))
        loss = phase.loss
        if compiles:
            loss = torch.compile(loss, **net.get_params_for("compile"))
        loss = in_mixed_precision(loss, net.module_, net.mixed_precision)
        rates = [group["lr"] for group in optimizer.param_groups]
        parameters = list(phase.parameters)
        found.append(TrainedPhase(phase, parameters, loss, optimizer, rates))
    return found


def _optimizer_of(
    net: AutoencoderNet, phase: Phase, prefix: str
) -> torch.optim.Optimizer:
    names = {id(p): name for name, p in net.module_.named_parameters()}
    parameters = enumerate(phase.parameters)
    named = [(names.get(id(p), str(i)), p) for i, p in parameters]
    args, kwargs = net.get_params_for_optimizer("optimizer", named)
    kwargs["lr"] *= phase.learning_rate_factor
    if prefix != "optimizer":
        kwargs |= net.get_params_for(prefix)
    if net.optimizer is torch.optim.Adam:
        kwargs = {**phase.optimizer, **kwargs}
    if "fused" in inspect.signature(net.optimizer).parameters:
        kwargs.setdefault("fused", fused_runs_on(net.device))
    return net.optimizer(*args, **kwargs)
