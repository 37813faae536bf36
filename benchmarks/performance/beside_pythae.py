"""Time an epoch beside pythae's, with the same networks and data.

Both sides train 64-128-128-16 and back with Adam in batches of 128, compute the loss of
a tenth of the rows after each epoch, in batches of 1024, and keep the best weights.
Ours is `fit` as it comes. pythae has the trainer that it prescribes for the model, with
its DataLoader (num_workers=0) and torch's plain Adam; progress bars, logging and
writing of files are switched off. "fused" is the same with the fused Adam, which our
engine takes by itself and a user of pythae would have to ask for.

pythae needs an environment of its own: benchmarks/pythae_agreement.py says how.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Case, Parts
from stopwatch import Stopwatch

sys.path.append(str(Path(__file__).parents[1]))
from pythae.trainers.training_callbacks import TrainingCallback
from pythae_pairs import PAIRS, Pair, available, copies, make_trainer

N_COMPONENTS = 16
SETTINGS = {"batch_size": 128, "learning_rate": 1e-3}
#: Pairs, and what is aimed at.
AIM = {"least": 1.5}
NAMES = {
    "VAE": AIM,
    "BetaTCVAE, weighted": AIM,
    "BetaTCVAE, stratified": AIM,
    "RAE, l2": AIM,
    "RAE, gradient": AIM,
    "WAE, MMD": AIM,
    "FactorVAE": None,
    "AAE": None,
}


class TheirStopwatch(Stopwatch, TrainingCallback):
    """For pythae, which looks at the class."""


def fit(pair: Pair, x: np.ndarray, epochs: int) -> Parts:
    watch = Stopwatch()
    pair.estimator(
        pair.networks(x.shape[1], N_COMPONENTS, seed=0),
        N_COMPONENTS,
        max_iter=epochs,
        validation_fraction=0.1,
        random_state=0,
        callbacks=[watch],
        **SETTINGS,
    ).fit(x)
    return {"an epoch": watch.parts()["an epoch"]}


def train(pair: Pair, x: np.ndarray, epochs: int, fused: bool) -> Parts:
    watch = TheirStopwatch()
    networks = copies(pair.networks(x.shape[1], N_COMPONENTS, seed=0))
    make_trainer(
        pair.model(networks, x.shape[1], N_COMPONENTS),
        x[len(x) // 10 :],
        x[: len(x) // 10],
        epochs=epochs,
        fused=fused,
        callback=watch,
        **SETTINGS,
    ).train()
    return {"an epoch": watch.parts()["an epoch"]}


def cases(toy: bool = False) -> Iterator[Case]:
    n_rows, epochs, rounds = (200, 3, 2) if toy else (3_000, 5, 7)
    x = np.random.default_rng(0).standard_normal((n_rows, 64)).astype("f4")
    for threads in (1, 2):
        for pair in available([pair for pair in PAIRS if pair.name in NAMES]):
            aim = NAMES[pair.name]
            # One pair tells what the fused Adam is worth to pythae.
            for fused in (False, True) if pair.name == "VAE" else (False,):
                yield Case(
                    pair.name + (", fused Adam" if fused else ""),
                    f"{n_rows} rows of 64 features, {epochs} epochs",
                    {
                        "pythae": lambda p=pair, f=fused: train(p, x, epochs, f),
                        "fit": lambda p=pair: fit(p, x, epochs),
                    },
                    {} if aim is None or fused else {"an epoch": aim},
                    threads=threads,
                    rounds=rounds,
                )
