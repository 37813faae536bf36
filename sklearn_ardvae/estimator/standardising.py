"""Rows in units of their own, and along the axes of their signal, for networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from torch import Tensor

from ..nn.module import AutoencoderModule
from ..nn.signal import Signal
from ..nn.units import Units, units_of

__all__ = ["StandardisingMixin"]


class StandardisingMixin:
    """Standardises the rows that `BaseAutoencoder` trains networks with."""

    if TYPE_CHECKING:
        _module: AutoencoderModule
        likelihood: Literal["gaussian", "bernoulli"]

        def _architecture(self) -> str | tuple: ...

    def _precision_of_fit(self, X: Any) -> type[np.floating]:
        """Return what X is checked in: float64 before it is standardised, if it is."""
        known = str(getattr(X, "dtype", "")).removeprefix("torch.")
        double = self._standardises() and known not in ("float32", "float16")
        return np.float64 if double else np.float32

    def _standardises(self) -> bool:
        """Return whether networks see standardised rows."""
        return self._architecture() == "linear_mlp" and self.likelihood == "gaussian"

    def _standardised(
        self, x: Tensor, resume: bool, streaming: bool
    ) -> tuple[Tensor, Units | None, Signal | None]:
        """Return rows as networks see them, in what units, and of what signal."""
        if not self._standardises():
            return x, None, None
        units = Units.of(x)  # which also checks the size of x
        known = units_of(self._module) if resume else None
        if known is not None:
            return known.standardise(x), known, None
        rows = units.standardise(x)
        signal = None if streaming else self._find_signal(rows)
        if signal is not None:
            units = units.along(signal.axes, signal.noise, rows)
            rows = units.standardise(x)
        return rows, units, signal

    def _find_signal(self, x: Tensor) -> Signal | None:
        """Return where the signal of standardised rows x is, if networks ask for it."""
        return None
