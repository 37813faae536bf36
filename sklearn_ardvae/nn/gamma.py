"""Gamma distributions: their divergence, and draws that can be differentiated."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["draw_gamma", "gamma_kl", "standardised_log_gamma"]


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
