"""Rows that are read, and put into units, when they are asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..storage.rows import StoredRows

__all__ = ["ReadRows"]

# Rows read together.
_ROWS = 1024


class ReadRows:
    """Stored rows in the place of a tensor of rows, of which it has what is used here.

    Parameters
    ----------
    stored : StoredRows
    dtype : torch.dtype
        Of what is read.
    device : torch.device
        Where it is put.
    convert : callable, default=None
        What rows that were read go through: tensors of `dtype`, on the CPU, to rows of
        `width` features.
    width : int, default=None
        None, if `convert` leaves it as it is.
    """

    ndim = 2

    def __init__(
        self,
        stored: StoredRows,
        dtype: torch.dtype,
        device: torch.device,
        convert: Callable[[Tensor], Tensor] | None = None,
        width: int | None = None,
    ) -> None:
        self.stored, self.dtype, self.device = stored, dtype, device
        self.convert = convert
        n_rows, n_features = stored.shape
        self.shape = torch.Size((n_rows, width or n_features))

    def __len__(self) -> int:
        return self.shape[0]

    def numel(self) -> int:
        """Return how many numbers the rows hold."""
        return self.shape.numel()

    def to(self, device: torch.device) -> ReadRows:
        """Return the same rows, read to another device."""
        return self._changed(device=device)

    def converted(self, convert: Callable[[Tensor], Tensor], width: int) -> ReadRows:
        """Return the rows that `convert` makes of these, which are not converted."""
        return self._changed(convert=convert, width=width)

    def _changed(self, **changes: Any) -> ReadRows:
        arguments: dict[str, Any] = {
            "stored": self.stored,
            "dtype": self.dtype,
            "device": self.device,
            "convert": self.convert,
            "width": self.shape[1],
        }
        return ReadRows(**(arguments | changes))

    # --- reading ------------------------------------------------------------------

    def __getitem__(self, key: slice | Tensor) -> Tensor:
        if isinstance(key, Tensor):
            if key.ndim == 0:
                return self[key[None]][0]
            rows = self.stored.read(key.cpu().numpy())
        else:
            rows = self.stored.read(slice(*key.indices(len(self))))
        x = torch.from_numpy(rows).to(self.dtype)
        return (x if self.convert is None else self.convert(x)).to(self.device)

    def index_select(self, axis: int, index: Tensor) -> Tensor:
        """Return rows as a tensor; the axis is 0."""
        return self[index]

    def split(self, n_rows: int) -> Iterator[Tensor]:
        """Yield so many rows at a time, as tensors."""
        for start in range(0, len(self), n_rows):
            yield self[start : start + n_rows]

    # --- what is asked of all rows ------------------------------------------------

    def amin(self, axis: int) -> Tensor:
        """Return the least value of each feature; the axis is 0."""
        return self._reduced(lambda rows: rows.amin(0), torch.minimum)

    def amax(self, axis: int) -> Tensor:
        """Return the largest value of each feature; the axis is 0."""
        return self._reduced(lambda rows: rows.amax(0), torch.maximum)

    def _reduced(
        self,
        of_rows: Callable[[Tensor], Tensor],
        of_two: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        # A list of the blocks' results would lie between the blocks' own memory, which
        # could not be used again.
        return functools.reduce(of_two, map(of_rows, self.split(_ROWS)))
