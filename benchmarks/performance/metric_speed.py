"""Time the metrics that loop or factorise, against limits.

The limits are for one thread of an idle machine of today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from measure import Case

from sklearn_ardvae.metrics import (
    density_coverage,
    factor_vae_score,
    frechet_distance,
    gaussian_bump_error,
    interventional_robustness,
    local_dimension,
    mutual_info_gap,
    precision_recall_distribution,
)

# Values of five factors of a complete grid, as many as dSprites has.
SIZES = (3, 6, 40, 32, 32)


def grid_codes(n_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes that are noisy mixtures of factors, and the grid of factors."""
    rng = np.random.default_rng(0)
    factors = np.stack(np.unravel_index(np.arange(np.prod(SIZES)), SIZES), axis=1)
    mixture = rng.standard_normal((len(SIZES), n_codes))
    codes = factors / np.array(SIZES) @ mixture
    return codes + 0.1 * rng.standard_normal(codes.shape), factors


def limits() -> dict[str, tuple[float, Callable[[], object]]]:
    """Return limits in seconds and what is timed, by description."""
    rng = np.random.default_rng(0)
    codes, factors = grid_codes(10)
    some = rng.choice(len(codes), 10_000, replace=False)
    features = rng.standard_normal((2, 10_000, 64))
    wide = rng.standard_normal((2, 10_000, 2048))
    noise = rng.standard_normal((1000, 64, 64))
    return {
        f"FactorVAE score, 10 000 + 5000 votes of 64, 10 codes, {len(codes)} rows": (
            5.0,
            lambda: factor_vae_score(codes, factors, random_state=0),
        ),
        "MIG, 10 000 x 10": (
            1.0,
            lambda: mutual_info_gap(codes[some], factors[some], random_state=0),
        ),
        "PRD, two sets of 10 000 x 64": (
            10.0,
            lambda: precision_recall_distribution(*features, random_state=0),
        ),
        "Frechet distance, two sets of 10 000 x 2048": (
            10.0,
            lambda: frechet_distance(*wide),
        ),
        "IRS, 10 000 x 10": (
            1.0,
            lambda: interventional_robustness(codes[some], factors[some]),
        ),
        "Density and coverage, two sets of 10 000 x 64": (
            20.0,
            lambda: density_coverage(*features),
        ),
        "Local dimension (MLE), 10 000 x 16": (
            5.0,
            lambda: local_dimension(features[0, :, :16]),
        ),
        "Gaussian bump error, 1000 noisy images of 64 x 64": (
            2.0,
            lambda: gaussian_bump_error(noise),
        ),
    }


def cases(toy: bool = False) -> Iterator[Case]:
    for name, (limit, function) in limits().items():
        if toy and limit > 1.0:
            continue
        yield Case(
            name,
            f"limit {limit:g} s",
            {"seconds": function},
            {"": {"most": limit}},
            rounds=1 if toy else 3,
        )
