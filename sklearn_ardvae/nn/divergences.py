"""Divergences and log densities of rows of codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["gaussian_kl", "normal_entropy", "squared_mmd", "student_t_log_density"]

_LOG_2PI = math.log(2.0 * math.pi)


def gaussian_kl(mean: Tensor, log_variance: Tensor, prior_variance: Tensor) -> Tensor:
    r"""KL of N(mean, exp(log_variance)) from N(0, prior_variance), summed over axes.

    .. math::
        \tfrac12 \sum_l \left[ \log \hat\sigma_l^2 - \log \sigma_l^2
        + \frac{\mu_l^2 + \sigma_l^2}{\hat\sigma_l^2} - 1 \right]

    Parameters
    ----------
    mean, log_variance : Tensor of shape (n_rows, n_components)
    prior_variance : Tensor of shape (n_components,)

    Returns
    -------
    Tensor of shape (n_rows,)
        Divergences in nats, all >= 0.
    """
    terms = (mean.square() + log_variance.exp()) / prior_variance - log_variance
    constant = 0.5 * (prior_variance.log().sum() - len(prior_variance))
    return torch.add(constant, terms.sum(1), alpha=0.5)


def normal_entropy(log_variance: Tensor) -> Tensor:
    r"""Entropy :math:`\tfrac12 (1 + \log 2\pi\sigma^2)` in nats, elementwise."""
    return 0.5 * (log_variance + (1.0 + _LOG_2PI))


def student_t_log_density(z: Tensor, degrees: Tensor, variance: Tensor) -> Tensor:
    r"""Log density of Student's t with location 0 and scale `variance` ** 0.5.

    .. math::
        \log\Gamma(\tfrac{\nu+1}{2}) - \log\Gamma(\tfrac{\nu}{2})
        - \tfrac12 \log(\nu\pi\hat\sigma^2)
        - \tfrac{\nu+1}{2} \log\left(1 + \frac{z^2}{\nu\hat\sigma^2}\right)

    The difference of log Gamma functions is taken in float64: at the 10 000 degrees
    of freedom of a full held-out set, float32 loses most of its digits.

    Parameters
    ----------
    z : Tensor of shape (n_rows, n_components)
    degrees : Tensor of shape ()
        Degrees of freedom, > 0.
    variance : Tensor of shape (n_components,)
        Squared scale (b/a in the notation of ARD-VAE), > 0.

    Returns
    -------
    Tensor of shape (n_rows, n_components)
    """
    nu = degrees.double()
    constant = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2)
    constant = (constant - 0.5 * torch.log(nu * math.pi)).to(z.dtype)
    tail = torch.log1p(z.square() / (degrees * variance))
    return constant - 0.5 * variance.log() - 0.5 * (degrees + 1.0) * tail


def squared_mmd(first: Tensor, second: Tensor, scales: Sequence[float]) -> Tensor:
    r"""Estimate the squared maximum mean discrepancy of two laws from their draws.

    .. math::
        \frac{\sum_{i \ne j} k(a_i, a_j)}{n (n - 1)}
        + \frac{\sum_{i \ne j} k(b_i, b_j)}{m (m - 1)}
        - \frac{2}{n m} \sum_{ij} k(a_i, b_j), \qquad
        k(a, b) = \sum_t \frac{C_t}{C_t + \|a - b\|^2}

    (Gretton et al., "A Kernel Two-Sample Test", 2012, eq. 3, with the inverse
    multiquadric kernels of Tolstikhin et al., 2018.) It is unbiased: of two equal laws
    it is 0 on average, and so negative as often as not.

    Parameters
    ----------
    first : Tensor of shape (n, n_components)
        The rows a, n >= 2.
    second : Tensor of shape (m, n_components)
        The rows b, m >= 2.
    scales : sequence of float
        C, > 0.

    Returns
    -------
    Tensor of shape ()
        Differentiable once with respect to `first` and `second`.
    """
    within = _KernelMean.apply(first, None, scales)
    within = within + _KernelMean.apply(second, None, scales)
    return torch.sub(within, _KernelMean.apply(first, second, scales), alpha=2.0)


class _KernelMean(torch.autograd.Function):
    """Mean of k over the pairs (a_i, b_j); without b, over (a_i, a_j) with i != j.

    The slope of k is added up beside k, in place, and then moves the rows by one
    product of matrices. Autograd would keep tables of all pairs for each scale.
    """

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor | None, scales: Sequence[float]
    ) -> Tensor:
        ctx.alone = alone = b is None
        # Distances do not mind a shift; near 0 their digits do not cancel.
        shift = a.mean(0)
        a = a - shift
        b = a if b is None else b - shift
        norms = a.square().sum(1)[:, None] + b.square().sum(1)
        distances = torch.addmm(norms, a, b.T, alpha=-2.0).clamp_min_(0.0)
        if alone:
            distances.fill_diagonal_(0.0)
        wanted = any(ctx.needs_input_grad)
        kernels = torch.zeros_like(distances)
        slopes = torch.zeros_like(distances if wanted else distances[:0])
        inverses = torch.empty_like(distances)
        for scale in scales:
            torch.add(distances, scale, out=inverses).reciprocal_()
            kernels.add_(inverses, alpha=scale)
            if wanted:
                slopes.addcmul_(inverses, inverses, value=scale)
        ctx.n_pairs = len(a) * (len(b) - alone)
        if alone:
            kernels.fill_diagonal_(0.0)
        if wanted:
            ctx.save_for_backward(a, b, slopes)
        return kernels.sum() / ctx.n_pairs

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None]:
        a, b, slopes = ctx.saved_tensors
        factor = gradient * (-2.0 / ctx.n_pairs)
        for_a = for_b = None
        if ctx.needs_input_grad[0]:
            for_a = factor * (slopes.sum(1)[:, None] * a - slopes @ b)
            if ctx.alone:
                for_a = 2.0 * for_a
        if ctx.needs_input_grad[1]:
            for_b = factor * (slopes.sum(0)[:, None] * b - slopes.T @ a)
        return for_a, for_b, None
