"""Rows of a tensor in memory, and batches of them by index on the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

__all__ = ["Rows", "TensorBatches", "batch_rows"]

# Rows gathered together: what stays in a processor's cache.
_GATHERED_BYTES = 2**20


def batch_rows(batch_size: int | Literal["auto"], n_rows: int) -> int:
    """Return the rows of a gradient step, ``"auto"`` resolved."""
    if batch_size == "auto":
        return min(128, max(16, n_rows // 40))
    return int(batch_size)  # torch takes no integers of numpy


class Rows(Dataset):
    """Some rows of a tensor, which may change from epoch to epoch.

    Parameters
    ----------
    data : Tensor or ReadRows of shape (n_samples, n_features)
    index : Tensor of int of shape (n_rows,)
        The rows, on the device of `data`.
    """

    def __init__(self, data: Tensor, index: Tensor) -> None:
        self.data = data
        self.index = index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, i: int | Tensor) -> tuple[Tensor, int]:
        return self.data[self.index[i]], 0

    def tensor(self) -> Tensor:
        """Return a copy of the rows, in order."""
        return self.data.index_select(0, self.index)


class TensorBatches:
    """Batches ``(rows, None)``; takes the place of torch's ``DataLoader``.

    A DataLoader fetches row by row and costs small networks 60 % of their time.

    Parameters
    ----------
    dataset : Rows
    batch_size : int
        -1 puts all rows into one batch. A last batch of one row is joined to the
        one before, since batch normalisation cannot take it.
    shuffle : bool
        Whether each pass draws a new permutation from `generator`.
    generator : torch.Generator or None
        On the CPU.
    """

    def __init__(
        self,
        dataset: Rows,
        batch_size: int,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator

    def __len__(self) -> int:
        n_rows = len(self.dataset)
        size = n_rows if self.batch_size == -1 else self.batch_size
        n_full, rest = divmod(n_rows, size)
        return max(1, n_full + (rest > min(1, size - 1)))

    def __iter__(self) -> Iterator[tuple[Tensor, None]]:
        data, index = self.dataset.data, self.dataset.index
        if self.shuffle:
            order = torch.randperm(len(index), generator=self.generator)
            index = index[order.to(index.device)]
        last = (len(self) - 1) * max(self.batch_size, 0)
        if last > 0:
            rows_at_once = self._batches_at_once() * self.batch_size
            for some in index[:last].split(rows_at_once):
                for batch in data.index_select(0, some).split(self.batch_size):
                    yield batch, None
        yield data.index_select(0, index[last:]), None

    def _batches_at_once(self) -> int:
        """Return how many batches are gathered in one step; saves 1 % of the time."""
        row = self.dataset.data[:1]
        batch_bytes = row.numel() * row.element_size() * self.batch_size
        return max(1, _GATHERED_BYTES // batch_bytes)
