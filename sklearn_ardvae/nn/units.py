"""What stands around networks: the units of the data, and axes that do not exist.

The networks inside see rows of mean 0 and variance 1 and no more axes than the data
can have; outside, rows are in the user's units and codes have all components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .blocks import doubles, rows_of_block

__all__ = [
    "NarrowCodes",
    "Restored",
    "Standardised",
    "Units",
    "WideCodes",
    "adopt_units",
    "units_of",
]

_LARGEST, _SMALLEST = 1e18, 1e-18


@dataclass(frozen=True)
class Units:
    """Where rows lie and how far they scatter: one centre a feature, one scale for all.

    Parameters
    ----------
    centre : Tensor of shape (n_features,)
        float64, on the CPU.
    scale : float
        Root of the mean variance of a feature; exact in float32.
    """

    centre: Tensor
    scale: float

    @classmethod
    def of(cls, x: Tensor) -> Units:
        """Measure rows x in float64, block by block.

        Raises
        ------
        ValueError
            If squares of them do not fit into float32.
        """
        largest = max(
            rows.abs().max().item() for rows in x.split(rows_of_block(x.shape[1]))
        )
        if largest > _LARGEST:
            raise ValueError(
                "Input X contains infinity or a value too large for dtype('float32') "
                f"when it is squared: {largest:.3g}. Divide X by a constant."
            )
        first = x[:1].cpu().double().squeeze(0)
        total = torch.zeros_like(first)
        for rows in doubles(x):
            total += rows.sub_(first).sum(0)
        centre = first + total / len(x)
        squares = sum(rows.sub_(centre).square_().sum().item() for rows in doubles(x))
        size = centre.abs().max().item()
        scale = (squares / x.numel()) ** 0.5
        # What is left of constant columns is rounding; smaller squares are no floats.
        if scale <= max(1e-14 * size, _SMALLEST):
            scale = 1.0
        return cls(centre, torch.tensor(scale).item())

    @classmethod
    def standard(cls, n_features: int) -> Units:
        """Return the units of rows that are standardised already."""
        return cls(torch.zeros(n_features, dtype=torch.float64), 1.0)

    def standardise(self, x: Tensor) -> Tensor:
        """Return rows of mean 0 and mean variance 1, as float32, where x is."""
        result = x.new_empty(x.shape, dtype=torch.float32)
        into = result.split(rows_of_block(x.shape[1]))
        for rows, block in zip(doubles(x), into, strict=True):
            block.copy_(rows.sub_(self.centre).div_(self.scale))
        return result


class _Affine(nn.Module):
    """Keeps a centre to 48 bits, in two numbers, since not every device has float64."""

    high: Tensor
    low: Tensor
    scale: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("high", torch.zeros(n_features))
        self.register_buffer("low", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(()))
        #: While a fit goes on, rows are standardised already.
        self.is_identity = True

    @property
    def units(self) -> Units:
        """Those that rows are in."""
        centre = self.high.cpu().double() + self.low.cpu().double()
        return Units(centre, self.scale.item())

    def adopt(self, units: Units) -> None:
        """Take rows in these units from now on."""
        self.high.copy_(units.centre)
        self.low.copy_(units.centre - self.high.cpu().double())
        self.scale.fill_(units.scale)
        self._notice()

    def _notice(self) -> None:
        self.is_identity = not (self.high.any() or self.low.any() or self.scale != 1.0)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._notice()


class Standardised(_Affine):
    """From rows in the user's units to those that the encoder sees."""

    def forward(self, x: Tensor) -> Tensor:
        return x if self.is_identity else (x - self.high - self.low) / self.scale


class Restored(_Affine):
    """From what the decoder puts out to rows in the user's units."""

    def forward(self, x: Tensor) -> Tensor:
        return x if self.is_identity else x * self.scale + self.low + self.high


class WideCodes(nn.Module):
    """Fills up what an encoder puts out of fewer axes, with zeros.

    Parameters
    ----------
    n_parts : int
        Numbers of each axis (2: mean and log variance), part by part.
    n_axes : int
        Wanted of each part.
    """

    def __init__(self, n_parts: int, n_axes: int) -> None:
        super().__init__()
        self.n_parts, self.n_axes = n_parts, n_axes

    def forward(self, h: Tensor) -> Tensor:
        parts = h.unflatten(1, (self.n_parts, -1))
        n_rows, n_parts, n_axes = parts.shape
        others = parts.new_zeros(n_rows, n_parts, self.n_axes - n_axes)
        return torch.cat((parts, others), dim=2).flatten(1)


class NarrowCodes(nn.Module):
    """Hands a decoder the first axes only."""

    def __init__(self, n_axes: int) -> None:
        super().__init__()
        self.n_axes = n_axes

    def forward(self, z: Tensor) -> Tensor:
        return z[:, : self.n_axes]


def adopt_units(networks: nn.Module, units: Units) -> None:
    """Let networks take and give rows in these units, if they convert any."""
    for layer in networks.modules():
        if isinstance(layer, _Affine):
            layer.adopt(units)


def units_of(networks: nn.Module) -> Units | None:
    """Return the units of the rows that networks take; None if they convert none."""
    layers = (m for m in networks.modules() if isinstance(m, Standardised))
    first = next(layers, None)
    return None if first is None else first.units
