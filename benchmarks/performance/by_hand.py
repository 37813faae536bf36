"""Time `fit` beside a loop written by hand, with the same work and a fused Adam.

The loop has the same network, losses, batches, validation pass and prior update;
nothing else. It runs one of its epochs before each epoch of the fit. A fit of 100
epochs has all that comes before and after training in it, too; its epochs are taken to
be like the median one of those that were run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from measure import Case, Parts, Turns
from stopwatch import MANY, Alternation, Stopwatch
from torch import nn

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.networks import build_networks

N_COMPONENTS = 16
BETA = 0.2
SIZES = {
    "mlp": {
        "shape": (64,),
        "batch_size": 128,
        "networks": {"hidden_layer_sizes": (128, 128), "activation": "silu"},
    },
    "mnist": {
        "shape": (1, 32, 32),
        "batch_size": 100,
        "networks": {"architecture": "ardvae_mnist"},
    },
}
AIM = {"most": 1.05}


def random_rows(n_rows: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).random((n_rows, int(np.prod(shape)))).astype("f4")


def networks(
    shape: tuple[int, ...], n_components: int, params: dict
) -> tuple[nn.Module, nn.Module]:
    settings = {"architecture": "mlp", "hidden_layer_sizes": (), "activation": "relu"}
    settings |= params
    built = build_networks(
        settings.pop("architecture"),
        shape=shape,
        n_components=n_components,
        n_outputs=2 * n_components,
        likelihood=GaussianLikelihood(),
        **settings,
    )
    return built.encoder, built.decoder


def loop(x: np.ndarray, shape: tuple, batch_size: int, params: dict) -> Iterator[None]:
    """Train ARD-VAE as one would write it for one data set, an epoch at a step."""
    encoder, decoder = networks(shape, N_COMPONENTS, params)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    adam = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    data = torch.from_numpy(x)
    order = torch.randperm(len(data))
    n_valid = len(data) // 10
    valid, train = data[order[:n_valid]], data[order[n_valid:]]
    n_held_out = len(train) // 5
    variance = torch.ones(N_COMPONENTS)

    def loss(batch: torch.Tensor) -> torch.Tensor:
        mean, log_variance = encoder(batch).chunk(2, 1)
        s2 = log_variance.exp()
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        error = (decoder(z) - batch).square().sum(1).mean()
        kl = (mean.square() + s2) / variance - 1 - log_variance + variance.log()
        return error + BETA * 0.5 * kl.sum(1).mean()

    for epoch in itertools.count():
        order = torch.randperm(len(train))
        held_out, rest = order[:n_held_out], order[n_held_out:]
        if epoch:
            encoder.eval()
            with torch.no_grad():
                mean, log_variance = encoder(train[held_out]).chunk(2, 1)
                z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
                variance = z.square().mean(0).clamp_min(1e-8)
        encoder.train(), decoder.train()
        for rows in rest.split(batch_size):
            adam.zero_grad(set_to_none=True)
            batch_loss = loss(train.index_select(0, rows))
            batch_loss.backward()
            adam.step()
        encoder.eval(), decoder.eval()
        with torch.no_grad():
            sum(loss(rows) for rows in valid.split(1024)).item()
        yield


def model(
    n_epochs: int, shape: tuple, batch_size: int, params: dict, watch: Stopwatch
) -> ARDVAE:
    return ARDVAE(
        N_COMPONENTS,
        BETA,
        batch_size=batch_size,
        max_iter=n_epochs,
        learning_rate=1e-3,
        validation_fraction=0.1,
        early_stopping=True,
        n_iter_no_change=10**6,
        random_state=0,
        input_shape=shape,
        callbacks=[watch],
        **params,
    )


def fit(x: np.ndarray, n_epochs: int, *size: Any) -> Parts:
    watch = Stopwatch()
    model(n_epochs, *size, watch).fit(x)
    return watch.parts()


def in_turns(x: np.ndarray, n_epochs: int, size: tuple, rounds: int) -> Turns:
    """Run some fits, and the loop within each."""
    found: Turns = {}
    for _ in range(rounds):
        watch = Alternation(loop(x, *size))
        model(n_epochs, *size, watch).fit(x)
        for part, sides in watch.turns("fit", "loop by hand").items():
            for side, seconds in sides.items():
                found.setdefault(part, {}).setdefault(side, []).extend(seconds)
    return found


def cases(toy: bool = False) -> Iterator[Case]:
    for name, n_rows, n_epochs, rounds in (
        ("mlp", 10_000, 40, 5),
        ("mnist", 1_500, 7, 2),
    ):
        if toy:
            n_rows, n_epochs, rounds = 20, 5, 2
        of = SIZES[name]
        x = random_rows(n_rows, of["shape"])
        size = (of["shape"], of["batch_size"], of["networks"])
        yield Case(
            name,
            f"{n_rows} rows of {x.shape[1]} features, batches of {of['batch_size']}, "
            f"fits of {n_epochs} epochs",
            partial(in_turns, x, n_epochs, size),
            {"an epoch": AIM, f"{MANY} epochs and the rest": AIM},
            rounds=rounds,
        )
