"""What every VAE shares; a method adds its prior, its posterior or a regulariser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .module import AutoencoderModule, LossTerms, Networks
from .posteriors import GaussianPosterior, Posterior, antithetic

__all__ = ["VariationalModule"]


class VariationalModule(AutoencoderModule):
    r"""A VAE with posterior :math:`q(z|x) = N(\mu(x), \mathrm{diag}\,\sigma^2(x))`.

    .. math::
        \text{loss} = \frac1B \sum_i \left[ R(x_i, \hat x_i)
        + \beta \sum_l \mathrm{KL}_{il} \right] + P,
        \qquad z = \mu + \sigma \epsilon

    with R the sum over features that the likelihood says, and P what a method adds.

    Parameters
    ----------
    networks : Networks
        The encoder puts out means, then log variances.
    beta : float
        Weight of the KL term.
    """

    outputs_per_component = 2

    beta: float

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.register_buffer("prior_variance", torch.ones(self.n_components))

    # --- the posterior ------------------------------------------------------------

    def posterior(self, x: Tensor) -> Posterior:
        """Return q(z|x) of each row."""
        return GaussianPosterior.of(*self.encoder(x).chunk(2, dim=1))

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x).mean

    def code_std(self, x: Tensor) -> Tensor:
        return self.posterior(x).std

    def posterior_noise(self, n_rows: int, generator: torch.Generator) -> Tensor:
        """Draw what a draw of q is made from, by ``q.sample``."""
        return self.standard_normal(n_rows, generator)

    def draw_score_noise(
        self, n_draws: int, generator: torch.Generator, axes: Sequence[int] = ()
    ) -> list[Tensor]:
        """Draw noise of one row, several times, that serves every row of a score.

        The dependence between `axes`, the most relevant first, is integrated exactly.
        """
        return antithetic(self.posterior_noise(n_draws // 2, generator), axes)

    # --- the loss: q and the noise are what `posterior` and `draw_noise` return -----

    def draw_noise(self, n_rows: int, generator: torch.Generator) -> Any:
        return self.posterior_noise(n_rows, generator)

    def kl(self, q: Any, z: Tensor) -> Tensor:
        """Return the divergence from the prior of each row, shape (n_rows,)."""
        return q.kl(self.prior_variance)

    def draw(self, q: Any, noise: Any) -> tuple[Tensor, Tensor]:
        """Return a draw of q and its divergence from the prior, in rows."""
        z = q.sample(noise)
        return z, self.kl(q, z)

    def bound_terms(self, x: Tensor, q: Any, noise: Any) -> tuple[Tensor, Tensor]:
        """Return the reconstruction loss and the KL of each row, each (n_rows,)."""
        z, kl = self.draw(q, noise)
        return self.likelihood.reconstruction(x, self.output(z)), kl

    def regulariser(self, q: Any, z: Tensor) -> LossTerms | None:
        """Return P, what a method adds to the bound, and the terms it is made of."""
        return None

    def weighted_sum(self, reconstruction: Tensor, kl: Tensor) -> Tensor:
        """Return the two terms of the bound as one, shape ()."""
        if isinstance(self.beta, Tensor):  # where several modules are one
            return torch.addcmul(reconstruction, self.beta, kl)
        return torch.add(reconstruction, kl, alpha=self.beta)

    def loss(self, x: Tensor, noise: Tensor) -> LossTerms:
        q = self.posterior(x)
        z, kl = self.draw(q, noise)
        reconstruction = self.likelihood.reconstruction(x, self.output(z)).mean()
        kl = kl.mean()
        total = self.weighted_sum(reconstruction, kl)
        parts = {"reconstruction": reconstruction, "kl": kl}
        added = self.regulariser(q, z)
        if added is None:
            return LossTerms(total, parts)
        return LossTerms(total + added.total, {**parts, **added.parts})
