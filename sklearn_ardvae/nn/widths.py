"""How many principal axes rows ask for, by five-fold cross-validation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .against_pca import price_of_axes
from .blocks import rows_of_block
from .elimination import AXIS_PRICE
from .principal import PrincipalBasis, WidthCurves

__all__ = ["Folds", "Widths", "width_of_half"]

_FOLDS = 5
# Multiplications beyond which one cut of the rows has to do.
_CHEAP = 4e8
# Rows of a fold whose mean will do for that of more, and those that tell of curves.
_MOST = 4096
# Nats a row and feature, and standard errors, that may be missing for fewer axes.
_WORTHLESS, _CLEAR = 0.005, 2.0
# Standard errors by which any axes at all must be better than none; within which noise
# is normal; and beyond which rows are curved.
_SIGNIFICANT = 3.0
# No more axes than these, or than PCA may want, hold the signal.
_WIDEST = 256
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Widths:
    """How many principal axes rows ask for.

    Parameters
    ----------
    by_evidence : int
        The fewest with which the log density of unseen rows is below the highest by no
        more than two standard errors, nor than 0.005 nats a feature. None at all,
        unless that number is better than none by three standard errors.
    by_price : int
        Those of them that pay the price of a trial each, 0.007 nats a feature; all, if
        the others are worth more than 0.1 nats a feature together.
    are_curved : bool
        Whether nothing but normal noise is beside the axes by evidence, and those that
        do not pay follow from those that do: they are no axes of their own then.
    """

    by_evidence: int
    by_price: int
    are_curved: bool

    @property
    def width(self) -> int:
        """The number that counts."""
        return self.by_price if self.are_curved else self.by_evidence


@dataclass(frozen=True, slots=True)
class Fold:
    """Principal axes of some rows, and rows that they do not know.

    Parameters
    ----------
    principal : PrincipalBasis
    x : Tensor of shape (n_rows, n_features)
        All rows.
    at : Tensor of int
        Where those are that the axes do not know.
    seen : Tensor of int
        Where some of those are that they were taken from.
    """

    principal: PrincipalBasis
    x: Tensor
    at: Tensor
    seen: Tensor

    @property
    def unseen(self) -> Tensor:
        """The rows that the axes do not know."""
        return self.x[self.at]

    def coordinates(self, rows: Tensor, n_axes: int) -> Tensor:
        """Return those of rows along the first axes, in units of their deviations."""
        axes, variances = self.principal.axes, self.principal.variances
        along = (rows.cpu().double() - self.principal.mean) @ axes[:n_axes].T
        return along / variances[:n_axes].clamp_min(_TINY).sqrt()


class Folds:
    """Rows that are dealt to five folds, each measured by the axes of the others.

    Parameters
    ----------
    x : Tensor of shape (n_rows, n_features)
    most : int
        PCA may want no more axes than that, nor than a fold has rows or X features,
        less one; or all, if rows fill all directions.
    generator : torch.Generator
        Deals the rows.
    index : Tensor of int, optional
        Of the rows in question, in place of all.
    """

    def __init__(
        self,
        x: Tensor,
        most: int,
        generator: torch.Generator,
        index: Tensor | None = None,
    ) -> None:
        self.x, self.most = x, most
        #: None, if there are fewer than ten rows.
        self.folds: list[Fold] = []
        if index is None:
            index = torch.arange(len(x), device=x.device)
        n_rows, n_features = len(index), x.shape[1]
        if n_rows < 2 * _FOLDS:
            return
        order = torch.randperm(n_rows, generator=generator, device=generator.device)
        parts = order.to(x.device).chunk(_FOLDS)
        most = max(most, _WIDEST)
        n_axes = max(0, min(most, n_features - 1, n_rows - len(parts[0]) - 1))
        one_will_do = n_rows * n_features**2 > _CHEAP
        for part in parts[:1] if one_will_do else parts:
            is_seen = torch.ones(n_rows, dtype=torch.bool, device=x.device)
            is_seen[part] = False
            seen = index[is_seen]
            principal = PrincipalBasis.of(x, n_axes, seen)
            fold = Fold(principal, x, index[part[:_MOST]], seen[:_MOST])
            self.folds.append(fold)

    def widths(self) -> Widths:
        """Answer the question."""
        by_evidence, by_price = self.by_evidence_and_price()
        are_curved = (
            by_price < by_evidence
            and self.signal(by_evidence) is not None
            and self.follow(by_price, by_evidence)
        )
        return Widths(by_evidence, by_price, are_curved)

    def by_evidence_and_price(self) -> tuple[int, int]:
        """Return the first two numbers of `Widths`."""
        if not self.folds:
            return 0, 0
        found = torch.cat([self._densities(fold) for fold in self.folds])
        n_features, means = self.x.shape[1], found.mean(0)
        missing = found[:, means.argmax(), None] - found
        clear = _CLEAR * _standard_error(missing)
        enough = missing.mean(0) <= clear.clamp_max(_WORTHLESS * n_features)
        width = int(enough.nonzero()[0])
        gain = found[:, width] - found[:, 0]
        if not gain.mean() > _SIGNIFICANT * _standard_error(gain):
            width = n_features if self.fill_all_directions() else 0
            return width, width
        means = means[: width + 1]
        price = AXIS_PRICE * n_features * torch.arange(width + 1)
        fewer = int((means - price).argmax())
        lost = (means[width] - means[fewer]).item()
        may_do = fewer > 0 and lost <= price_of_axes(width - fewer, n_features)
        return width, fewer if may_do else width

    def _densities(self, fold: Fold) -> Tensor:
        return WidthCurves.of(fold.principal.first(self.most), fold.unseen).densities

    def fill_all_directions(self) -> bool:
        """Whether rows that are alike in all directions are no normal noise.

        PCA cannot tell one from the other. Normal noise varies in length as `spreads`
        says; a sphere, a cube or its surface, less. Heavy tails are taken for noise,
        and so are rows of more directions than there may be axes.
        """
        if not self.folds or self.most < self.x.shape[1]:
            return False
        spread, error, _ = self.spreads()
        return bool(spread[0] < 1.0 - _SIGNIFICANT * error[0])

    def signal(self, least: int) -> tuple[int, float] | None:
        """Return the fewest axes, at least so many, beside which there is noise alone.

        And the variance of that noise. None, if no number of axes leaves what is within
        three standard errors of normal noise by `spreads`.
        """
        if not self.folds:
            return None
        spread, error, noise = self.spreads()
        is_noise = (spread - 1.0).abs() <= _SIGNIFICANT * error
        widths = is_noise[least:].nonzero().flatten()
        if not len(widths):
            return None
        width = least + int(widths[0])
        return width, noise[width].item()

    def spreads(self) -> tuple[Tensor, Tensor, Tensor]:
        r"""Return how much the squared lengths of rows vary outside 0, 1, ... axes.

        Of a row that has normal noise of one variance in m dimensions, the squared
        length s has

        .. math:: \frac{m}{2} \, \frac{\mathrm{Var}\, s}{(\mathrm E\, s)^2} = 1,

        which n rows show with a standard error of :math:`\sqrt{(2 + 12 / m) / n}`. More
        is what heavy tails, parts and curved axes leave; less, what has bounds.

        Returns
        -------
        spread, error, noise : Tensor of shape (n_widths,)
            The left-hand side, that standard error, and the variance in a direction.
        """
        n_axes = len(self.folds[0].principal.axes)
        outside = torch.cat(
            [
                fold.principal.squares(self.x[at])[1]
                for fold in self.folds
                for at in fold.at.split(rows_of_block(n_axes))
            ]
        )
        left = self.x.shape[1] - torch.arange(outside.shape[1], dtype=torch.float64)
        mean = outside.mean(0).clamp_min(_TINY)
        spread = left / 2.0 * outside.var(0) / mean.square()
        error = ((2.0 + 12.0 / left) / len(outside)).sqrt()
        return spread, error, mean / left

    def follow(self, n_first: int, n_axes: int) -> bool:
        r"""Whether coordinates along further axes follow from those along the first.

        For an unseen row with the first coordinates a and the others y, in units of
        their deviations, and the rows i that the axes were taken from,

        .. math:: \sum_i \Big(1 + \frac{a \cdot a_i}{n}\Big)^3 \, y \cdot (y_i - \bar y)

        with n first coordinates, has the mean 0 where y has nothing to do with a: rows
        that are alike in a are then no more alike in y than others. Three standard
        errors of the mean tell (a kernel test of independence; what a ridge regression
        of y on third powers gains, where the ridge is high).
        """
        alike = []
        for fold in self.folds:
            seen = fold.coordinates(self.x[fold.seen], n_axes)
            a_seen, y_seen = seen[:, :n_first], seen[:, n_first:]
            y_seen -= y_seen.mean(0)
            for at in fold.at.split(rows_of_block(len(seen))):
                unseen = fold.coordinates(self.x[at], n_axes)
                a, y = unseen[:, :n_first], unseen[:, n_first:]
                likeness = (1.0 + a @ a_seen.T / n_first).pow_(3)
                alike.append((y * (likeness @ y_seen)).sum(1))
        found = torch.cat(alike)
        return bool(found.mean() > _SIGNIFICANT * _standard_error(found))


def width_of_half(
    x: Tensor, most: int, generator: torch.Generator, half: Tensor, are_curved: bool
) -> int:
    """Return how many axes the rows at `half` ask for, if all rows are curved, or not.

    Of half the rows, it is harder to tell.
    """
    widths = Folds(x, most, generator, half).by_evidence_and_price()
    return widths[are_curved]


def _standard_error(values: Tensor) -> Tensor:
    """Return that of the mean over the first axis."""
    return values.std(0) / math.sqrt(len(values))
