"""Colours of rendered things."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

__all__ = ["hue_palette"]


def hue_palette(hues: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return red, green and blue, 0 to 255, of fully saturated hues.

    Parameters
    ----------
    hues : ndarray of shape (n_hues,)
        In [0, 1].

    Returns
    -------
    ndarray of shape (n_hues, 3)
    """
    colors = [colorsys.hsv_to_rgb(hue, 1.0, 1.0) for hue in hues]
    return np.array(colors, np.float32) * 255.0
