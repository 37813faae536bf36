"""Decoded rows along each axis, for decoders that a page does not run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import doubles, shorts

__all__ = ["Grid"]

# Numbers in a page, of two bytes each.
_MOST_NUMBERS = 2**22
_FEWEST_POINTS, _MOST_POINTS = 5, 25
_STEPS = 2**16 - 1


@dataclass(frozen=True)
class Grid:
    """What decoding gives along each axis, with the others at their mean.

    Parameters
    ----------
    codes : ndarray of shape (n_axes, n_points)
        Where, evenly spaced along each axis.
    rows : ndarray of shape (n_axes, n_points, n_features)
    centre : ndarray of shape (n_features,)
        What the mean code gives.
    """

    codes: NDArray
    rows: NDArray
    centre: NDArray

    @classmethod
    def of(
        cls,
        decode: Callable[[NDArray], NDArray],
        mean: NDArray,
        deviation: NDArray,
        reach: float,
    ) -> Grid:
        """Decode as many points as a page holds, up to some deviations off the mean.

        Where there are many axes, only the first ones have a grid.
        """
        centre = decode(mean[None])[0]
        n_axes = min(len(mean), max(1, _MOST_NUMBERS // _FEWEST_POINTS // len(centre)))
        n_points = _MOST_NUMBERS // max(1, n_axes * len(centre))
        n_points = min(max(n_points, _FEWEST_POINTS), _MOST_POINTS)
        n_points -= 1 - n_points % 2  # odd, so that the mean is among them
        steps = np.linspace(-reach, reach, n_points)
        codes = mean[:n_axes, None] + deviation[:n_axes, None] * steps
        rows = _along(decode, mean, codes, len(centre))
        return cls(codes, rows, centre)

    @property
    def n_axes(self) -> int:
        """Axes that it has, the first ones."""
        return len(self.codes)

    def error(
        self, decode: Callable[[NDArray], NDArray], mean: NDArray, scale: NDArray
    ) -> float:
        """Return the share of the variation that interpolation misses.

        Taken halfway between points, where it misses most. Root mean squares are
        compared, over all axes.

        Parameters
        ----------
        decode, mean
            As for `of`.
        scale : ndarray of shape (n_features,)
            What one of each feature counts as much as.
        """
        if not self.n_axes:
            return 0.0
        between = (self.codes[:, 1:] + self.codes[:, :-1]) / 2.0
        rows = _along(decode, mean, between, len(self.centre))
        interpolated = (self.rows[:, 1:] + self.rows[:, :-1]) / 2.0
        missed = np.square((interpolated - rows) / scale).mean()
        varied = np.square((rows - self.centre) / scale).mean()
        return float(np.sqrt(missed / varied)) if varied > 0.0 else 0.0

    def packed(self) -> dict[str, Any]:
        """Return what the page's script reads: each feature in steps of its own."""
        ends = self.rows if self.n_axes else self.centre[None, None]
        low, high = ends.min((0, 1)), ends.max((0, 1))
        step = np.where(high > low, (high - low) / _STEPS, 1.0)
        return {
            "n_points": self.codes.shape[1],
            "first": doubles(self.codes[:, 0]),
            "last": doubles(self.codes[:, -1]),
            "centre": doubles(self.centre),
            "low": doubles(low),
            "step": doubles(step),
            "steps": shorts(np.rint((self.rows - low) / step)),
        }


def _along(
    decode: Callable[[NDArray], NDArray],
    mean: NDArray,
    places: NDArray,
    n_features: int,
) -> NDArray:
    """Return rows of places along each axis, (n_axes, n_places, n_features)."""
    rows = np.empty((*places.shape, n_features))
    for axis, at in enumerate(places):
        codes = np.tile(mean, (len(at), 1))
        codes[:, axis] = at
        rows[axis] = decode(codes)
    return rows
