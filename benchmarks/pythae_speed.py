"""Compare the time of an epoch with pythae's, in one process, taking turns.

    python benchmarks/pythae_speed.py                    # set-up: pythae_agreement.py
    python benchmarks/pythae_speed.py --threads 1 "VAE"  # some pairs, by name

Both sides train the same networks (64-128-128-16 and back) with Adam on 18 000 rows in
batches of 128, compute the loss of 2000 validation rows after each epoch, in batches of
1024, and keep the best weights. Ours is `fit` as it comes.

pythae has the trainer that it prescribes for the model, with its DataLoader
(num_workers=0) and torch's plain Adam; progress bars, logging and writing of files are
switched off. "Fused" is the same with the fused Adam, which our engine takes by itself
and a user of pythae would have to ask for.

Timed are the epochs between the first and the last, so neither start-up nor what comes
after training. Reported are medians, and the least and greatest, of ratios of runs that
follow each other; only they mean something. On a machine with other work, look at
those of the process's own time, which is that of all its threads.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from pythae.trainers.training_callbacks import TrainingCallback
from pythae_pairs import PAIRS, Pair, available, copies, make_trainer
from skorch.callbacks import Callback

N_COMPONENTS = 16
SETTINGS = {"batch_size": 128, "learning_rate": 1e-3}
NAMES = (
    "VAE",
    "BetaTCVAE, weighted",
    "BetaTCVAE, stratified",
    "RAE, l2",
    "RAE, gradient",
    "WAE, MMD",
    "FactorVAE",
    "AAE",
)


class Stopwatch:
    """Notes the time, and the process's own time, at the start of each epoch."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def on_epoch_begin(self, *args, **kwargs) -> None:
        self.times.append((time.perf_counter(), time.process_time()))

    def seconds(self) -> np.ndarray:
        """Return those of an epoch: of the clock, and the process's own."""
        return np.subtract(self.times[-1], self.times[1]) / (len(self.times) - 2)


class OurStopwatch(Stopwatch, Callback):
    """For skorch."""


class TheirStopwatch(Stopwatch, TrainingCallback):
    """For pythae."""


def fit(pair: Pair, x: np.ndarray, epochs: int) -> np.ndarray:
    stopwatch = OurStopwatch()
    pair.estimator(
        pair.networks(x.shape[1], N_COMPONENTS, seed=0),
        N_COMPONENTS,
        max_iter=epochs,
        validation_fraction=0.1,
        random_state=0,
        callbacks=[stopwatch],
        **SETTINGS,
    ).fit(x)
    return stopwatch.seconds()


def train(pair: Pair, x: np.ndarray, epochs: int, fused: bool) -> np.ndarray:
    stopwatch = TheirStopwatch()
    networks = copies(pair.networks(x.shape[1], N_COMPONENTS, seed=0))
    make_trainer(
        pair.model(networks, x.shape[1], N_COMPONENTS),
        x[len(x) // 10 :],
        x[: len(x) // 10],
        epochs=epochs,
        fused=fused,
        callback=stopwatch,
        **SETTINGS,
    ).train()
    return stopwatch.seconds()


def compare(pair: Pair, x: np.ndarray, epochs: int, repeats: int) -> str:
    """Return the cells of a row."""
    ours, plain, fused = [], [], []
    for _ in range(repeats + 1):
        ours.append(fit(pair, x, epochs))
        plain.append(train(pair, x, epochs, fused=False))
        fused.append(train(pair, x, epochs, fused=True))
    # The first of each warms up.
    ours, plain, fused = (np.array(times[1:]) for times in (ours, plain, fused))
    cells = [f"{1000 * np.median(ours[:, 1]):.0f}"]
    for theirs in (plain, fused):
        for ratios in (theirs / ours).T:
            median, low, high = np.median(ratios), ratios.min(), ratios.max()
            cells.append(f"{median:.2f} ({low:.2f} to {high:.2f})")
    return " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--n-rows", type=int, default=20_000)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    x = np.random.default_rng(0).standard_normal((args.n_rows, 64)).astype("f4")
    pairs = available([pair for pair in PAIRS if pair.name in args.only])
    print(
        "| pair | threads | ours, own ms an epoch | pythae / ours, clock | own time | "
        "fused, clock | own time |\n" + "|---" * 7 + "|"
    )
    for threads in args.threads:
        torch.set_num_threads(threads)
        for pair in pairs:
            cells = compare(pair, x, args.epochs, args.repeats)
            print(f"| {pair.name} | {threads} | {cells} |", flush=True)
    load = os.getloadavg()[0]
    print(f"\nLoad at the end: {load:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
