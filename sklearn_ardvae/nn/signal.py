"""Where the signal of rows lies: the principal axes outside which there is noise alone.

Networks that see those axes only have fewer weights to fit to the noise of few rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..randomness import Stream, derived_generator
from .principal import PrincipalBasis
from .widths import Folds, Widths, width_of_half

__all__ = ["Signal"]

# Axes beyond those that PCA wants: some noise has to be left among them, by which
# probabilistic PCA knows it.
_SPARE = 2
# Rows for each feature from which networks do without.
_MANY_ROWS = 50


@dataclass(frozen=True)
class Signal:
    """The principal axes that hold all signal, and what PCA says of all features.

    Parameters
    ----------
    axes : Tensor of shape (n_axes, n_features)
        Orthonormal, in float64 on the CPU, those of largest variance first.
    noise : float
        Variance of unseen rows in each direction outside them.
    noise_of_rows : float
        The same of the rows that the axes are taken from: a little less.
    widths : Widths
        Numbers of axes that probabilistic PCA wants.
    widths_of_halves : (int, int)
        Those that it wants for either half of the rows.
    """

    axes: Tensor
    noise: float
    noise_of_rows: float
    widths: Widths
    widths_of_halves: tuple[int, int]

    @classmethod
    def of(cls, x: Tensor, most: int, seed: int) -> Signal | None:
        """Look for it in rows x, of at most so many principal axes that PCA may want.

        None if there are more than 50 rows for each feature, if PCA wants no axis, or
        no axes leave noise alone, or hardly fewer than all.
        """

        def generator() -> torch.Generator:
            return derived_generator(seed, Stream.FOLDS)

        n_features = x.shape[1]
        if len(x) > _MANY_ROWS * n_features:
            return None
        folds = Folds(x, most, generator())
        widths = folds.widths()
        least = widths.by_evidence + _SPARE
        if widths.by_evidence == 0 or least >= n_features:
            return None
        found = folds.signal(least)
        if found is None or found[0] >= n_features:
            return None
        n_axes, noise = found
        order = torch.randperm(len(x), generator=generator()).to(x.device)
        halves = [
            width_of_half(x, most, generator(), half, widths.are_curved)
            for half in order.chunk(2)
        ]
        principal = PrincipalBasis.of(x, n_axes)
        return cls(
            axes=principal.axes,
            noise=noise,
            noise_of_rows=principal.noise(n_axes),
            widths=widths,
            widths_of_halves=(halves[0], halves[-1]),
        )
