"""Rows that stay where they are, and are read when they are asked for."""

from __future__ import annotations

import copy
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .files import FileRows, TemporaryFile, file_rows

__all__ = ["StoredRows"]


class StoredRows:
    """Rows of an array that are read when they are asked for; `store_rows` makes them.

    An estimator takes them for X, and so do searches and `cross_val_score`: a part of
    them, ``rows[index]``, are stored rows as well. ``np.asarray(rows)`` reads them all.

    Parameters
    ----------
    array : ndarray of shape (n_samples, ...)
        What is stored, of any kind of numbers; a memory map is not read.
    divide_by : float, default=1.0
        What stored numbers are divided by, in float32: 255 for images in bytes.
    header : data frame or None, default=None
        Of no rows, with the names of the features.
    file : TemporaryFile or None, default=None
        What has to stay as long as these rows are of use.

    Attributes
    ----------
    shape : tuple of int
        (n_rows, n_features): images are rows.
    dtype : dtype
        float64 if that is what is stored, and float32 otherwise.
    divide_by, header
        The parameters.
    """

    ndim = 2

    def __init__(
        self,
        array: NDArray,
        *,
        divide_by: float = 1.0,
        header: Any = None,
        file: TemporaryFile | None = None,
    ) -> None:
        if not isinstance(divide_by, Real) or not 0.0 < float(divide_by) < np.inf:
            raise ValueError(f"divide_by must be a number > 0; got {divide_by!r}.")
        if array.dtype.kind not in "buif":
            raise ValueError(
                f"The rows are of dtype {array.dtype}; turn them into numbers first."
            )
        if array.ndim < 2:
            raise ValueError(
                f"The rows have shape {array.shape}; one feature is a column: "
                "array.reshape(-1, 1)."
            )
        self.divide_by: float = float(divide_by)
        self.header: Any = header
        self._source: FileRows | NDArray = file_rows(array)
        self._index: NDArray[np.intp] | None = None
        self._file: TemporaryFile | None = file
        self.shape: tuple[int, int] = (len(array), int(np.prod(array.shape[1:])))
        is_double = array.dtype == np.float64
        self.dtype: np.dtype[Any] = np.dtype(np.float64 if is_double else np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        scale = "" if self.divide_by == 1.0 else f", divide_by={self.divide_by:g}"
        n_rows, n_features = self.shape
        return f"StoredRows({n_rows} x {n_features} of {self._source.dtype}{scale})"

    def __getitem__(self, key: Any) -> StoredRows | NDArray:
        """Return some of the rows, unread; of one number, that row."""
        if isinstance(key, tuple):  # as scikit-learn asks: rows, and all of each
            key, *others = key
            if any(other is not Ellipsis and other != slice(None) for other in others):
                raise IndexError("Of stored rows, only rows can be chosen.")
        chosen = np.arange(len(self))[key]
        if np.ndim(chosen) == 0:
            return self.read(np.array([chosen]))[0]
        index = chosen if self._index is None else self._index[chosen]
        some = copy.copy(self)
        some._index, some.shape = index, (len(index), self.shape[1])
        some._file = self._file
        return some

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray:
        if copy is False:
            raise ValueError("Stored rows can only be copied.")
        return self.read(slice(0, len(self))).astype(dtype or self.dtype, copy=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the file that another process may not remove."""
        return self.__dict__ | {"_file": None}

    @property
    def is_finite_anyway(self) -> bool:
        """Whether what is stored has no NaN or infinity."""
        return self._source.dtype.kind != "f"

    def read(self, key: slice | NDArray[np.intp]) -> NDArray[np.floating]:
        """Return rows, read anew.

        Parameters
        ----------
        key : slice or ndarray of int
            Which; slices have the step 1.

        Returns
        -------
        ndarray of shape (n_rows, n_features)
            Of `dtype`, to be changed at will.
        """
        if self._index is not None:
            key = self._index[key]
        rows = self._source[key].reshape(-1, self.shape[1])
        if self.divide_by != 1.0:
            return np.divide(rows, self.divide_by, dtype=self.dtype)
        # What was read from a file is nobody else's.
        return rows.astype(self.dtype, copy=not isinstance(self._source, FileRows))
