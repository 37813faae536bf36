"""The search for the fewest axes with which the evidence stays."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .trials import Remembering, Shelf

if TYPE_CHECKING:
    from .evidence import EvidenceModule

__all__ = ["AxisTrials", "Elimination", "Trial", "Verdict"]

# Nats a row and feature that an axis must be worth, to stay.
AXIS_PRICE = 0.007
# Epochs of a trial before it may end early, and over which its slope is taken.
_PATIENCE, _SPAN = 10, 8
# Epochs of that slope that a trial is given to come up.
_OUTLOOK = 4 * _SPAN
# Nats a row and feature that the falling learning rate may add to that.
_MARGIN = 0.01
# Learning rate over the estimator's: of a trial at its start, and the share left at its
# end.
_RATE, _RATE_LEFT = 0.5, 0.05


class Verdict(Enum):
    """What is to happen after an epoch of a trial."""

    GO_ON = 0
    HOLDS = 1
    FAILS = 2


@dataclass
class TrialProgress:
    """Where the search for the fewest axes is.

    Parameters
    ----------
    held, failed, failed_from : float
        Axes that are known to do, the most that are known not to (-1: none), and from
        how many the trial of these went.
    reference : float
        Evidence of the model that holds, in nats a row.
    start : float
        Axes of the model that held before, if the last step took more than one.
    target : float
        Axes of the trial that goes on.
    is_check : float
        Whether this is to show that the last step took an axis too many.
    epoch : float
        Of the trial.
    best : float
        The highest evidence in this trial.
    is_over : float
    """

    held: float = math.inf
    failed: float = -1.0
    failed_from: float = math.inf
    reference: float = -math.inf
    start: float = math.inf
    target: float = math.inf
    is_check: float = 0.0
    epoch: float = 0.0
    best: float = -math.inf
    is_over: float = 0.0


class AxisTrials(Remembering):
    r"""Takes axes away, the least relevant first, as long as the evidence stays.

    A trial trains on without some axes for `n_epochs`, at a falling learning rate. It
    holds if the evidence at its best is no more than the price of one axis below that
    of the last model that held, however many axes went: surplus axes are worth hardly
    anything, and a needed one is worth more. A trial ends early where nothing is lost,
    or its slope shows that too much will be. The first trial takes away one axis, which
    mostly settles it; the others bisect, and a number that failed from afar is tried
    once more from where the bisection ends. What surplus axes gave when they went does
    not buy off one that is needed: where the last step took several, one axis more is
    tried from where it began, and stays if it is worth its price.

    Parameters
    ----------
    n_features : int
    """

    def __init__(self, n_features: int) -> None:
        super().__init__(TrialProgress())
        self.n_features = n_features

    def begin(self, n_axes: int, evidence: float) -> None:
        """Start from a trained model of so many axes."""
        self.progress = TrialProgress(held=n_axes, reference=evidence)
        self._aim(n_axes - 1)

    @property
    def is_over(self) -> bool:
        return bool(self.progress.is_over)

    @property
    def held(self) -> int:
        """Axes of the last model that held."""
        return int(self.progress.held)

    @property
    def target(self) -> int:
        """Axes of the trial that goes on."""
        return int(self.progress.target)

    @property
    def price(self) -> float:
        """What an axis must be worth, in nats a row."""
        return AXIS_PRICE * self.n_features

    @property
    def goal(self) -> float:
        """The evidence that the trial has to come up to."""
        p = self.progress
        return p.reference + (self.price if p.is_check else -self.price)

    def watch(self, evidence: float, recent: list[float], n_epochs: int) -> Verdict:
        """Judge an epoch of the trial.

        Parameters
        ----------
        evidence : float
            After the epoch, in nats a row.
        recent : list of float
            Of the epochs before it in the trial.
        n_epochs : int
            That the trial has.
        """
        p = self.progress
        p.epoch += 1
        p.best = max(p.best, evidence)
        if p.epoch >= n_epochs:
            return Verdict.HOLDS if p.best >= self.goal else Verdict.FAILS
        if p.epoch < _PATIENCE:
            return Verdict.GO_ON
        if p.best >= max(p.reference, self.goal):
            return Verdict.HOLDS
        if len(recent) >= _SPAN:
            slope = (evidence - recent[-_SPAN]) / _SPAN
            margin = _MARGIN * self.n_features
            if max(p.best, evidence + _OUTLOOK * slope) + margin < self.goal:
                return Verdict.FAILS
        return Verdict.GO_ON

    def conclude(self, holds: bool) -> None:
        """Take note of the outcome of the trial and aim at the next."""
        p = self.progress
        if p.is_check:
            if holds:
                p.held, p.reference = p.target, p.best
            self._end(may_check=holds)
            return
        if not holds:
            p.failed, p.failed_from = p.target, p.held
        else:
            p.start = p.held if p.held - p.target > 1 else math.inf
            p.held, p.reference = p.target, p.best
            if p.held <= p.failed:  # It failed from afar, and holds now.
                p.failed, p.failed_from = -1.0, math.inf
                self._aim(int(p.held) - 1)
                return
        if p.held - p.failed == 1 and p.failed >= 0 and p.failed_from > p.held:
            self._aim(int(p.failed))
        else:
            self._aim(int(p.held + max(p.failed, 0.0)) // 2)

    def _aim(self, target: int) -> None:
        p = self.progress
        p.epoch, p.best = 0.0, -math.inf
        failed_near = p.held - p.failed <= 1 and p.failed_from <= p.held
        if p.held <= 0 or failed_near:
            self._end(may_check=True)
        else:
            p.target = float(max(target, 0))

    def _end(self, may_check: bool) -> None:
        """End the search, unless one axis more is to be tried."""
        p = self.progress
        p.epoch, p.best = 0.0, -math.inf
        p.is_check = float(may_check and p.held + 1 < p.start < math.inf)
        p.is_over = 1.0 - p.is_check
        p.target = p.held + p.is_check


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a trial.

    Parameters
    ----------
    held, target : float
        Axes of the model that it was compared with, and its own.
    change, error : float
        What its evidence is higher, in nats a row: mean and standard error of the
        unseen rows.
    holds : float
        Whether it took the other's place.
    """

    held: float
    target: float
    change: float
    error: float
    holds: float


class Elimination(nn.Module):
    """Runs `AxisTrials` on a variational module that has been trained.

    Parameters
    ----------
    n_features : int
    n_epochs : int
        Of a trial.
    """

    def __init__(self, n_features: int, n_epochs: int = 30) -> None:
        super().__init__()
        self.n_epochs = n_epochs
        self.trials = AxisTrials(n_features)
        self.shelf = Shelf()

    @property
    def log(self) -> list[Trial]:
        """The trials since it last began that have ended, while the fit goes on."""
        if "log" not in self.shelf:
            return []
        values = self.shelf.get_buffer("log").view(-1, len(fields(Trial)))
        return [Trial(*trial) for trial in values.tolist()]

    @property
    def is_on(self) -> bool:
        """Whether a trial goes on."""
        return "held" in self.shelf and not self.is_over

    @property
    def is_over(self) -> bool:
        return self.trials.is_over

    def learning_rate_factor(self) -> float:
        """Return that of the coming epoch of a trial."""
        share = self.trials.progress.epoch / max(1, self.n_epochs - 1)
        return _RATE * _RATE_LEFT**share

    def forget(self) -> None:
        """Forget the trials of an earlier fit."""
        self.trials.progress = TrialProgress()

    def forget_log(self) -> None:
        """Forget what came of trials."""
        self.shelf.drop("log")

    def begin(
        self,
        model: EvidenceModule,
        rows: Tensor,
        evidence: Tensor,
        may_try: bool = True,
    ) -> None:
        """Begin with the present weights, whose evidence of unseen rows is known."""
        self.forget_log()
        self.shelf.keep("held", model.state())
        self.shelf.keep("held_rows", [evidence])
        # Those that the networks see may be fewer than the user's.
        self.trials.n_features = model.n_features
        self.trials.begin(model.n_kept(), evidence.mean().item())
        self.trials.progress.is_over = float(self.is_over or not may_try)
        self._next_trial(model, rows)

    def judge(
        self,
        model: EvidenceModule,
        rows: Tensor,
        evidence: Tensor,
        recent: list[float],
    ) -> bool:
        """Look at an epoch of a trial; where it ends, begin the next.

        Parameters
        ----------
        model : EvidenceModule
        rows : Tensor of shape (n_rows, n_features)
            Some training rows.
        evidence : Tensor of shape (n_unseen,)
            Of each unseen row after the epoch, in nats.
        recent : list of float
            The means of the epochs before it in the trial.

        Returns
        -------
        bool
            Whether the next epoch starts from other weights.
        """
        trial, mean = self.trials.progress, evidence.mean().item()
        if mean > trial.best:
            self.shelf.keep("best", model.state())
            self.shelf.keep("best_rows", [evidence])
        verdict = self.trials.watch(mean, recent, self.n_epochs)
        if verdict is Verdict.GO_ON:
            return False
        holds = verdict is Verdict.HOLDS
        self._note(holds)
        if holds:
            if trial.held - trial.target > 1:
                self.shelf.rename("held", "before")
            self.shelf.rename("best", "held")
            self.shelf.rename("best_rows", "held_rows")
        self.trials.conclude(holds)
        self._next_trial(model, rows)
        return True

    def _note(self, holds: bool) -> None:
        trial = self.trials.progress
        changes = self.shelf.get_buffer("best_rows") - self.shelf.get_buffer(
            "held_rows"
        )
        error = changes.std(correction=0).item() / math.sqrt(max(1, len(changes) - 1))
        change = trial.best - trial.reference
        ended = Trial(trial.held, trial.target, change, error, float(holds))
        log = [*self.log, ended]
        self.shelf.keep("log", [torch.tensor([astuple(trial) for trial in log])])

    def _next_trial(self, model: EvidenceModule, rows: Tensor) -> None:
        is_check = bool(self.trials.progress.is_check)
        self.shelf.put_back("before" if is_check else "held", model.state())
        if not self.is_over:
            model.keep_axes(model.ranking(rows)[: self.trials.target])

    def settle(self, model: EvidenceModule) -> None:
        """Put back the last model that held, and forget all of them but the log."""
        if "held" in self.shelf:
            self.shelf.put_back("held", model.state())
            self.trials.progress.is_over = 1.0
        self.shelf.drop("held", "before", "best", "held_rows", "best_rows")
