"""GECO-L0-ARM-VAE: a VAE that closes latent axes while a constraint is met.

De Boom, Wauthier, Verbelen, Dhoedt: "Dynamic Narrowing of VAE Bottlenecks Using GECO
and L0 Regularization", IJCNN 2021, arXiv 2003.10901.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn

from .._warnings import warn
from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import NonNegative, Positive
from ..nn.gates import (
    GecoMultiplier,
    antithetic_gates,
    arm_gradient,
    bernoulli_slope,
    disarm_gradient,
    flip,
    local_expectation_gradient,
    tolerable_loss,
)
from ..nn.module import EpochStart, HeldOut, LossTerms, Networks, Phase
from ..nn.posteriors import GaussianPosterior
from ..nn.variational import VariationalModule

__all__ = ["L0ARMVAE"]

# sigmoid(4.6) = 0.99: open, and still with a slope.
_OPEN_LOGIT = 4.6
_LARGEST_LOGIT = 8.0
# "auto" asks for this share of what the mean of X leaves unexplained.
_AUTO_SHARE = 0.05
_AUTO_ROWS = 10_000


class L0ARMVAEModule(VariationalModule):
    r"""The Lagrangian of GECO-L0-ARM-VAE and the gradient of its gates.

    Of gates :math:`n_l \sim \mathrm{Bernoulli}(\pi_l)`, one draw for each row, with
    :math:`\pi = \mathrm{sigmoid}(g)` and z a sample of q(z|x),

    .. math::
        F_i(n) = R(x_i, \hat x(n \odot z_i))
        + \frac1\lambda \sum_l n_l \mathrm{KL}_{il}, \qquad
        \text{loss} = \frac1B \sum_i F_i(n_i) + \frac\gamma\lambda \sum_l \pi_l ,

    the Lagrangian of KL and L0 under :math:`\mathrm E\,R \le \tau` over its
    multiplier, plus a constant.

    Encoder and decoder follow the gradient of F at one draw; g that of
    :math:`\mathrm E\,F`, of which the KL's share is exact and that of R estimated from
    this draw and another; the multiplier :math:`\lambda` ascends
    :math:`\lambda (\mathrm E\,R - \tau)`. The last term is there only while the
    constraint's average is met.

    Parameters
    ----------
    networks
        As for `VariationalModule`.
    initial_tau : float or "auto"
        The largest reconstruction loss wanted.
    l0_weight : float
        :math:`\gamma`, in nats.
    gradient : {"local_expectation", "disarm", "arm"}
    multiplier_max : float
    tau_relaxation : float
        By which tau rises in an epoch that finds the multiplier at its largest.
    """

    beta = 1.0

    initial_tau: float | Literal["auto"]
    l0_weight: float
    gradient: str
    multiplier_max: float
    tau_relaxation: float

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.logits = nn.Parameter(torch.full((self.n_components,), _OPEN_LOGIT))
        self.multiplier = GecoMultiplier(self.multiplier_max)
        automatic = self.initial_tau == "auto"
        tau = torch.tensor(0.0 if automatic else float(self.initial_tau))
        self.register_buffer("tau", tau)
        self.register_buffer("released", torch.tensor(False))
        if automatic:
            self.held_out = HeldOut(most=_AUTO_ROWS, withheld=False)

    def start_epoch(self, epoch: EpochStart) -> None:
        if epoch.index == 0 and epoch.held_out is not None:
            self.tau.copy_(tolerable_loss(self.likelihood, epoch.held_out, _AUTO_SHARE))
        self.tau *= 1.0 + self.tau_relaxation * self.multiplier.is_saturated

    # --- inference: hard gates ----------------------------------------------------

    @property
    def open_gates(self) -> Tensor:
        """Ones where pi > 1/2, else zeros, shape (n_components,)."""
        return (self.logits > 0.0).to(self.logits.dtype)

    def is_active(self) -> Tensor:
        return self.logits > 0.0

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) * self.open_gates

    def code_std(self, x: Tensor) -> Tensor:
        return super().code_std(x) * self.open_gates

    def output(self, z: Tensor) -> Tensor:
        return self.decoder(z * self.open_gates)

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        return super().draw_prior(n_rows, generator) * self.open_gates

    def kl(self, q: GaussianPosterior, z: Tensor) -> Tensor:
        """Return the divergence of the open axes of each row, shape (n_rows,)."""
        return (axis_kl(q) * self.open_gates).sum(1)

    def loss(self, x: Tensor, noise: Tensor) -> LossTerms:
        """The loss at hard gates and the present multiplier, for validation."""
        terms = self.bound_terms(x, self.posterior(x), noise)
        reconstruction, kl = (term.mean() for term in terms)
        total = reconstruction + kl / self.multiplier()
        return LossTerms(total, {"reconstruction": reconstruction, "kl": kl})

    # --- training: sampled gates --------------------------------------------------

    def phases(self) -> list[Phase]:
        parameters = list(self.parameters())
        return [Phase("loss", parameters, self.training_loss, self.draw_training_noise)]

    def draw_training_noise(
        self, n_rows: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        noise = self.draw_noise(n_rows, generator)
        device, n = noise.device, self.n_components
        uniform = torch.rand(noise.shape, generator=generator, device=device)
        # Each row's axis is uniform, and each axis has its share of the rows.
        first = torch.randint(n, (1,), generator=generator, device=device)
        return noise, uniform, (first + torch.arange(n_rows, device=device)) % n

    def draw_gates(self, uniform: Tensor, axis: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gates of each row, and others to compare them with."""
        # All gates are open until the constraint has been met once.
        first, second = (
            torch.where(self.released, gates, 1.0)
            for gates in antithetic_gates(self.logits.detach(), uniform)
        )
        if self.gradient == "local_expectation":
            second = flip(first, axis)
        return first, second

    def gated_error(self, x: Tensor, z: Tensor, gates: Tensor) -> Tensor:
        """Return the reconstruction loss of each row at `gates`, shape (n_rows,)."""
        return self.likelihood.reconstruction(x, self.decoder(gates * z))

    def training_loss(
        self, x: Tensor, noise: tuple[Tensor, Tensor, Tensor]
    ) -> LossTerms:
        noise, uniform, axis = noise
        with torch.no_grad():
            self.logits.clamp_(-_LARGEST_LOGIT, _LARGEST_LOGIT)
        q = self.posterior(x)
        z, kl = q.sample(noise), axis_kl(q)
        first, second = self.draw_gates(uniform, axis)
        errors = self.gated_error(x, z, first)
        error, divergence = errors.mean(), (first * kl).sum(1).mean()
        self.multiplier.observe(error - self.tau)
        met = self.multiplier.average <= 0.0
        drawn = self.released.clone()
        self.released.logical_or_(met)
        weight = self.multiplier().detach()

        with torch.no_grad():
            difference = errors - self.gated_error(x, z, second)
            slope = self.gate_gradient(difference, first, second, uniform)
            slope += bernoulli_slope(self.logits) * kl.mean(0) / weight
        gate_term = (slope * drawn * (self.logits - self.logits.detach())).sum()
        n_open = torch.sigmoid(self.logits).sum()
        price = (divergence + self.l0_weight * met * n_open) / weight
        total = error + price + gate_term + self.multiplier.ascent()
        parts = {
            "reconstruction": error,
            "kl": divergence,
            "l0": n_open,
            "multiplier": weight,
            "constraint": self.multiplier.average.clone(),
            "tau": self.tau.clone(),
        }
        return LossTerms(total, parts)

    def gate_gradient(
        self, difference: Tensor, first: Tensor, second: Tensor, uniform: Tensor
    ) -> Tensor:
        """Return the estimated gradient of E R with respect to g, (n_components,)."""
        if self.gradient == "arm":
            return arm_gradient(difference, uniform).mean(0)
        estimate = (
            disarm_gradient if self.gradient == "disarm" else local_expectation_gradient
        )
        return estimate(difference, first, second, self.logits).mean(0)


def axis_kl(q: GaussianPosterior) -> Tensor:
    """KL of N(mean, exp(log_variance)) from N(0, 1) of each axis, (n_rows, L)."""
    return 0.5 * (q.mean.square() + q.log_variance.exp() - 1.0 - q.log_variance)


class L0ARMVAE(BaseAutoencoder, max_iter=200, lr_patience=None, early_stopping=False):
    r"""Variational autoencoder that closes latent axes while a constraint is met.

    You state how large the reconstruction loss may be; as long as it is smaller,
    Bernoulli gates that are shared by all rows close axes at a price for each that is
    open (L0). With gates :math:`n \sim \mathrm{Bernoulli}(\mathrm{sigmoid}(g))`,

    .. math::
        \min \; \frac1B \sum_i \sum_l n_l \mathrm{KL}_{il}
        + \gamma \sum_l \mathrm{sigmoid}(g_l)
        \quad \text{subject to} \quad
        C = \frac1B \sum_i \|x_i - \hat x(n \odot z_i)\|^2 - \tau \le 0 .

    The squared error is a SUM over features (the Bernoulli likelihood puts the cross
    entropy in its place), the KL from N(0, 1) a SUM over axes; both are means over the
    batch. What is minimised is the Lagrangian over its multiplier,
    :math:`R + (\mathrm{KL} + \gamma L_0) / \lambda`: a beta-VAE whose beta
    :math:`1 / \lambda` is found so that the constraint is met (GECO).

    Good for: where you know how large the error may be, rather than the noise or a
    weight. On random networks it counts as well as any method here (docs/rivals.md).

    Known to fail: where `tau` cannot be met all axes stay open, and a
    `ConvergenceWarning` says so; `tau` above the share of a real dimension closes it;
    the count follows `tau`, not the data alone; closing takes some thousand steps after
    the constraint is met.

    Parameters
    ----------
    n_components : int, default=128
        The initial latent size L: an upper bound on what may be found.
    tau : float or "auto", default="auto"
        The largest reconstruction loss of a row, >= 0, in squared units of X and
        summed over features. ``"auto"``: 5 % of what the mean of X leaves unexplained.
        What is left out of the largest dimension must exceed `tau` if the count is
        to be right, and noise must not.
    l0_weight : float, default=1.0
        :math:`\gamma`, the price of an open axis in nats, >= 0.
    gradient : {"local_expectation", "disarm", "arm"}, default="local_expectation"
        How the gradient of the gates is estimated, without bias and with as many
        passes of the decoder. ``"local_expectation"``: of each row one gate is flipped,
        so that surplus axes get no noise from the others. ``"arm"`` and ``"disarm"``
        compare a draw with its mirror image; with 16 dimensions and more their noise
        keeps surplus axes open.
    multiplier_max : float, default=20.0
        The largest :math:`\lambda`, > 0. Raise it in proportion if the variance of a
        feature is much below 1.
    tau_relaxation : float, default=0.01
        `tau` rises by this share, >= 0, in each epoch that begins with the multiplier
        at its largest and the constraint not met. 0 keeps it.
    %(shared_parameters)s

    Attributes
    ----------
    gate_probability_ : ndarray of shape (n_components,)
        sigmoid(g); an axis is active if it is above 1/2. The codes of the other axes
        are 0.
    tau_ : float
        The constraint at the end; above `tau` if that was out of reach.
    multiplier_ : float
        :math:`\lambda` at the end. At `multiplier_max` the constraint is out of reach.
    %(shared_attributes)s

    See Also
    --------
    ARDVAE : Finds the axes by a learned prior; needs a weight, not a target.

    Notes
    -----
    Paper: the constrained objective, gates with ARM, GECO's multiplier; all gates are
    open until the constraint is met for the first time; L0 counts only while it is.

    Code of the paper is not public. Reconstructed, from descriptions of the method and
    public code of its parts: the multiplier :math:`\mathrm{softplus}(\rho)^2 \le 20`
    from 1 on, the moving average 0.99, the KL of open axes only, and the relaxation of
    a constraint out of reach.

    Ours: local expectation gradients and DisARM; the KL's share of the gradient without
    sampling; one draw of gates for each row rather than for a batch; gates start
    at 0.99 and g stays in [-8, 8]; the division by the multiplier, which Adam is blind
    to; ``tau="auto"``; hard gates at inference; `sample` draws from a Gaussian fitted
    to the codes, which need not match the prior (ARD-VAE reports broken images from
    it). All epochs are run: stopping by a loss whose weights move would end before
    gates close.

    References
    ----------
    De Boom, Wauthier, Verbelen, Dhoedt: Dynamic Narrowing of VAE Bottlenecks Using
    GECO and L0 Regularization, IJCNN 2021, arXiv 2003.10901.
    Rezende, Viola: Taming VAEs, arXiv 1810.00597.
    Yin, Zhou: ARM: Augment-REINFORCE-Merge Gradient, ICLR 2019.
    Dong, Mnih, Tucker: DisARM: An Antithetic Gradient Estimator, NeurIPS 2020.
    Titsias, Lázaro-Gredilla: Local Expectation Gradients for Black Box Variational
    Inference, NIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import L0ARMVAE
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 10))
    >>> model = L0ARMVAE(4, max_iter=150, random_state=0).fit(X)
    >>> model.n_active_components_
    2
    """

    _module_class = L0ARMVAEModule

    _default_density = "gaussian"

    tau: Literal["auto"] | NonNegative = "auto"
    _: KW_ONLY
    l0_weight: NonNegative = 1.0
    gradient: Literal["local_expectation", "disarm", "arm"] = "local_expectation"
    multiplier_max: Positive = 20.0
    tau_relaxation: NonNegative = 0.01

    def _module_settings(self) -> dict[str, Any]:
        return super()._module_settings() | {"initial_tau": self.tau}

    def _warn_of_outcome(self) -> None:
        error = self.history_["train_reconstruction"][-1]
        if not self._module.released:
            warn(
                f"{type(self).__name__}: the reconstruction loss, {error:.4g} in the "
                f"last epoch, never came down to tau={self.tau_:.4g}, so that no gate "
                "could close: n_active_components_ says nothing of the data. Increase "
                "tau, max_iter or multiplier_max.",
                ConvergenceWarning,
            )
        elif self.tau != "auto" and self.tau_ > self.tau * (1.0 + 1e-6):
            warn(
                f"{type(self).__name__}: tau={self.tau:.4g} was out of reach and has "
                f"been relaxed to {self.tau_:.4g}. Increase tau, max_iter or "
                "multiplier_max, or set tau_relaxation=0.",
                ConvergenceWarning,
            )

    @property
    def gate_probability_(self) -> NDArray[np.float32]:
        return self._module.logits.detach().sigmoid().cpu().numpy()

    @property
    def tau_(self) -> float:
        return self._module.tau.item()

    @property
    def multiplier_(self) -> float:
        return self._module.multiplier().item()
