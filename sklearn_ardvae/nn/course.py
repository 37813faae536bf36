"""The stages of a fit that finds its noise and its axes by evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..randomness import Stream, derived_generator
from .against_pca import (
    is_compact,
    is_significant,
    is_worth_fewer,
    lead_of_pca,
    leads_as_many,
    leaves_little,
    price_of_axes,
    reconstructs_as_pca,
)
from .elimination import Elimination, Trial
from .linear_path import start_at_principal_axes
from .principal import PrincipalBasis
from .trials import Remembering, Shelf
from .widths import Folds, Widths

if TYPE_CHECKING:
    from .evidence import EvidenceModule
    from .module import FitStart

__all__ = ["Course", "Stage"]


class Stage(IntEnum):
    """What a fit does, in this order."""

    HOLD = 0  # From random weights, with the noise held up, while axes merge.
    FREE = 1  # The noise is what unseen rows say; the learning rate falls.
    TRIALS = 2  # Axes that are not worth their price go.
    LINEAR = 3  # From probabilistic PCA.
    LINEAR_TRIALS = 4  # The same for it, if it is better than the first.
    OVER = 5


# The noise that the first stage holds, of a variance of 1; then the bound falls tenfold
# in so many epochs.
_HELD_NOISE, _DECADE = 0.1, 10
# Epochs: of the first stage at least and at most, and those in which the count must
# not have fallen, nor the evidence risen; of the second at most, and those without gain
# that end it; of a trial.
_HOLD, _LONGEST_HOLD, _STABLE, _HOLD_IDLE = 30, 150, 25, 10
_FREE, _NO_GAIN, _TRIAL = 110, 25, 30
# The count is looked at so often, by the paper's rule.
_EVERY, _SHARE = 5, 0.99
# Learning rates over the estimator's: at the end of the second stage, and from
# probabilistic PCA.
_FREE_END, _LINEAR_RATE = 0.02, 0.25
# From probabilistic PCA: epochs at most, and those without gain before the rate is
# halved, and the end; what is a gain, in nats a row and feature.
_LINEAR, _CUT_AFTER, _STOP_AFTER, _GAIN = 110, 10, 25, 1e-3
# Epochs in which that fit is given the benefit of the doubt, and of its slope.
_DOUBT, _SPAN, _OUTLOOK = 12, 10, 30
# A budget of fewer epochs makes all stages shorter; and so do few rows, by that factor.
_BUDGET = 500
_FEW_ROWS, _FEW_ROWS_PACE = 400, 0.6


@dataclass
class Progress:
    """Where the fit is; epochs are counted from the start of each stage.

    `width` is the number of axes that probabilistic PCA wants, `widest` that by
    evidence alone, `are_curved` whether they differ; `curved_axes` are those with which
    the first networks, whose place it takes, are better than as many of PCA's.
    """

    stage: float = Stage.HOLD
    epoch: float = 0.0
    pace: float = 1.0
    lowest_count: float = math.inf
    stable_for: float = 0.0
    best: float = -math.inf
    since_gain: float = 0.0
    since_cut: float = 0.0
    rate: float = 1.0
    width: float = 0.0
    widest: float = 0.0
    are_curved: float = 0.0
    is_linear: float = 0.0
    plain_evidence: float = -math.inf
    plain_axes: float = 0.0
    curved_axes: float = 0.0
    linear_evidence: float = -math.inf


class Course(Remembering):
    """Trains one variational module from two starts and keeps the better.

    The noise variance is that of the unseen rows' errors after each epoch. From random
    weights, and with a noise that is held up at first, axes merge as a curved manifold
    wants it, and the count is right; on tables of a few hundred rows nothing comes up
    to probabilistic PCA, and a fit that starts there is better. Both are run, axes that
    are not worth their price go from both, and what has the higher evidence stays;
    probabilistic PCA itself, if neither is better by three standard errors.

    Networks without a linear map beside them have the first start only.

    Parameters
    ----------
    n_features : int
    eliminates : bool
        Whether there are trials.
    """

    def __init__(self, n_features: int, eliminates: bool = True) -> None:
        super().__init__(Progress())
        self.eliminates = eliminates
        self.elimination = Elimination(n_features)
        self.shelf = Shelf()

    @property
    def is_linear(self) -> bool:
        """Whether the outcome is probabilistic PCA."""
        return bool(self.progress.is_linear)

    @property
    def are_curved(self) -> bool:
        """Whether only those principal axes count from which others follow."""
        return bool(self.progress.are_curved)

    @property
    def curved_axes(self) -> int:
        """Of networks that are better than as many of PCA's; 0 if none were."""
        return int(self.progress.curved_axes)

    @property
    def is_over(self) -> bool:
        return self.progress.stage == Stage.OVER

    @property
    def is_on(self) -> bool:
        return not self.is_over

    @property
    def log(self) -> list[Trial]:
        """The last trials, while the fit goes on."""
        return self.elimination.log

    def forget_log(self) -> None:
        """Forget what came of trials."""
        self.elimination.forget_log()

    # --- beginning ----------------------------------------------------------------

    @torch.no_grad()
    def start(self, model: EvidenceModule, start: FitStart) -> None:
        """Measure probabilistic PCA; then start from the present weights.

        Those are initial ones, or those of an earlier fit, which are trained as if
        they came from probabilistic PCA.
        """
        p = self.progress
        if p.stage == Stage.OVER or not start.is_new:
            self._enter(Stage.LINEAR)
            p.plain_evidence = -math.inf
        p.pace = min(1.0, start.n_epochs / _BUDGET)
        if len(start.rows) < _FEW_ROWS:
            p.pace *= _FEW_ROWS_PACE
        if start.is_new:
            model.noise.fill_(model.feature_variance)
        has_linear = bool(model.networks_beside_linear())
        if has_linear:
            widths = self._widths_of_pca(model, start.rows)
            p.widest, p.are_curved = widths.by_evidence, float(widths.are_curved)
            self.shelf.keep("initial", model.state())
            self._keep_linear(model, widths.width)
            self.shelf.put_back("initial", model.state())
            self.shelf.drop("initial")
        if p.stage == Stage.LINEAR:
            self._keep_best(model, model.profile_noise(model.unseen))
        else:
            self._hold_noise(model)

    def _widths_of_pca(self, model: EvidenceModule, rows: Tensor) -> Widths:
        if model.signal is not None:
            return model.signal.widths
        generator = derived_generator(0, Stream.FOLDS)
        return Folds(rows, len(model.principal.axes), generator).widths()

    def _keep_linear(self, model: EvidenceModule, width: float) -> None:
        """Make the model probabilistic PCA of so many axes, and keep it."""
        p = self.progress
        p.width = width
        self._become_linear(model, model.principal)
        p.linear_evidence = model.profile_noise(model.unseen).mean().item()
        self.shelf.keep("linear", model.state())

    def _become_linear(self, model: EvidenceModule, principal: PrincipalBasis) -> None:
        networks = model.networks_beside_linear()
        width = int(self.progress.width)
        noise = start_at_principal_axes(networks[0], networks[1], principal, width)
        model.noise.fill_(noise)
        model.believe_prior(principal.n_rows)
        model.keep_axes(range(width))

    def _hold_noise(self, model: EvidenceModule) -> None:
        """Hold the noise up in the first stage, less and less in the second."""
        p = self.progress
        if p.stage in (Stage.HOLD, Stage.FREE):
            fallen = p.epoch / _DECADE if p.stage == Stage.FREE else 0.0
            share = _HELD_NOISE * 10.0**-fallen
            # Of a feature of the user's, also where networks see signal alone.
            variance = model.in_users_units(model.feature_variance) / model.unit**2
            model.noise.clamp_min_(share * variance)

    def _epochs(self, n: float) -> int:
        return max(1, round(n * self.progress.pace))

    # --- from epoch to epoch --------------------------------------------------------

    def learning_rate_factor(self) -> float:
        """Return that of the coming epoch."""
        p = self.progress
        if p.stage == Stage.FREE:
            return _FREE_END ** (p.epoch / self._epochs(_FREE))
        if p.stage in (Stage.TRIALS, Stage.LINEAR_TRIALS):
            return self.elimination.learning_rate_factor()
        return _LINEAR_RATE * p.rate if p.stage == Stage.LINEAR else 1.0

    def judge(
        self,
        model: EvidenceModule,
        rows: Tensor,
        of_rows: Tensor,
        recent: list[float],
    ) -> bool:
        """Look at an epoch and prepare the next.

        Parameters
        ----------
        model : EvidenceModule
        rows : Tensor of shape (n_rows, n_features)
            Some training rows.
        of_rows : Tensor of shape (n_unseen,)
            Evidence of each unseen row after the epoch, in nats.
        recent : list of float
            Its means of the epochs before, since weights were last put back.

        Returns
        -------
        bool
            Whether the next epoch starts from other weights, or another stage.
        """
        p = self.progress
        stage, evidence = p.stage, of_rows.mean().item()
        p.epoch += 1
        if stage == Stage.HOLD:
            self._hold(model, rows, evidence)
        elif stage == Stage.FREE:
            self._free(model, rows, of_rows)
        elif stage == Stage.LINEAR:
            self._from_linear(model, rows, of_rows, recent)
        else:
            begins_anew = self.elimination.judge(model, rows, of_rows, recent)
            if self.elimination.is_over:
                self._end_trials(model)
            return begins_anew
        self._hold_noise(model)
        return p.stage != stage

    def _enter(self, stage: Stage) -> None:
        p = self.progress
        p.stage, p.epoch = stage, 0.0
        p.best, p.since_gain, p.since_cut, p.rate = -math.inf, 0.0, 0.0, 1.0

    def _keep_best(self, model: EvidenceModule, of_rows: Tensor) -> None:
        evidence = of_rows.mean().item()
        if evidence > self.progress.best:
            self.progress.best = evidence
            self.shelf.keep("best", model.state())
            self.shelf.keep("best_rows", [of_rows])

    def _hold(self, model: EvidenceModule, rows: Tensor, evidence: float) -> None:
        """Wait until neither the count falls nor the evidence rises; keep so many."""
        p = self.progress
        p.since_gain = 0.0 if evidence > p.best else p.since_gain + 1
        p.best = max(p.best, evidence)
        if p.epoch % _EVERY == 0:
            count = model.count_relevant(rows, _SHARE)
            p.stable_for = 0.0 if count < p.lowest_count else p.stable_for + _EVERY
            p.lowest_count = min(p.lowest_count, count)
        is_stable = p.stable_for >= _STABLE and p.since_gain >= _HOLD_IDLE
        is_stable = is_stable and p.epoch >= self._epochs(_HOLD)
        if is_stable or p.epoch >= self._epochs(_LONGEST_HOLD):
            model.keep_axes(model.ranking(rows)[: model.count_relevant(rows, _SHARE)])
            self._enter(Stage.FREE)

    def _free(self, model: EvidenceModule, rows: Tensor, of_rows: Tensor) -> None:
        p = self.progress
        p.since_gain = 0.0 if of_rows.mean().item() > p.best else p.since_gain + 1
        self._keep_best(model, of_rows)
        if p.epoch >= self._epochs(_FREE) or p.since_gain >= self._epochs(_NO_GAIN):
            self.shelf.put_back("best", model.state())
            if self._is_behind(model):
                self._begin_linear(model, p.best)
            else:
                self._begin_trials(model, rows, Stage.TRIALS)

    def _is_behind(self, model: EvidenceModule) -> bool:
        """Whether no number of axes will make these networks better than PCA."""
        p = self.progress
        noise = model.noise.item()
        return (
            p.width > 0
            and not leaves_little(model, noise)
            and p.best + price_of_axes(int(p.width), model.n_features)
            < p.linear_evidence
        )

    def _begin_trials(self, model: EvidenceModule, rows: Tensor, stage: Stage) -> None:
        """Begin with the present weights, the best of the stage before."""
        self._enter(stage)
        self.elimination.n_epochs = self._epochs(_TRIAL)
        of_rows = self.shelf.get_buffer("best_rows")
        self.elimination.begin(model, rows, of_rows, may_try=self.eliminates)
        if self.elimination.is_over:
            self._end_trials(model)

    def _end_trials(self, model: EvidenceModule) -> None:
        p = self.progress
        self.elimination.settle(model)
        if p.stage == Stage.LINEAR_TRIALS or not p.width or is_compact(model):
            self._enter(Stage.OVER)
        else:
            self._begin_linear(model, self.elimination.trials.progress.reference)

    def _begin_linear(self, model: EvidenceModule, evidence: float) -> None:
        """Keep the present networks, of known evidence; train from PCA."""
        p = self.progress
        p.plain_evidence, p.plain_axes = evidence, model.n_kept()
        p.curved_axes = p.plain_axes if leads_as_many(model) else 0.0
        self.shelf.keep("plain", model.state())
        self._enter(Stage.LINEAR)
        if p.are_curved and p.plain_axes > p.width:  # They count the price otherwise.
            self._keep_linear(model, min(p.plain_axes, p.widest))
        else:
            self.shelf.put_back("linear", model.state())
        self._keep_best(model, model.profile_noise(model.unseen))

    def _from_linear(
        self,
        model: EvidenceModule,
        rows: Tensor,
        of_rows: Tensor,
        recent: list[float],
    ) -> None:
        """Train from probabilistic PCA, while it may become better than the other."""
        p, evidence = self.progress, of_rows.mean().item()
        gained = evidence > p.best + _GAIN * model.n_features
        self._keep_best(model, of_rows)
        p.since_gain = 0.0 if gained else p.since_gain + 1
        p.since_cut = 0.0 if gained else p.since_cut + 1
        if p.since_cut >= _CUT_AFTER:
            p.since_cut, p.rate = 0.0, p.rate / 2
        goal = self._goal(model)
        ends = p.epoch >= _LINEAR or p.since_gain >= _STOP_AFTER
        if not ends and not self._is_hopeless(evidence, recent, goal):
            return
        if p.best <= goal:
            self.shelf.put_back("plain", model.state())
            self._enter(Stage.OVER)
            return
        self.shelf.put_back("best", model.state())
        if "linear" in self.shelf and not is_significant(self._gain_on_linear(model)):
            if "plain" in self.shelf:  # What PCA itself is to be compared with.
                self.shelf.put_back("plain", model.state())
            self._enter(Stage.OVER)
        else:
            self._begin_trials(model, rows, Stage.LINEAR_TRIALS)

    def _goal(self, model: EvidenceModule) -> float:
        """Return what a fit from PCA must exceed to be better than the plain one."""
        p = self.progress
        if p.plain_evidence == -math.inf:
            return -math.inf
        return p.plain_evidence + self._lead(model, p.plain_axes, p.plain_evidence)

    def _lead(self, model: EvidenceModule, n_axes: float, evidence: float) -> float:
        return lead_of_pca(model, int(n_axes), evidence, int(self.progress.width))

    def _is_hopeless(self, evidence: float, recent: list[float], goal: float) -> bool:
        p = self.progress
        if p.epoch < _DOUBT or len(recent) < _SPAN:
            return False
        slope = (evidence - recent[-_SPAN]) / _SPAN
        return max(p.best, evidence + _OUTLOOK * slope) < goal

    # --- the end --------------------------------------------------------------------

    @torch.no_grad()
    def settle(self, model: EvidenceModule, x: Tensor) -> None:
        """Choose between what there is, wherever training ended.

        Probabilistic PCA is taken, and then of all rows x, unless the networks are
        better by three standard errors.
        """
        p = self.progress
        if p.stage in (Stage.TRIALS, Stage.LINEAR_TRIALS):
            self.elimination.settle(model)
        elif p.stage == Stage.LINEAR:
            leads = p.best > self._goal(model)
            self.shelf.put_back("best" if leads else "plain", model.state())
        elif p.stage == Stage.FREE and "best" in self.shelf:
            self.shelf.put_back("best", model.state())
        if "linear" in self.shelf:
            self._compare_with_linear(model)
        # Before the unseen rows are used, too.
        model.worth = model.weigh_axes()
        if self.is_linear:
            principal = PrincipalBasis.of(x, int(p.width))
            self._become_linear(model, model.of_all_directions(principal, unseen=False))
            model.spread_noise(model.noise.item())
        self.shelf.drop("best", "best_rows", "plain", "linear", "found")
        self._enter(Stage.OVER)

    def _compare_with_linear(self, model: EvidenceModule) -> None:
        """Put back probabilistic PCA, unless the networks are significantly better.

        They have to reconstruct no worse than as many principal axes, too; and to have
        an axis: without one they are PCA without one.
        """
        gain, n_axes = self._gain_on_linear(model), model.n_kept()
        restores = n_axes > 0 and reconstructs_as_pca(model)
        evidence = model.profile_noise(model.unseen).mean().item()
        is_better = (
            is_significant(gain, self._lead(model, n_axes, evidence))
            or is_compact(model)
            or is_worth_fewer(model, gain.mean().item(), int(self.progress.width))
        )
        self.progress.is_linear = float(not (restores and is_better))
        if self.is_linear:
            self.shelf.put_back("linear", model.state())

    def _gain_on_linear(self, model: EvidenceModule) -> Tensor:
        """Return what unseen rows gain on probabilistic PCA by the present weights."""
        self.shelf.keep("found", model.state())
        gain = model.profile_noise(model.unseen)
        self.shelf.put_back("linear", model.state())
        gain -= model.profile_noise(model.unseen)
        self.shelf.put_back("found", model.state())
        return gain
