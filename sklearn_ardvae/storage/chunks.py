"""From whatever holds rows to arrays of some of them, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

__all__ = ["chunks_of"]

# Samples of a torch Dataset that make a chunk; and what is read of an array at once.
_SAMPLES, _CHUNK_BYTES = 1024, 2**24


def chunks_of(source: Any) -> Iterator[Any]:
    """Yield chunks of rows: arrays, data frames or record batches.

    Parameters
    ----------
    source : object
        A torch `Dataset` or `DataLoader`, whose samples or batches may have targets,
        which are left out; a Dask array or data frame; anything with `shape`, `dtype`
        and slices, as arrays of HDF5 and Zarr have them; or an iterable of chunks.

    Raises
    ------
    TypeError
        If it is nothing of these.
    """
    if isinstance(source, DataLoader):
        return (_rows_of_sample(batch) for batch in source)
    if isinstance(source, Dataset):
        return _stacked(_samples(source))
    if hasattr(source, "compute") and hasattr(source, "partitions"):
        return _computed(source)
    if hasattr(source, "shape") and hasattr(source, "dtype"):
        return _slices(source)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes | dict):
        return iter(source)
    raise TypeError(
        f"source is of type {type(source).__name__}; give an array, the path of a .npy "
        "file, a torch Dataset or DataLoader, a Dask array or data frame, an array of "
        "HDF5 or Zarr, or an iterable of chunks of rows."
    )


def _samples(dataset: Dataset) -> Iterator[Any]:
    if isinstance(dataset, IterableDataset):
        yield from dataset
        return
    for i in range(len(dataset)):  # type: ignore[arg-type]
        yield dataset[i]


def _rows_of_sample(sample: Any) -> Any:
    """Return the data of what may be data and targets."""
    first = sample[0] if isinstance(sample, list | tuple) else sample
    return first.detach().cpu().numpy() if isinstance(first, Tensor) else first


def _stacked(samples: Iterator[Any]) -> Iterator[NDArray]:
    while some := [np.asarray(_rows_of_sample(s)) for s in islice(samples, _SAMPLES)]:
        yield np.stack(some)


def _computed(source: Any) -> Iterator[Any]:
    """Compute a Dask collection, a partition at a time."""
    if hasattr(source, "rechunk"):
        # Whole rows.
        source = source.rechunk(dict.fromkeys(range(1, source.ndim), -1))
        for i in range(source.numblocks[0]):
            yield source.blocks[i].compute()
        return
    for i in range(source.npartitions):
        yield source.partitions[i].compute()


def _slices(source: Any) -> Iterator[NDArray]:
    """Read an array, whole chunks of its own at a time."""
    n_rows = source.shape[0]
    row_bytes = np.dtype(source.dtype).itemsize * int(np.prod(source.shape[1:]))
    own = (getattr(source, "chunks", None) or (1,))[0]
    n_own = max(1, _CHUNK_BYTES // max(1, row_bytes * own))
    for start in range(0, n_rows, n_own * own):
        yield source[start : start + n_own * own]
