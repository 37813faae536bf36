"""Time `transform` and `score_samples` beside the networks' own passes.

The bare passes are what one would write: the encoder on all rows at once, or in batches
of 1024, which stay in the cache; of a score also the decoder on each of its 32 draws,
with the terms of the bound. They check nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from by_hand import SIZES, random_rows
from measure import Case, repeated
from torch import Tensor

from sklearn_ardvae import ARDVAE

_BATCH = 1024
# Seconds of a turn: a single call of some rows is too short.
_TURN = 0.2
# Draws of a score.
_DRAWS = 32


def batches(x: np.ndarray, function: Callable[[Tensor], Tensor]) -> np.ndarray:
    with torch.inference_mode():
        rows = torch.from_numpy(x).split(_BATCH)
        return torch.cat([function(some) for some in rows]).numpy()


def at_once(model: ARDVAE, x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        mean, _ = model.module_.encoder(torch.from_numpy(x)).chunk(2, 1)
        return mean.numpy()


def in_batches(model: ARDVAE, x: np.ndarray) -> np.ndarray:
    encoder = model.module_.encoder
    return batches(x, lambda rows: encoder(rows).chunk(2, 1)[0])


def score_by_hand(model: ARDVAE, x: np.ndarray, draws: Tensor) -> np.ndarray:
    module, noise = model.module_, model.noise_variance_
    variance = module.prior_variance
    constant = -0.5 * x.shape[1] * math.log(2 * math.pi * noise)

    def score(rows: Tensor) -> Tensor:
        mean, log_variance = module.encoder(rows).chunk(2, 1)
        s2 = log_variance.exp()
        std = s2.sqrt()
        kl = (mean.square() + s2) / variance - 1 - log_variance + variance.log()
        error = torch.zeros(len(rows))
        for draw in draws:
            error += (module.decoder(mean + std * draw) - rows).square().sum(1)
        return constant - error / (2 * noise * len(draws)) - 0.5 * kl.sum(1)

    return batches(x, score)


def calls_in(function: Callable[[], Any], seconds: float) -> int:
    """Return how often a function may be called in so many seconds."""
    function()
    taken = sum(s.clock for s in repeated(function, 3)().values())
    return max(1, round(seconds / taken))


def cases(toy: bool = False) -> Iterator[Case]:
    sizes = {"mlp": (1, 1_000, 100_000), "mnist": (1, 1_000)}
    for name, n_rows in sizes.items():
        size = SIZES[name]
        x = random_rows(200, size["shape"])
        model = ARDVAE(
            16,
            0.2,
            max_iter=1,
            batch_size=100,
            random_state=0,
            input_shape=size["shape"],
            output_components="all",
            **size["networks"],
        ).fit(x)
        draws = torch.randn(_DRAWS, 16)
        for n in (2,) if toy else n_rows:
            rows = random_rows(n, size["shape"])
            sides: dict[str, Callable[[], Any]] = {
                "transform": lambda m=model, r=rows: m.transform(r),
                "bare pass": lambda m=model, r=rows: at_once(m, r),
                "in batches": lambda m=model, r=rows: in_batches(m, r),
            }
            yield turns(f"transform, {name}, {n} rows", sides, toy, {"most": 1.1})
            # A score takes 33 passes.
            rows = rows[: 10_000 if name == "mlp" else 10]
            sides = {
                "score_samples": lambda m=model, r=rows: m.score_samples(r),
                "by hand": lambda m=model, r=rows, d=draws: score_by_hand(m, r, d),
            }
            yield turns(f"score_samples, {name}, {len(rows)} rows", sides, toy)


def turns(name: str, sides: dict, toy: bool, aim: dict | None = None) -> Case:
    n = 1 if toy else calls_in(next(iter(sides.values())), _TURN)
    return Case(
        name,
        f"float32, {n} calls a turn",
        {side: repeated(function, n) for side, function in sides.items()},
        {} if aim is None else {"": aim},
        rounds=2 if toy else 15,
    )
