"""Rows in float64, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["doubles", "feature_moments", "rows_of_block"]

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


def feature_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each feature of rows x, in float64 on the CPU."""
    # About the first row, digits do not cancel.
    first = x[:1].cpu().double().squeeze(0)
    mean = first + sum(rows.sub_(first).sum(0) for rows in doubles(x)) / len(x)
    variance = sum(rows.sub_(mean).square_().sum(0) for rows in doubles(x)) / len(x)
    return mean, variance  # type: ignore[return-value]  # sum() may be 0 of no rows
