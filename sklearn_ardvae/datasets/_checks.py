"""Checks of arguments that several loaders and generators share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["check_count", "check_number", "check_option", "pick_rows"]


def check_count(name: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """Return an integer between `minimum` and `maximum`, or raise.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : object
    minimum : int
    maximum : int or None
        None for no bound.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If `value` is no integer.
    ValueError
        If it is out of bounds.
    """
    bounds = f">= {minimum}" if maximum is None else f"in [{minimum}, {maximum}]"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer {bounds}; got {value!r}.")
    number = int(value)
    if number < minimum or (maximum is not None and number > maximum):
        raise ValueError(f"{name} must be an integer {bounds}; got {value}.")
    return number


def check_number(
    name: str, value: Any, *, above: float | None = None, at_least: float | None = None
) -> float:
    """Return a finite number above or not under a bound, or raise.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : object
    above, at_least : float or None
        The bound, excluded or included; one of them.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If `value` is no number.
    ValueError
        If it is not finite or out of bounds.
    """
    bounds = f"> {above:g}" if above is not None else f">= {at_least:g}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number {bounds}; got {value!r}.")
    too_low = value <= above if above is not None else value < at_least
    if not math.isfinite(value) or too_low:
        raise ValueError(f"{name} must be a finite number {bounds}; got {value}.")
    return float(value)


def check_option(name: str, value: Any, options: Iterable[Any]) -> Any:
    """Return `value` if it is one of `options`, or raise.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : object
    options : iterable
        Of values; types count, so that 1 is not True.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If `value` is none of them.
    """
    options = list(options)
    if not any(type(value) is type(o) and value == o for o in options):
        listed = ", ".join(map(repr, options))
        raise ValueError(f"{name} must be one of {listed}; got {value!r}.")
    return value


def pick_rows(
    subset: int | ArrayLike | None,
    n_rows: int,
    random_state: np.random.RandomState,
) -> NDArray[np.int64]:
    """Return the rows that `subset` asks for, out of `n_rows`.

    Parameters
    ----------
    subset : int, array-like of int or None
        None is every row; an integer is so many different rows drawn at random, in
        the order drawn; a list is the rows themselves, which may repeat.
    n_rows : int
    random_state : RandomState instance

    Returns
    -------
    ndarray of int

    Raises
    ------
    TypeError, ValueError
        If `subset` is none of these, or asks for rows that do not exist.
    """
    if subset is None:
        return np.arange(n_rows)
    if np.ndim(subset) == 0:
        count = check_count("subset", subset, 1, n_rows)
        return _draw_without_replacement(n_rows, count, random_state)
    rows = np.asarray(subset)
    if rows.ndim != 1 or rows.size == 0 or rows.dtype.kind not in "iu":
        raise ValueError(
            "subset must be None, a number of rows, or a list of row indices; got an "
            f"array of shape {rows.shape} and dtype {rows.dtype}."
        )
    if rows.min() < 0 or rows.max() >= n_rows:
        raise ValueError(
            f"subset holds row indices from {rows.min()} to {rows.max()}, but the rows "
            f"are 0 to {n_rows - 1}."
        )
    return rows.astype(np.int64)


def _draw_without_replacement(
    n_rows: int, count: int, random_state: np.random.RandomState
) -> NDArray[np.int64]:
    # choice(replace=False) permutes all n_rows, which here is at most a few million.
    return random_state.choice(n_rows, count, replace=False).astype(np.int64)
