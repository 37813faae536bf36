r"""Closing latent axes: Bernoulli gates, their gradients, and when axes may close.

Of a function F of binary gates :math:`b_l \sim \mathrm{Bernoulli}(\pi_l)`,
:math:`\pi = \mathrm{sigmoid}(g)`, two evaluations estimate the gradient of
:math:`\mathrm E\,F(b)` with respect to the logits g: at antithetic gates, or at gates
that differ in one axis.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .likelihoods import Likelihood

__all__ = [
    "GecoMultiplier",
    "antithetic_gates",
    "arm_gradient",
    "bernoulli_slope",
    "disarm_gradient",
    "flip",
    "local_expectation_gradient",
    "tolerable_loss",
    "within",
]


def antithetic_gates(logits: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return two draws of the gates that are each other's mirror image.

    .. math:: b = 1[u > \mathrm{sigmoid}(-g)], \qquad b' = 1[u < \mathrm{sigmoid}(g)]

    Parameters
    ----------
    logits : Tensor of shape (n_components,)
        g.
    uniform : Tensor of shape (..., n_components)
        u, uniform on [0, 1).

    Returns
    -------
    first, second : Tensor of the shape of `uniform`
        Zeros and ones, each Bernoulli(sigmoid(g)).
    """
    first = uniform > torch.sigmoid(-logits)
    second = uniform < torch.sigmoid(logits)
    return first.to(uniform.dtype), second.to(uniform.dtype)


def arm_gradient(difference: Tensor, uniform: Tensor) -> Tensor:
    r"""Return the ARM estimate :math:`(F(b) - F(b'))(u - \tfrac12)`.

    Yin and Zhou, "ARM: Augment-REINFORCE-Merge Gradient for Stochastic Binary
    Networks", 2019, theorem 1.

    Parameters
    ----------
    difference : Tensor of shape (n_draws,)
        :math:`F(b) - F(b')` of each draw, with the gates of `antithetic_gates`.
    uniform : Tensor of shape (n_draws, n_components)
        u, as given to `antithetic_gates`.

    Returns
    -------
    Tensor of shape (n_draws, n_components)
        Its mean is the gradient of E F(b) with respect to the logits.
    """
    return difference[:, None] * (uniform - 0.5)


def disarm_gradient(
    difference: Tensor, first: Tensor, second: Tensor, logits: Tensor
) -> Tensor:
    r"""Return the DisARM estimate, ARM with u integrated out given the gates.

    .. math:: \tfrac12 (F(b) - F(b')) \, (-1)^{b'_l} \, 1[b_l \ne b'_l] \,
        \mathrm{sigmoid}(|g_l|)

    Dong, Mnih, Tucker, "DisARM: An Antithetic Gradient Estimator for Binary Latent
    Variables", 2020, eq. 6. Its variance is never above that of ARM.

    Parameters
    ----------
    difference : Tensor of shape (n_draws,)
    first, second : Tensor of shape (n_draws, n_components)
        The gates b and b' of `antithetic_gates`.
    logits : Tensor of shape (n_components,)

    Returns
    -------
    Tensor of shape (n_draws, n_components)
    """
    sign = first - second  # (-1) ** second where they differ, else 0
    return 0.5 * difference[:, None] * sign * torch.sigmoid(logits.abs())


def bernoulli_slope(logits: Tensor) -> Tensor:
    r"""Return :math:`\pi (1 - \pi)`, the slope of :math:`\pi` by g."""
    return torch.sigmoid(logits) * torch.sigmoid(-logits)


def flip(gates: Tensor, axis: Tensor) -> Tensor:
    """Return gates of which one of each draw is flipped.

    Parameters
    ----------
    gates : Tensor of shape (n_draws, n_components)
        Zeros and ones.
    axis : Tensor of int of shape (n_draws,)
        The axis of each draw.
    """
    column = axis[:, None]
    return gates.scatter(1, column, 1.0 - gates.gather(1, column))


def local_expectation_gradient(
    difference: Tensor, first: Tensor, second: Tensor, logits: Tensor
) -> Tensor:
    r"""Return the slope along one axis of each draw, taken with all its weight.

    .. math:: L \, \pi_j (1 - \pi_j) \, (F(b_{j=1}) - F(b_{j=0}))
        \quad \text{for } l = j, \text{ else } 0

    With j uniform its mean is the gradient: that of :math:`\mathrm E\,F` along axis j
    is :math:`\pi_j (1 - \pi_j)` times the mean difference. Titsias and
    Lázaro-Gredilla, "Local Expectation Gradients for Black Box Variational Inference",
    2015, who sum over all axes. An axis to which F is blind gets no noise from the
    others, as it does from a difference in which many axes have a part.

    Parameters
    ----------
    difference : Tensor of shape (n_draws,)
        :math:`F(b) - F(b')`.
    first, second : Tensor of shape (n_draws, n_components)
        Gates b, and b' as `flip` returns them.
    logits : Tensor of shape (n_components,)

    Returns
    -------
    Tensor of shape (n_draws, n_components)
    """
    weight = len(logits) * bernoulli_slope(logits)
    return difference[:, None] * (first - second) * weight


def tolerable_loss(likelihood: Likelihood, x: Tensor, share: float) -> Tensor:
    r"""Return a reconstruction loss between that of `x` itself and of its mean.

    .. math:: (1 - s) \, \overline{R(x, x)} + s \, \overline{R(x, \bar x)}

    With squared error the first term is 0, with cross entropy it is the entropy of
    pixels that are neither 0 nor 1.

    Parameters
    ----------
    likelihood : Likelihood
        Of R, a sum over features.
    x : Tensor of shape (n_rows, n_features)
    share : float
        s, 0 for what cannot be bettered, 1 for what a collapsed model attains.

    Returns
    -------
    Tensor of shape ()
        A mean over the rows.
    """
    outputs = (x, x.mean(0, keepdim=True).expand_as(x))
    if likelihood.logits:
        outputs = tuple(output.logit(eps=1e-6) for output in outputs)
    best, worst = (likelihood.reconstruction(x, output).mean() for output in outputs)
    return torch.lerp(best, worst, share)


class GecoMultiplier(nn.Module):
    r"""Lagrange multiplier of a constraint :math:`C \le 0` that batches estimate.

    .. math::
        \lambda = \mathrm{softplus}(\rho)^2, \qquad
        M \leftarrow 0.99\,M + 0.01\,C, \qquad M_0 = C_0

    `rho` ascends the slope of :math:`\lambda M` while the other parameters descend
    :math:`\lambda C`; it is projected onto :math:`[-5, \rho(\lambda_{max})]`, so that
    it turns round as soon as M changes its sign. (Rezende and Viola, "Taming VAEs",
    2018, algorithm 1, in the parametrisation of its public implementations.)

    Parameters
    ----------
    largest : float
        The largest multiplier, > 0.
    decay : float
        Of the moving average, in [0, 1).
    """

    #: Multipliers below softplus(-5) ** 2 = 4.5e-5 would take long to come back from.
    SMALLEST_RHO = -5.0

    average: Tensor
    started: Tensor

    def __init__(self, largest: float, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.largest_rho = _rho(largest)
        self.rho = nn.Parameter(torch.tensor(min(_rho(1.0), self.largest_rho)))
        self.register_buffer("average", torch.tensor(0.0))
        self.register_buffer("started", torch.tensor(0.0))

    def forward(self) -> Tensor:
        """Return the multiplier, shape (), differentiable with respect to `rho`."""
        rho = within(self.rho, self.SMALLEST_RHO, self.largest_rho)
        return F.softplus(rho).square()

    @torch.no_grad()
    def observe(self, constraint: Tensor) -> None:
        """Take the constraint's value on a batch, shape (), into the average."""
        self.rho.clamp_(self.SMALLEST_RHO, self.largest_rho)
        weight = torch.where(self.started > 0, 1.0 - self.decay, 1.0)
        self.average.lerp_(constraint.detach(), weight.to(self.average))
        self.started.fill_(1.0)

    @property
    def is_saturated(self) -> Tensor:
        """Whether the constraint is not met at the largest multiplier, shape ()."""
        return (self.rho >= self.largest_rho) & (self.average > 0.0)

    def ascent(self) -> Tensor:
        """Return a term of value 0 whose descent is the ascent of `rho`."""
        term = -self() * self.average
        return term - term.detach()


def _rho(multiplier: float) -> float:
    """Invert softplus(rho) ** 2."""
    root = math.sqrt(multiplier)
    return root + math.log(-math.expm1(-root))


def within(x: Tensor, low: float, high: float) -> Tensor:
    """Return `x` clamped; one at a bound keeps its gradient, so that it may turn round.

    From torch 2.15 on, ``Tensor.clamp`` gives it none.
    """
    return torch.where(x < low, low, torch.where(x > high, high, x))
