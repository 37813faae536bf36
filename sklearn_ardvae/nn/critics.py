"""Critics and discriminators of codes, for adversarial autoencoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .perceptrons import multilayer_perceptron

__all__ = ["discriminator_loss", "generator_loss", "gradient_penalty", "make_critic"]


def make_critic(
    n_inputs: int,
    hidden_layer_sizes: Sequence[int],
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Return a perceptron from codes to one unbounded number."""
    return multilayer_perceptron([n_inputs, *hidden_layer_sizes, 1], activation)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], first: Tensor, second: Tensor, share: Tensor
) -> Tensor:
    r"""Return how far the critic's slope between two batches is from 1.

    .. math::
        \frac1B \sum_i \left( \left\| \nabla_y H(y_i) \right\|_2 - 1 \right)^2,
        \qquad y_i = r_i\,a_i + (1 - r_i)\,b_i

    (Gulrajani et al., "Improved Training of Wasserstein GANs", 2017, eq. 3).

    Parameters
    ----------
    critic : callable
        Maps (n_rows, n_components) to (n_rows, 1), each row on its own.
    first, second : Tensor of shape (n_rows, n_components)
        The batches a and b, as the critic sees them; no gradient goes into them.
    share : Tensor of shape (n_rows, 1)
        r, uniform on [0, 1].

    Returns
    -------
    Tensor of shape ()
        Differentiable with respect to the critic's parameters.
    """
    between = torch.lerp(second.detach(), first.detach(), share).requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(
            critic(between).sum(), between, create_graph=True
        )
    return (slope.norm(dim=1) - 1.0).square().mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""Return the cross entropy of telling real codes (label 1) from fake ones.

    .. math::
        -\frac1B \sum_i \log \sigma(h_i) - \frac1{B'} \sum_j \log \sigma(-h'_j)

    (Goodfellow et al., "Generative Adversarial Nets", 2014, eq. 1, with the sign of a
    loss.) It is the SUM of two means: 2 log 2 where nothing is told apart. At its
    least, the logit h is the log of the density of real codes over that of fake ones.

    Parameters
    ----------
    real_logits, fake_logits : Tensor
        h of real and h' of fake codes, any shapes.

    Returns
    -------
    Tensor of shape ()
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    r"""Return the cross entropy of taking fake codes for real ones.

    .. math:: -\frac1B \sum_i \log \sigma(h'_i)

    The form of section 3 of the same paper, whose slope does not vanish where the
    discriminator is sure.

    Parameters
    ----------
    fake_logits : Tensor
        h' of the codes to be moved, any shape.

    Returns
    -------
    Tensor of shape ()
    """
    return F.softplus(-fake_logits).mean()
