"""Networks in units of their own, and what is said of them in the user's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor, nn

from .likelihoods import Likelihood
from .principal import PrincipalBasis
from .signal import Signal
from .units import Units, adopt_units, door_of

__all__ = ["InUnits"]


class InUnits(nn.Module):
    """A module whose rows are standardised while it trains, perhaps to few axes."""

    #: The user's unit over that of the rows: they are standardised while it trains.
    unit = 1.0
    #: Those that the rows of a fit have been brought to, while it goes on.
    units: Units | None = None
    #: What is known of the rows' signal meanwhile, if the networks see nothing else.
    signal: Signal | None = None

    if TYPE_CHECKING:
        encoder: nn.Module
        likelihood: Likelihood
        n_features: int

    @property
    def is_scale_free(self) -> bool:
        """Whether the loss has no weight that depends on the units of the data."""
        return False

    def standardise(self, units: Units, signal: Signal | None = None) -> None:
        """Take standardised rows from now on; the loss stays in the user's units."""
        adopt_units(self, Units.standard(self.n_features))
        self.units, self.signal, self.unit = units, signal, units.scale
        self.n_features -= units.n_outside
        self.likelihood.unit = 1.0 if self.is_scale_free else units.scale**2

    def restore_units(self) -> None:
        """Take and give rows in the user's units from now on."""
        if self.units is None:
            return
        adopt_units(self, self.units)
        self.n_features += self.units.n_outside
        self.units = self.signal = None
        self.unit = self.likelihood.unit = 1.0

    def in_users_units(self, variance: float) -> float:
        """Return the mean of a feature, given that of one that the networks see."""
        if self.units is None:
            return variance
        n_outside = self.units.n_outside
        total = self.n_features * variance * self.unit**2
        total += n_outside * self.units.noise
        return total / (self.n_features + n_outside)

    def of_all_directions(
        self, principal: PrincipalBasis, unseen: bool
    ) -> PrincipalBasis:
        """Return principal axes with the noise that networks do not see.

        Parameters
        ----------
        principal : PrincipalBasis
            Of rows that the networks see.
        unseen : bool
            Whether to take the noise of unseen rows, or of those that axes were taken
            from.
        """
        if self.units is None or self.signal is None:
            return principal
        noise = self.units.noise / self.unit**2
        if not unseen:
            noise *= self.signal.noise_of_rows / self.signal.noise
        return replace(principal, n_outside=self.units.n_outside, outside=noise)

    def spread_noise(self, variance: float) -> None:
        """Take a noise variance of what the networks see for that outside, too."""
        if self.units is not None:
            self.units = replace(self.units, noise=variance * self.unit**2)

    @property
    def evidence_of_units(self) -> float:
        """What standardised rows have less evidence than the user's, in nats a row."""
        if self.units is None:
            return 0.0
        lost = -self.n_features * math.log(self.unit)
        if self.units.n_outside:
            noise = 2.0 * math.pi * self.units.noise
            lost -= 0.5 * self.units.n_outside * (math.log(noise) + 1.0)
        return lost

    def noise_of_axes(self, noise_variance: float) -> float:
        """Return the noise variance that networks see, given the mean of features."""
        door = door_of(self.encoder)
        return noise_variance if door is None else door.noise_inside(noise_variance)

    def log_likelihood_of(
        self, x: Tensor, noise_variance: float
    ) -> Callable[[Tensor], Tensor]:
        """Return what makes log p(x | z) of the reconstruction losses of rows x.

        Parameters
        ----------
        x : Tensor of shape (n_rows, n_features)
            In the user's units.
        noise_variance : float
            The mean of all features; outside the axes of the signal it is known.
        """
        likelihood, door = self.likelihood.log_likelihood, door_of(self.encoder)
        if door is None or door.axes is None:
            return lambda loss: likelihood(loss, x.shape[1], noise_variance)
        n_axes, n_features = door.axes.shape
        squares, inside = door.squares_outside(x), door.noise_inside(noise_variance)
        outside = likelihood(squares, n_features - n_axes, door.noise.item())

        def log_likelihood(loss: Tensor) -> Tensor:
            left = (loss - squares).clamp_min(0.0)
            return outside + likelihood(left, n_axes, inside)

        return log_likelihood
