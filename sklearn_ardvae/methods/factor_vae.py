"""FactorVAE: a VAE with a weight on the total correlation, told by a discriminator.

Kim, Mnih: "Disentangling by Factorising", ICML 2018, arXiv 1802.05983.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import LayerSizes, NonNegative, Positive
from ..nn.critics import discriminator_loss, make_critic
from ..nn.evidence import EvidenceModule
from ..nn.module import LossTerms, Phase
from ..nn.posteriors import Posterior

__all__ = ["FactorVAE"]


def permute_columns(z: Tensor, share: Tensor) -> Tensor:
    """Return each column of z in the order that sorts that column of `share`.

    With `share` uniform, the columns are shuffled independently of each other: each
    keeps its values and they no longer depend on one another.
    """
    return z.gather(0, share.argsort(0))


class FactorVAEModule(EvidenceModule):
    """The two losses of `FactorVAE`.

    Parameters
    ----------
    networks, beta
        As for `EvidenceModule`; beta weighs the total correlation, too.
    critic : nn.Module
        The logit h of codes, (n_rows, n_components) to (n_rows, 1).
    gamma : float
        Weight of the total correlation, on top of its share in the KL.
    critic_rate : float
        The critic's learning rate over that of encoder and decoder.
    """

    critic: nn.Module
    gamma: float
    critic_rate: float

    def phases(self) -> list[Phase]:
        nets = [*self.encoder.parameters(), *self.decoder.parameters()]
        return [
            Phase("vae", nets, self.loss, self.draw_noise),
            Phase(
                "critic",
                list(self.critic.parameters()),
                self.critic_loss,
                self.draw_critic_noise,
                fresh_batch=True,
                learning_rate_factor=self.critic_rate,
            ),
        ]

    def regulariser(self, q: Posterior, z: Tensor) -> LossTerms:
        tc = self.critic(z).mean()
        # The critic learns meanwhile: its opinion rises although the codes are better,
        # and would send training back to the epochs in which it knew nothing.
        weight = self.beta * self.gamma if self.training else 0.0
        return LossTerms(weight * tc, {"total_correlation": tc})

    def draw_critic_noise(
        self, n_rows: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        shape = (n_rows, self.n_components)
        share = torch.rand(shape, generator=generator, device=generator.device)
        return self.draw_noise(n_rows, generator), share

    def critic_loss(self, x: Tensor, noise: tuple[Tensor, Tensor]) -> LossTerms:
        """Return the cross entropy of telling codes from permuted codes."""
        draw, share = noise
        with torch.no_grad():
            z = self.posterior(x).sample(draw)
        permuted = self.critic(permute_columns(z, share))
        return LossTerms(0.5 * discriminator_loss(self.critic(z), permuted))


class FactorVAE(BaseAutoencoder, output_components="all"):
    r"""VAE with a weight on the dependence between latent axes, by a discriminator.

    A discriminator h learns to tell codes from codes whose columns are shuffled, each
    on its own. It then estimates the log of the joint density of the codes over the
    product of those of the axes, whose mean is the total correlation. Two losses are
    lowered in turn:

    .. math::
        L_{vae} &= \frac1B \sum_{i=1}^B \left[ \|x_i - \hat x_i\|^2
        + \beta \left( \mathrm{KL}_i + \gamma\, h(z_i) \right) \right]
        && \text{(encoder, decoder)} \\
        L_{critic} &= -\frac1{2B} \sum_{i=1}^B \left[ \log \sigma(h(z_i))
        + \log \sigma(-h(z'_i)) \right] && \text{(discriminator)}

    %(squared_error_and_kl)s
    z is a draw of the posterior and z' holds the shuffled draws of the batch.

    Good for: independent axes with small batches or many axes: no table of densities is
    made of a batch.

    Known to fail: h is an estimate, not a bound: it lags behind the codes, may be
    negative, and misses what the discriminator has not learned. The six layers of the
    paper cost more than everything else.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    gamma : float, default=10.0
        Weight of the total correlation, on top of its share in the KL, >= 0. Studies
        with cross entropy and 10 axes try 10, 20, 30, 40, 50, 100.
    beta : float, default=0.1
        Weight of KL and total correlation, >= 0; twice the noise variance of one
        feature. The paper has 1 with cross entropy.
    critic_layer_sizes : array-like of int, default=None
        Hidden layers of the discriminator, with leaky ReLU of slope 0.2; None for
        `hidden_layer_sizes`. Paper: six of 1000.
    critic_learning_rate : float, default=1e-3
        Of the discriminator's Adam at the start, > 0; it falls with `learning_rate`.
        Paper: 1e-4, as that of the VAE.
    %(count_by)s
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    BetaTCVAE : The same term from the densities of a batch.

    Notes
    -----
    Paper: both losses (eq. 2 and 3, algorithm 2), the independent shuffles (algorithm
    1), a batch of its own for the discriminator, six layers of 1000 for it, Adam at
    1e-4 for both networks.

    Equal: their discriminator has two logits, of which both losses see the difference
    alone; h is that difference.

    Ours: beta in front of both terms, so that gamma means the same for squared errors;
    codes and shuffled codes from one batch, but not the one that trains the VAE (the
    paper takes the codes from the VAE's and shuffles a second one; the expectations
    are equal); the validation loss, which training stops by, has no :math:`h`, since a
    critic that learns is no constant measure; Adam's usual moments for the
    discriminator, which in the paper are (0.5, 0.9)
    (``skorch_params={"critic_optimizer__betas": (0.5, 0.9)}``).
    ``history_["train_total_correlation"]`` is the mean of h, in nats, and
    ``history_["train_critic"]`` its loss, log 2 where nothing is told apart.

    References
    ----------
    Kim, Mnih: Disentangling by Factorising, ICML 2018, arXiv 1802.05983.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import FactorVAE
    >>> X = load_digits().data / 16
    >>> model = FactorVAE(8, max_iter=2, random_state=0)
    >>> model.fit(X).transform(X).shape
    (1797, 8)
    """

    _module_class = FactorVAEModule

    gamma: NonNegative = 10.0
    _: KW_ONLY
    beta: NonNegative = 0.1
    critic_layer_sizes: LayerSizes | None = None
    critic_learning_rate: Positive = 1e-3
    count_by: Literal["relevance", "evidence"] = "relevance"

    def _module_settings(self) -> dict[str, Any]:
        sizes = self._layer_sizes("critic_layer_sizes")
        activation = partial(nn.LeakyReLU, 0.2)
        return super()._module_settings() | {
            "critic": make_critic(self.n_components, sizes, activation),
            "critic_rate": self.critic_learning_rate / self.learning_rate,
        }
