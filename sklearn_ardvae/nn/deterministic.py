"""What autoencoders without a posterior share; a method adds its penalty."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .gaussian import covariance_root, draw_gaussian, moments_of
from .module import AutoencoderModule, LossTerms, Networks, Noise

__all__ = ["DeterministicModule"]

_ROWS = 1024


class DeterministicModule(AutoencoderModule):
    r"""Reconstruction loss plus a weighted penalty.

    .. math::
        \text{loss} = \frac1B \sum_i R(x_i, \hat x_i) + w\,P

    with R the sum over features that the likelihood says, and P the method's own.
    There is no prior; codes to sample from are drawn from N(m, C), with the mean and
    covariance of the training codes.

    Parameters
    ----------
    networks : Networks
    penalty_weight : float
        w.
    """

    is_stackable = True

    penalty_weight: float = 0.0

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.register_buffer("code_mean", torch.zeros(self.n_components))
        self.register_buffer("code_root", torch.eye(self.n_components))

    def penalty(self, x: Tensor, z: Tensor, output: Tensor, noise: Noise) -> Tensor:
        """Return P, shape (); by default none."""
        return z.new_zeros(())

    def loss(self, x: Tensor, noise: Noise) -> LossTerms:
        z = self.encode(x)
        output = self.output(z)
        reconstruction = self.likelihood.reconstruction(x, output).mean()
        if self.penalty_weight == 0.0:
            return LossTerms(reconstruction, {"reconstruction": reconstruction})
        penalty = self.penalty(x, z, output, noise)
        total = torch.add(reconstruction, penalty, alpha=self.penalty_weight)
        return LossTerms(total, {"reconstruction": reconstruction, "penalty": penalty})

    def finish(self, x: Tensor, generator: torch.Generator, streaming: bool) -> None:
        """Take the moments of the codes of all rows, or of a stream's piece."""
        moments = moments_of(self.encode(rows) for rows in x.split(_ROWS))
        self.code_mean.copy_(moments.mean)
        self.code_root.copy_(covariance_root(moments.covariance))

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        return draw_gaussian(self.code_mean, self.code_root, n_rows, generator)
