"""WAE: a deterministic autoencoder whose codes together follow the prior.

Tolstikhin, Bousquet, Gelly, Schoelkopf: "Wasserstein Auto-Encoders", ICLR 2018, arXiv
1711.01558.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .._warnings import warn
from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import LayerSizes, NonNegative, Positive
from ..nn.critics import discriminator_loss, generator_loss, make_critic
from ..nn.divergences import squared_mmd
from ..nn.module import AutoencoderModule, LossTerms, Networks, Phase

__all__ = ["WAE"]

# t of the kernels' scales C = 2 L t: 2 L is the mean squared distance of two draws of
# the prior.
_RELATIVE_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# Draws of the prior that validation rows are compared with. As few as there are rows
# would let chance pick the epoch that training goes back to.
_VALIDATION_DRAWS = 512


class WAEModule(AutoencoderModule):
    """The losses of `WAE`.

    Parameters
    ----------
    networks
        As for `AutoencoderModule`.
    penalty_weight : float
        w.
    input_noise : float
        Standard deviation of the noise that the encoder sees in training.
    critic : nn.Module or None
        Maps (n_rows, n_components) to (n_rows, 1); None for the MMD.
    critic_rate : float
        The critic's learning rate over that of the networks.
    prior_in_logit : bool
        Whether the log density of the prior is a part of the logit.
    """

    penalty_weight: float
    input_noise: float
    critic: nn.Module | None
    critic_rate: float
    prior_in_logit: bool

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.scales = [2.0 * self.n_components * t for t in _RELATIVE_SCALES]

    def draw_noise(
        self, n_rows: int, generator: torch.Generator
    ) -> tuple[Tensor] | tuple[Tensor, Tensor]:
        """Draw codes from the prior and, in training, the noise of the input."""
        prior = self.draw_prior(
            n_rows if self.training else _VALIDATION_DRAWS, generator
        )
        if not (self.training and self.input_noise):
            return (prior,)
        draw = self.standard_normal(n_rows, generator, width=self.n_features)
        return prior, draw.mul_(self.input_noise)

    def codes(self, x: Tensor, disturbance: Tensor | None = None) -> Tensor:
        return self.encode(x if disturbance is None else x + disturbance)

    def weighted(self, x: Tensor, z: Tensor, name: str, penalty: Tensor) -> LossTerms:
        """Return the reconstruction loss of x from z plus the weighted `penalty`."""
        reconstruction = self.likelihood.reconstruction(x, self.decoder(z)).mean()
        total = torch.add(reconstruction, penalty, alpha=self.penalty_weight)
        return LossTerms(total, {"reconstruction": reconstruction, name: penalty})

    def loss(self, x: Tensor, noise: tuple[Tensor, ...]) -> LossTerms:
        """Return R + w MMD; on validation rows it judges the other form, too."""
        prior, *disturbance = noise
        z = self.codes(x, *disturbance)
        # One row tells nothing of a law.
        mmd = squared_mmd(z, prior, self.scales) if len(z) > 1 else z.new_zeros(())
        return self.weighted(x, z, "mmd", mmd)

    # --- the form with a critic ---------------------------------------------------

    def phases(self) -> list[Phase]:
        if self.critic is None:
            return super().phases()
        nets = [*self.encoder.parameters(), *self.decoder.parameters()]
        # The paper's Adam: with a first moment of 0.9 codes overshoot a critic that
        # lags behind them, and shrink.
        adam = {"betas": (0.5, 0.999)}
        return [
            Phase(
                "autoencoder",
                nets,
                self.adversarial_loss,
                self.draw_noise,
                optimizer=adam,
            ),
            Phase(
                "critic",
                list(self.critic.parameters()),
                self.critic_loss,
                self.draw_noise,
                learning_rate_factor=self.critic_rate,
                optimizer=adam,
            ),
        ]

    def logit(self, z: Tensor) -> Tensor:
        """Return h, the log odds that codes are from the prior, shape (n_rows,)."""
        logit = self.critic(z)[:, 0]
        if self.prior_in_logit:
            # Up to a constant, which is 0 on average and which the critic can learn.
            logit = logit + 0.5 * (self.n_components - z.square().sum(1))
        return logit

    def adversarial_loss(self, x: Tensor, noise: tuple[Tensor, ...]) -> LossTerms:
        _, *disturbance = noise
        z = self.codes(x, *disturbance)
        return self.weighted(x, z, "generator", generator_loss(self.logit(z)))

    def critic_loss(self, x: Tensor, noise: tuple[Tensor, ...]) -> LossTerms:
        prior, *disturbance = noise
        with torch.no_grad():
            z = self.codes(x, *disturbance)
        return LossTerms(discriminator_loss(self.logit(prior), self.logit(z)))


class WAE(BaseAutoencoder, output_components="all"):
    r"""Wasserstein autoencoder: the codes of all rows together follow the prior.

    Where a VAE presses the posterior of each row towards N(0, I), this penalises the
    distance of the law of the codes from it. With z = E(x), :math:`\epsilon_i \sim
    N(0, I)` and B rows in a batch,

    .. math::
        \text{loss} &= \frac1B \sum_{i=1}^B \|x_i - \hat x_i\|^2 + w\,P \\
        P_{mmd} &= \frac{1}{B (B - 1)} \sum_{i \ne j} \left[ k(z_i, z_j)
        + k(\epsilon_i, \epsilon_j) \right]
        - \frac{2}{B^2} \sum_{ij} k(z_i, \epsilon_j) \\
        k(a, b) &= \sum_t \frac{2 L t}{2 L t + \|a - b\|^2}, \qquad
        t \in \{0.1, 0.2, 0.5, 1, 2, 5, 10\} \\
        P_{gan} &= -\frac1B \sum_{i=1}^B \log \sigma(h(z_i))

    %(squared_error)s The MMD is the
    unbiased estimate: near the prior it is negative as often as not. For the second
    form a critic h lowers

    .. math::
        L_{critic} = -\frac1B \sum_{i=1}^B \left[ \log \sigma(h(\epsilon_i))
        + \log \sigma(-h(z_i)) \right]

    in turn with the loss, once for each batch.

    Good for: what `AAE` is good for, with no second player ("mmd"): one loss, by which
    training can stop.

    Known to fail: nothing switches axes off. With more axes than the data have
    dimensions a deterministic code cannot fill the prior, and samples come from
    where no code is. The noise of the MMD is of order 1 / B: with a large weight,
    small batches learn slowly and few validation rows stop too early (set
    ``early_stopping=False``). The critic's form takes several times as many steps:
    after 100 epochs of the digits below the variances of the codes were 0.7 to 1.2 with
    w = 5, 0.3 to 1.8 with w = 20.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    penalty_weight : float, default=20.0
        w, >= 0, relative to the scale of X squared. The published weights go with
        0.05 of the squared error; for the whole of it they are 200 for MNIST in
        [0, 1] and 2000 for CelebA in [-1, 1] ("mmd"), 200 and 20 ("gan").
    penalty : {"mmd", "gan"}, default="mmd"
        P: the maximum mean discrepancy, or what a critic finds.
    input_noise : float, default=0.0
        Standard deviation, >= 0, of normal noise added to what the encoder sees in
        training. The published code has 0.01, for pixels in [0, 1].
    critic_layer_sizes : array-like of int, default=None
        Hidden layers of the critic, with ReLU; None for `hidden_layer_sizes`. Paper:
        four of 512 (MNIST) or 1024 (CelebA).
    critic_learning_rate : float, default=5e-4
        Of the critic's Adam at the start, > 0; it falls with `learning_rate`, of which
        it is half (MNIST) or a sixth (CelebA) in the paper.
    prior_in_logit : bool, default=False
        Whether h is the critic's output plus the log density of the prior, so that the
        critic has only the law of the codes to learn. The published code does so for
        CelebA.
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    RAE : A density fitted to the codes afterwards, in place of a prior.
    VAE : A posterior for each row.

    Notes
    -----
    Paper: the loss (eq. 4, algorithms 1 and 2), the inverse multiquadric kernel, the
    critic's and the encoder's terms.

    Reference code: the sum of seven kernels; the noise of the input; the prior in the
    logit; one update of the critic for each of the networks; the weights, with mean
    squared errors summed over pixels.

    Ours: input noise without truncation at two deviations; the weight left out of the
    critic's loss, which Adam is blind to; Adam's first moment of 0.5 for "gan" alone;
    more draws of the prior for few validation rows. With "gan" the validation loss has
    the MMD in place of P, which is comparable from epoch to epoch as the critic's
    opinion is not: it decides on learning rate, stopping and best weights. Without
    validation rows nothing of the kind does: set ``early_stopping=False``.

    Left out: the reference code first trains the encoder alone, until the moments of
    the codes are those of the prior. The kernel's long tails reach codes at any
    distance from the prior, and the first epochs do the same.
    `score` is minus the mean squared error.

    References
    ----------
    Tolstikhin, Bousquet, Gelly, Schoelkopf: Wasserstein Auto-Encoders, ICLR 2018, arXiv
    1711.01558.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import WAE
    >>> X = load_digits().data / 16
    >>> WAE(8, max_iter=2, random_state=0).fit(X).transform(X).shape
    (1797, 8)
    """

    _module_class = WAEModule

    penalty_weight: NonNegative = 20.0
    _: KW_ONLY
    penalty: Literal["mmd", "gan"] = "mmd"
    input_noise: NonNegative = 0.0
    critic_layer_sizes: LayerSizes | None = None
    critic_learning_rate: Positive = 5e-4
    prior_in_logit: bool = False

    def _module_settings(self) -> dict[str, Any]:
        critic = None
        if self.penalty == "gan":
            sizes = self._layer_sizes("critic_layer_sizes")
            critic = make_critic(self.n_components, sizes)
        elif self.batch_size == 1:
            warn(
                "penalty='mmd' compares the rows of a batch with each other, so that "
                "batch_size=1 leaves no penalty. Set batch_size to 2 or more (64 or "
                "100 in the paper), or penalty='gan'.",
            )
        return super()._module_settings() | {
            "critic": critic,
            "critic_rate": self.critic_learning_rate / self.learning_rate,
        }
