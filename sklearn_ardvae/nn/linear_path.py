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
    "WithinRange",
    "linear_and_perceptrons",
    "start_at_principal_axes",
]


class WithinRange(nn.Module):
    """Moves features to the range that they had in the rows of a fit."""

    lowest: Tensor
    highest: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("lowest", torch.full((n_features,), -torch.inf))
        self.register_buffer("highest", torch.full((n_features,), torch.inf))

    def show(self, rows: Tensor, anew: bool) -> None:
        """Take the range of rows, beside the present one or in its place."""
        lowest, highest = rows.amin(0), rows.amax(0)
        self.lowest.copy_(lowest if anew else lowest.minimum(self.lowest))
        self.highest.copy_(highest if anew else highest.maximum(self.highest))

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(self.lowest, self.highest)


class BesideLinear(nn.Module):
    """A perceptron, and beside it a linear map that adds to some of its outputs.

    Parameters
    ----------
    perceptron : nn.Sequential
        Linear layers first and last.
    n_linear : int
        Outputs, the first ones, that the linear map adds to.
    within : WithinRange, optional
        What rows go through before the perceptron. Far from all that it was trained
        on, a perceptron goes anywhere; the linear map goes on as it does elsewhere.
    """

    def __init__(
        self,
        perceptron: nn.Sequential,
        n_linear: int,
        within: WithinRange | None = None,
    ) -> None:
        super().__init__()
        first, last = perceptron[0], perceptron[-1]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        self.perceptron = perceptron
        self.within = within or nn.Identity()
        self.linear = nn.Linear(first.in_features, n_linear)
        self.n_others = last.out_features - n_linear

    def forward(self, x: Tensor) -> Tensor:
        linear = F.pad(self.linear(x), (0, self.n_others))
        return self.perceptron(self.within(x)) + linear

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
        BesideLinear(encoder, ends.n_components, WithinRange(ends.n_features)),
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
