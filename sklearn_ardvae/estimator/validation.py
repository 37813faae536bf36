"""From what a user passes as X to float32 rows, or a clear error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from numbers import Integral
from typing import Any, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from .._warnings import warn
from ..nn.blocks import feature_moments
from ..nn.reading import ReadRows
from ..storage.rows import StoredRows

__all__ = [
    "ValidRows",
    "as_tensor",
    "batch_size_named",
    "check_codes",
    "check_range",
    "validate_rows",
    "warn_of_scale",
]

#: What X becomes.
ValidRows = np.ndarray | Tensor | StoredRows

# Squared errors are sums; beyond this standard deviation the default beta, learning
# rate and weight initialisation, all meant for a scale of 1, are out of their depth.
_LARGE_SCALE = 30.0
# In float32, arrays of no more bytes are read at once: steps are faster then.
_LARGE_BYTES = 2**27
_CHECKED_ROWS = 4096


def validate_rows(
    estimator: BaseEstimator,
    X,
    *,
    reset: bool,
    dtype: type[np.floating] = np.float32,
) -> ValidRows:
    """Return X as rows of floats, checked against what `estimator` was fitted on.

    Stored rows, a large memory map and large arrays of small numbers stay as they are.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Its ``input_shape`` says how images are folded.
    X : array-like of shape (n_samples, n_features) or (n_samples, *input_shape)
        Arrays, data frames, a tensor, which keeps its device, or stored rows.
    reset : bool
        Whether to set ``n_features_in_`` and ``feature_names_in_``.
    dtype : type
        Of the rows.

    Raises
    ------
    ValueError
        If X is not numeric, finite, of the right shape, or too short to fit on.
    """
    shape = _image_shape(estimator)
    X = _as_array(X)
    ndim = getattr(X, "ndim", None)
    if ndim is not None and ndim > 2:
        _check_folded(tuple(X.shape), shape)
        X = X.reshape(len(X), math.prod(X.shape[1:]))
    min_samples = 2 if reset else 1
    if _stays_stored(X):
        X = StoredRows(X)
    if isinstance(X, StoredRows):
        _validate_stored(estimator, X, reset=reset, min_samples=min_samples)
    elif isinstance(X, Tensor):
        X = _validate_tensor(
            estimator, X, reset=reset, dtype=dtype, min_samples=min_samples
        )
    else:
        X = validate_data(
            estimator,
            X,
            dtype=dtype,
            order="C",
            ensure_min_samples=min_samples,
            reset=reset,
        )
    if reset and shape is not None and math.prod(shape) != X.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, but input_shape={shape} has "
            f"{math.prod(shape)}; set input_shape to the shape of one sample, channels "
            "first, or leave it None."
        )
    return X


def _image_shape(estimator: Any) -> tuple[int, ...] | None:
    shape = estimator.input_shape
    if shape is None:
        return None
    if not shape or not all(isinstance(n, Integral) and int(n) > 0 for n in shape):
        raise ValueError(
            f"input_shape must be None or hold integers >= 1; got {shape!r}."
        )
    return tuple(shape)


def _as_array(X: Any) -> Any:
    """Return arrays, frames and tensors as they are, sequences as arrays."""
    if isinstance(X, DataLoader | Dataset):
        raise ValueError(
            f"X is a {type(X).__name__}, but must be an array, a data frame or a tensor"
            " of all rows: stack the samples, as in torch.stack([x for x, *_ in "
            "dataset]), pass the batches one by one to partial_fit, or pass "
            "store_rows(dataset), which does not need them in memory."
        )
    if isinstance(X, list | tuple):
        with suppress(ValueError, TypeError):  # scikit-learn says what is wrong
            X = np.asarray(X)
    _refuse_dates(X)
    return X


def _refuse_dates(X: Any) -> None:
    """Raise if X, or a column of it, holds dates, times or durations."""
    is_frame = hasattr(X, "columns") and hasattr(X, "dtypes")
    if is_frame:
        columns = list(zip(X.columns, X.dtypes, strict=True))
    else:
        columns = [("", getattr(X, "dtype", None))]
    dates = {name: str(dtype) for name, dtype in columns if _is_temporal(dtype)}
    if not dates:
        return
    kinds = ", ".join(sorted({*dates.values()}))
    where = f" in the columns {list(dates)}" if is_frame else ""
    raise ValueError(
        f"X holds dates, times or durations ({kinds}){where}, whose numbers depend on "
        "a unit and an origin: turn them into numbers yourself, for example days, by "
        "(X - X.min()) / np.timedelta64(1, 'D'), or leave them out."
    )


def _is_temporal(dtype: Any) -> bool:
    """Whether a dtype of numpy, pandas or polars is one of time."""
    of_polars = getattr(dtype, "is_temporal", None)
    return of_polars() if of_polars else getattr(dtype, "kind", "") in ("m", "M")


def _check_folded(found: tuple[int, ...], shape: tuple[int, ...] | None) -> None:
    """Raise unless an array of shape `found` holds samples of `shape`."""
    sample = found[1:]
    if shape is None:
        raise ValueError(
            f"Expected 2D array, got X of shape {found}: for images set "
            f"input_shape={sample} (channels first), otherwise pass rows, "
            "X.reshape(len(X), -1)."
        )
    if sample == shape:
        return
    advice = ""
    if sample == (*shape[1:], shape[0]):
        advice = " Its channels are last: pass np.moveaxis(X, -1, 1)."
    raise ValueError(
        f"X has shape {found}, but input_shape={shape} asks for (n_samples, "
        f"{', '.join(map(str, shape))}) or rows of {math.prod(shape)} features.{advice}"
    )


@contextmanager
def batch_size_named(batch_size: object) -> Iterator[None]:
    """Say what to do where batch normalisation gets a single row."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            "Batch normalisation cannot train on a batch of one row: set batch_size to "
            f"2 or more (batch_size={batch_size!r}), give more rows, or use a network "
            "without batch normalisation."
        ) from error


def _validate_tensor(
    estimator: BaseEstimator,
    X: Tensor,
    *,
    reset: bool,
    dtype: type[np.floating],
    min_samples: int,
) -> Tensor:
    name = type(estimator).__name__
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got a tensor of shape {tuple(X.shape)} instead: pass "
            "rows."
        )
    if len(X) < min_samples:
        raise ValueError(
            f"Found tensor with {len(X)} sample(s) (shape={tuple(X.shape)}) while a "
            f"minimum of {min_samples} is required by {name}."
        )
    if X.is_complex():
        raise ValueError(f"Complex data not supported: X has dtype {X.dtype}.")
    X = X.detach().to(getattr(torch, np.dtype(dtype).name))
    if not X.isfinite().all():
        raise ValueError(f"Input X contains NaN or infinity; {name} takes neither.")
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    return X.contiguous()


def _stays_stored(X: Any) -> bool:
    """Whether X is an array of which a copy in floats would be large, and more."""
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "buif":
        return False
    is_small = X.size * np.dtype(np.float32).itemsize < _LARGE_BYTES
    return not is_small and (isinstance(X, np.memmap) or X.dtype.itemsize < 4)


def _validate_stored(
    estimator: BaseEstimator, X: StoredRows, *, reset: bool, min_samples: int
) -> None:
    name = type(estimator).__name__
    if len(X) < min_samples or X.shape[1] < 1:
        raise ValueError(
            f"Found {X!r}, but {name} needs at least {min_samples} row(s) of 1 feature."
        )
    validate_data(
        estimator,
        X if X.header is None else X.header,
        skip_check_array=True,
        reset=reset,
    )
    if X.is_finite_anyway:
        return
    for start in range(0, len(X), _CHECKED_ROWS):
        if not np.isfinite(X.read(slice(start, start + _CHECKED_ROWS))).all():
            raise ValueError(
                f"Input X contains NaN or infinity, or numbers too large for {X.dtype},"
                f" in the rows from {start} on; {name} takes none of them."
            )


def as_tensor(
    X: ValidRows,
    device: torch.device,
    dtype: type[np.floating] = np.float32,
) -> Tensor:
    """Return rows on `device` that nobody else writes to or may not write to.

    Of stored rows, what reads them as `dtype`, in the place of a tensor.
    """
    if isinstance(X, StoredRows):
        return cast("Tensor", ReadRows(X, getattr(torch, np.dtype(dtype).name), device))
    if isinstance(X, Tensor):
        return X.to(device)
    # joblib hands out large arrays as read-only memory maps, which torch warns of.
    return torch.from_numpy(X if X.flags.writeable else X.copy()).to(device)


def check_codes(
    estimator: BaseEstimator, X, widths: set[int], dtype: type[np.floating]
) -> np.ndarray:
    """Return codes as rows of floats, of one of `widths`."""
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    _refuse_dates(X)
    min_features = 0 if 0 in widths else 1
    X = check_array(
        X,
        dtype=dtype,
        order="C",
        estimator=estimator,
        input_name="X",
        ensure_min_features=min_features,
    )
    if X.shape[1] not in widths:
        allowed = " or ".join(str(width) for width in sorted(widths))
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} decodes "
            f"codes of {allowed} columns: the active components, most relevant first, "
            "or all of them."
        )
    return X


def check_range(x: Tensor, likelihood: str, decoder: nn.Module) -> None:
    """Raise if the decoder can never reach the data."""
    low, high, cause = -math.inf, math.inf, ""
    last = [layer for layer in decoder.modules() if not isinstance(layer, nn.Flatten)]
    if likelihood == "bernoulli":
        low, high, cause = 0.0, 1.0, "likelihood='bernoulli'"
    elif isinstance(last[-1], nn.Sigmoid):
        low, high, cause = 0.0, 1.0, "an architecture that ends in a sigmoid"
    elif isinstance(last[-1], nn.Tanh):
        low, high, cause = -1.0, 1.0, "an architecture that ends in a tanh"
    smallest, largest = x.amin(0).min().item(), x.amax(0).max().item()
    tolerance = 1e-6
    if smallest < low - tolerance or largest > high + tolerance:
        raise ValueError(
            f"X lies in [{smallest:.4g}, {largest:.4g}], but {cause} needs data in "
            f"[{low:g}, {high:g}]; scale X (MinMaxScaler, or divide images by 255), or "
            "use likelihood='gaussian' with architecture='mlp'."
        )


def warn_of_scale(x: Tensor) -> None:
    """Warn about data that the defaults are not meant for."""
    scale = feature_moments(x)[1].mean().sqrt().item()
    if scale > _LARGE_SCALE:
        warn(
            f"The features of X have a standard deviation of {scale:.3g} on average. "
            "beta, learning_rate and the weights' initial size suppose a scale near 1: "
            "put a StandardScaler in front, or divide images by 255.",
        )
