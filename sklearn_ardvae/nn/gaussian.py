"""The Gaussian of codes that methods without a prior of their own sample from."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["covariance_root", "draw_gaussian"]


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
