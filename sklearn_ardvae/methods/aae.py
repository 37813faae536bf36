"""AAE: an autoencoder whose codes a discriminator cannot tell from normal numbers.

Makhzani, Shlens, Jaitly, Goodfellow, Frey: "Adversarial Autoencoders", 2015, arXiv
1511.05644.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import LayerSizes, NonNegative, Positive
from ..nn.critics import discriminator_loss, generator_loss, make_critic
from ..nn.module import AutoencoderModule, LossTerms, Noise, Phase
from ..nn.posteriors import GaussianPosterior

__all__ = ["AAE"]


class AAEModule(AutoencoderModule):
    """The three losses of `AAE`.

    Parameters
    ----------
    networks
        As for `AutoencoderModule`; with `gaussian` the encoder puts out means, then
        log variances.
    critic : nn.Module
        The logit h of codes, (n_rows, n_components) to (n_rows, 1).
    gaussian : bool
        Whether codes are drawn from a Gaussian posterior.
    adversarial_weight, critic_rate : float
        Learning rates of the encoder in the generator phase and of the critic, over
        that of the reconstruction phase.
    """

    critic: nn.Module
    gaussian: bool
    adversarial_weight: float
    critic_rate: float

    def posterior(self, x: Tensor) -> GaussianPosterior:
        """Return the posterior of each row, where codes are drawn."""
        return GaussianPosterior.of(*self.encoder(x).chunk(2, dim=1))

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x).mean if self.gaussian else self.encoder(x)

    def code_std(self, x: Tensor) -> Tensor:
        return self.posterior(x).std if self.gaussian else super().code_std(x)

    def draw_code(self, x: Tensor, noise: Noise) -> Tensor:
        """Return z: the code, or the draw of the posterior that `noise` stands for."""
        return self.posterior(x).sample(noise) if self.gaussian else self.encoder(x)

    def draw_noise(self, n_rows: int, generator: torch.Generator) -> Noise:
        return self.draw_prior(n_rows, generator) if self.gaussian else None

    def phases(self) -> list[Phase]:
        encoder = list(self.encoder.parameters())
        return [
            Phase(
                "autoencoder",
                [*encoder, *self.decoder.parameters()],
                self.loss,
                self.draw_noise,
            ),
            Phase(
                "critic",
                list(self.critic.parameters()),
                self.critic_loss,
                self.draw_critic_noise,
                learning_rate_factor=self.critic_rate,
            ),
            Phase(
                "generator",
                encoder,
                self.generator_loss,
                self.draw_noise,
                learning_rate_factor=self.adversarial_weight,
            ),
        ]

    def loss(self, x: Tensor, noise: Noise) -> LossTerms:
        output = self.output(self.draw_code(x, noise))
        return LossTerms(self.likelihood.reconstruction(x, output).mean())

    def draw_critic_noise(
        self, n_rows: int, generator: torch.Generator
    ) -> tuple[Tensor, Noise]:
        return self.draw_prior(n_rows, generator), self.draw_noise(n_rows, generator)

    def critic_loss(self, x: Tensor, noise: tuple[Tensor, Noise]) -> LossTerms:
        prior, draw = noise
        with torch.no_grad():
            z = self.draw_code(x, draw)
        return LossTerms(discriminator_loss(self.critic(prior), self.critic(z)))

    def generator_loss(self, x: Tensor, noise: Noise) -> LossTerms:
        return LossTerms(generator_loss(self.critic(self.draw_code(x, noise))))


class AAE(
    BaseAutoencoder,
    output_components="all",
    max_iter=200,
    lr_patience=None,
    early_stopping=False,
):
    r"""Autoencoder whose codes a discriminator presses towards a standard normal.

    With z the code, :math:`\epsilon \sim N(0, I)` and the discriminator's logit h,
    three losses are lowered in turn on each batch:

    .. math::
        L_{autoencoder} &= \frac1B \sum_{i=1}^B \|x_i - \hat x_i\|^2
        && \text{(encoder, decoder)} \\
        L_{critic} &= -\frac1B \sum_{i=1}^B \left[ \log \sigma(h(\epsilon_i))
        + \log \sigma(-h(z_i)) \right] && \text{(discriminator)} \\
        L_{generator} &= -\frac1B \sum_{i=1}^B \log \sigma(h(z_i))
        && \text{(encoder)}

    The squared error is a SUM over features without 1/2 (the Bernoulli likelihood
    puts the cross entropy in its place) and all are means over the batch. There is no
    KL: the codes of all data together, not those of each row, get the prior's
    distribution.

    Good for: codes that follow N(0, I) together, to sample from, and that are exact for
    each row, where L is near the number of dimensions.

    Known to fail: deterministic codes of n dimensions cannot fill a prior of more: then
    the discriminator wins, and the prior's draws decode to nothing like the data
    (`sample` from a density then, or give `n_components` near n). On small data it
    learns the rows by heart. Data far from the origin start the codes there, from
    where they move slowly: put a StandardScaler in front.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    adversarial_weight : float, default=0.2
        Of the generator loss, >= 0: the learning rate of the encoder in its phase over
        `learning_rate`. (Each loss has an Adam of its own, which is blind to factors
        in front of it.)
    posterior : {"deterministic", "gaussian"}, default="deterministic"
        What a code is. ``"deterministic"``: the encoder's output. ``"gaussian"``: a
        draw from a Gaussian with the mean and variance that the encoder puts out
        (means, then log variances), of which `transform` returns the mean; nothing but
        the discriminator keeps the variance from 0.
    critic_layer_sizes : array-like of int, default=None
        Hidden layers of the discriminator, with ReLU; None for `hidden_layer_sizes`.
        Paper: (1000, 1000).
    critic_learning_rate : float, default=1e-3
        Of the discriminator's Adam, > 0; where `lr_patience` is set it falls with
        `learning_rate`.
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    MaskAAE : Learns which axes to keep, with a Wasserstein critic.

    Notes
    -----
    Paper: the phases and their order, the deterministic and the Gaussian posterior
    (section 2), of which it reports the first; a discriminator with two layers of
    1000; stochastic gradient descent with rates of its own for each phase.

    Ours: Adam, the rates, logits in place of probabilities. The deterministic code is
    the default because it is the paper's, and because transform then returns what the
    decoder was trained on. The last weights are kept: the validation loss is that of
    the reconstruction, which says little about the end of an adversarial game, so that
    nothing stops early or lowers the rate by it, and a `ConvergenceWarning` may come
    from a loss that still falls. `score` is minus the mean squared error and, as
    `noise_variance_`, taken at the codes that `transform` returns.
    ``history_["train_critic"]`` is 2 log 2 = 1.386 where nothing is told apart.

    References
    ----------
    Makhzani, Shlens, Jaitly, Goodfellow, Frey: Adversarial Autoencoders, arXiv
    1511.05644.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import AAE
    >>> X = load_digits().data / 16
    >>> model = AAE(8, max_iter=2, random_state=0)
    >>> model.fit(X).transform(X).shape
    (1797, 8)
    """

    _module_class = AAEModule

    adversarial_weight: NonNegative = 0.2
    _: KW_ONLY
    posterior: Literal["deterministic", "gaussian"] = "deterministic"
    critic_layer_sizes: LayerSizes | None = None
    critic_learning_rate: Positive = 1e-3

    def _outputs_per_component(self) -> int:
        return 2 if self.posterior == "gaussian" else 1

    def _module_settings(self) -> dict[str, Any]:
        sizes = self._layer_sizes("critic_layer_sizes")
        return super()._module_settings() | {
            "critic": make_critic(self.n_components, sizes),
            "gaussian": self.posterior == "gaussian",
            "critic_rate": self.critic_learning_rate / self.learning_rate,
        }
