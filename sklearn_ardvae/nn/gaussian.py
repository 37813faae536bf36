"""The Gaussian of codes that methods without a prior of their own sample from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Moments", "covariance_root", "draw_gaussian", "moments_of"]


class Moments(NamedTuple):
    """Mean and covariance of some rows, in float64 on the CPU.

    Parameters
    ----------
    mean : Tensor of shape (n,)
    covariance : Tensor of shape (n, n)
        Divided by the number of rows.
    """

    mean: Tensor
    covariance: Tensor


@torch.no_grad()
def moments_of(blocks: Iterable[Tensor]) -> Moments:
    """Return the moments of rows that come in blocks, none of which is kept.

    Parameters
    ----------
    blocks : iterable of Tensor of shape (n_rows, n)
        At least one, of at least one row.
    """
    n_rows, shift, total, squares = 0, None, torch.zeros(()), torch.zeros(())
    for block in blocks:
        rows = block.cpu().double()
        # About the first block's mean, digits do not cancel.
        shift = rows.mean(0) if shift is None else shift
        rows = rows - shift
        total = total + rows.sum(0)
        squares = squares + rows.T @ rows
        n_rows += len(rows)
    assert shift is not None  # at least one block
    mean = total / n_rows
    return Moments(shift + mean, squares / n_rows - torch.outer(mean, mean))


@torch.no_grad()
def covariance_root(covariance: Tensor) -> Tensor:
    """Return R with R R' = `covariance`, which may be singular.

    Parameters
    ----------
    covariance : Tensor of shape (n, n)
        Decomposed in float64 on the CPU: not every device has float64.

    Returns
    -------
    Tensor of shape (n, n)
        In the precision and on the device of `covariance`.
    """
    values, axes = torch.linalg.eigh(covariance.cpu().double())
    return (axes * values.clamp_min(0.0).sqrt()).to(covariance)


@torch.no_grad()
def draw_gaussian(
    mean: Tensor, root: Tensor, n_rows: int, generator: torch.Generator
) -> Tensor:
    """Draw rows from N(mean, root root').

    Parameters
    ----------
    mean : Tensor of shape (n,)
    root : Tensor of shape (n, n)
    n_rows : int
    generator : torch.Generator
        On the device of `mean`.

    Returns
    -------
    Tensor of shape (n_rows, n)
    """
    shape = (n_rows, len(mean))
    noise = torch.randn(
        shape, generator=generator, device=generator.device, dtype=mean.dtype
    )
    return mean + noise @ root.T
