"""NGVAE: a VAE whose posterior variances are random and choose between two regimes.

Jouffroy, Giremus, Berthoumieu, Bach, Hugget: "Automatic Selection of Latent Variables
in Variational Auto-Encoders".
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, replace
from numbers import Real
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._sklearn_compat import Interval
from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import NonNegative, OpenShare, Positive
from ..nn.gamma import draw_gamma, gamma_kl, standardised_log_gamma
from ..nn.module import LossTerms, Networks, Phase
from ..nn.variational import VariationalModule

__all__ = ["NGVAE"]

# Shapes and rates of the paper: informative, uninformative, prior.
INFORMATIVE = (3.65, 0.24)
UNINFORMATIVE = (902.0, 810.9)
PRIOR = (8.25, 3.62)

_SMALLEST_P = 1e-6
# Tries of a rejection sampler that accepts 98 % and more of them.
_TRIES = 8
_ROWS = 1024


@dataclass(frozen=True, slots=True)
class NormalGammaPosterior:
    r"""Of each row and axis, a Gaussian whose precision is Gamma distributed.

    .. math::
        \lambda \sim \mathrm{Gamma}(A(p), B(p)), \qquad z \mid \lambda \sim
        N(\mu, 1/\lambda), \qquad
        (A, B) = (A_1, B_1) + s(p) \, (A_2 - A_1, B_2 - B_1)

    with rates B and s the logistic of :math:`r (p - \tfrac12)` (eq. 5), stretched to
    reach 0 and 1 if `normalize`.

    Parameters
    ----------
    mean, p : Tensor of shape (n_rows, n_components)
    slope : float
        r.
    normalize : bool
    """

    mean: Tensor
    p: Tensor
    slope: float
    normalize: bool

    def double(self) -> NormalGammaPosterior:
        """Return the posterior in float64."""
        return replace(self, mean=self.mean.double(), p=self.p.double())

    def regime(self) -> tuple[Tensor, Tensor]:
        """Return shape A and rate B."""
        p = self.p
        share = torch.sigmoid(self.slope * (p - 0.5))
        if self.normalize:
            lowest = 1.0 / (1.0 + math.exp(0.5 * self.slope))
            share = (share - lowest) / (1.0 - 2.0 * lowest)
        (a1, b1), (a2, b2) = INFORMATIVE, UNINFORMATIVE
        return torch.lerp(p.new_tensor(a1), p.new_tensor(a2), share), torch.lerp(
            p.new_tensor(b1), p.new_tensor(b2), share
        )

    def expected_variance(self) -> Tensor:
        r"""Return :math:`\mathrm E[1/\lambda] = B / (A - 1)`."""
        shape, rate = self.regime()
        return rate / (shape - 1.0)

    @property
    def std(self) -> Tensor:
        return self.expected_variance().sqrt()

    def sample(self, noise: Tensor) -> Tensor:
        r"""Return a draw of z from its marginal, Student's t with 2A degrees.

        Exact and differentiable, by Bailey's polar method (1994): of two standard
        normal numbers :math:`e_1, e_2` with :math:`q = (e_1^2 + e_2^2) / \nu`,

        .. math:: e_1 \sqrt{(e^q - 1) / q} \sim t_\nu .
        """
        shape, rate = self.regime()
        first, second = noise.chunk(2, dim=1)
        q = (first.square() + second.square()).clamp_min(1e-12) / (2.0 * shape)
        t = first * (torch.expm1(q) / q).sqrt()
        return torch.addcmul(self.mean, (rate / shape).sqrt(), t)

    def kl(self) -> Tensor:
        """Return KL(q(z, lambda | x) || p(z, lambda)) of each row, shape (n_rows,).

        In float64: at A = 902 terms of order 1000 cancel to order 1.
        """
        shape, rate = replace(self, p=self.p.double()).regime()
        divergence = gamma_kl(shape, rate, *PRIOR)
        of_means = 0.5 * shape / rate * self.mean.square()
        return (divergence + of_means).sum(1).to(self.mean.dtype)


class NGVAEModule(VariationalModule):
    r"""The Normal-Gamma posterior and its three gradients.

    Parameters
    ----------
    networks, beta
        As for `VariationalModule`; the encoder puts out means, then logits of p.
    slope, normalize_regime
        Of `NormalGammaPosterior`.
    initial_p : float
        p of an encoder that puts out 0.
    gradient : {"marginal", "pathwise", "score"}
    active_rule : {"relevance", "variance"}
    variance_threshold : float
        The largest mean of E[1/lambda] of an active axis, for "variance".
    """

    is_stackable = True

    slope: float
    normalize_regime: bool
    initial_p: float
    gradient: str
    active_rule: str
    variance_threshold: float

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.offset = math.log(self.initial_p / (1.0 - self.initial_p))
        n = self.n_components
        self.register_buffer("axis_variance", torch.ones(n))
        self.register_buffer("axis_p", torch.full((n,), self.initial_p))

    def posterior(self, x: Tensor) -> NormalGammaPosterior:
        mean, logit = self.encoder(x).chunk(2, dim=1)
        p = torch.sigmoid(logit + self.offset)
        p = p.clamp(_SMALLEST_P, 1.0 - _SMALLEST_P)
        return NormalGammaPosterior(mean, p, self.slope, self.normalize_regime)

    def kl(self, q: NormalGammaPosterior, z: Tensor) -> Tensor:
        return q.kl()

    def posterior_noise(self, n_rows: int, generator: torch.Generator) -> Tensor:
        return self.standard_normal(n_rows, generator, width=2 * self.n_components)

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        z = self.standard_normal(n_rows, generator)
        shape, rate = PRIOR
        shapes = torch.full_like(z, shape)
        return z * (rate / torch._standard_gamma(shapes, generator=generator)).sqrt()

    # --- what is active -----------------------------------------------------------

    def end_epoch(self, rows: Tensor) -> None:
        if self.active_rule == "variance":
            self.summarise(rows)

    def finish(self, x: Tensor, generator: torch.Generator, streaming: bool) -> None:
        self.summarise(x)

    def summarise(self, x: Tensor) -> None:
        """Keep the means of E[1/lambda] and of p over the rows of `x`."""
        variance, p = 0.0, 0.0
        for rows in x.split(_ROWS):
            q = self.posterior(rows).double()
            variance = variance + q.expected_variance().sum(0)
            p = p + q.p.sum(0)
        self.axis_variance.copy_(variance / len(x))
        self.axis_p.copy_(p / len(x))

    def is_active(self) -> Tensor | None:
        if self.active_rule == "relevance":
            return None
        return self.axis_variance < self.variance_threshold

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
        q = self.posterior(x)
        shape, rate = (value.double() for value in q.regime())
        with torch.no_grad():
            gamma = draw_gamma(shape, tries, uniform)
        if self.gradient == "pathwise":
            slope = torch._standard_gamma_grad(shape.detach(), gamma)
            gamma = gamma + slope * (shape - shape.detach())
            log_density = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        else:
            gamma, log_density = standardised_log_gamma(shape, gamma)
        deviation = (rate / gamma).sqrt().to(q.mean.dtype)
        z = torch.addcmul(q.mean, deviation, normal)
        rows = self.likelihood.reconstruction(x, self.output(z))
        score = (rows.detach() * (log_density - log_density.detach())).mean()
        reconstruction, kl = rows.mean(), q.kl().mean()
        total = reconstruction + self.beta * kl + score.to(rows.dtype)
        return LossTerms(total, {"reconstruction": reconstruction, "kl": kl})


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

    for :math:`z \sim N(\mu, 1/\lambda)` and :math:`\lambda \sim \mathrm{Gamma}(A, B)`,
    whose shape A(p) and rate B(p) go from (3.65, 0.24) to (902, 810.9) by the logistic
    of :math:`r (p - \tfrac12)`; the prior has the mean 0 and :math:`(A_0, B_0) =
    (8.25, 3.62)`. The squared error is a SUM over features (the Bernoulli likelihood
    puts the cross entropy in its place), the KL a SUM over axes; both are means over
    the batch.

    Good for: codes and samples of heavier tails than a Gaussian's: posterior and prior
    of a code are Student's t. To count, it is here as a rival (docs/rivals.md).

    Known to fail: **the regimes do not tell informative axes.** For a signal-to-noise
    ratio S of an axis the mean costs :math:`A \mu^2 / (2 B) = S A / (2 (A - 1))`, and
    the decoder is free to rescale. The informative regime then costs 31.4 + 0.69 S
    nats, rest at p = 0.216 only 0.01 + 0.59 S (and the "uninformative" regime 3.6 +
    0.50 S, the least for S > 40): no S makes small variances worth while, and
    ``active_rule="variance"`` counts 0 once training has converged. Since the price
    is linear in S, two axes that share a signal cost as much as one that carries it:
    surplus axes are not pruned, and the rule of relevance counts too many.

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

    beta: NonNegative = 0.2
    _: KW_ONLY
    slope: Annotated[float, Interval(Real, 0, 200, closed="right")] = 20.0
    normalize_regime: bool = True
    initial_p: OpenShare = 0.2
    gradient: Literal["marginal", "pathwise", "score"] = "marginal"
    active_rule: Literal["relevance", "variance"] = "relevance"
    variance_threshold: Positive = 0.3

    @property
    def expected_variance_(self) -> NDArray[np.float32]:
        return self._module.axis_variance.cpu().numpy().copy()

    @property
    def uninformative_probability_(self) -> NDArray[np.float32]:
        return self._module.axis_p.cpu().numpy().copy()
