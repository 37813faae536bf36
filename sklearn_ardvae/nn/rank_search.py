"""The search for the smallest rank with which the error of an autoencoder stays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .trials import Shelf

__all__ = ["RankSearch"]


class RankSearch(nn.Module):
    """Looks, by bisection, for the smallest rank with which the error stays.

    It is told the mean training error of each epoch, without any price of an axis,
    for the sake of which it would give up axes that are needed. At the rank that
    holds, the error first settles; its best value is the reference. The next trial is
    halfway to the largest rank that failed. It holds as soon as the error comes down
    to the reference, or when it settles within 1 + tolerance of it; and fails when it
    settles above, or falls so slowly that it would not come down. Then the last rank
    that held comes back, with its weights, and is trained on until it settles: a
    trial that was trained for longer than its reference would look better than it is.
    The end is a rank that holds while the next lower one, tried from it, fails.

    Parameters
    ----------
    tolerance : float
        Relative rise of the error that is accepted, >= 0.
    patience : int
        The error has settled when it has not fallen by `progress` for so many epochs.
    progress : float
        Relative improvement that counts; in a trial also this share, ten times, of
        what the error exceeds the target by.
    """

    best: Tensor
    n_idle: Tensor
    reference: Tensor
    held: Tensor
    failed: Tensor
    failed_from: Tensor
    is_over: Tensor

    def __init__(
        self, tolerance: float, patience: int = 10, progress: float = 0.01
    ) -> None:
        super().__init__()
        self.tolerance, self.patience, self.progress = tolerance, patience, progress
        for name, value in {
            "best": math.inf,
            "n_idle": 0.0,
            "reference": math.inf,
            "held": math.inf,
            "failed": 0.0,
            "failed_from": 1.0,
            "is_over": 0.0,
        }.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))
        self.shelf = Shelf()

    @torch.no_grad()
    def advance(self, rank: int, error: float, weights: Sequence[Tensor]) -> int:
        """Return the rank of the next epoch, given the error of one at `rank`.

        Keeps a copy of `weights` where a trial begins, and puts it back where one
        failed.
        """
        following = self.next_rank(rank, error)
        if following < rank:
            self.shelf.keep("held", weights)
        elif following > rank:
            self._put_back(weights)
        if self.is_over:
            self.shelf.drop("held")
        return following

    @torch.no_grad()
    def call_off(self, rank: int, weights: Sequence[Tensor]) -> int:
        """Return the last rank that held, if a trial goes on, and put it back."""
        if "held" not in self.shelf or self.held <= rank:
            return rank
        self._put_back(weights)
        return int(self.held)

    def _put_back(self, weights: Sequence[Tensor]) -> None:
        if "held" in self.shelf:
            self.shelf.put_back("held", weights)
            self.shelf.drop("held")

    def next_rank(self, rank: int, error: float) -> int:
        """Return the rank of the next epoch, given the error of one at `rank`."""
        target = self.reference.item() * (1.0 + self.tolerance)
        on_trial = rank < self.held and self.reference.isfinite()
        self._watch(error, target if on_trial else math.inf)
        if on_trial and error <= self.reference:
            return self._next_trial(rank)
        if self.n_idle < self.patience:
            return rank
        if not on_trial:
            self.reference.clamp_(max=self.best.item())
            return self._next_trial(rank)
        if self.best <= target:
            return self._next_trial(rank)
        self.failed.fill_(rank)
        self.failed_from.copy_(self.held)
        self._forget()
        return int(self.held)

    def _watch(self, error: float, target: float) -> None:
        """Count the epochs since the error last fell by enough."""
        best = self.best.item()
        step = self.progress * max(best, 10.0 * (best - target))
        if math.isinf(best) or error < best - step:
            self.best.fill_(error)
            self.n_idle.zero_()
        else:
            self.n_idle += 1

    def _forget(self) -> None:
        self.best.fill_(math.inf)
        self.n_idle.zero_()

    def _next_trial(self, rank: int) -> int:
        """Note that `rank` holds; return the next to try, or `rank` at the end."""
        self._forget()
        self.held.fill_(rank)
        if rank <= self.failed:  # It failed from afar, and holds now.
            self.failed.zero_()
            self.failed_from.fill_(1.0)
        gap = rank - int(self.failed)
        if gap == 1 and rank == self.failed_from:
            self.is_over.fill_(1.0)
            return rank
        return rank - max(1, gap // 2)
