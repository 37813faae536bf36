"""Time the relevance of all axes beside naive Jacobians and an epoch.

Naive is the whole Jacobian of each row, by ``torch.autograd.functional.jacobian``, as
measured on two rows; "forward mode" has products of Jacobian and axis, 16 axes at a
time, by ``torch.func``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from by_hand import SIZES, fit, networks, random_rows
from measure import Case, Parts, Seconds, timed
from torch import Tensor, nn
from torch.autograd.functional import jacobian

from sklearn_ardvae.relevance import jacobian_weights

N_SAMPLES = 100
_AXES_AT_ONCE = 16


def naive(decoder: nn.Module, z: Tensor) -> Tensor:
    total = z.new_zeros(z.shape[1])
    for row in z:
        columns = jacobian(decoder, row[None]).reshape(-1, len(row))
        total += columns.square().sum(0)
    return total / len(z)


def forward_mode(decoder: nn.Module, z: Tensor) -> Tensor:
    def along(axis: Tensor) -> Tensor:
        return torch.func.jvp(decoder, (z,), (axis.expand_as(z),))[1]

    with torch.no_grad():
        axes = torch.eye(z.shape[1], dtype=z.dtype)
        columns = torch.vmap(along, chunk_size=_AXES_AT_ONCE)(axes)
    return columns.flatten(1).square().sum(1) / len(z)


def scaled(function: Callable[[], Any], times: float) -> Callable[[], Parts]:
    """Return what times one of `times` equal pieces of some work."""

    def run() -> Parts:
        ((_, seconds),) = timed(function).items()
        return {"": Seconds(*(times * s for s in seconds))}

    return run


def epoch(name: str, n_rows: int) -> Parts:
    size = SIZES[name]
    x = random_rows(n_rows, size["shape"])
    seconds = fit(x, 3, size["shape"], size["batch_size"], size["networks"])
    return {"": seconds["an epoch"]}


def cases(toy: bool = False) -> Iterator[Case]:
    n = 3 if toy else N_SAMPLES
    for name, n_rows, axes in (("mlp", 5_000, (16, 128)), ("mnist", 300, (16,))):
        for n_axes in axes:
            size = SIZES[name]
            _, decoder = networks(size["shape"], n_axes, size["networks"])
            decoder.eval().requires_grad_(False)
            z = torch.randn(n, n_axes)
            n_rows = 20 if toy else n_rows
            n_naive = 1 if toy else 2
            yield Case(
                f"{name}, L = {n_axes}",
                f"{n} rows; the epoch is one of 50 000, measured on {n_rows}",
                {
                    "relevance": lambda d=decoder, z=z: jacobian_weights(d, z),
                    "naive": scaled(
                        lambda d=decoder, z=z[:n_naive]: naive(d, z), n / n_naive
                    ),
                    "forward mode": lambda d=decoder, z=z: forward_mode(d, z),
                    "an epoch": scaled(
                        lambda a=(name, n_rows): epoch(*a), 50_000 / n_rows
                    ),
                },
                rounds=2 if toy else 3 if name == "mnist" else 9,
            )
