"""Observation models: what a decoder's output means and what an error costs.

Reconstruction losses are SUMS over features, one number per row.
"""

from __future__ import annotations

import math
from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

__all__ = ["LIKELIHOODS", "BernoulliLikelihood", "GaussianLikelihood", "Likelihood"]


class Likelihood(Protocol):
    """What the modules ask of an observation model."""

    #: Whether a preset network ends in the logits of a mean in [0, 1].
    logits: bool
    #: A factor of the loss.
    unit: float

    def reconstruction(self, x: Tensor, output: Tensor) -> Tensor:
        """Return the loss of each row, shape (n_rows,)."""

    def mean(self, output: Tensor) -> Tensor:
        """Return the mean of x, in the range of the data."""

    def log_likelihood(
        self, reconstruction: Tensor, n_features: int, noise_variance: float
    ) -> Tensor:
        """Return log p(x | z) in nats from `reconstruction`, shape (n_rows,)."""


class GaussianLikelihood:
    r"""Squared error, :math:`\|x - \hat x\|^2` (no 1/2); the output is the mean.

    `unit` is a factor of it: where rows are standardised and weights are meant for the
    user's units, the squared scale.
    """

    logits = False
    unit = 1.0

    def reconstruction(self, x: Tensor, output: Tensor) -> Tensor:
        errors = (output - x).square().sum(1)
        return errors if self.unit == 1.0 else self.unit * errors

    def mean(self, output: Tensor) -> Tensor:
        return output

    def log_likelihood(
        self, reconstruction: Tensor, n_features: int, noise_variance: float
    ) -> Tensor:
        constant = -0.5 * n_features * math.log(2.0 * math.pi * noise_variance)
        return constant - reconstruction / (2.0 * noise_variance)


class BernoulliLikelihood:
    """Cross entropy in nats of data in [0, 1]; the output is the logits."""

    logits = True
    unit = 1.0

    def reconstruction(self, x: Tensor, output: Tensor) -> Tensor:
        losses = F.binary_cross_entropy_with_logits(output, x, reduction="none")
        return losses.sum(1)

    def mean(self, output: Tensor) -> Tensor:
        return output.sigmoid()

    def log_likelihood(
        self, reconstruction: Tensor, n_features: int, noise_variance: float
    ) -> Tensor:
        return -reconstruction


LIKELIHOODS: dict[str, type[GaussianLikelihood] | type[BernoulliLikelihood]] = {
    "gaussian": GaussianLikelihood,
    "bernoulli": BernoulliLikelihood,
}
