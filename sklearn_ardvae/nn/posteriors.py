"""Posteriors q(z|x) of a batch of rows, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from .divergences import gaussian_kl

__all__ = ["LOG_VARIANCE_RANGE", "GaussianPosterior", "Posterior", "antithetic"]

# Beyond these, exp(log variance) leaves float32's comfortable range.
LOG_VARIANCE_RANGE = (-20.0, 10.0)


def antithetic(noise: Tensor, axes: Sequence[int] = ()) -> list[Tensor]:
    """Return normal `noise` and its mirror image as single draws, each (1, width).

    Their second moments are exactly those of normal numbers: 1 for every column, and 0
    between any two of `axes`, as many of these as there are draws. A mean over them is
    then exact for polynomials of third degree in these axes, although they are few.

    Parameters
    ----------
    noise : Tensor of shape (n_draws, width)
    axes : sequence of int
        Columns, those that matter most first.

    Returns
    -------
    list of Tensor of shape (1, width)
        Twice as many as `n_draws`.
    """
    noise = noise / noise.square().mean(0).sqrt()
    first = list(axes[: len(noise)])
    if first:
        # On the CPU: not every device decomposes.
        columns = torch.linalg.qr(noise[:, first].cpu().double())[0]
        noise[:, first] = (columns * len(noise) ** 0.5).to(noise)
    return list(torch.cat((noise, -noise)).split(1))


class Posterior(Protocol):
    """What the engine and the estimators ask of q(z|x), whatever its form."""

    @property
    def mean(self) -> Tensor:
        """The code that stands for each row, shape (n_rows, n_components)."""

    @property
    def std(self) -> Tensor:
        """The deviation of the codes about `mean`, shape (n_rows, n_components)."""

    def sample(self, noise: Tensor) -> Tensor:
        """Return the draw that `noise` stands for, shape (n_rows, n_components)."""


@dataclass(frozen=True, slots=True)
class GaussianPosterior:
    r"""The posterior :math:`N(\mu, \mathrm{diag}\,\sigma^2)` of each row.

    Parameters
    ----------
    mean, log_variance : Tensor of shape (n_rows, n_components)
    """

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def of(cls, mean: Tensor, log_variance: Tensor) -> GaussianPosterior:
        """Return the posterior of what an encoder put out, clamped to be computable."""
        # Clamps as `clamp` does, at less than half its price.
        return cls(mean, F.hardtanh(log_variance, *LOG_VARIANCE_RANGE))

    @property
    def std(self) -> Tensor:
        return torch.exp(0.5 * self.log_variance)

    def sample(self, noise: Tensor) -> Tensor:
        """Return the draw that standard normal `noise` stands for."""
        return torch.addcmul(self.mean, self.std, noise)

    def kl(self, prior_variance: Tensor) -> Tensor:
        """Return the KL from N(0, prior_variance) of each row, shape (n_rows,)."""
        return gaussian_kl(self.mean, self.log_variance, prior_variance)
