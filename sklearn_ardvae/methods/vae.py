"""The variational autoencoder, its noise models, and beta-VAE.

Kingma, Welling: "Auto-Encoding Variational Bayes", arXiv 1312.6114; Dai, Wipf:
"Diagnosing and Enhancing VAE Models", arXiv 1903.05789; Higgins et al.: "beta-VAE",
ICLR 2017; Burgess et al.: "Understanding disentangling in beta-VAE", arXiv 1804.03599.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import NonNegative, Positive, Share
from ..nn.evidence import EvidenceModule
from ..nn.module import EpochStart, LossTerms, Networks

__all__ = ["VAE", "BetaVAE", "VAEModule"]

_LOG_2PI = math.log(2.0 * math.pi)
# The likelihood of a perfect reconstruction is unbounded.
_SMALLEST_VARIANCE = 1e-6


class VAEModule(EvidenceModule):
    r"""Minus the evidence bound in nats, with a noise variance g^2 of its own.

    .. math::
        \text{loss} = \frac1B \sum_i \left[ \frac{\|x_i - \hat x_i\|^2}{2 g^2}
        + \frac D2 \log(2 \pi g^2) + \sum_l \mathrm{KL}_{il} \right]

    Parameters
    ----------
    networks
        As for `EvidenceModule`.
    noise_model : {"profiled", "learned", "fixed"}
        Where g^2 comes from: it is the batch's mean squared error, at which the loss
        is least; or a parameter; or its start.
    initial_noise_variance : float
        g^2 at the start.
    """

    is_stackable = True

    beta = 1.0

    noise_model: str
    initial_noise_variance: float

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        log_variance = torch.tensor(math.log(self.initial_noise_variance))
        if self.noise_model == "learned" and not self.likelihood.logits:
            self.log_noise_variance = nn.Parameter(log_variance)
        else:
            self.register_buffer("log_noise_variance", log_variance)

    @property
    def noise_variance(self) -> Tensor:
        """The learned or fixed g^2, shape ()."""
        return self.log_noise_variance.exp().clamp_min(_SMALLEST_VARIANCE)

    def loss(self, x: Tensor, noise: Tensor) -> LossTerms:
        terms = self.bound_terms(x, self.posterior(x), noise)
        reconstruction, kl = (term.mean() for term in terms)
        parts = {"reconstruction": reconstruction, "kl": kl}
        if self.likelihood.logits:
            return LossTerms(reconstruction + kl, parts)
        n_features = x.shape[1]
        if self.noise_model == "profiled":
            variance = (reconstruction / n_features).clamp_min(_SMALLEST_VARIANCE)
        else:
            variance = self.noise_variance
        constant = 0.5 * n_features * (variance.log() + _LOG_2PI)
        total = 0.5 * reconstruction / variance + constant + kl
        return LossTerms(total, parts | {"noise_variance": variance})


class VAE(BaseAutoencoder, output_components="all"):
    r"""Variational autoencoder whose noise variance is fitted with the rest.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \left[
        \frac{\|x_i - \hat x_i\|^2}{2 g^2} + \frac D2 \log(2 \pi g^2)
        + \sum_{l=1}^L \tfrac12 \left( \mu_{il}^2 + \sigma_{il}^2
        - \log\sigma_{il}^2 - 1 \right) \right]

    The squared error is a SUM over the D features, the KL a SUM over latent axes, both
    are means over the batch: minus a bound on log p(x) in nats. With a g that is small
    enough, unneeded axes return to the prior by themselves. With the Bernoulli
    likelihood the cross entropy takes the place of the first two terms.

    Good for: a log density and samples with no weight to choose; and as the first
    baseline.

    Known to fail: a fixed g^2 that is far too large collapses every axis; X that is
    reconstructed perfectly has no best g^2, and the floor decides.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    noise : {"profiled", "learned", "fixed"}, default="profiled"
        Where g^2 comes from. ``"profiled"``: the mean squared error of a feature in
        the batch, the g^2 at which the loss is least. ``"learned"``: a parameter,
        trained with the others. ``"fixed"``: `noise_variance`. Not used by the
        Bernoulli likelihood.
    noise_variance : float, default=1.0
        g^2, > 0: of the fixed noise, or at the start of the learned one.
    %(count_by)s
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    BetaVAE : The noise variance as a weight.
    ARDVAE : The prior variances learned, too.

    Notes
    -----
    Paper: the bound (Kingma and Welling, eq. 10); a learned g (Dai and Wipf).

    Ours: the profiled g^2, which has the same fixed point as the learned one without
    the slow scalar; the floor of 1e-6 under g^2; the active axes by relevance.
    ``history_["train_noise_variance"]`` shows g^2.

    References
    ----------
    Kingma, Welling: Auto-Encoding Variational Bayes, arXiv 1312.6114.
    Dai, Wipf: Diagnosing and Enhancing VAE Models, arXiv 1903.05789.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import VAE
    >>> X = load_digits().data / 16
    >>> model = VAE(8, max_iter=2, random_state=0).fit(X)
    >>> model.transform(X).shape
    (1797, 8)
    """

    _module_class = VAEModule

    _: KW_ONLY
    noise: Literal["profiled", "learned", "fixed"] = "profiled"
    noise_variance: Positive = 1.0
    count_by: Literal["relevance", "evidence"] = "relevance"

    def _module_settings(self) -> dict[str, Any]:
        return {
            "noise_model": self.noise,
            "initial_noise_variance": self.noise_variance,
            "count_by": self.count_by,
        }


class BetaVAEModule(EvidenceModule):
    r"""A weighted KL, or one that is held at a capacity that grows with training.

    .. math::
        \text{loss} = R + \beta\,\mathrm{KL}
        \quad\text{or}\quad R + \beta\,|\mathrm{KL} - C_t|

    Parameters
    ----------
    networks, beta
        As for `EvidenceModule`.
    capacity : float or None
        C_t at the end of its rise, in nats.
    capacity_rise : float
        Share of the epochs over which C_t rises from 0.
    n_epochs : int
        The budget of a stream, which does not know its own.
    """

    is_stackable = True

    capacity: float | None
    capacity_rise: float
    n_epochs: int

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        at_start = torch.tensor(0.0)
        self.register_buffer("present_capacity", at_start, persistent=False)

    def start_epoch(self, epoch: EpochStart) -> None:
        if self.capacity is not None:
            budget = self.n_epochs if epoch.streaming else epoch.n_epochs
            share = epoch.index / max(1.0, self.capacity_rise * budget)
            self.present_capacity.fill_(self.capacity * min(1.0, share))
            self.settled = share >= 1.0

    def loss(self, x: Tensor, noise: Tensor) -> LossTerms:
        if self.capacity is None:
            return super().loss(x, noise)
        terms = self.bound_terms(x, self.posterior(x), noise)
        reconstruction, kl = (term.mean() for term in terms)
        capacity = self.present_capacity
        total = reconstruction + self.beta * (kl - capacity).abs()
        parts = {"reconstruction": reconstruction, "kl": kl, "capacity": capacity}
        return LossTerms(total, parts)


class BetaVAE(BaseAutoencoder, output_components="all"):
    r"""VAE with a weight on the KL, which presses towards few, independent axes.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \left[ \|x_i - \hat x_i\|^2
        + \beta \sum_{l=1}^L \tfrac12 \left( \mu_{il}^2 + \sigma_{il}^2
        - \log\sigma_{il}^2 - 1 \right) \right]

    %(squared_error_and_kl)s With a `capacity` the second term is
    :math:`\beta\,|\overline{\mathrm{KL}} - C_t|` of the batch's mean KL, with C_t
    rising linearly from 0.

    Good for: a level of detail that you set by one number; and as the baseline of
    studies of disentanglement.

    Known to fail: with squared error, a beta above twice the variance of the strongest
    direction collapses every axis.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    beta : float, default=0.2
        Weight of the KL, >= 0; with squared error twice the noise variance of one
        feature, relative to the scale of X. Papers have cross entropy and try 1, 2,
        4, 6, 8, 16 (or squared error with 1/2: half of this beta).
    capacity : float or None, default=None
        KL in nats, >= 0, that training ends with; None for a plain weight. Studies
        try 5, 10, 25, 50, 75, 100 with ``beta=1000``.
    capacity_rise : float, default=0.5
        Share of `max_iter` over which the capacity rises, in (0, 1]. A call of
        `partial_fit` is an epoch.
    %(count_by)s
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    VAE : The weight found from the noise.
    ARDVAE : The prior variances learned, too.

    Notes
    -----
    Paper: the weight (Higgins et al., eq. 4), the capacity (Burgess et al., eq. 8;
    theirs rises over 100 000 steps).

    Ours: the rise as a share of the epochs, during which neither the learning rate
    falls nor training stops; the active axes by relevance.

    References
    ----------
    Higgins et al.: beta-VAE, ICLR 2017.
    Burgess et al.: Understanding disentangling in beta-VAE, arXiv 1804.03599.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import BetaVAE
    >>> X = load_digits().data / 16
    >>> model = BetaVAE(8, max_iter=2, random_state=0).fit(X)
    >>> model.transform(X).shape
    (1797, 8)
    """

    _module_class = BetaVAEModule

    beta: NonNegative = 0.2
    _: KW_ONLY
    capacity: NonNegative | None = None
    capacity_rise: Share = 0.5
    count_by: Literal["relevance", "evidence"] = "relevance"

    def _module_settings(self) -> dict[str, Any]:
        return super()._module_settings() | {"n_epochs": self.max_iter}
