"""The fits of a path: which there are, who makes them together, what comes of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..estimator.validation import ValidRows
from ..methods.ard_vae import ARDVAE
from ..training.books import DivergedError
from ..training.lockstep import run_in_lockstep
from .path import Floats

__all__ = ["FoldResult", "Search", "fit_and_score", "folder_inside"]


class _Candidate(ARDVAE):
    """A fit of the path, which leaves it to the whole to warn."""

    _warns = False


class FoldResult(NamedTuple):
    """What comes of a fit to all folds but one; `reason` says why it failed."""

    evidence: float = np.nan
    n_active: float = np.nan
    is_unfinished: bool = False
    reason: str = "its score is not a number."


@dataclass(frozen=True)
class Search:
    """Rows, candidates and folds, each a pair of training and test rows.

    Parameters
    ----------
    rows : array of shape (n_rows, n_features)
    betas : ndarray of shape (n_betas,)
    sizes : list of int
    folds : list of pairs of ndarray
    seed : int
        Of all fits.
    checkpoint : path-like or None
        Where they keep what they have come to.
    n_together : int
        Fits that share their steps, at most.
    """

    rows: ValidRows
    betas: Floats
    sizes: list[int]
    folds: list[tuple[NDArray, NDArray]]
    seed: int
    checkpoint: str | PathLike | None
    n_together: int

    def folder_of(self, beta: int, size: int, fold: int) -> Path | None:
        """Return where a fit of the path keeps what it has come to."""
        return folder_inside(self.checkpoint, f"beta-{beta}-size-{size}-fold-{fold}")

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.betas), len(self.sizes), len(self.folds)

    @property
    def tasks(self) -> list[tuple[int, int, int]]:
        """Indices of beta, size and fold of each fit, in order."""
        return [(b, s, f) for b, s, f in np.ndindex(self.shape)]

    def shared_out(self, n_workers: int) -> list[list[tuple[int, int, int]]]:
        """Return the tasks by those that are fitted together, in order."""
        tasks = self.tasks
        n_groups = max(-(-len(tasks) // self.n_together), min(n_workers, len(tasks)))
        bounds = [len(tasks) * i // n_groups for i in range(n_groups + 1)]
        return [tasks[first:last] for first, last in pairwise(bounds)]


def folder_inside(folder: str | PathLike | None, name: str) -> Path | None:
    """Return the folder of a name inside another, if there is one."""
    return None if folder is None else Path(os.fsdecode(folder), name)


def fit_and_score(
    models: list[ARDVAE], rows: ValidRows, folds: list[tuple[NDArray, NDArray]]
) -> list[FoldResult]:
    """Fit models together, each to its training rows, and score its test rows."""
    return run_in_lockstep(
        [
            partial(_fit_and_score_one, model, rows, *fold)
            for model, fold in zip(models, folds, strict=True)
        ]
    )


def _fit_and_score_one(
    model: ARDVAE, rows: ValidRows, train: NDArray, test: NDArray
) -> FoldResult:
    try:
        model.fit(rows[train])
    except DivergedError as error:
        return FoldResult(reason=str(error))
    is_unfinished = model.early_stopping and model.n_iter_ >= model.max_iter
    return FoldResult(
        model.score(rows[test]), model.n_active_components_, is_unfinished
    )
