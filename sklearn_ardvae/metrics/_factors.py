"""Codes and the factors behind them: checks, splits, draws with one factor fixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_array, check_consistent_length, check_scalar

from .._warnings import warn

__all__ = [
    "FactorDraws",
    "Factors",
    "check_codes",
    "check_counts",
    "check_representation",
    "split_rows",
]

# Rows that are gathered, or that a user's encoder gets, at once.
_ROWS = 8192


def check_counts(**counts: int) -> None:
    """Raise unless each named number is an integer >= 1."""
    for name, count in counts.items():
        check_scalar(count, name, Integral, min_val=1)


def check_codes(codes: ArrayLike, name: str = "codes", min_rows: int = 1) -> NDArray:
    """Return codes as finite float64 (n_samples, n_codes); n_codes may be 0.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
    name : str
        Of the argument, for messages.
    min_rows : int

    Returns
    -------
    ndarray of float64
    """
    return check_array(
        codes,
        dtype=np.float64,
        input_name=name,
        ensure_min_samples=min_rows,
        ensure_min_features=0,
    )


@dataclass(frozen=True)
class Factors:
    """A table of factors, those that vary as classes 0, 1, ...

    Parameters
    ----------
    table : ndarray of shape (n_samples, n_all_factors)
        As given.
    columns : ndarray of int of shape (n_factors,)
        The columns of `table` that take more than one value.
    classes : ndarray of int of shape (n_samples, n_factors)
        Those columns, each value replaced by its rank.
    sizes : tuple of int
        How many values each takes.
    """

    table: NDArray
    columns: NDArray[np.intp]
    classes: NDArray[np.intp]
    sizes: tuple[int, ...]

    @classmethod
    def check(cls, factors: ArrayLike, *, discrete: bool = True) -> Factors:
        """Return checked factors; constant ones are left out, with a warning."""
        table = check_array(factors, dtype=None, input_name="factors")
        ranked = [np.unique(column, return_inverse=True) for column in table.T]
        sizes = np.array([len(values) for values, _ in ranked])
        columns = np.flatnonzero(sizes > 1)
        if len(columns) == 0:
            raise ValueError(
                "factors must have a column with at least two values; each of its "
                f"{table.shape[1]} columns is constant."
            )
        if len(columns) < len(sizes):
            constant = np.flatnonzero(sizes == 1).tolist()
            warn(
                f"Columns {constant} of factors are constant and left out: nothing "
                "can be told about a factor that does not vary.",
            )
        if discrete:
            _check_discrete(table, columns, sizes)
        classes = np.stack([ranked[column][1].ravel() for column in columns], axis=1)
        return cls(table, columns, classes, tuple(sizes[columns].tolist()))

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, rows: NDArray) -> NDArray[np.intp]:
        """Return the classes of some rows."""
        return self.classes[rows]

    def varying_in(self, rows: NDArray) -> Iterator[tuple[int, NDArray]]:
        """Yield index and classes of each factor; raise if one is constant in rows."""
        for k, labels in enumerate(self.classes.T):
            if np.all(labels[rows] == labels[rows[0]]):
                raise ValueError(
                    f"Column {self.columns[k]} of factors has one value only in the "
                    f"{len(rows)} training rows; raise n_train or give more rows."
                )
            yield k, labels

    def numbers(self, reason: str) -> NDArray[np.float64]:
        """Return the values of the factors that vary; raise if one is no number."""
        try:
            return self.table[:, self.columns].astype(np.float64)
        except ValueError as error:
            raise ValueError(
                f"{reason} needs factors that are numbers; got {self.table.dtype}."
            ) from error

    def at_columns(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return scores of the factors that vary at their columns, NaN elsewhere."""
        placed = np.full(self.table.shape[1], np.nan)
        placed[self.columns] = scores
        return placed


def _check_discrete(table: NDArray, columns: NDArray, sizes: NDArray) -> None:
    """Raise if a column of real numbers hardly repeats a value."""
    for column in columns:
        values = table[:, column]
        if (
            np.issubdtype(table.dtype, np.floating)
            and sizes[column] > 0.5 * len(values)
            and np.any(values != np.round(values))
        ):
            raise ValueError(
                f"Column {column} of factors takes {sizes[column]} values in "
                f"{len(values)} rows, so that it looks continuous; this metric needs "
                "discrete factors: cut it into classes, as KBinsDiscretizer does."
            )


def check_representation(
    codes: ArrayLike, factors: ArrayLike, *, discrete: bool = True
) -> tuple[NDArray, Factors]:
    """Return checked codes, at least one column of them, and factors.

    A representation without columns, that of a collapsed model, stands for a constant.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
    factors : array-like of shape (n_samples, n_factors)
    discrete : bool
        Whether the factors must be classes.

    Returns
    -------
    codes : ndarray of float64
    factors : Factors
    """
    codes = check_codes(codes, min_rows=2)
    check_consistent_length(codes, factors)
    if codes.shape[1] == 0:
        warn(
            "codes has no columns and is scored as a constant representation.",
        )
        codes = np.zeros((len(codes), 1))
    return codes, Factors.check(factors, discrete=discrete)


def split_rows(
    n_rows: int, n_train: int, n_test: int, rng: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Return disjoint random training and test rows, in proportion if too few.

    Parameters
    ----------
    n_rows : int
    n_train, n_test : int
        How many are wanted.
    rng : Generator

    Returns
    -------
    train, test : ndarray of int
    """
    wanted = n_train + n_test
    if n_rows < wanted:
        n_test = max(1, n_rows * n_test // wanted)
        n_train = n_rows - n_test
    order = rng.permutation(n_rows)
    return order[:n_train], order[n_train : n_train + n_test]


class FactorDraws:
    """Random codes, and codes that share the value of one factor.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes) or callable
        The codes of the rows of `factors`; or a function from rows of factor values
        to their codes, which then is asked for codes of new combinations.
    factors : array-like of shape (n_samples, n_factors)
    rng : numpy.random.Generator
    """

    def __init__(
        self,
        codes: ArrayLike | Callable[[NDArray], ArrayLike],
        factors: ArrayLike,
        rng: np.random.Generator,
    ) -> None:
        self._rng = rng
        self._encode = codes if callable(codes) else None
        if callable(codes):
            self.factors = Factors.check(factors)
        else:
            self._codes, self.factors = check_representation(codes, factors)
        order = np.argsort(self.factors.classes, axis=0, kind="stable")
        self._order = order.T
        self._counts = [
            np.bincount(classes, minlength=size)
            for classes, size in zip(
                self.factors.classes.T, self.factors.sizes, strict=True
            )
        ]
        self._starts = [np.cumsum(counts) - counts for counts in self._counts]

    @property
    def n_factors(self) -> int:
        """Number of factors that vary."""
        return len(self.factors.sizes)

    def random(self, n_rows: int) -> NDArray:
        """Return codes of at most `n_rows` random rows, (n, n_codes), no row twice."""
        n_all = len(self.factors)
        rows = np.arange(n_all)
        if n_rows < n_all:
            rows = self._rng.choice(n_all, n_rows, replace=False)
        if self._encode is None:
            return self._codes[rows]
        parts = np.array_split(rows, -(-len(rows) // _ROWS))
        return np.concatenate([self._encoded(self.factors.table[p]) for p in parts])

    def groups(self, factor: int, n: int, size: int) -> Iterator[NDArray]:
        """Yield codes (m, size, n_codes), n in all; rows of a group share `factor`."""
        for m in _chunks(n, size):
            rows = self._rng.integers(len(self.factors), size=(m, size))
            shared = rows[:, :1]
            yield self._sharing(factor, rows, np.broadcast_to(shared, rows.shape))

    def pairs(self, factor: int, n: int, size: int) -> Iterator[tuple[NDArray, ...]]:
        """Yield two arrays (m, size, n_codes); only rows of a pair share `factor`."""
        for m in _chunks(n, size):
            first = self._rng.integers(len(self.factors), size=(m, size))
            second = self._rng.integers(len(self.factors), size=(m, size))
            if self._encode is None:
                one = self._codes[first]
            else:
                one = self._encoded(self.factors.table[first])
            yield one, self._sharing(factor, second, first)

    def _sharing(self, factor: int, rows: NDArray, like: NDArray) -> NDArray:
        """Return codes of rows that have the value of `factor` that `like` have."""
        if self._encode is not None:
            column = self.factors.columns[factor]
            table = self.factors.table[rows]
            table[..., column] = self.factors.table[like, column]
            return self._encoded(table)
        classes = self.factors.classes[like, factor]
        within = self._rng.integers(self._counts[factor][classes])
        return self._codes[self._order[factor][self._starts[factor][classes] + within]]

    def _encoded(self, table: NDArray) -> NDArray:
        """Return the user's codes of an array (..., n_all_factors) of factor values."""
        rows = table.reshape(-1, table.shape[-1])
        assert self._encode is not None
        codes = check_codes(self._encode(rows), "the array that codes returned")
        if len(codes) != len(rows):
            raise ValueError(
                f"codes, called with {len(rows)} rows of factor values, returned "
                f"{len(codes)} rows; it must return one for each."
            )
        return codes.reshape(*table.shape[:-1], codes.shape[1])


def _chunks(n: int, size: int) -> Iterator[int]:
    most = max(1, _ROWS // size)
    for start in range(0, n, most):
        yield min(most, n - start)
