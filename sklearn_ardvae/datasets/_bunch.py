"""From images and labels to what every loader returns."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, Protocol, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch, check_random_state

from ._checks import check_count, check_option, pick_rows

__all__ = [
    "OWN_LICENSE",
    "FactorGrid",
    "factor_bunch",
    "flat_images",
    "image_bunch",
    "loader",
    "noisy_bunch",
    "plain_summary",
    "sample_rows",
]

OWN_LICENSE = "BSD-3-Clause, as this package"

Options = ParamSpec("Options")


class Loader(Protocol[Options]):
    """A function that returns a bunch, or data and target if asked to."""

    __name__: str

    @overload
    def __call__(
        self, *args: Any, return_X_y: Literal[True], **kwargs: Any
    ) -> tuple[NDArray, NDArray]: ...
    @overload
    def __call__(self, *args: Options.args, **kwargs: Options.kwargs) -> Bunch: ...


def loader(
    function: Callable[Options, Bunch | tuple[NDArray, NDArray]],
) -> Loader[Options]:
    """Return a function, its result typed by what ``return_X_y`` is.

    Parameters
    ----------
    function : callable
        That has a parameter `return_X_y`.
    """
    return cast("Loader[Options]", function)


@dataclass(frozen=True)
class FactorGrid:
    """A data set that holds each combination of some factors once.

    Row-major: the last factor varies fastest, so that row r has the values
    ``np.unravel_index(r, sizes)``.

    Parameters
    ----------
    names : tuple of str
    values : tuple of ndarray
        The values that each factor takes.
    """

    names: tuple[str, ...]
    values: tuple[NDArray, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(v) for v in self.values)

    @property
    def n_rows(self) -> int:
        return math.prod(self.sizes)

    def factors(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the index of each factor's value, (n_rows, n_factors)."""
        return np.stack(np.unravel_index(rows, self.sizes), axis=1).astype(np.int64)

    def rows(
        self,
        subset: int | ArrayLike | None,
        random_state: int | np.random.RandomState | None,
    ) -> NDArray[np.int64]:
        """Return the rows that `subset` asks for."""
        return pick_rows(subset, self.n_rows, check_random_state(random_state))


def flat_images(images: NDArray[np.uint8], dtype: str, *, top: int) -> NDArray:
    """Return images as rows, as they are or as float32 divided by `top`.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n, ...)
    dtype : {"float32", "uint8"}
    top : int
        The pixel that becomes 1.

    Returns
    -------
    ndarray of shape (n, n_features)
    """
    check_option("dtype", dtype, ("float32", "uint8"))
    rows = images.reshape(len(images), -1)
    if dtype == "uint8":
        return rows
    out = rows.astype(np.float32)
    out /= top
    return out


def factor_bunch(
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    grid: FactorGrid,
    *,
    dtype: str,
    top: int,
    return_X_y: bool,
    doc: str | None,
    **extra: Any,
) -> Bunch | tuple[NDArray, NDArray]:
    """Return images of a factor grid as a loader does.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n, channels, height, width)
    rows : ndarray of int of shape (n,)
        Their rows in `grid`.
    grid : FactorGrid
    dtype, top
        Of `flat_images`.
    return_X_y : bool
        Whether to return data and factors only.
    doc : str or None
        Docstring of the loader, for ``DESCR``.
    **extra
        Further entries of the bunch.

    Returns
    -------
    Bunch, or tuple of two ndarrays
    """
    data = flat_images(images, dtype, top=top)
    factors = grid.factors(rows)
    if return_X_y:
        return data, factors
    return Bunch(
        data=data,
        factors=factors,
        indices=rows,
        input_shape=images.shape[1:],
        factor_names=list(grid.names),
        factor_sizes=np.array(grid.sizes),
        factor_values=list(grid.values),
        **extra,
        DESCR=plain_summary(doc),
    )


def plain_summary(docstring: str | None) -> str:
    """Return a function's docstring up to its parameters, for ``DESCR``.

    Parameters
    ----------
    docstring : str or None

    Returns
    -------
    str
    """
    head = (docstring or "").split("Parameters\n")[0]
    return "\n".join(line.strip() for line in head.strip().splitlines())


def image_bunch(
    images: NDArray[np.uint8],
    target: NDArray | None,
    *,
    dtype: str,
    return_X_y: bool,
    doc: str | None,
    **extra: Any,
) -> Bunch | tuple[NDArray, NDArray | None]:
    """Return photographs or digits, channels first, as a loader does.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n, channels, height, width)
    target : ndarray of shape (n,) or None
    dtype
        Of `flat_images`.
    return_X_y : bool
        Whether to return data and target only.
    doc : str or None
        Docstring of the loader, for ``DESCR``.
    **extra
        Further entries of the bunch.

    Returns
    -------
    Bunch, or tuple of an ndarray and the target
    """
    data = flat_images(images, dtype, top=255)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        input_shape=images.shape[1:],
        **extra,
        DESCR=plain_summary(doc),
    )


def noisy_bunch(
    data: NDArray,
    factors: NDArray,
    noise: float,
    random_state: np.random.RandomState,
    *,
    return_X_y: bool,
    doc: str | None,
    **extra: Any,
) -> Bunch | tuple[NDArray, NDArray]:
    """Return points of a known manifold, with noise, as a generator does.

    Parameters
    ----------
    data : ndarray of shape (n, n_features)
    factors : ndarray of shape (n, n_factors)
    noise : float
        Standard deviation of the normal noise that is added to each value.
    random_state : RandomState instance
        Draws it.
    return_X_y : bool
        Whether to return data and factors only.
    doc : str or None
        Docstring of the generator, for ``DESCR``.
    **extra
        Further entries of the bunch.

    Returns
    -------
    Bunch, or tuple of two ndarrays
    """
    if noise > 0.0:
        data = data + noise * random_state.standard_normal(data.shape)
    data = data.astype(np.float32)
    if return_X_y:
        return data, factors
    return Bunch(data=data, factors=factors, **extra, DESCR=plain_summary(doc))


def sample_rows(
    n_rows: int,
    n_samples: int | None,
    *,
    shuffle: bool,
    random_state: int | np.random.RandomState | None,
) -> NDArray[np.int64] | slice:
    """Return the rows to keep: all, or some at random, in their order or shuffled.

    Parameters
    ----------
    n_rows : int
    n_samples : int or None
        How many to keep; None for all.
    shuffle : bool
    random_state : int, RandomState instance or None

    Returns
    -------
    ndarray of int, or slice
        An index into the rows.
    """
    if n_samples is None and not shuffle:
        return slice(None)
    random_state = check_random_state(random_state)
    if n_samples is None:
        return random_state.permutation(n_rows)
    count = check_count("n_samples", n_samples, 1, n_rows)
    rows = random_state.choice(n_rows, count, replace=False)
    return rows if shuffle else np.sort(rows)
