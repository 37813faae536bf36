r"""Relevance of latent axes: from a decoder and codes to ranked, counted axes.

The relevance of axis l is the first-order variance that it adds to the output,

.. math::
    r_l = w_l \, v_l, \qquad
    w_l = \frac1N \sum_{i=1}^N \sum_{k=1}^D
    \left( \frac{\partial \hat x_k}{\partial z_l}(\mu_i) \right)^2,

with :math:`v_l` the variance of the axis (ARD-VAE, eqs. 19 and 20). It does not
change when an axis is rescaled. The active axes are the fewest whose relevances add
up to more than 99 % of the total.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_scalar
from torch import Tensor, nn

__all__ = [
    "Relevance",
    "count_active",
    "decoder_relevance",
    "jacobian_weights",
    "rank_axes",
    "select_active",
]

# Numbers in the largest tensor of one chunk of columns, over 16 for the hidden layers
# of a convolutional decoder, which are wider than its output.
_CHUNK_NUMBERS = 2**20


def jacobian_weights(
    decode: Callable[[Tensor], Tensor], z: Tensor, variance: Tensor | None = None
) -> Tensor:
    r"""Return the mean squared norm of each column of the Jacobian of `decode`.

    Exact. With :math:`g(u) = J^\top u`, which reverse mode gives as a function of u,
    the column of axis l is the derivative of :math:`g_l` by u: one more reverse pass
    for each axis, several axes at a time. (Forward mode would be the shorter word, but
    is faster for convolutions only, and torch keeps one level of it for all threads.)

    Parameters
    ----------
    decode : callable
        Maps codes (n, L) to outputs (n, ...), each row on its own.
    z : Tensor of shape (n, L)
        Where the Jacobian is taken.
    variance : Tensor of shape (L,), default=None
        Of the axes. Columns of those without any are not computed but returned as 0:
        their relevance is 0 whatever the decoder.

    Returns
    -------
    Tensor of shape (L,)
    """
    weights = z.new_zeros(z.shape[1])
    axes = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    varying = torch.ones_like(weights) if variance is None else variance
    axes = axes[varying != 0.0]
    if len(axes) == 0:
        return weights
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        output = decode(z)
        u = torch.zeros_like(output, requires_grad=True)
        if not output.requires_grad:
            return weights
        (pulled,) = torch.autograd.grad(
            output, z, u, create_graph=True, materialize_grads=True
        )
    if not pulled.requires_grad:
        return weights
    for some in axes.split(max(1, _CHUNK_NUMBERS // output.numel())):
        along = some[:, None].expand(-1, *z.shape)
        (columns,) = torch.autograd.grad(
            pulled, u, along, retain_graph=True, is_grads_batched=True
        )
        weights[some.any(0)] = columns.square().flatten(1).sum(1) / len(z)
    return weights


def count_active(relevance: Tensor, threshold: float = 0.99) -> Tensor:
    """Return, on the device, how many axes explain more than `threshold`."""
    shares = relevance.sort(descending=True).values.cumsum(0)
    n_below = (shares <= threshold * shares[-1]).sum()
    return torch.minimum(n_below + 1, (relevance > 0).sum())


def select_active(relevance: NDArray, threshold: float = 0.99) -> NDArray[np.intp]:
    """Return the fewest axes that explain more than `threshold`, best first.

    Parameters
    ----------
    relevance : ndarray of shape (n_components,)
        Non-negative relevances.
    threshold : float, default=0.99
        Share of the total in (0, 1]; 1 keeps every axis of positive relevance.

    Returns
    -------
    ndarray of int
        Indices of the active axes; empty if all relevances are 0.
    """
    order = np.argsort(-relevance, kind="stable")
    shares = np.cumsum(relevance[order], dtype=np.float64)
    if not shares[-1] > 0.0:
        return order[:0]
    n_below = np.count_nonzero(shares <= threshold * shares[-1])
    n_positive = np.count_nonzero(relevance > 0.0)
    return order[: min(n_below + 1, n_positive)]


def rank_axes(relevance: NDArray, kept: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the indices of the axes that are kept, most relevant first."""
    order = np.argsort(-relevance, kind="stable")
    return order[kept[order]]


@dataclass(frozen=True)
class Relevance:
    """What :func:`decoder_relevance` finds.

    Parameters
    ----------
    relevance : ndarray of shape (n_components,)
        :math:`r_l = w_l v_l`, in squared units of the output.
    relevance_ratio : ndarray of shape (n_components,)
        `relevance` over its sum; zeros if the sum is 0.
    weights : ndarray of shape (n_components,)
        :math:`w_l`, the mean squared norm of column l of the decoder's Jacobian.
    variance : ndarray of shape (n_components,)
        :math:`v_l`, the variance of axis l.
    ranking : ndarray of int of shape (n_components,)
        All axes, most relevant first.
    active : ndarray of int of shape (n_active,)
        The active axes, most relevant first.
    """

    relevance: NDArray
    relevance_ratio: NDArray
    weights: NDArray
    variance: NDArray
    ranking: NDArray[np.intp]
    active: NDArray[np.intp]

    @property
    def n_active(self) -> int:
        """Number of active axes."""
        return len(self.active)


def decoder_relevance(
    decoder: Callable,
    codes: ArrayLike | Tensor,
    *,
    variance: ArrayLike | None = None,
    n_samples: int = 100,
    threshold: float = 0.99,
    method: Literal["jvp", "finite_difference"] = "jvp",
    random_state: int | np.random.RandomState | None = None,
) -> Relevance:
    r"""Rank the latent axes of any decoder by what they do to its output.

    Ask a trained autoencoder of your own how many dimensions it uses: pass its
    decoder and the (mean) codes of some data.

    .. math::
        r_l = v_l \, \frac1N \sum_i \sum_k
        \left( \frac{\partial \hat x_k}{\partial z_l}(z_i) \right)^2

    Parameters
    ----------
    decoder : callable or torch.nn.Module
        Maps codes (n, n_components) to outputs (n, ...), each row on its own. A
        module is run in evaluation mode, on its own device and in its own precision,
        and left as it was.
    codes : array-like or Tensor of shape (n_codes, n_components)
        Codes of data, as the decoder takes them; the posterior means of a VAE.
    variance : array-like of shape (n_components,), default=None
        Variance of each axis, >= 0. By default the variance of `codes`; a VAE with a
        learned prior would pass its prior variances.
    n_samples : int, default=100
        The Jacobian is averaged over so many rows of `codes`, drawn at random; over
        all if there are fewer.
    threshold : float, default=0.99
        Share of the total relevance that the active axes must exceed, in (0, 1].
    method : {"jvp", "finite_difference"}, default="jvp"
        ``"jvp"``: exact products of Jacobian and axis; the decoder must be made of
        torch operations. ``"finite_difference"``: central differences of a tenth of a
        standard deviation along each axis, for any callable; it gets codes of the
        type of `codes`.
    random_state : int, RandomState instance or None, default=None
        Draws the `n_samples` rows.

    Returns
    -------
    Relevance
        Relevances, their shares, the ranking and the active axes.

    Raises
    ------
    ValueError
        If `codes` or `variance` are not finite or do not fit each other, or if the
        decoder cannot be differentiated twice.

    References
    ----------
    Saha, Joshi, Whitaker: ARD-VAE, arXiv 2501.10901, equations 19 and 20.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ardvae import decoder_relevance
    >>> decoder = torch.nn.Linear(3, 5)
    >>> with torch.no_grad():
    ...     _ = decoder.weight[:, 1].zero_()
    >>> codes = torch.randn(50, 3)
    >>> decoder_relevance(decoder, codes).n_active
    2
    """
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    check_scalar(
        threshold,
        "threshold",
        Real,
        min_val=0.0,
        max_val=1.0,
        include_boundaries="right",
    )
    if method not in ("jvp", "finite_difference"):
        raise ValueError(
            f"method must be 'jvp' or 'finite_difference'; got {method!r}."
        )
    array = codes.detach().cpu().numpy() if isinstance(codes, Tensor) else codes
    array = check_array(array, dtype=np.float64, input_name="codes")
    if variance is None:
        variances = array.var(axis=0)
    else:
        variances = np.asarray(variance, dtype=np.float64)
        good = variances.shape == (array.shape[1],) and np.all(variances >= 0.0)
        if not good or not np.all(np.isfinite(variances)):
            raise ValueError(
                f"variance must hold {array.shape[1]} finite numbers >= 0, one for "
                f"each column of codes; got {variance!r}."
            )
    rows = np.arange(len(array))
    if n_samples < len(rows):
        rows = check_random_state(random_state).choice(rows, n_samples, replace=False)
    rows.sort()

    if method == "jvp":
        weights = _weights_by_jvp(decoder, array[rows])
    else:
        scale = np.sqrt(np.where(variances > 0.0, variances, 1.0))
        as_tensor = isinstance(codes, Tensor) or isinstance(decoder, nn.Module)
        weights = _weights_by_differences(decoder, array[rows], scale, as_tensor)
    relevance = weights * variances
    total = relevance.sum()
    return Relevance(
        relevance=relevance,
        relevance_ratio=relevance / total if total > 0.0 else np.zeros_like(relevance),
        weights=weights,
        variance=variances,
        ranking=np.argsort(-relevance, kind="stable"),
        active=select_active(relevance, threshold),
    )


def _weights_by_jvp(decoder: Callable, codes: NDArray) -> NDArray:
    with _evaluation_mode(decoder):
        try:
            weights = jacobian_weights(decoder, _like_parameters(codes, decoder))
        except (RuntimeError, NotImplementedError, TypeError, AttributeError) as error:
            raise ValueError(
                f"decoder={decoder!r} failed under twofold differentiation of a "
                "batch of codes; it must map tensors (n, n_components) to tensors "
                "(n, ...) with torch operations, or pass "
                f"method='finite_difference'. Torch says: {error}"
            ) from error
    return weights.cpu().double().numpy()


def _weights_by_differences(
    decoder: Callable, codes: NDArray, scale: NDArray, as_tensor: bool
) -> NDArray:
    def outputs(z: NDArray) -> NDArray:
        if not as_tensor:
            return np.asarray(decoder(z), dtype=np.float64)
        with torch.no_grad():
            return decoder(_like_parameters(z, decoder)).cpu().double().numpy()

    weights = np.empty(codes.shape[1])
    with _evaluation_mode(decoder):
        for axis, step in enumerate(0.1 * scale):
            shift = np.zeros(codes.shape[1])
            shift[axis] = step
            slope = (outputs(codes + shift) - outputs(codes - shift)) / (2.0 * step)
            weights[axis] = np.sum(slope**2) / len(codes)
    return weights


def _like_parameters(codes: NDArray, decoder: Callable) -> Tensor:
    """Return codes in the precision and on the device of the decoder's weights."""
    parameters = decoder.parameters() if isinstance(decoder, nn.Module) else iter(())
    like = next(parameters, torch.empty(0))
    return torch.from_numpy(codes).to(like)


@contextmanager
def _evaluation_mode(decoder: Callable):
    """Run a module without dropout and batch statistics; restore each submodule."""
    modules = list(decoder.modules()) if isinstance(decoder, nn.Module) else []
    modes = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
