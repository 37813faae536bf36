"""Time fits of one kind that share their steps beside the same fits one by one.

The ground for the limits in training/stacked.py, training/lockstep.py and
model_selection/ensemble.py: how many fits, and of what size, gain by it. The whole of
each fit is timed, with all that is not shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from growth import rows_of
from measure import Case

from sklearn_ardvae import ARDVAE, fit_together

N_EPOCHS = 20
SIZES = [  # fits, rows, features, hidden layers
    (3, 180, 13, (128, 128)),
    (10, 180, 13, (128, 128)),
    (30, 180, 13, (128, 128)),
    (10, 600, 30, (128, 128)),
    (10, 6000, 64, (128, 128)),
    (10, 6000, 200, (256, 256)),
]


def models(n_fits: int, hidden: tuple[int, ...], beta: str | None) -> list[ARDVAE]:
    betas = np.geomspace(1.0, 0.01, n_fits) if beta is None else [beta] * n_fits
    return [
        ARDVAE(
            16,
            b if isinstance(b, str) else float(b),
            hidden_layer_sizes=hidden,
            max_iter=N_EPOCHS,
            random_state=seed,
        )
        for seed, b in enumerate(betas)
    ]


def sides(
    n_fits: int,
    x: np.ndarray,
    hidden: tuple[int, ...],
    beta: str | None = None,
) -> dict[str, Callable[[], object]]:
    def one_by_one() -> None:
        for model in models(n_fits, hidden, beta):
            model.fit(x)

    return {
        "fit_together": lambda: fit_together(models(n_fits, hidden, beta), x),
        "one by one": one_by_one,
    }


def cases(toy: bool = False) -> Iterator[Case]:
    rounds = 1 if toy else 5
    for n_fits, n_rows, n_features, hidden in SIZES[:1] if toy else SIZES:
        x = rows_of(60 if toy else n_rows, n_features)
        yield Case(
            f"{n_fits} betas, {n_rows} x {n_features}, {hidden[0]} wide",
            f"ARDVAE of L = 16, fits of {N_EPOCHS} epochs",
            sides(n_fits, x, hidden),
            rounds=rounds,
        )
    if not toy:
        yield Case(
            "10 seeds, 600 x 30, 128 wide, beta auto",
            f"ARDVAE of L = 16, fits of {N_EPOCHS} epochs",
            sides(10, rows_of(600, 30), (128, 128), "auto"),
            rounds=rounds,
        )
