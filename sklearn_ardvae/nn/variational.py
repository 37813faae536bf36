"""What every VAE with a Gaussian posterior shares; a method adds its prior."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .divergences import gaussian_kl
from .likelihoods import Likelihood
from .module import AutoencoderModule, LossTerms

__all__ = ["LOG_VARIANCE_RANGE", "VariationalModule"]

# Beyond these, exp(log variance) leaves float32's comfortable range.
LOG_VARIANCE_RANGE = (-20.0, 10.0)


class VariationalModule(AutoencoderModule):
    r"""A VAE with posterior :math:`q(z|x) = N(\mu(x), \mathrm{diag}\,\sigma^2(x))`.

    .. math::
        \text{loss} = \frac1B \sum_i \left[ R(x_i, \hat x_i)
        + \beta \sum_l \mathrm{KL}_{il} \right],
        \qquad z = \mu + \sigma \epsilon

    with R the sum over features that the likelihood says.

    Parameters
    ----------
    encoder, decoder, likelihood, n_components
        As for `AutoencoderModule`; the encoder puts out means, then log variances.
    beta : float
        Weight of the KL term.
    """

    outputs_per_component = 2

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        n_components: int,
        beta: float,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, n_components)
        self.beta = beta
        self.register_buffer("prior_variance", torch.ones(n_components))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z|x), each (n_rows, n_components)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        # Clamps as `clamp` does, at less than half its price.
        return mean, F.hardtanh(log_variance, *LOG_VARIANCE_RANGE)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def code_std(self, x: Tensor) -> Tensor:
        return torch.exp(0.5 * self.posterior(x)[1])

    def draw_noise(self, n_rows: int, generator: torch.Generator) -> Tensor:
        shape = (n_rows, self.n_components)
        return torch.randn(shape, generator=generator, device=generator.device)

    def draw_score_noise(
        self, n_draws: int, generator: torch.Generator
    ) -> list[Tensor]:
        """Draw noise of shape (1, n_components) that serves every row of a score.

        Antithetic, with second moments of exactly 1: what the posterior's spread adds
        to a squared error is then right to second order, although the draws are few.
        """
        noise = self.draw_noise(n_draws // 2, generator)
        noise = noise / noise.square().mean(0).sqrt()
        return list(torch.cat((noise, -noise)).split(1))

    def reparametrise(
        self, mean: Tensor, log_variance: Tensor, noise: Tensor
    ) -> Tensor:
        """Return the sample of q(z|x) that standard normal `noise` stands for."""
        return torch.addcmul(mean, torch.exp(0.5 * log_variance), noise)

    def kl(self, mean: Tensor, log_variance: Tensor, z: Tensor) -> Tensor:
        """Return the divergence from the prior of each row, shape (n_rows,)."""
        return gaussian_kl(mean, log_variance, self.prior_variance)

    def elbo_terms(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstruction loss and the KL of each row, each (n_rows,)."""
        mean, log_variance = self.posterior(x)
        z = self.reparametrise(mean, log_variance, noise)
        reconstruction = self.likelihood.reconstruction(x, self.decoder(z))
        return reconstruction, self.kl(mean, log_variance, z)

    def loss(self, x: Tensor, noise: Tensor) -> LossTerms:
        reconstruction, kl = (term.mean() for term in self.elbo_terms(x, noise))
        total = torch.add(reconstruction, kl, alpha=self.beta)
        return LossTerms(total, {"reconstruction": reconstruction, "kl": kl})
