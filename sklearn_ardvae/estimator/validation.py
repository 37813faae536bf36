"""From what a user passes as X to float32 rows, or a clear error."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data
from torch import Tensor, nn

from .._warnings import warn

__all__ = ["as_tensor", "check_codes", "check_range", "validate_rows", "warn_of_scale"]

# Squared errors are sums; beyond this standard deviation the default beta, learning
# rate and weight initialisation, all meant for a scale of 1, are out of their depth.
_LARGE_SCALE = 30.0


def validate_rows(estimator: BaseEstimator, X, *, reset: bool) -> np.ndarray | Tensor:
    """Return X as float32 rows, checked against what `estimator` was fitted on.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Its ``input_shape`` says how images are folded.
    X : array-like of shape (n_samples, n_features) or (n_samples, *input_shape)
        Arrays, data frames, or a tensor, which keeps its device.
    reset : bool
        Whether to set ``n_features_in_`` and ``feature_names_in_``.

    Raises
    ------
    ValueError
        If X is not numeric, finite, of the right shape, or too short to fit on.
    """
    shape = estimator.input_shape
    if shape and not all(isinstance(n, Integral) and int(n) > 0 for n in shape):
        raise ValueError(
            f"input_shape must be None or hold integers >= 1; got {shape!r}."
        )
    ndim = getattr(X, "ndim", None)
    if ndim is not None and ndim > 2 and shape is not None:
        if tuple(X.shape[1:]) != tuple(shape):
            raise ValueError(
                f"X has shape {tuple(X.shape)}, but input_shape={tuple(shape)} asks "
                f"for (n_samples, {', '.join(map(str, shape))}) or rows of "
                f"{math.prod(shape)} features."
            )
        X = X.reshape(len(X), math.prod(shape))
    min_samples = 2 if reset else 1
    if isinstance(X, Tensor):
        X = _validate_tensor(estimator, X, reset=reset, min_samples=min_samples)
    else:
        X = validate_data(
            estimator,
            X,
            dtype=np.float32,
            order="C",
            ensure_min_samples=min_samples,
            reset=reset,
        )
    if reset and shape is not None and math.prod(shape) != X.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, but input_shape={tuple(shape)} has "
            f"{math.prod(shape)}; set input_shape to the shape of one sample, channels "
            "first, or leave it None."
        )
    return X


def _validate_tensor(
    estimator: BaseEstimator, X: Tensor, *, reset: bool, min_samples: int
) -> Tensor:
    name = type(estimator).__name__
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got a tensor of shape {tuple(X.shape)} instead. "
            "Reshape it, or set input_shape to the shape of one image."
        )
    if len(X) < min_samples:
        raise ValueError(
            f"Found tensor with {len(X)} sample(s) (shape={tuple(X.shape)}) while a "
            f"minimum of {min_samples} is required by {name}."
        )
    if X.is_complex():
        raise ValueError(f"Complex data not supported: X has dtype {X.dtype}.")
    X = X.detach().to(torch.float32)
    if not X.isfinite().all():
        raise ValueError(f"Input X contains NaN or infinity; {name} takes neither.")
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    return X.contiguous()


def as_tensor(X: np.ndarray | Tensor, device: torch.device) -> Tensor:
    """Return rows on `device` that nobody else writes to or may not write to."""
    if isinstance(X, Tensor):
        return X.to(device)
    # joblib hands out large arrays as read-only memory maps, which torch warns of.
    return torch.from_numpy(X if X.flags.writeable else X.copy()).to(device)


def check_codes(estimator: BaseEstimator, X, widths: set[int]) -> np.ndarray:
    """Return codes as float32 rows of one of `widths`."""
    if isinstance(X, Tensor):
        X = X.detach().to("cpu", torch.float32).numpy()
    min_features = 0 if 0 in widths else 1
    X = check_array(
        X,
        dtype=np.float32,
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
    smallest, largest = x.min().item(), x.max().item()
    tolerance = 1e-6
    if smallest < low - tolerance or largest > high + tolerance:
        raise ValueError(
            f"X lies in [{smallest:.4g}, {largest:.4g}], but {cause} needs data in "
            f"[{low:g}, {high:g}]; scale X (MinMaxScaler, or divide images by 255), or "
            "use likelihood='gaussian' with architecture='mlp'."
        )


def warn_of_scale(x: Tensor) -> None:
    """Warn about data that the defaults are not meant for."""
    scale = (x - x.mean(0)).square().mean().sqrt().item()
    if scale > _LARGE_SCALE:
        warn(
            f"The features of X have a standard deviation of {scale:.3g} on average. "
            "beta, learning_rate and the weights' initial size suppose a scale near 1: "
            "put a StandardScaler in front, or divide images by 255.",
        )
