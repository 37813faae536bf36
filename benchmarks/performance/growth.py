"""Time fits that grow in latent size, in rows and in features.

One of the three grows, the others stay. The stages of a fit are timed apart: what is
before training, an epoch, and what comes after. The number of epochs is fixed; how many
a fit takes to converge is another question.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from measure import Case, Parts
from stopwatch import Stopwatch

from sklearn_ardvae import ARDVAE

N_EPOCHS = 3
#: What grows: sizes, and the size that the two others have meanwhile.
SIZES = {
    "L": ((8, 16, 32, 64, 128, 256, 512), {"n_rows": 2_000, "n_features": 600}),
    "rows": ((1_000, 3_000, 10_000, 30_000, 100_000), {"L": 16, "n_features": 50}),
    "features": ((10, 30, 100, 300, 1_000, 2_000), {"L": 10, "n_rows": 2_000}),
}
NAMES = {"rows": "n_rows", "features": "n_features", "L": "L"}


def rows_of(n_rows: int, n_features: int) -> np.ndarray:
    """Return rows of ten dimensions, curved, with noise."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((n_rows, 10))
    x = np.tanh(z @ rng.standard_normal((10, n_features)) / 2)
    return (x + 0.1 * rng.standard_normal(x.shape)).astype("f4")


def fit(beta: float | str, L: int, n_rows: int, n_features: int) -> Parts:
    x = rows_of(n_rows, n_features)
    watch = Stopwatch()
    ARDVAE(
        L, beta, batch_size=128, max_iter=N_EPOCHS, random_state=0, callbacks=[watch]
    ).fit(x)
    return watch.stages()


def cases(toy: bool = False) -> Iterator[Case]:
    for beta in (0.05, "auto"):
        for axis, (sizes, others) in SIZES.items():
            if toy:
                sizes = (20, 40)
                others = dict.fromkeys(others, 20)
            told = ", ".join(f"{name} {n}" for name, n in others.items())
            yield Case(
                f"{axis}, beta {beta}",
                f"ARDVAE, {told}, {N_EPOCHS} epochs, batches of 128",
                {
                    str(n): lambda b=beta, s={**others, NAMES[axis]: n}: fit(b, **s)
                    for n in sizes
                },
                rounds=2 if toy else 3,
            )
