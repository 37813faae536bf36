"""Ex-post densities: draw codes from a density fitted to codes, not from the prior."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

__all__ = ["NAMED_DENSITIES", "check_density", "draw_from_density"]


def _mixture(n_codes: int) -> Any:
    from sklearn.mixture import GaussianMixture  # slow to import, and seldom asked for

    return GaussianMixture(max(1, min(10, n_codes // 20)), max_iter=2000)


#: Densities that are fitted to codes, by name: functions of the number of codes that
#: return one. A method that is a density adds its own.
NAMED_DENSITIES: dict[str, Callable[[int], Any]] = {"gmm": _mixture}


def check_density(density: object, names: Collection[str] | None = None) -> None:
    """Raise unless `density` is one of `names` or an estimator that samples."""
    if names is None:
        names = ("prior", "gaussian", *NAMED_DENSITIES)
    if (
        density not in names
        if isinstance(density, str)
        else not hasattr(density, "sample")
    ):
        raise ValueError(
            f"density must be one of {names} or an estimator with a sample method; "
            f"got {density!r}."
        )


def draw_from_density(
    density: Any,
    n_samples: int,
    seed: int,
    codes: NDArray | None,
    std: NDArray | None = None,
) -> NDArray:
    """Draw codes from a density estimator, fitting it if need be.

    Parameters
    ----------
    density : "gmm", "second_stage" or estimator with ``sample``
        ``"gmm"`` is a Gaussian mixture of 10 components with full covariances, the
        choice of the RAE paper (fewer components if there are fewer than 200 codes).
        ``"second_stage"`` is a `SecondStageVAE`.
    n_samples, seed : int
    codes : ndarray of shape (n_codes, n_columns) or None
        What a density that is not fitted is fitted to; None if there are no data.
    std : ndarray of shape (n_codes, n_columns) or None
        Deviations of the posteriors of the codes, for a density whose ``fit`` takes
        them.

    Returns
    -------
    ndarray of shape (n_samples, n_columns)
    """
    is_named = isinstance(density, str)
    if is_named or not _is_fitted(density):
        if codes is None:
            raise ValueError(
                f"density={density!r} has to be fitted to codes, and the training data "
                "are not kept: pass X=, the rows to fit it on, or a fitted density."
            )
        if codes.shape[1] == 0:
            return np.empty((n_samples, 0))
        density = NAMED_DENSITIES[density](len(codes)) if is_named else clone(density)
        _seed(density, seed)
        takes_std = "std" in inspect.signature(density.fit).parameters
        # Covariances of float32 codes may not be positive semi-definite.
        density.fit(codes.astype(np.float64), **({"std": std} if takes_std else {}))
    density = copy.copy(density)
    _seed(density, seed)
    # KernelDensity takes the seed here, GaussianMixture in its constructor.
    seeded_here = "random_state" in inspect.signature(density.sample).parameters
    drawn = density.sample(n_samples, **({"random_state": seed} if seeded_here else {}))
    return drawn[0] if isinstance(drawn, tuple) else drawn


def _is_fitted(density: Any) -> bool:
    try:
        check_is_fitted(density)
    except NotFittedError:
        return False
    return True


def _seed(density: Any, seed: int) -> None:
    if "random_state" in density.get_params():
        density.set_params(random_state=seed)
