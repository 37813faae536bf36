"""What speaks for the number of axes that a fit has found, and what against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from ..nn.blocks import feature_moments
from ..nn.evidence import EvidenceModule
from ..nn.widths import width_of_half

__all__ = ["CountWarning", "Verdict", "judged"]

# Relative excess of an error over PCA's that counts: less is rounding.
_EXCESS = 1e-3
# Counts of two halves disagree if they differ by more than both.
_AXES, _SHARE = 2, 0.2
# Dimensions of the rows beyond the axes that are no scatter of the estimate.
_MORE = 0.5
# Share of the mean variance below which a feature is faint.
_FAINT = 0.01
# Fewer rows than these, or than so many for each axis, do not tell.
_ROWS, _ROWS_PER_AXIS = 50, 5


class CountWarning(ConvergenceWarning):
    """The number of active components is not to be relied on, and why."""


@dataclass(frozen=True)
class Verdict:
    """How a fit compares with PCA on rows that neither has seen.

    Parameters
    ----------
    n_samples, n_unseen : int
        Rows, and those of them that the comparison is made on.
    n_active : int
    is_linear : bool
        Whether the model found is probabilistic PCA itself.
    evidence, evidence_std : float
        In nats a row, and its standard error.
    pca_evidence : float
        Of probabilistic PCA, by its best number of axes.
    pca_width : int
        That number.
    error, pca_error : float
        Mean squared error of a feature, and that of PCA of equal width.
    counts_of_halves : (int, int)
        Axes that either half of the rows would want.
    n_faint : int
        Features of hardly any variance.
    curved_axes : int
        Axes of networks that explain the rows better than as many of PCA's, where PCA
        of more of them explains the rows best; 0 if there are no such networks.
    are_curved : bool
        Whether principal axes that follow from others were left out.
    kept_worth : float or None
        What the least of the active axes is worth, over the price of an axis; None if
        nothing tells.
    are_full : bool
        Whether all directions count, as rows are alike in them but no normal noise.
    dimension_of_rows : float or None
        That of the rows as they are, if they cannot have as much noise as was found.
    """

    n_samples: int
    n_unseen: int
    n_active: int
    is_linear: bool
    evidence: float
    evidence_std: float
    pca_evidence: float
    pca_width: int
    error: float
    pca_error: float
    counts_of_halves: tuple[int, int]
    n_faint: int = 0
    curved_axes: int = 0
    are_curved: bool = False
    kept_worth: float | None = None
    are_full: bool = False
    dimension_of_rows: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name, as a file takes them."""
        return {**asdict(self), "counts_of_halves": list(self.counts_of_halves)}

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Verdict:
        """Return what `as_dict` was made from."""
        first, second = values["counts_of_halves"]
        return cls(**{**values, "counts_of_halves": (first, second)})

    def doubts(self) -> list[str]:
        """Return what speaks against the count, each in a sentence."""
        doubts = []
        first, second = sorted(self.counts_of_halves)
        if self.error > self.pca_error * (1.0 + _EXCESS) and not self.is_linear:
            doubts.append(
                f"PCA of {self.n_active} components reconstructs unseen rows better "
                f"(squared error {self.pca_error:.3g} against {self.error:.3g}): the "
                "networks have not found what a linear map finds."
            )
        if second - first > max(_AXES, _SHARE * second):
            doubts.append(
                f"It depends on the cut of the data: one half of the rows asks for "
                f"{first} axes, the other for {second}."
            )
        if self.n_samples < max(_ROWS, _ROWS_PER_AXIS * self.n_active):
            doubts.append(
                f"{self.n_samples} rows are too few to tell {self.n_active} axes from "
                f"noise: {max(_ROWS, _ROWS_PER_AXIS * self.n_active)} are the least."
            )
        if self.is_linear and 0 < self.curved_axes < self.n_active:
            doubts.append(
                f"Networks of {self.curved_axes} axes explain unseen rows better than "
                f"as many principal axes do, though not as well as {self.n_active} of "
                f"them: the data are curved, and {self.n_samples} rows too few to "
                f"follow them. {self.n_active} is an upper bound; more rows may lower "
                "it."
            )
        if (
            self.dimension_of_rows is not None
            and self.n_active
            and self.dimension_of_rows > self.n_active + _MORE
        ):
            doubts.append(
                f"The rows have {self.dimension_of_rows:.1f} dimensions by their "
                f"nearest neighbours, more than there are axes: what {self.n_active} "
                "leave is no noise, but what networks could not follow."
            )
        if self.is_linear and self.n_faint:
            doubts.append(
                f"{self.n_faint} features have less than a hundredth of the variance "
                "of the others, but one noise variance serves all: leave them out "
                "(VarianceThreshold), or put a StandardScaler in front."
            )
        return doubts


def judged(
    module: EvidenceModule,
    x: Tensor,
    active: Sequence[int],
    generator: torch.Generator,
    dimension_of_rows: float | None = None,
) -> Verdict:
    """Compare a module with PCA, on rows that its steps have not seen.

    Parameters
    ----------
    module : EvidenceModule
        Of a fit that has just ended.
    x : Tensor of shape (n_samples, n_features)
        All rows, in the module's units.
    active : sequence of int
        Axes.
    generator : torch.Generator
        Cuts the rows in halves.
    dimension_of_rows : float, optional
        As for `Verdict`.
    """
    curves, worth, count = module.fit_rows.curves, module.worth, len(active)
    assert worth is not None  # a fit has just ended
    of_units, of_widths = module.evidence_of_units, curves.densities.mean(0)
    if module.is_linear and module.signal is not None:
        halves = list(module.signal.widths_of_halves)
    elif module.is_linear:
        order = torch.randperm(len(x), generator=generator).to(x.device)
        halves = [
            width_of_half(
                x, module.n_components, generator, half, module.search.are_curved
            )
            for half in order.chunk(2)
        ]
    else:
        halves = [
            int((half > module.price_of_an_axis).sum()) for half in worth.of_halves
        ]
    kept = _least_worth(module, count)
    are_full = module.is_linear and count == x.shape[1] > 0
    # Of all axes PCA has no curve: beside them there is no noise.
    pca_error = curves.errors[min(count, len(curves.errors) - 1)].item()
    pca_error = worth.squared_error if are_full else pca_error
    faint = feature_moments(x)[1] < _FAINT * module.feature_variance
    return Verdict(
        n_samples=len(x),
        n_unseen=len(module.unseen),
        n_active=count,
        is_linear=module.is_linear,
        evidence=worth.evidence + of_units,
        evidence_std=worth.evidence_error,
        pca_evidence=of_widths.max().item() + of_units,
        pca_width=count if are_full else int(of_widths.argmax()),
        error=module.in_users_units(worth.squared_error),
        pca_error=module.in_users_units(pca_error),
        counts_of_halves=(halves[0], halves[-1]),
        # Coordinates along axes are no features.
        n_faint=0 if module.signal is not None else int(faint.sum()),
        curved_axes=module.search.curved_axes if module.is_linear else 0,
        are_curved=module.is_linear and module.search.are_curved,
        kept_worth=None if kept is None else kept / module.price_of_an_axis,
        are_full=are_full,
        dimension_of_rows=dimension_of_rows,
    )


def _least_worth(module: EvidenceModule, count: int) -> float | None:
    """Return what the least of the axes is worth, in nats a row; None if unknown.

    Networks show it in a trial without one, in which the others take over what they
    can; a principal axis is worth what the one more gains.
    """
    if module.is_linear:
        gains = module.fit_rows.curves.densities.mean(0).diff().tolist()
        return gains[count - 1] if 0 < count <= len(gains) else None
    losses = (
        -trial.change
        for trial in module.search.log
        if trial.held == count and trial.target == count - 1 and not trial.holds
    )
    return min(losses, default=None)
