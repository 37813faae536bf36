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
_TRIALS = 64


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
        rows = np.empty((n_axes, n_points, len(centre)))
        for axis in range(n_axes):
            whole = np.tile(mean, (n_points, 1))
            whole[:, axis] = codes[axis]
            rows[axis] = decode(whole)
        return cls(codes, rows, centre)

    @property
    def n_axes(self) -> int:
        """Axes that it has, the first ones."""
        return len(self.codes)

    def decode(self, codes: NDArray) -> NDArray:
        """Return rows as the page puts them together: effects of axes, added up.

        Parameters
        ----------
        codes : ndarray of shape (n_rows, n_axes)
        """
        result = np.tile(self.centre, (len(codes), 1))
        for axis, places in enumerate(self.codes):
            at = np.clip(codes[:, axis], places[0], places[-1])
            index = np.searchsorted(places, at, side="right") - 1
            index = np.clip(index, 0, len(places) - 2)
            share = (at - places[index]) / (places[index + 1] - places[index])
            low, high = self.rows[axis, index], self.rows[axis, index + 1]
            result += low + share[:, None] * (high - low) - self.centre
        return result

    def error(
        self, decode: Callable[[NDArray], NDArray], mean: NDArray, root: NDArray
    ) -> float:
        """Return the share of the variation of rows that it misses, at random codes.

        Each feature counts by its own variation; root mean squares are compared.
        """
        draws = np.random.default_rng(0).standard_normal((_TRIALS, len(mean)))
        codes = mean + draws @ root.T
        rows = decode(codes)
        moved = (rows - self.centre).std(0)
        missed = self.decode(codes[:, : self.n_axes]) - rows
        moves = moved > 1e-9 * moved.max()
        if not moves.any():
            return 0.0
        shares = np.square(missed).mean(0)[moves] / np.square(moved[moves])
        return float(np.sqrt(shares.mean()))

    def packed(self) -> dict[str, Any]:
        """Return what the page's script reads: each feature in steps of its own."""
        low, high = self.rows.min((0, 1)), self.rows.max((0, 1))
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
