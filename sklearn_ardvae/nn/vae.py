"""The evidence bound itself as a loss, with a noise variance that is fitted, too."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .likelihoods import Likelihood
from .module import LossTerms
from .variational import VariationalModule

__all__ = ["VAEModule"]

_LOG_2PI = math.log(2.0 * math.pi)
# The likelihood of a perfect reconstruction is unbounded.
_SMALLEST_VARIANCE = 1e-6


class VAEModule(VariationalModule):
    r"""Minus the evidence bound in nats, with a noise variance g^2 of its own.

    .. math::
        \text{loss} = \frac1B \sum_i \left[ \frac{\|x_i - \hat x_i\|^2}{2 g^2}
        + \frac D2 \log(2 \pi g^2) + \sum_l \mathrm{KL}_{il} \right]

    Parameters
    ----------
    encoder, decoder, likelihood, n_components
        As for `VariationalModule`.
    noise : {"profiled", "learned", "fixed"}
        Where g^2 comes from: it is the batch's mean squared error, at which the loss
        is least; or a parameter; or `noise_variance`.
    noise_variance : float
        g^2 at the start.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        n_components: int,
        *,
        noise: str,
        noise_variance: float,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, n_components, beta=1.0)
        self.noise = noise
        log_variance = torch.tensor(math.log(noise_variance))
        if noise == "learned" and not likelihood.logits:
            self.log_noise_variance = nn.Parameter(log_variance)
        else:
            self.register_buffer("log_noise_variance", log_variance)

    @property
    def noise_variance(self) -> Tensor:
        """The learned or fixed g^2, shape ()."""
        return self.log_noise_variance.exp().clamp_min(_SMALLEST_VARIANCE)

    def loss(self, x: Tensor, noise: Tensor) -> LossTerms:
        reconstruction, kl = (term.mean() for term in self.elbo_terms(x, noise))
        parts = {"reconstruction": reconstruction, "kl": kl}
        if self.likelihood.logits:
            return LossTerms(reconstruction + kl, parts)
        n_features = x.shape[1]
        if self.noise == "profiled":
            variance = (reconstruction / n_features).clamp_min(_SMALLEST_VARIANCE)
        else:
            variance = self.noise_variance
        constant = 0.5 * n_features * (variance.log() + _LOG_2PI)
        total = 0.5 * reconstruction / variance + constant + kl
        return LossTerms(total, parts | {"noise_variance": variance})
