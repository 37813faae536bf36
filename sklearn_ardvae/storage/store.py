"""The one door for data that are larger than memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .._files import whole_file
from .chunks import chunks_of
from .files import TemporaryFile
from .rows import StoredRows

__all__ = ["store_rows"]

# What is kept as it is; other numbers become float32.
_KEPT = ("uint8", "float16", "float32")


def store_rows(
    source: Any,
    *,
    file: str | PathLike[str] | None = None,
    dtype: DTypeLike | None = None,
    divide_by: float = 1.0,
) -> StoredRows:
    """Return rows for `fit` that are read from disk when they are needed.

    A memory map, an array and a ``.npy`` file stay where they are. Everything else is
    read once, from the first row to the last, and written to a file on the way, since
    gradient steps read rows in random order. No more than a chunk is in memory.

    Parameters
    ----------
    source : object
        - an ndarray or memory map, or the path of a ``.npy`` file;
        - an array of HDF5 or Zarr: anything with `shape`, `dtype` and slices;
        - a torch `Dataset` or `DataLoader`; targets are left out;
        - a Dask array or data frame;
        - an iterable of chunks of rows: arrays, data frames or record batches, as from
          ``pandas.read_csv(path, chunksize=10_000)`` or pyarrow's
          ``ParquetFile(path).iter_batches()``.

        Samples of more than one axis, as images, become rows.
    file : path-like, default=None
        Where rows are written to, as ``.npy``, for `store_rows` or `numpy.load` to read
        again. None is a temporary file, in the folder of `tempfile.gettempdir`, which
        goes when the rows are of no use any more. Not for what stays where it is.
    dtype : dtype, default=None
        Of what is written. None keeps ``uint8``, ``float16`` and ``float32`` of the
        first chunk, and makes other numbers ``float32``. It is an error if a chunk
        holds numbers that do not fit, as fractions and negative ones into ``uint8``.
    divide_by : float, default=1.0
        What stored numbers are divided by, in float32, when they are read: 255 gives
        images in bytes the range from 0 to 1.

    Returns
    -------
    StoredRows

    Raises
    ------
    FileExistsError
        If there is a `file` of that name.
    TypeError
        If `source` is nothing of these.
    ValueError
        If chunks differ in their features, hold no numbers, or there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import store_rows
    >>> rng = np.random.default_rng(0)
    >>> pieces = (rng.integers(0, 256, (100, 64), dtype=np.uint8) for _ in range(5))
    >>> store_rows(pieces, divide_by=255)
    StoredRows(500 x 64 of uint8, divide_by=255)
    """
    if isinstance(source, StoredRows):
        raise TypeError("source is stored already.")
    array = _as_it_is(source)
    if array is not None:
        if file is not None or dtype is not None:
            name = "file" if file is not None else "dtype"
            raise ValueError(
                f"{name} is for what has to be written; this source stays where it is."
            )
        return StoredRows(array, divide_by=divide_by)
    StoredRows(np.empty((0, 1)), divide_by=divide_by)  # before hours of writing
    temporary = TemporaryFile(".npy") if file is None else None
    path = Path(os.fspath(file)) if temporary is None else temporary.path  # type: ignore[arg-type]
    if temporary is None and path.exists():
        raise FileExistsError(
            f"file: {path} is there already. store_rows({str(path)!r}) reads it; "
            "remove it, or give another name, to write anew."
        )
    with whole_file(path) as partial:
        header = _write(partial, chunks_of(source), dtype)
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return StoredRows(array, divide_by=divide_by, header=header, file=temporary)


def _as_it_is(source: Any) -> NDArray | None:
    """Return an array that need not be written."""
    if isinstance(source, np.ndarray):
        return source
    if isinstance(source, str | PathLike):
        path = Path(os.fspath(source))
        if path.suffix != ".npy":
            raise ValueError(
                f"source: {path} is no .npy file; open it and give what comes out, as "
                "pyarrow.parquet.ParquetFile(path).iter_batches()."
            )
        return np.load(path, mmap_mode="r", allow_pickle=False)
    return None


def _write(path: Path, chunks: Iterator[Any], dtype: DTypeLike | None) -> Any:
    """Write chunks as one array; return the header of the first, if it has names."""
    header, shape, n_rows = None, None, 0
    kind = None if dtype is None else np.dtype(dtype)
    with open(path, "wb") as stream:
        for number, chunk in enumerate(chunks):
            rows = np.asarray(chunk)
            if rows.dtype.kind not in "buif" or rows.ndim < 2:
                raise ValueError(
                    f"source: chunk {number} is of shape {rows.shape} and dtype "
                    f"{rows.dtype}; chunks are rows of numbers."
                )
            if shape is None:
                header, shape = _names_of(chunk), rows.shape[1:]
                kind = kind or _kept(rows.dtype)
                _write_header(stream, (0, *shape), kind)
            if rows.shape[1:] != shape:
                raise ValueError(
                    f"source: samples of chunk {number} have shape {rows.shape[1:]}, "
                    f"those of the first {shape}."
                )
            stored = rows.astype(kind, order="C")
            if stored.dtype.kind not in "f" and not np.array_equal(stored, rows):
                raise ValueError(
                    f"source: numbers of chunk {number}, {rows.dtype}, do not fit into "
                    f"{stored.dtype}; set dtype='float32'."
                )
            stream.write(stored.data)
            n_rows += len(stored)
        if shape is None or kind is None:
            raise ValueError("source holds no chunk of rows.")
        stream.seek(0)
        _write_header(stream, (n_rows, *shape), kind)
    return header


def _kept(dtype: np.dtype) -> np.dtype:
    return dtype if dtype.name in _KEPT else np.dtype(np.float32)


def _write_header(stream: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Write that of a .npy file, which has room for more rows."""
    description = np.lib.format.dtype_to_descr(dtype)
    content = {"descr": description, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, content)


def _names_of(chunk: Any) -> Any:
    """Return a data frame of no rows, where chunks name their features."""
    if not hasattr(chunk, "columns") or isinstance(chunk, np.ndarray):
        return None
    return chunk[:0]
