"""What stands around networks: the units of the data, and axes that do not exist.

The networks inside see rows of mean 0 and variance 1, perhaps along those principal
axes only that hold all signal, and no more axes than the data can have; outside, rows
are in the user's units and codes have all components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .blocks import doubles, rows_of_block
from .reading import ReadRows

__all__ = [
    "NarrowCodes",
    "Restored",
    "Standardised",
    "Units",
    "WideCodes",
    "adopt_units",
    "door_of",
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
        Root of the mean variance of a feature, or axis; exact in float32.
    axes : Tensor of shape (n_axes, n_features) or None
        Orthonormal, float64, on the CPU: rows are then coordinates along these.
    noise : float
        Variance in each direction outside the axes, in the user's units.
    """

    centre: Tensor
    scale: float
    axes: Tensor | None = None
    noise: float = 0.0

    @property
    def n_outside(self) -> int:
        """How many directions the axes leave out."""
        return 0 if self.axes is None else self.axes.shape[1] - len(self.axes)

    def along(self, axes: Tensor, noise: float, x: Tensor) -> Units:
        """Return the units of rows x, standardised by these, along some axes.

        `noise` is the variance of such rows outside them.
        """
        squares = sum((rows @ axes.T).square_().sum().item() for rows in doubles(x)) / (
            len(x) * len(axes)
        )
        scale = torch.tensor(self.scale * squares**0.5).item()
        return Units(self.centre, scale, axes, noise * self.scale**2)

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
        """Return rows of mean 0 and mean variance 1, as float32, where x is.

        Those that are read when they are needed are standardised then.
        """
        width = x.shape[1] if self.axes is None else len(self.axes)
        if isinstance(x, ReadRows):
            return x.converted(self.standardise, width)
        result = x.new_empty((len(x), width), dtype=torch.float32)
        into = result.split(rows_of_block(x.shape[1]))
        for rows, block in zip(doubles(x), into, strict=True):
            rows.sub_(self.centre).div_(self.scale)
            block.copy_(rows if self.axes is None else rows @ self.axes.T)
        return result


class _Affine(nn.Module):
    """Keeps a centre to 48 bits, in two numbers, since not every device has float64.

    Parameters
    ----------
    n_features : int
    n_axes : int, optional
        Of rows inside, if they are coordinates along fewer axes.
    """

    high: Tensor
    low: Tensor
    scale: Tensor
    axes: Tensor | None
    noise: Tensor

    def __init__(self, n_features: int, n_axes: int | None = None) -> None:
        super().__init__()
        self.register_buffer("high", torch.zeros(n_features))
        self.register_buffer("low", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(()))
        if n_axes is None:
            self.axes = None
        else:
            self.register_buffer("axes", torch.eye(n_axes, n_features))
            self.register_buffer("noise", torch.ones(()))
        #: While a fit goes on, rows are standardised already.
        self.is_identity = n_axes is None

    @property
    def units(self) -> Units:
        """Those that rows are in."""
        centre = self.high.cpu().double() + self.low.cpu().double()
        if self.axes is None:
            return Units(centre, self.scale.item())
        axes = self.axes.cpu().double()
        return Units(centre, self.scale.item(), axes, self.noise.item())

    def adopt(self, units: Units) -> None:
        """Take rows in these units from now on."""
        self.high.copy_(units.centre)
        self.low.copy_(units.centre - self.high.cpu().double())
        self.scale.fill_(units.scale)
        if self.axes is not None:
            # Of no direction: rows are coordinates already.
            self.axes.zero_() if units.axes is None else self.axes.copy_(units.axes)
            self.noise.fill_(units.noise)
        self._notice()

    def _notice(self) -> None:
        if self.axes is not None:
            self.is_identity = not self.axes.any()
            return
        self.is_identity = not (self.high.any() or self.low.any() or self.scale != 1.0)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._notice()


class Standardised(_Affine):
    """From rows in the user's units to those that the encoder sees."""

    def forward(self, x: Tensor) -> Tensor:
        if self.is_identity:
            return x
        x = x - self.high - self.low
        return (x if self.axes is None else x @ self.axes.T) / self.scale

    def noise_inside(self, noise_variance: float) -> float:
        """Return the noise variance of rows inside, given the mean of all features."""
        if self.axes is None:
            return noise_variance
        n_axes, n_features = self.axes.shape
        outside = (n_features - n_axes) * self.noise.item()
        return (n_features * noise_variance - outside) / n_axes

    def squares_outside(self, x: Tensor) -> Tensor:
        """Return the squared lengths of rows outside the axes, in the user's units."""
        assert self.axes is not None
        x = x - self.high - self.low
        return (x - x @ self.axes.T @ self.axes).square().sum(1)


class Restored(_Affine):
    """From what the decoder puts out to rows in the user's units."""

    def forward(self, x: Tensor) -> Tensor:
        if self.is_identity:
            return x
        x = x * self.scale
        return (x if self.axes is None else x @ self.axes) + self.low + self.high


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
        # Not sliced: of that torch 2.6 cannot export the free number of rows.
        return z.narrow(1, 0, self.n_axes)


def adopt_units(networks: nn.Module, units: Units) -> None:
    """Let networks take and give rows in these units, if they convert any."""
    for layer in networks.modules():
        if isinstance(layer, _Affine):
            layer.adopt(units)


def door_of(networks: nn.Module) -> Standardised | None:
    """Return the layer that rows in the user's units go through first, if any."""
    layers = (m for m in networks.modules() if isinstance(m, Standardised))
    return next(layers, None)


def units_of(networks: nn.Module) -> Units | None:
    """Return the units of the rows that networks take; None if they convert none."""
    door = door_of(networks)
    return None if door is None else door.units
