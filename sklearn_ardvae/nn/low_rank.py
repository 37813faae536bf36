"""Codes of low rank: truncation with a safe gradient, and principal axes.

Codes are rows: Y has shape (n_rows, n_components), where papers have columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .gaussian import covariance_root, draw_gaussian

__all__ = [
    "PrincipalAxes",
    "align",
    "batch_axes",
    "nuclear_norm",
    "truncate",
]

# Gaps between kept and discarded squared singular values, relative to the largest:
# below, float64 cannot tell them apart.
_SMALLEST_GAP = 1e-10
_ROWS = 1024


class _Truncation(torch.autograd.Function):
    """P_k M for a wide matrix M, with P_k on its k leading left singular vectors."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, rank: int, smallest_gap: float) -> Tensor:
        exact = matrix.double()
        values, vectors = torch.linalg.eigh(exact @ exact.T)
        ctx.save_for_backward(matrix, values, vectors)
        ctx.rank, ctx.smallest_gap = rank, smallest_gap
        kept = vectors[:, -rank:]
        return (kept @ (kept.T @ exact)).to(matrix.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        matrix, values, vectors = ctx.saved_tensors
        exact, gradient_ = matrix.double(), gradient.double()
        kept, discarded = vectors[:, -ctx.rank :], vectors[:, : -ctx.rank]
        s = gradient_ @ exact.T
        gaps = values[None, -ctx.rank :] - values[: -ctx.rank, None]
        # Of a zero matrix every subspace is the leading one.
        floor = (ctx.smallest_gap * values[-1]).clamp_min(1e-300)
        h = discarded.T @ (s + s.T) @ kept / gaps.clamp_min(floor)
        turn = discarded @ h @ kept.T
        result = kept @ (kept.T @ gradient_) + (turn + turn.T) @ exact
        return result.to(gradient.dtype), None, None


def truncate(y: Tensor, rank: int, smallest_gap: float = _SMALLEST_GAP) -> Tensor:
    r"""Return the best approximation of `y` of rank `rank`, the truncated SVD.

    .. math:: \bar Y = P Y, \qquad
        \frac{\partial \ell}{\partial Y} = P G + (T + T^\top) Y, \qquad
        T = \sum_{j > k \ge i} u_j \,
        \frac{u_j^\top (S + S^\top) u_i}{w_i - w_j} \, u_i^\top

    with P the projector on the leading singular vectors u_i of the shorter side, w
    the squared singular values, G the gradient that comes in and
    :math:`S = G Y^\top`. Only gaps between kept and discarded values divide: equal
    kept values, where the derivative of the singular vectors does not exist, and a
    `y` of lower rank are harmless. Computed in float64, for it squares `y`.

    Parameters
    ----------
    y : Tensor of shape (n_rows, n_components)
    rank : int
        k >= 1; with k >= min(n_rows, n_components), or if `y` is not finite, `y`
        itself is returned.
    smallest_gap : float
        Gaps are taken to be at least this share of the largest w, which bounds the
        gradient where the k-th and the next value cross.

    Returns
    -------
    Tensor of shape (n_rows, n_components)
    """
    if rank >= min(y.shape) or not y.isfinite().all():
        return y
    if y.shape[0] <= y.shape[1]:
        return _Truncation.apply(y, rank, smallest_gap)
    return _Truncation.apply(y.T, rank, smallest_gap).T


def leading_axes(gram: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the eigenvalues and leading eigenvectors of a Gram matrix, descending.

    The largest entry of each vector is positive.

    Parameters
    ----------
    gram : Tensor of shape (n, n)
    rank : int
        Number of vectors, at most n.

    Returns
    -------
    values : Tensor of shape (n,)
        All >= 0.
    vectors : Tensor of shape (n, rank)
    """
    values, vectors = torch.linalg.eigh(gram.double())
    vectors = vectors.flip(1)[:, :rank]
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return values.flip(0).clamp_min(0.0), vectors * largest.sign()


@torch.no_grad()
def batch_axes(y: Tensor, rank: int) -> Tensor:
    """Return orthonormal axes of the space that `truncate` projects `y` on.

    Parameters
    ----------
    y : Tensor of shape (n_rows, n_components)
    rank : int

    Returns
    -------
    Tensor of shape (n_components, k)
        With k = min(rank, n_rows, n_components); where `y` has a lower rank, the last
        columns are arbitrary.
    """
    exact = y.double()
    if not exact.isfinite().all():
        return torch.eye(y.shape[1], min(rank, *y.shape), device=y.device)
    if y.shape[0] > y.shape[1]:
        return leading_axes(exact.T @ exact, rank)[1].to(y.dtype)
    leading = exact.T @ leading_axes(exact @ exact.T, rank)[1]
    # The columns are orthogonal already; this norms them, also those that vanish.
    return torch.linalg.qr(leading)[0].to(y.dtype)


@torch.no_grad()
def align(axes: Tensor, reference: Tensor) -> Tensor:
    r"""Turn `axes` within their span until they are closest to `reference`.

    .. math:: U R, \qquad R = \arg\min_{R^\top R = I} \|U R - U_0\|_F = A B^\top,
        \qquad U^\top U_0 = A \Sigma B^\top

    Singular vectors are known up to signs, and up to rotations where singular values
    are equal; this makes coefficients of different batches comparable.

    Parameters
    ----------
    axes : Tensor of shape (n_components, k)
    reference : Tensor of shape (n_components, rank)
        With rank >= k; where it is larger, R has orthonormal rows instead.

    Returns
    -------
    Tensor of shape (n_components, rank)
        The same projector, axes @ axes.T.
    """
    overlap = axes.T.double() @ reference.double()
    a, _, b = torch.linalg.svd(overlap, full_matrices=False)
    return (axes.double() @ (a @ b)).to(axes.dtype)


def nuclear_norm(matrix: Tensor) -> Tensor:
    r"""Return the sum of the singular values; its (sub)gradient is U V'.

    Infinite or NaN entries, which the decomposition refuses, make it NaN.
    """
    if not matrix.isfinite().all():
        return torch.full_like(matrix.sum(), torch.nan)
    return torch.linalg.svdvals(matrix).sum()


class PrincipalAxes(nn.Module):
    r"""The axes that codes are expressed in, kept up to date while training.

    `observe` adds up :math:`(1, Y)^\top (1, Y)` of each batch of an epoch; `update`
    takes the axes to the leading eigenvectors of that matrix: the SVD of all codes of
    the epoch, none of which is stored.

    Parameters
    ----------
    n_components : int
        Width L of the codes.
    rank : int
        Number of axes k at first.
    centred : bool
        Whether to take covariances (PCA) or moments about zero (SVD).
    fixed : bool
        Whether the axes stay the first `rank` unit vectors.

    Attributes
    ----------
    basis : Tensor of shape (n_components, n_components)
        Orthonormal columns, those from `rank` on are 0.
    centre : Tensor of shape (n_components,)
        Mean of the codes if `centred`, else 0.
    mean : Tensor of shape (n_components,)
    covariance : Tensor of shape (n_components, n_components)
        Of the coordinates.
    """

    rank_: Tensor
    basis: Tensor
    centre: Tensor
    mean: Tensor
    covariance: Tensor
    moments: Tensor

    def __init__(
        self, n_components: int, rank: int, *, centred: bool, fixed: bool = False
    ) -> None:
        super().__init__()
        self.centred, self.fixed = centred, fixed
        n = n_components
        self.register_buffer("rank_", torch.tensor(rank))
        self.register_buffer("basis", torch.eye(n) * (torch.arange(n) < rank))
        self.register_buffer("centre", torch.zeros(n))
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("covariance", torch.eye(n) * (torch.arange(n) < rank))
        self.register_buffer("moments", torch.zeros(n + 1, n + 1, dtype=torch.float64))

    @property
    def rank(self) -> int:
        """Number of axes."""
        return int(self.rank_)

    def set_rank(self, rank: int) -> None:
        """Keep only the first `rank` axes, or ask for more from the next update."""
        self.rank_.fill_(rank)
        self.basis[:, rank:] = 0.0

    def project(self, y: Tensor) -> Tensor:
        """Return the coordinates of `y`, shape (n_rows, n_components)."""
        return (y - self.centre) @ self.basis

    def expand(self, z: Tensor) -> Tensor:
        """Return what has coordinates `z`, shape (n_rows, n_components)."""
        return z @ self.basis.T + self.centre

    def draw(self, n_rows: int, generator: torch.Generator) -> Tensor:
        """Draw coordinates from the Gaussian with their mean and covariance."""
        root = covariance_root(self.covariance)
        return draw_gaussian(self.mean, root, n_rows, generator)

    # --- upkeep -----------------------------------------------------------------

    def forget(self, streaming: bool) -> None:
        """Drop what was observed before, or half of its weight in a stream."""
        if streaming:
            self.moments.mul_(0.5)
        else:
            self.moments.zero_()

    @torch.no_grad()
    def observe(self, y: Tensor) -> None:
        """Take note of codes, shape (n_rows, n_components)."""
        rows = torch.cat((y.new_ones(len(y), 1), y.detach()), dim=1).double()
        self.moments += rows.T @ rows

    @torch.no_grad()
    def update(self, gram: Tensor | None = None) -> None:
        """Bring the axes up to what was observed, or to those of `gram`."""
        moments = self.moments / self.moments[0, 0]
        mean, second = moments[0, 1:], moments[1:, 1:]
        covariance = second - torch.outer(mean, mean)
        if gram is None:
            gram = covariance if self.centred else second
        if not gram.isfinite().all():
            return  # The loss is not finite either, and says more.
        if not self.fixed:
            self.basis.zero_()
            self.basis[:, : self.rank] = leading_axes(gram, self.rank)[1]
        basis = self.basis.double()
        self.covariance.copy_(basis.T @ covariance @ basis)
        if self.centred:
            self.centre.copy_(mean)
        else:
            self.mean.copy_(mean @ basis)

    @torch.no_grad()
    def refit(self, encode: Callable[[Tensor], Tensor], x: Tensor) -> None:
        """Take the axes from the codes of all rows of `x`.

        Parameters
        ----------
        encode : callable
            Maps rows to codes.
        x : Tensor of shape (n_rows, n_features)
        """
        self.forget(streaming=False)
        for rows in x.split(_ROWS):
            self.observe(encode(rows))
        self.update()

    @torch.no_grad()
    def refit_to_batches(self, codes: Iterable[Tensor]) -> None:
        """Take the axes that batches of codes share, whatever their singular values.

        They are the leading eigenvectors of the mean of the projectors on each batch's
        own axes.

        Parameters
        ----------
        codes : iterable of Tensor of shape (n_rows, n_components)
        """
        self.forget(streaming=False)
        projectors = torch.zeros_like(self.moments[1:, 1:])
        for y in codes:
            self.observe(y)
            axes = batch_axes(y, min(self.rank, len(y))).double()
            projectors += axes @ axes.T
        self.update(projectors)
