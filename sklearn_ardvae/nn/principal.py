r"""Probabilistic PCA in closed form: the start of a fit, and what it is measured by.

Rows are :math:`x = m + W z + \epsilon` with :math:`z \sim N(0, I)` and noise of
variance :math:`\sigma^2`. With the eigenvalues :math:`\lambda_1 \ge \lambda_2 \ge
\dots` of the covariance and their eigenvectors u, k axes have their largest likelihood
at

.. math:: \sigma^2 = \frac{1}{D - k} \sum_{l > k} \lambda_l, \qquad
    w_l = \sqrt{\lambda_l - \sigma^2} \, u_l

(Tipping, Bishop: "Probabilistic principal component analysis", JRSS B 61, 1999). All of
it is computed in float64 on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .blocks import doubles, rows_of_block

__all__ = ["PrincipalBasis", "WidthCurves", "preferred_width", "width_of_signal"]

# Rows, where features are as many: a Gram matrix of 4096 x 4096 takes a few seconds.
# And those whose mean will do for that of more.
_MOST = 4096
# Multiplications beyond which one cut of the rows has to do for cross-validation.
_CHEAP = 4e8
_FOLDS = 5
# Share of the variance of a feature: with less noise, densities have no bound.
SMALLEST_NOISE = 1e-6
_TINY = 1e-30
# Nats a row and feature, and standard errors, that may be missing for fewer axes.
_WORTHLESS, _CLEAR = 0.005, 2.0
# Standard errors by which any axes at all must be better than none.
_SIGNIFICANT = 3.0


@dataclass(frozen=True, slots=True)
class PrincipalBasis:
    """Mean, principal axes and variances of some rows.

    Parameters
    ----------
    mean : Tensor of shape (n_features,)
    axes : Tensor of shape (n_axes, n_features)
        Orthonormal, those of largest variance first.
    variances : Tensor of shape (n_axes,)
        Along the axes, divided by the number of rows.
    total : float
        Variance in all directions.
    n_rows : int
    n_outside : int
        Directions that these coordinates leave out,
    outside : float
        and the variance in each.
    """

    mean: Tensor
    axes: Tensor
    variances: Tensor
    total: float
    n_rows: int
    n_outside: int = 0
    outside: float = 0.0

    @classmethod
    def of(cls, x: Tensor, n_axes: int, index: Tensor | None = None) -> PrincipalBasis:
        """Decompose rows `x`, shape (n_rows, n_features), or those at `index`."""
        if index is None:
            index = torch.arange(len(x), device=x.device)
        if min(len(index), x.shape[1]) > _MOST:
            index = index[:_MOST]
        n_rows, n_features = len(index), x.shape[1]

        # About the first row, digits do not cancel.
        first = x[index[0]].cpu().double()
        mean = (
            first + sum(rows.sub_(first).sum(0) for rows in doubles(x, index)) / n_rows
        )
        if n_features <= n_rows:
            centred = (rows.sub_(mean) for rows in doubles(x, index))
            covariance = sum(rows.T @ rows for rows in centred) / n_rows
            values, vectors = torch.linalg.eigh(covariance)
            axes = vectors.flip(1)[:, :n_axes].T
        else:
            rows = x[index].cpu().double() - mean
            values, vectors = torch.linalg.eigh(rows @ rows.T / n_rows)
            # Also beyond the rank of the rows they are orthonormal.
            axes = torch.linalg.qr(rows.T @ vectors.flip(1)[:, :n_axes])[0].T
        values = values.flip(0).clamp_min(0.0)
        return cls(mean, axes, values[:n_axes], values.sum().item(), n_rows)

    def noise(self, n_axes: int) -> float:
        """Return the noise variance beside the first `n_axes`."""
        n_left = max(1, len(self.mean) - n_axes + self.n_outside)
        left = self.total - self.variances[:n_axes].sum().item()
        left += self.n_outside * self.outside
        return max(left / n_left, self.smallest_noise)

    @property
    def feature_variance(self) -> float:
        """The mean variance of a feature."""
        return self.total / len(self.mean)

    @property
    def smallest_noise(self) -> float:
        """The least noise variance, > 0, that such rows are said to have."""
        return max(SMALLEST_NOISE * self.feature_variance, _TINY)

    def squares(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what rows have along each axis, and outside the first 0, 1, ...

        Returns
        -------
        along : Tensor of shape (n_rows, n_axes)
            Squared coordinates.
        outside : Tensor of shape (n_rows, n_axes + 1)
            Squared distance from the subspace of so many axes.
        """
        along = x.new_empty(len(x), len(self.axes), dtype=torch.float64, device="cpu")
        size = along.new_empty(len(x), 1)
        n_rows = rows_of_block(x.shape[1])
        into = zip(along.split(n_rows), size.split(n_rows), strict=True)
        for rows, (coordinates, sizes) in zip(doubles(x), into, strict=True):
            torch.mm(rows.sub_(self.mean), self.axes.T, out=coordinates).square_()
            torch.sum(rows.square_(), 1, keepdim=True, out=sizes)
        spanned = torch.cat((torch.zeros_like(size), along.cumsum(1)), dim=1)
        return along, (size - spanned).clamp_min(0.0)


@dataclass(frozen=True, slots=True)
class WidthCurves:
    """How well unseen rows are explained by the first 0, 1, ... principal axes.

    Parameters
    ----------
    densities : Tensor of shape (n_rows, n_widths)
        Log density of each row in nats, at the noise variance that fits all best.
    noise : Tensor of shape (n_widths,)
        That variance.
    errors : Tensor of shape (n_widths,)
        Mean squared error of one feature.
    """

    densities: Tensor
    noise: Tensor
    errors: Tensor

    @classmethod
    def of(cls, principal: PrincipalBasis, unseen: Tensor) -> WidthCurves:
        """Measure by `unseen` rows, which `principal` does not know."""
        along, outside = principal.squares(unseen)
        n_features = unseen.shape[1]
        left = n_features - torch.arange(outside.shape[1], dtype=torch.float64)
        left = left.clamp_min(1.0)
        noise = (outside.mean(0) / left).clamp_min(principal.smallest_noise)
        # (n_widths, n_axes): an axis beyond the width takes no part.
        variances = torch.maximum(principal.variances, noise[:, None])
        inside = torch.ones_like(variances).tril(-1)
        constant = (inside * variances.log()).sum(1) + left * noise.log()
        distances = along @ (inside / variances).T + outside / noise
        constant = constant + n_features * math.log(2.0 * math.pi)
        errors = outside.mean(0) / n_features
        return cls(-0.5 * (constant + distances), noise, errors)

    def width_of_noise(self, noise: float) -> int:
        """Return the fewest axes that leave no more noise; if none do, one too many."""
        return int((self.noise > noise).sum())

    @staticmethod
    def losses(principal: PrincipalBasis, unseen: Tensor, width: int) -> Tensor:
        """Return what each of the first axes is worth to each unseen row.

        Returns
        -------
        Tensor of shape (n_rows, width)
            Log density with all of them, less that without one, each at the noise
            variance that fits all rows best.
        """
        along, outside = principal.squares(unseen)
        if width == 0:
            return along[:, :0]
        along, variances = along[:, :width], principal.variances[:width]
        n_outside = principal.n_outside
        others = outside[:, width] + n_outside * principal.outside

        def density(inside: Tensor) -> Tensor:
            left = others + along @ (1.0 - inside)
            n_left = unseen.shape[1] + n_outside - inside.sum()
            noise = (left.mean() / n_left).clamp_min(principal.smallest_noise)
            wide = torch.maximum(variances, noise)
            constant = (inside * wide.log()).sum() + n_left * noise.log()
            return -0.5 * (constant + along @ (inside / wide) + left / noise)

        everything = torch.ones(width, dtype=torch.float64)
        without = everything - torch.eye(width, dtype=torch.float64)
        whole = density(everything)
        return torch.stack([whole - density(some) for some in without], dim=1)


def preferred_width(
    x: Tensor, most: int, generator: torch.Generator, index: Tensor | None = None
) -> int:
    """Return the number of principal axes by which unseen rows are explained best.

    Five-fold cross-validation of the log density: the fewest axes with which it is
    below the highest by no more than two standard errors, nor than 0.005 nats a
    feature. None at all, unless that number is better than none by three standard
    errors, or if there are fewer than ten rows.

    Parameters
    ----------
    x : Tensor of shape (n_rows, n_features)
    most : int
        No more axes than that, nor than a fold has rows or X features, less one.
    generator : torch.Generator
        Deals the rows to the folds.
    index : Tensor of int, optional
        Of the rows in question, in place of all.
    """
    curves = [WidthCurves.of(*fold) for fold in _folds(x, most, generator, index)]
    if not curves:
        return 0
    found = torch.cat([curve.densities for curve in curves])
    means = found.mean(0)
    missing = found[:, means.argmax(), None] - found
    clear = _CLEAR * _standard_error(missing)
    enough = missing.mean(0) <= clear.clamp_max(_WORTHLESS * x.shape[1])
    width = int(enough.nonzero()[0])
    gain = found[:, width] - found[:, 0]
    return width if gain.mean() > _SIGNIFICANT * _standard_error(gain) else 0


def width_of_signal(
    x: Tensor, least: int, most: int, generator: torch.Generator
) -> tuple[int, float] | None:
    r"""Return the fewest principal axes outside which there is normal noise alone.

    And the variance of that noise.

    Of a row that has normal noise of one variance in m dimensions, the squared length
    s has

    .. math:: \frac{m}{2} \, \frac{\mathrm{Var}\, s}{(\mathrm E\, s)^2} = 1,

    which n rows show with a standard error of :math:`\sqrt{(2 + 12 / m) / n}`. More is
    what heavy tails, parts and curved axes leave. None, if no number of axes leaves
    what is within three standard errors of it.

    Parameters
    ----------
    x : Tensor of shape (n_rows, n_features)
    least, most : int
        No fewer axes than that, and no more.
    generator : torch.Generator
        Deals the rows to five folds, each measured outside the axes of the others.
    """
    lengths = [
        principal.squares(some)[1]
        for principal, some in _folds(x, most, generator, None)
    ]
    if not lengths:
        return None
    outside = torch.cat(lengths)
    left = x.shape[1] - torch.arange(outside.shape[1], dtype=torch.float64)
    mean = outside.mean(0).clamp_min(_TINY)
    spread = left / 2.0 * outside.var(0) / mean.square()
    error = ((2.0 + 12.0 / left) / len(outside)).sqrt()
    is_noise = (spread - 1.0).abs() <= _SIGNIFICANT * error
    widths = is_noise[least:].nonzero().flatten()
    if not len(widths):
        return None
    width = least + int(widths[0])
    return width, (mean[width] / left[width]).item()


def _folds(
    x: Tensor, most: int, generator: torch.Generator, index: Tensor | None
) -> Iterator[tuple[PrincipalBasis, Tensor]]:
    """Yield the principal axes of four fifths of the rows, and the other rows."""
    if index is None:
        index = torch.arange(len(x), device=x.device)
    n_rows, n_features = len(index), x.shape[1]
    if n_rows < 2 * _FOLDS:
        return
    order = torch.randperm(n_rows, generator=generator, device=generator.device)
    folds = order.to(x.device).chunk(_FOLDS)
    n_axes = max(0, min(most, n_features - 1, n_rows - len(folds[0]) - 1))
    one_will_do = n_rows * n_features**2 > _CHEAP
    for unseen in folds[:1] if one_will_do else folds:
        seen = torch.ones(n_rows, dtype=torch.bool, device=x.device)
        seen[unseen] = False
        principal = PrincipalBasis.of(x, n_axes, index[seen])
        yield principal, x[index[unseen[:_MOST]]]


def _standard_error(values: Tensor) -> Tensor:
    """Return that of the mean over the first axis."""
    return values.std(0) / math.sqrt(len(values))
