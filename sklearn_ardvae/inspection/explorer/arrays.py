"""Arrays as a page's script reads them."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Packed", "doubles", "floats", "shorts"]

Packed = dict[str, Any]
"""The kind of the numbers, and they themselves in base64, little endian."""


def floats(values: ArrayLike) -> Packed:
    """Pack as float32: weights, rows.

    Parameters
    ----------
    values : array-like of any shape
        Flattened, row by row.
    """
    return _packed("f4", values)


def doubles(values: ArrayLike) -> Packed:
    """Pack as float64: vectors, whose digits may cancel in the user's units.

    Parameters
    ----------
    values : array-like of any shape
        Flattened, row by row.
    """
    return _packed("f8", values)


def shorts(values: ArrayLike) -> Packed:
    """Pack as unsigned integers of 16 bits.

    Parameters
    ----------
    values : array-like of any shape
        Flattened, row by row.
    """
    return _packed("u2", values)


def _packed(kind: str, values: ArrayLike) -> Packed:
    numbers = np.asarray(values, dtype=f"<{kind}").tobytes()
    return {"type": kind, "data": base64.b64encode(numbers).decode("ascii")}
