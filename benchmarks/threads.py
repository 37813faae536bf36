"""Ask from which size on a network gains by threads, and what the default costs.

    python benchmarks/threads.py              # both
    python benchmarks/threads.py worth        # steps on one thread against all
    python benchmarks/threads.py default      # no variable set, against one thread

``worth`` gives the ground for ``WORTH_THREADS`` in training/threads.py: steps of
perceptrons on one thread and on all, taking turns, by the floating point operations of
a batch as `training.environment` counts them. ``default`` runs small models in two
processes that take turns, one started with ``OMP_NUM_THREADS=1``, the other without any
variable. Reported are ratios of medians; run it on an idle machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
N_ROUNDS = 9
SIZES = [  # width of two hidden layers, batch size
    (64, 128),
    (128, 128),
    (128, 512),
    (256, 256),
    (256, 1024),
    (512, 512),
    (512, 1024),
    (1024, 512),
    (1024, 1024),
    (1024, 4096),
]


def seconds_of_steps(width: int, batch_size: int, n_threads: int) -> tuple:
    """Return the operations of a batch and the seconds of a step."""
    import torch

    warnings.simplefilter("ignore")
    from sklearn_ardvae import VAE
    from sklearn_ardvae.training.environment import count_flops

    torch.set_num_threads(n_threads)
    x = np.zeros((2, 64), dtype=np.float32)
    x[1] = 1.0
    sizes = (width, width)
    module = VAE(16, hidden_layer_sizes=sizes, max_iter=1, validation_fraction=0)
    module = module.partial_fit(x).module_
    flops = count_flops(module) * batch_size
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(batch_size, 64, generator=generator)
    adam = torch.optim.Adam(module.parameters(), fused=True)
    n_steps = max(3, int(2e9 / flops))
    start = time.perf_counter()
    for _ in range(n_steps):
        adam.zero_grad()
        noise = module.draw_noise(batch_size, generator)
        module.loss(rows, noise).total.backward()
        adam.step()
    return flops, (time.perf_counter() - start) / n_steps


def worth() -> None:
    n_threads = os.cpu_count() or 1
    print(f"time of a step on {n_threads} threads / on one")
    for width, batch_size in SIZES:
        times: dict[int, list[float]] = {1: [], n_threads: []}
        for _ in range(N_ROUNDS):
            for n, so_far in times.items():
                flops, seconds = seconds_of_steps(width, batch_size, n)
                so_far.append(seconds)
        ratio = statistics.median(times[n_threads]) / statistics.median(times[1])
        print(f"{flops:8.1e} operations ({width:4} x {batch_size:4})  {ratio:5.2f}")


def task(name: str) -> float:
    """Return the seconds of a task on small networks."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV

    from sklearn_ardvae import ARDVAE, FactorVAE

    warnings.simplefilter("ignore")
    # For workers, too.
    os.environ["PYTHONWARNINGS"] = "ignore"

    X = (load_digits().data / 16).astype(np.float32)
    model = ARDVAE(10, max_iter=10, random_state=0)
    grid = {"beta": [0.02, 0.05]}
    calls = {
        "fit": lambda: model.fit(X),
        "fit FactorVAE": lambda: FactorVAE(6, max_iter=3, random_state=0).fit(X),
        "transform": lambda: [model.transform(X) for _ in range(20)],
        "score": lambda: [model.score(X) for _ in range(3)],
        "GridSearchCV(n_jobs=1)": lambda: GridSearchCV(model, grid, cv=2).fit(X),
        "GridSearchCV(n_jobs=2)": lambda: GridSearchCV(model, grid, cv=2, n_jobs=2).fit(
            X
        ),
    }
    if name in ("transform", "score"):
        model.fit(X)
    start = time.perf_counter()
    calls[name]()
    return time.perf_counter() - start


TASKS = (
    "fit",
    "fit FactorVAE",
    "transform",
    "score",
    "GridSearchCV(n_jobs=1)",
    "GridSearchCV(n_jobs=2)",
)


def process(**variables: str) -> ProcessPoolExecutor:
    """Return a process that has started with these variables of `VARIABLES`."""
    before = {name: os.environ.pop(name, None) for name in VARIABLES}
    os.environ.update(variables)
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    pool.submit(task, "fit").result()
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    return pool


def default() -> None:
    print("time in the default environment / with OMP_NUM_THREADS=1")
    with process() as free, process(OMP_NUM_THREADS="1") as single:
        for name in TASKS:
            pairs = [
                (free.submit(task, name).result(), single.submit(task, name).result())
                for _ in range(N_ROUNDS)
            ]
            medians = [statistics.median(times) for times in zip(*pairs, strict=True)]
            print(f"{name:24} {medians[0] / medians[1]:5.2f}")


PARTS = {"worth": worth, "default": default}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    for name in parser.parse_args().parts or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
