"""Time networks on one thread and on all, and the default environment.

The first gives the ground for ``WORTH_THREADS`` in training/threads.py: steps of
perceptrons on all threads and on one, by the floating point operations of a batch as
``training.environment`` counts them. The second runs small models in two processes that
take turns, one started with ``OMP_NUM_THREADS=1``, the other without any variable. Both
need an idle machine.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack

import numpy as np
import torch
from measure import Case, Parts, Seconds, between, now

from sklearn_ardvae import ARDVAE, VAE, FactorVAE
from sklearn_ardvae.training.environment import count_flops

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
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
TASKS = ("fit", "fit FactorVAE", "transform", "score", "search", "search, 2 jobs")


def steps(width: int, batch_size: int) -> tuple[float, Callable[[int], Parts]]:
    """Return the operations of a batch, and what times a step on n threads."""
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

    def run(n_threads: int) -> Parts:
        torch.set_num_threads(n_threads)
        start = now()
        for _ in range(n_steps):
            adam.zero_grad()
            noise = module.draw_noise(batch_size, generator)
            module.loss(rows, noise).total.backward()
            adam.step()
        return {"a step": between(start, now(), n_steps)}

    return flops, run


def task(name: str) -> float:
    """Return the seconds of a task on small networks."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV

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
        "search": lambda: GridSearchCV(model, grid, cv=2).fit(X),
        "search, 2 jobs": lambda: GridSearchCV(model, grid, cv=2, n_jobs=2).fit(X),
    }
    if name in ("transform", "score"):
        model.fit(X)
    start = time.perf_counter()
    calls[name]()
    return time.perf_counter() - start


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


def in_process(pool: ProcessPoolExecutor, name: str) -> Parts:
    seconds = pool.submit(task, name).result()
    return {"": Seconds(seconds, seconds)}


def cases(toy: bool = False) -> Iterator[Case]:
    n_threads = max(2, os.cpu_count() or 1)
    rounds = 1 if toy else 9
    for width, batch_size in SIZES[:1] if toy else SIZES:
        flops, run = steps(width, batch_size)
        yield Case(
            f"{flops:.1e} operations",
            f"two hidden layers of {width}, batches of {batch_size}",
            {f"{n} threads": lambda n=n, run=run: run(n) for n in (n_threads, 1)},
            rounds=rounds,
        )
    if toy:
        return
    with ExitStack() as stack:
        pools = {
            "default environment": stack.enter_context(process()),
            "OMP_NUM_THREADS=1": stack.enter_context(process(OMP_NUM_THREADS="1")),
        }
        for name in TASKS:
            sides = {
                side: lambda pool=pool, name=name: in_process(pool, name)
                for side, pool in pools.items()
            }
            yield Case(name, "handwritten digits, small models", sides, rounds=rounds)
