"""The books of an epoch: sums of loss terms, the active count, what may not be."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..nn.module import AutoencoderModule, LossTerms
from ..relevance import count_active, jacobian_weights
from .team import ALONE, Team

__all__ = ["ActiveCount", "Sums", "check_finite"]


class Sums:
    """Sums of loss terms over the rows of an epoch, kept on the device."""

    #: Values that are collected before they are added up: cheaper than one by one.
    _CHUNK = 256

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.values: dict[str, list[Tensor]] = {}
        self.weights: list[float] = []
        self.n_rows = 0.0

    def add(self, terms: LossTerms, n_rows: float) -> None:
        """Take note of the terms of a batch."""
        self.values.setdefault("", []).append(terms.total.detach())
        for name, value in terms.parts.items():
            self.values.setdefault(name, []).append(value.detach())
        self.weights.append(n_rows)
        if len(self.weights) == self._CHUNK:
            self._add_up()

    def _add_up(self) -> None:
        for name, values in self.values.items():
            stacked = torch.stack(values)
            weighted = stacked @ stacked.new_tensor(self.weights)
            earlier = self.sums.get(name)
            self.sums[name] = weighted if earlier is None else earlier + weighted
        self.n_rows += sum(self.weights)
        self.values, self.weights = {}, []

    def means(self, prefix: str, total: str, team: Team = ALONE) -> dict[str, Tensor]:
        """Return the means, over all rows of a team, by column name; start anew."""
        self._add_up()
        n_rows: Tensor | float = self.n_rows
        if not team.is_alone:
            first = next(iter(self.sums.values()))
            values = torch.stack([*self.sums.values(), first.new_tensor(n_rows)])
            *sums, n_rows = team.total(values).unbind()
            self.sums = dict(zip(self.sums, sums, strict=True))
        means = {
            f"{prefix}_{name or total}": value / n_rows
            for name, value in self.sums.items()
        }
        self._start()
        return means


class ActiveCount:
    """The number of active axes for the history.

    The method's own count where it has one, else an estimate by relevance.

    Parameters
    ----------
    threshold : float
        Share of the relevance that the axes counted exceed.
    """

    #: Rows at which the estimate takes the Jacobian, and epochs between two of them:
    #: under 1 % of the time.
    _JACOBIANS, _EVERY = 16, 5

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.n_calls = 0

    @torch.no_grad()
    def of(self, module: AutoencoderModule, rows: Tensor) -> Tensor:
        """Return the count on the device, given some training rows."""
        own = module.is_active()
        if own is not None:
            return own.sum()
        if self.n_calls % self._EVERY == 0:
            codes = module.encode(rows)
            variance = module.component_variance(codes.var(0, correction=0))
            at = codes[: self._JACOBIANS]
            relevance = jacobian_weights(module.decode, at, variance) * variance
            self.last = count_active(relevance, self.threshold)
        self.n_calls += 1
        return self.last


class DivergedError(ValueError):
    """A loss that is not finite has ended a fit."""


def check_finite(
    record: dict[str, float], epoch: int, rows: Tensor, learning_rate: float
) -> None:
    """Raise if a mean of an epoch is not finite; `rows` are some training rows."""
    bad = [name for name, value in record.items() if not math.isfinite(value)]
    if bad:
        raise DivergedError(
            f"Training diverged: {', '.join(bad)} not finite in epoch {epoch + 1}. "
            f"Likely causes: features on a large scale (the largest |X| seen is "
            f"{rows.abs().max().item():.3g}; use StandardScaler), or a learning rate "
            f"that is too high (learning_rate={learning_rate}; divide it by 10)."
        )
