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
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .blocks import doubles, rows_of_block

__all__ = ["PrincipalBasis", "WidthCurves"]

# Rows, where features are as many: a Gram matrix of 4096 x 4096 takes a few seconds.
_MOST = 4096
# Share of the variance of a feature: with less noise, densities have no bound.
SMALLEST_NOISE = 1e-6
_TINY = 1e-30


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

    def first(self, n_axes: int) -> PrincipalBasis:
        """Return the same rows' first axes only."""
        return replace(self, axes=self.axes[:n_axes], variances=self.variances[:n_axes])

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
        Log density of each row in nats, at the noise variance that fits all best, or
        the least that there is said to be.
    noise : Tensor of shape (n_widths,)
        That variance.
    errors : Tensor of shape (n_widths,)
        Mean squared error of one feature.
    """

    densities: Tensor
    noise: Tensor
    errors: Tensor

    @classmethod
    def of(
        cls, principal: PrincipalBasis, unseen: Tensor, least_noise: float = 0.0
    ) -> WidthCurves:
        """Measure by `unseen` rows, which `principal` does not know."""
        n_features = unseen.shape[1]
        # Beside all axes there is no noise left.
        principal = principal.first(n_features - 1)
        along, outside = principal.squares(unseen)
        left = n_features - torch.arange(outside.shape[1], dtype=torch.float64)
        left = left.clamp_min(1.0)
        least_noise = max(least_noise, principal.smallest_noise)
        noise = (outside.mean(0) / left).clamp_min(least_noise)
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
            noise = left.mean() / n_left.clamp_min(1.0)
            noise = noise.clamp_min(principal.smallest_noise)
            wide = torch.maximum(variances, noise)
            constant = (inside * wide.log()).sum() + n_left * noise.log()
            return -0.5 * (constant + along @ (inside / wide) + left / noise)

        everything = torch.ones(width, dtype=torch.float64)
        without = everything - torch.eye(width, dtype=torch.float64)
        whole = density(everything)
        return torch.stack([whole - density(some) for some in without], dim=1)
