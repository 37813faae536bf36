"""Rows in float64, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["doubles", "rows_of_block"]

# 4 MB in float64. Of blocks of 32 MB, malloc keeps several: as much as the data.
_VALUES = 2**19


def rows_of_block(n_features: int) -> int:
    """Return how many rows make a block."""
    return max(1, _VALUES // max(1, n_features))


def doubles(x: Tensor, index: Tensor | None = None) -> Iterator[Tensor]:
    """Yield rows of `x`, or those at `index`, as float64 on the CPU, block by block.

    Each block is a copy, to be changed in place.
    """
    size = rows_of_block(x.shape[1:].numel())
    blocks = x.split(size) if index is None else (x[i] for i in index.split(size))
    for rows in blocks:
        # Not every device has float64.
        yield rows.cpu().to(torch.float64, copy=True)
