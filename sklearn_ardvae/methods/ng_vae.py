"""NGVAE: a VAE whose posterior variances are random and choose between two regimes.

Jouffroy, Giremus, Berthoumieu, Bach, Hugget: "Automatic Selection of Latent Variables
in Variational Auto-Encoders".
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, Literal, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._sklearn_compat import Interval, StrOptions
from ..estimator.base import BaseAutoencoder, SharedParameters
from ..nn.likelihoods import Likelihood
from ..nn.module import LossTerms, Phase
from ..nn.variational import VariationalModule
from ..training.inference import in_batches
from ..training.net import AutoencoderNet

__all__ = ["NGVAE"]

# Shapes and rates of the paper: informative, uninformative, prior.
INFORMATIVE = (3.65, 0.24)
UNINFORMATIVE = (902.0, 810.9)
PRIOR = (8.25, 3.62)

_SMALLEST_P = 1e-6
# Tries of a rejection sampler that accepts 98 % and more of them.
_TRIES = 8


class NGVAEModule(VariationalModule):
    r"""The Normal-Gamma posterior, its divergence and its three gradients.

    The encoder puts out means :math:`\mu` and logits of p, and for each axis

    .. math::
        \lambda \sim \mathrm{Gamma}(A(p), B(p)), \qquad z \mid \lambda \sim
        N(\mu, 1/\lambda), \qquad
        (A, B) = (A_1, B_1) + s(p) \, (A_2 - A_1, B_2 - B_1)

    with rates B and s the logistic of :math:`r (p - \tfrac12)` (eq. 5), stretched to
    reach 0 and 1 if `normalize`.

    Parameters
    ----------
    encoder, decoder, likelihood, n_components, beta
        As for `VariationalModule`; the encoder puts out means, then logits.
    slope : float
        r.
    normalize : bool
    initial_p : float
        p of an encoder that puts out 0.
    gradient : {"marginal", "pathwise", "score"}
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        n_components: int,
        beta: float,
        *,
        slope: float,
        normalize: bool,
        initial_p: float,
        gradient: str,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, n_components, beta)
        self.slope = slope
        self.normalize = normalize
        self.offset = math.log(initial_p / (1.0 - initial_p))
        self.gradient = gradient
        self.register_buffer("axis_variance", torch.ones(n_components))
        self.register_buffer("axis_p", torch.full((n_components,), initial_p))

    # --- the posterior ------------------------------------------------------------

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and p of q(z|x), each (n_rows, n_components)."""
        mean, logit = self.encoder(x).chunk(2, dim=1)
        p = torch.sigmoid(logit + self.offset)
        return mean, p.clamp(_SMALLEST_P, 1.0 - _SMALLEST_P)

    def regime(self, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return shape A and rate B at `p`, in its shape."""
        share = torch.sigmoid(self.slope * (p - 0.5))
        if self.normalize:
            lowest = 1.0 / (1.0 + math.exp(0.5 * self.slope))
            share = (share - lowest) / (1.0 - 2.0 * lowest)
        (a1, b1), (a2, b2) = INFORMATIVE, UNINFORMATIVE
        return torch.lerp(p.new_tensor(a1), p.new_tensor(a2), share), torch.lerp(
            p.new_tensor(b1), p.new_tensor(b2), share
        )

    def expected_variance(self, p: Tensor) -> Tensor:
        r"""Return :math:`\mathrm E[1/\lambda] = B / (A - 1)`, in the shape of `p`."""
        shape, rate = self.regime(p)
        return rate / (shape - 1.0)

    def code_std(self, x: Tensor) -> Tensor:
        return self.expected_variance(self.posterior(x)[1]).sqrt()

    def summarise(self, x: Tensor) -> None:
        """Keep the means of E[1/lambda] and of p over the rows of `x`."""
        p = in_batches(lambda rows: self.posterior(rows)[1], x)
        self.axis_variance.copy_(self.expected_variance(p.double()).mean(0))
        self.axis_p.copy_(p.double().mean(0))

    def kl(self, mean: Tensor, p: Tensor, z: Tensor) -> Tensor:
        """Return KL(q(z, lambda | x) || p(z, lambda)) of each row, shape (n_rows,).

        In float64: at A = 902 terms of order 1000 cancel to order 1.
        """
        shape, rate = self.regime(p.double())
        divergence = gamma_kl(shape, rate, *PRIOR)
        return (divergence + 0.5 * shape / rate * mean.square()).sum(1).to(mean.dtype)

    # --- draws --------------------------------------------------------------------

    def draw_noise(self, n_rows: int, generator: torch.Generator) -> Tensor:
        shape = (n_rows, 2 * self.n_components)
        return torch.randn(shape, generator=generator, device=generator.device)

    def reparametrise(self, mean: Tensor, p: Tensor, noise: Tensor) -> Tensor:
        r"""Return a draw of z from its marginal, Student's t with 2A degrees.

        Exact and differentiable, by Bailey's polar method (1994): of two standard
        normal numbers :math:`e_1, e_2` with :math:`q = (e_1^2 + e_2^2) / \nu`,

        .. math:: e_1 \sqrt{(e^q - 1) / q} \sim t_\nu .
        """
        shape, rate = self.regime(p)
        first, second = noise.chunk(2, dim=1)
        q = (first.square() + second.square()).clamp_min(1e-12) / (2.0 * shape)
        t = first * (torch.expm1(q) / q).sqrt()
        return torch.addcmul(mean, (rate / shape).sqrt(), t)

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        z = super().draw_noise(n_rows, generator)
        shape, rate = PRIOR
        shapes = torch.full_like(z, shape)
        return z * (rate / torch._standard_gamma(shapes, generator=generator)).sqrt()

    # --- the gradients that draw lambda -------------------------------------------

    def phases(self) -> list[Phase]:
        if self.gradient == "marginal":
            return super().phases()
        parameters = list(self.parameters())
        return [Phase("loss", parameters, self.gamma_loss, self.draw_gamma_noise)]

    def draw_gamma_noise(
        self, n_rows: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        shape, where = (_TRIES, n_rows, self.n_components), {"generator": generator}
        where["device"] = generator.device
        return (
            torch.randn(shape[1:], **where),
            torch.randn(shape, **where),
            torch.rand(shape, **where),
        )

    def gamma_loss(self, x: Tensor, noise: tuple[Tensor, Tensor, Tensor]) -> LossTerms:
        """The loss at a draw of lambda, with a gradient that does not integrate it.

        ``"pathwise"``: the derivative of the quantile of Gamma(A, 1). ``"score"``, the
        paper's (Ruiz et al., 2016): the standardised logarithm of lambda is held
        fixed, and what it still depends on A is made up for by its score.
        """
        normal, tries, uniform = noise
        mean, p = self.posterior(x)
        shape, rate = (value.double() for value in self.regime(p))
        with torch.no_grad():
            gamma = draw_gamma(shape, tries, uniform)
        if self.gradient == "pathwise":
            slope = torch._standard_gamma_grad(shape.detach(), gamma)
            gamma = gamma + slope * (shape - shape.detach())
            log_density = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        else:
            gamma, log_density = standardised_log_gamma(shape, gamma)
        deviation = (rate / gamma).sqrt().to(mean.dtype)
        z = torch.addcmul(mean, deviation, normal)
        rows = self.likelihood.reconstruction(x, self.decoder(z))
        score = (rows.detach() * (log_density - log_density.detach())).mean()
        reconstruction, kl = rows.mean(), self.kl(mean, p, z).mean()
        total = reconstruction + self.beta * kl + score.to(rows.dtype)
        return LossTerms(total, {"reconstruction": reconstruction, "kl": kl})


def gamma_kl(shape: Tensor, rate: Tensor, shape_0: float, rate_0: float) -> Tensor:
    r"""KL of Gamma(shape, rate) from Gamma(shape_0, rate_0), elementwise, in nats.

    .. math::
        A_0 \log\frac{B}{B_0} - \log\frac{\Gamma(A)}{\Gamma(A_0)}
        + (A - A_0)\,\psi(A) - (B - B_0) \frac AB
    """
    return (
        shape_0 * torch.log(rate / rate_0)
        - torch.lgamma(shape)
        + math.lgamma(shape_0)
        + (shape - shape_0) * torch.digamma(shape)
        - (rate - rate_0) * shape / rate
    )


def draw_gamma(shape: Tensor, tries: Tensor, uniform: Tensor) -> Tensor:
    """Return draws of Gamma(shape, 1), shape >= 1, by Marsaglia and Tsang's rejection.

    Parameters
    ----------
    shape : Tensor of shape (...)
    tries, uniform : Tensor of shape (n_tries, ...)
        Normal and uniform noise; of each element the first try that is accepted
        counts.
    """
    d = shape - 1.0 / 3.0
    v = (1.0 + tries / (9.0 * d).sqrt()) ** 3
    bound = 0.5 * tries.square() + d * (1.0 - v + v.clamp_min(1e-30).log())
    accepted = (v > 0.0) & (uniform.log() < bound)
    first = accepted.to(torch.uint8).argmax(0, keepdim=True)
    return d * v.gather(0, first)[0].clamp_min(1e-6)


def standardised_log_gamma(shape: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return `gamma` as a function of `shape`, and the log density of what is fixed.

    With :math:`e = (\log g - \psi(A)) / \sqrt{\psi_1(A)}` fixed,
    :math:`\log q(e) = A \log g - g - \log\Gamma(A) + \tfrac12 \log\psi_1(A)`.

    Parameters
    ----------
    shape, gamma : Tensor of shape (n_rows, n_components)
        A, and draws of Gamma(A, 1).

    Returns
    -------
    gamma : Tensor of shape (n_rows, n_components)
    log_density : Tensor of shape (n_rows,)
        Summed over axes.
    """
    mean, deviation = torch.digamma(shape), torch.polygamma(1, shape).sqrt()
    fixed = ((gamma.log() - mean) / deviation).detach()
    log_gamma = fixed * deviation + mean
    gamma = log_gamma.exp()
    log_density = shape * log_gamma - gamma - torch.lgamma(shape) + deviation.log()
    return gamma, log_density.sum(1)


class NGVAE(BaseAutoencoder):
    r"""Variational autoencoder whose posterior variances are random themselves.

    For each axis the encoder puts out a mean and p in (0, 1), which leads from a
    posterior of small variance ("informative", p = 0) to one of variance near 1
    ("uninformative", p = 1); prior and posterior of code and precision are
    Normal-Gamma.

    .. math::
        \text{loss} &= \frac1B \sum_i \left[ \|x_i - \hat x_i\|^2
        + \beta \sum_l \mathrm{KL}_{il} \right] \\
        \mathrm{KL} &= \frac A{2B} \mu^2 + A_0 \log\frac B{B_0}
        - \log\frac{\Gamma(A)}{\Gamma(A_0)} + (A - A_0) \psi(A)
        - (B - B_0) \frac AB

    with shape A(p) and rate B(p) of the precision's posterior, from (3.65, 0.24) to
    (902, 810.9), and :math:`(A_0, B_0) = (8.25, 3.62)`. The squared error is a SUM
    over features (the Bernoulli likelihood puts the cross entropy in its place), the
    KL a SUM over axes; both are means over the batch.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    beta : float, default=0.2
        Weight of the KL term, >= 0; with squared error twice the noise variance of one
        feature. The paper's pixel deviation of 0.02 is 8e-4.
    slope : float, default=20.0
        r, how suddenly A and B change at p = 1/2, in (0, 200].
    normalize_regime : bool, default=True
        Whether the logistic of r (p - 1/2) is stretched to reach both regimes; as
        printed (False), small slopes reach neither.
    initial_p : float, default=0.2
        p where the encoder puts out 0, in (0, 1); at 0.216 the KL is least.
    gradient : {"marginal", "pathwise", "score"}, default="marginal"
        How training draws codes. ``"marginal"``: from Student's t, the precision
        integrated out. ``"pathwise"``: precision, then code, by the derivative of the
        Gamma quantile. ``"score"``: the paper's generalised reparametrisation, with
        a score term. All are unbiased; the later, the noisier.
    active_rule : {"relevance", "variance"}, default="relevance"
        What counts as active: the axes of 99 % of `relevance_`, or those whose
        expected variance is below `variance_threshold` (see Notes).
    variance_threshold : float, default=0.3
        For ``active_rule="variance"``, > 0.
    %(shared_parameters)s

    Attributes
    ----------
    expected_variance_ : ndarray of shape (n_components,)
        Mean over the training rows of :math:`\mathrm E[1/\lambda] = B / (A - 1)`.
    uninformative_probability_ : ndarray of shape (n_components,)
        Mean over the training rows of p.
    %(shared_attributes)s

    See Also
    --------
    ARDVAE : Learns the variances of the prior instead.

    Notes
    -----
    Paper: the model, the regimes (eq. 5, p = 0 informative), the closed KL, the score
    gradient. No code is public; the paper contradicts itself on the direction of p and
    between shape-rate and shape-scale: here rates, with which equations 5, 9, 10 and 13
    agree. It does not give r.
    Ours: slope and stretch, the marginal and the pathwise gradient, `initial_p`, the
    KL in float64, the rule of the expected variance. `score` bounds log p(x) by the KL
    of code and precision together.
    Known to fail: **the regimes do not tell informative axes.** For a signal-to-noise
    ratio S of an axis the mean costs :math:`A \mu^2 / (2 B) = S A / (2 (A - 1))`, and
    the decoder is free to rescale. The informative regime then costs 31.4 + 0.69 S
    nats, rest at p = 0.216 only 0.01 + 0.59 S (and the "uninformative" regime 3.6 +
    0.50 S, the least for S > 40): no S makes small variances worth while, and
    ``active_rule="variance"`` counts 0 once training has converged. Since the price
    is linear in S, two axes that share a signal cost as much as one that carries it:
    surplus axes are not pruned, and the rule of relevance counts too many.

    References
    ----------
    Jouffroy, Giremus, Berthoumieu, Bach, Hugget: Automatic Selection of Latent
    Variables in Variational Auto-Encoders.
    Ruiz, Titsias, Blei: The Generalized Reparameterization Gradient, NeurIPS 2016.
    Bailey: Polar Generation of Random Variates with the t-Distribution, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import NGVAE
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 10))
    >>> model = NGVAE(4, max_iter=20, random_state=0).fit(X)
    >>> model.expected_variance_.shape
    (4,)
    """

    _module_class = NGVAEModule

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "beta": [Interval(Real, 0, None, closed="left")],
        "slope": [Interval(Real, 0, 200, closed="neither")],
        "normalize_regime": ["boolean"],
        "initial_p": [Interval(Real, 0, 1, closed="neither")],
        "gradient": [StrOptions({"marginal", "pathwise", "score"})],
        "active_rule": [StrOptions({"relevance", "variance"})],
        "variance_threshold": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        n_components: int = 128,
        beta: float = 0.2,
        *,
        slope: float = 20.0,
        normalize_regime: bool = True,
        initial_p: float = 0.2,
        gradient: Literal["marginal", "pathwise", "score"] = "marginal",
        active_rule: Literal["relevance", "variance"] = "relevance",
        variance_threshold: float = 0.3,
        **shared: Unpack[SharedParameters],
    ) -> None:
        super().__init__(n_components, **shared)
        self.beta = beta
        self.slope = slope
        self.normalize_regime = normalize_regime
        self.initial_p = initial_p
        self.gradient = gradient
        self.active_rule = active_rule
        self.variance_threshold = variance_threshold

    def _module_settings(self) -> dict[str, Any]:
        return {
            "beta": self.beta,
            "slope": self.slope,
            "normalize": self.normalize_regime,
            "initial_p": self.initial_p,
            "gradient": self.gradient,
        }

    def _describe(
        self, module: NGVAEModule, net: AutoencoderNet, x: Tensor
    ) -> dict[str, Any]:
        module.summarise(x)
        return super()._describe(module, net, x)

    def _select_active(self, relevance: NDArray, module: NGVAEModule) -> NDArray:
        if self.active_rule == "relevance":
            return super()._select_active(relevance, module)
        order = np.argsort(-relevance, kind="stable")
        informative = module.axis_variance.cpu().numpy() < self.variance_threshold
        return order[informative[order]]

    def _method_attributes(self, module: NGVAEModule) -> dict[str, Any]:
        return {
            "expected_variance_": module.axis_variance.cpu().numpy().copy(),
            "uninformative_probability_": module.axis_p.cpu().numpy().copy(),
        }
