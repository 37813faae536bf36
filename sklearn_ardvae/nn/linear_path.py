"""A perceptron with a linear map beside it, which can start at probabilistic PCA."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .perceptrons import Ends, Layer, mirrored_perceptrons
from .principal import PrincipalBasis

__all__ = [
    "BesideLinear",
    "linear_and_perceptrons",
    "start_at_principal_axes",
]


class BesideLinear(nn.Module):
    """A perceptron, and beside it a linear map that adds to some of its outputs.

    Parameters
    ----------
    perceptron : nn.Sequential
        Linear layers first and last.
    n_linear : int
        Outputs, the first ones, that the linear map adds to.
    """

    def __init__(self, perceptron: nn.Sequential, n_linear: int) -> None:
        super().__init__()
        first, last = perceptron[0], perceptron[-1]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        self.perceptron = perceptron
        self.linear = nn.Linear(first.in_features, n_linear)
        self.n_others = last.out_features - n_linear

    def forward(self, x: Tensor) -> Tensor:
        return self.perceptron(x) + F.pad(self.linear(x), (0, self.n_others))

    @torch.no_grad()
    def become_linear(self, weight: Tensor, bias: Tensor) -> None:
        """Take these for the linear map and the constants, to which nothing adds."""
        last = self.perceptron[-1]
        assert isinstance(last, nn.Linear)
        last.weight.zero_()
        self.linear.bias.zero_()
        self.linear.weight.copy_(weight)
        last.bias.copy_(bias)


def linear_and_perceptrons(
    ends: Ends, hidden_layer_sizes: Sequence[int], activation: Layer
) -> tuple[BesideLinear, BesideLinear]:
    """Return mirrored perceptrons, each beside a linear map of means."""
    encoder, decoder = mirrored_perceptrons(ends, hidden_layer_sizes, activation)
    return (
        BesideLinear(encoder, ends.n_components),
        BesideLinear(decoder, ends.n_features),
    )


@torch.no_grad()
def start_at_principal_axes(
    encoder: BesideLinear, decoder: BesideLinear, principal: PrincipalBasis, width: int
) -> float:
    r"""Make the networks probabilistic PCA of some width; return its noise variance.

    .. math:: \mu(x) = \frac{\sqrt{\lambda - \sigma^2}}{\lambda} \, u^\top (x - m),
        \qquad \sigma^2(z|x) = \frac{\sigma^2}{\lambda}, \qquad
        \hat x = m + \sqrt{\lambda - \sigma^2} \, u z

    where the encoder puts out log variances (else :math:`\mu` is the least-squares
    coordinate). Further axes stay without influence.
    """
    noise = principal.noise(width)
    n_axes = encoder.linear.out_features
    variances = principal.variances[:width].clamp_min(noise * (1.0 + 1e-6))
    size = (variances - noise).sqrt()
    shrunk = size / variances if encoder.n_others else 1.0 / size
    # Beyond the width: no influence, and nothing learned about z.
    more = n_axes - width
    axes = principal.axes[:width]
    ingoing = F.pad(axes * shrunk[:, None], (0, 0, 0, more))
    constants = -ingoing @ principal.mean
    if encoder.n_others:
        log_variance = F.pad((noise / variances).log(), (0, encoder.n_others - width))
        constants = torch.cat((constants, log_variance))
    encoder.become_linear(ingoing, constants)
    outgoing = F.pad(axes * size[:, None], (0, 0, 0, more)).T
    decoder.become_linear(outgoing, principal.mean)
    return noise
