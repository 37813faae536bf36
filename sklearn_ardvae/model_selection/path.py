"""A path of candidates: which there are, which is chosen, and where counts stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..estimator.validation import ValidRows, as_tensor
from ..nn.principal import PrincipalBasis

__all__ = [
    "Floats",
    "Plateau",
    "best_candidate",
    "checked_betas",
    "checked_sizes",
    "noise_grid",
    "simplest_within_one_error",
    "widest_plateau",
]

# Where a grid ends: at so much of what PCA leaves at least, or of its own largest beta.
_BELOW_PCA, _LEAST = 0.1, 1e-3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plateau:
    """A range of betas over which the number of active components stays the same.

    Parameters
    ----------
    n_active_components : int
        That number.
    lowest_beta, highest_beta : float
        The ends of the range, both of it; equal if it is a single beta.
    """

    n_active_components: int
    lowest_beta: float
    highest_beta: float


# --- candidates ---------------------------------------------------------------------


def noise_grid(rows: ValidRows, n_betas: int) -> Floats:
    """Return betas for `rows`, in geometric sequence from the largest down.

    Parameters
    ----------
    rows : array of shape (n_rows, n_features)
    n_betas : int

    Returns
    -------
    ndarray of shape (n_betas,)
    """
    x = as_tensor(rows, torch.device("cpu"))
    n_axes = min(x.shape) - 1
    basis = PrincipalBasis.of(x, n_axes)
    largest = 2.0 * basis.feature_variance or 1.0
    smallest = max(_BELOW_PCA * 2.0 * basis.noise(n_axes), _LEAST * largest)
    return np.geomspace(largest, min(smallest, _BELOW_PCA * largest), n_betas)


def checked_betas(betas: ArrayLike) -> Floats:
    """Return a user's betas in descending order, or raise a ValueError."""
    try:
        values = np.asarray(betas, dtype=float)
    except (TypeError, ValueError):  # no numbers
        values = np.empty(0)
    if values.ndim != 1 or not values.size or not (values > 0).all():
        raise ValueError(
            f"betas must be an integer >= 2 or hold numbers > 0; got {betas!r}."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"betas must be finite; got {betas!r}.")
    return np.sort(values)[::-1].copy()


def checked_sizes(n_components: Any) -> list[int]:
    """Return a user's latent sizes as a list, or raise a ValueError."""
    sizes = np.atleast_1d(n_components)
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or not (sizes > 0).all():
        raise ValueError(
            f"n_components must be an integer >= 1 or hold such; got {n_components!r}."
        )
    return sizes.tolist()


# --- rules --------------------------------------------------------------------------


def best_candidate(evidence: Floats) -> tuple[int, int]:
    """Return the place of the highest mean evidence.

    Parameters
    ----------
    evidence : ndarray of shape (n_betas, n_sizes, n_folds)
        Of each fit; a candidate with a nan in a fold is left out.
    """
    means = evidence.mean(2)
    return divmod(int(np.nanargmax(means)), means.shape[1])


def simplest_within_one_error(evidence: Floats, counts: Floats) -> tuple[int, int]:
    """Return the place of the fewest axes within a standard error of the best.

    Parameters
    ----------
    evidence, counts : ndarray of shape (n_betas, n_sizes, n_folds)
        Of each fit; a candidate with a nan in a fold is left out.
    """
    means, n_folds = evidence.mean(2), evidence.shape[2]
    best = best_candidate(evidence)
    error = evidence[best].std(ddof=1) / n_folds**0.5
    near = np.argwhere(means >= means[best] - error)
    fewest = min(near, key=lambda place: (counts[*place].mean(), -means[*place]))
    return int(fewest[0]), int(fewest[1])


def widest_plateau(betas: Floats, counts: Floats) -> Plateau:
    """Return the widest range of log beta over which the count stays the same.

    Parameters
    ----------
    betas : ndarray of shape (n_betas,)
        In descending order.
    counts : ndarray of shape (n_betas,)
        A nan belongs to no range. Those of 0 are looked at if there are no others. Of
        ranges of equal width the one of larger betas is taken.
    """
    is_active = counts > 0
    looked_at = is_active if is_active.any() else counts == 0
    ranges: list[list[int]] = []
    for i in np.flatnonzero(looked_at).tolist():
        if ranges and ranges[-1][-1] == i - 1 and counts[i] == counts[i - 1]:
            ranges[-1].append(i)
        else:
            ranges.append([i])
    widest = max(ranges, key=lambda r: np.log(betas[r[0]] / betas[r[-1]]))
    return Plateau(
        int(counts[widest[0]]), float(betas[widest[-1]]), float(betas[widest[0]])
    )
