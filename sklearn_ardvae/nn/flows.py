r"""Inverse autoregressive flows: maps of codes whose Jacobians are triangular.

Kingma, Salimans, Jozefowicz, Chen, Sutskever, Welling: "Improving Variational
Inference with Inverse Autoregressive Flow", NeurIPS 2016, arXiv 1606.04934; the masks
are those of Germain, Gregor, Murray, Larochelle: "MADE", ICML 2015, arXiv 1502.03509.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "AutoregressiveStep",
    "InverseAutoregressiveFlow",
    "MaskedLinear",
    "masked_perceptron",
]

# The gate where the network puts out 0 is sigmoid(2) = 0.88: a step begins near the
# identity (Kingma et al. advise an offset of 1 or 2).
_GATE_OFFSET = 2.0
# Of the log scale of an exponential step; a float32 overflows at 88.
_LARGEST_LOG_SCALE = 3.0


class MaskedLinear(nn.Linear):
    """A linear layer in which a unit sees only units of degrees up to its own.

    Parameters
    ----------
    degrees_in, degrees_out : Tensor of int, shapes (n_in,) and (n_out,)
        An output sees the inputs of degrees <= its own.
    strict : bool
        Whether it sees those of smaller degrees only.
    """

    mask: Tensor

    def __init__(
        self, degrees_in: Tensor, degrees_out: Tensor, *, strict: bool = False
    ) -> None:
        super().__init__(len(degrees_in), len(degrees_out))
        seen = degrees_in < degrees_out[:, None] + (not strict)
        self.register_buffer("mask", seen.to(self.weight.dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.mask * self.weight, self.bias)


def masked_perceptron(
    degrees: Tensor, n_context: int, hidden_layer_sizes: Sequence[int]
) -> nn.Sequential:
    """Return a network of which the outputs of an axis see the axes before it (MADE).

    Parameters
    ----------
    degrees : Tensor of int of shape (n_components,)
        The place 1, ..., n_components of each axis in the order.
    n_context : int
        Inputs in front of the axes that every unit sees: of degree 0.
    hidden_layer_sizes : sequence of int
        Units, with SiLU after them; their degrees are spread evenly.

    Returns
    -------
    nn.Sequential
        Maps (n_rows, n_context + n_components) to (n_rows, 2 n_components), two numbers
        for each axis; at the start it puts out 0.
    """
    n_components = len(degrees)
    # A unit of degree 0 sees the context, and without one nothing.
    lowest = 0 if n_context else min(1, n_components - 1)
    layer_degrees = [torch.cat((degrees.new_zeros(n_context), degrees))]
    for size in hidden_layer_sizes:
        spread = torch.arange(size) * (n_components - lowest) // size
        layer_degrees.append(lowest + spread)
    layers: list[nn.Module] = []
    for degrees_in, degrees_out in itertools.pairwise(layer_degrees):
        layers += [MaskedLinear(degrees_in, degrees_out), nn.SiLU()]
    last = MaskedLinear(layer_degrees[-1], degrees.repeat(2), strict=True)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


class AutoregressiveStep(nn.Module):
    r"""One step of the flow: each axis is mapped as the axes before it say.

    With M and S put out for axis l by a masked network of the axes before it in the
    order, and of the context,

    .. math::
        z'_l &= g_l z_l + (1 - g_l) M_l, & g_l &= \mathrm{sigmoid}(S_l + 2),
        & \log |\det| &= \sum_l \log g_l && \text{(gated)} \\
        z'_l &= e^{s_l} z_l + M_l, & s_l &= 3 \tanh (S_l / 3),
        & \log |\det| &= \sum_l s_l && \text{(exponential)}

    Parameters
    ----------
    n_components, n_context : int
        Widths of codes and contexts.
    hidden_layer_sizes : sequence of int
        Of the masked network.
    update : {"gated", "exponential"}
    backwards : bool
        Whether the order is from the last axis to the first.
    """

    def __init__(
        self,
        n_components: int,
        n_context: int,
        hidden_layer_sizes: Sequence[int],
        *,
        update: str,
        backwards: bool,
    ) -> None:
        super().__init__()
        degrees = torch.arange(1, n_components + 1)
        degrees = degrees.flip(0) if backwards else degrees
        self.network = masked_perceptron(degrees, n_context, hidden_layer_sizes)
        self.update = update

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new codes and the log determinants, shape (n_rows,)."""
        shift, scale = self.network(torch.cat((context, z), dim=1)).chunk(2, dim=1)
        if self.update == "gated":
            logit = scale + _GATE_OFFSET
            new, log_slope = torch.lerp(shift, z, logit.sigmoid()), F.logsigmoid(logit)
        else:
            log_slope = _LARGEST_LOG_SCALE * torch.tanh(scale / _LARGEST_LOG_SCALE)
            new = torch.addcmul(shift, log_slope.exp(), z)
        return new, log_slope.sum(1)


class InverseAutoregressiveFlow(nn.Module):
    r"""Steps :math:`z_0 \mapsto \dots \mapsto z_T` that reverse the order in turn.

    The log density of :math:`z_T` is that of :math:`z_0` less the sum of the steps' log
    determinants. Codes are drawn in one pass; inverting a step would take one for each
    axis, and is not needed.

    Parameters
    ----------
    n_components, n_context : int
        Widths of codes and contexts.
    n_steps : int
        T.
    hidden_layer_sizes : sequence of int
        Of each step's masked network.
    update : {"gated", "exponential"}
        See `AutoregressiveStep`.
    """

    def __init__(
        self,
        n_components: int,
        n_context: int,
        *,
        n_steps: int,
        hidden_layer_sizes: Sequence[int],
        update: str,
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            AutoregressiveStep(
                n_components,
                n_context,
                hidden_layer_sizes,
                update=update,
                backwards=step % 2 == 1,
            )
            for step in range(n_steps)
        )

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return z_T and the sum of the log determinants.

        Parameters
        ----------
        z : Tensor of shape (n_rows, n_components)
        context : Tensor of shape (n_rows, n_context)
            Seen by every step; of no columns if there is none.

        Returns
        -------
        z : Tensor of shape (n_rows, n_components)
        log_det : Tensor of shape (n_rows,)
            Of the Jacobian of z_T with respect to z_0.
        """
        log_dets = []
        for step in self.steps:
            z, log_det = step(z, context)
            log_dets.append(log_det)
        return z, torch.stack(log_dets).sum(0)
