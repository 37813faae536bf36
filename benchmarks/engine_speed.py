"""Compare `fit` with a loop written by hand, in one process, taking turns.

    python benchmarks/engine_speed.py                # all three comparisons
    python benchmarks/engine_speed.py mlp          # 64-128-128-16, batch 128
    python benchmarks/engine_speed.py mnist        # the paper's network, batch 100
    python benchmarks/engine_speed.py relevance    # of 128 axes, against an epoch

The loop has the same network, losses, batches, validation pass, prior update and fused
Adam; nothing else. Reported are ratios of times of the same number of epochs; only
they mean something.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from torch import nn

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.networks import build_networks
from sklearn_ardvae.relevance import jacobian_weights

SETTINGS = {
    "mlp": {
        "n_rows": 20_000,
        "shape": (64,),
        "n_components": 16,
        "batch_size": 128,
        "epochs": 10,
        "params": {"hidden_layer_sizes": (128, 128), "activation": "silu"},
    },
    "mnist": {
        "n_rows": 2000,
        "shape": (1, 32, 32),
        "n_components": 16,
        "batch_size": 100,
        "epochs": 1,
        "params": {"architecture": "ardvae_mnist"},
    },
}


def networks(shape, n_components, params) -> tuple[nn.Module, nn.Module]:
    defaults = {"architecture": "mlp", "hidden_layer_sizes": (), "activation": "relu"}
    settings = defaults | {k: v for k, v in params.items() if k in defaults}
    networks = build_networks(
        settings.pop("architecture"),
        shape=shape,
        n_components=n_components,
        n_outputs=2 * n_components,
        likelihood=GaussianLikelihood(),
        **settings,
    )
    return networks.encoder, networks.decoder


def loop_by_hand(x, shape, n_components, batch_size, epochs, params, beta=0.2) -> None:
    """ARD-VAE as one would write it for one data set."""
    encoder, decoder = networks(shape, n_components, params)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    adam = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    data = torch.from_numpy(x)
    order = torch.randperm(len(data))
    n_valid = len(data) // 10
    valid, train = data[order[:n_valid]], data[order[n_valid:]]
    n_held_out = len(train) // 5
    variance = torch.ones(n_components)

    def loss(batch):
        mean, log_variance = encoder(batch).chunk(2, 1)
        s2 = log_variance.exp()
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        error = (decoder(z) - batch).square().sum(1).mean()
        kl = (mean.square() + s2) / variance - 1 - log_variance + variance.log()
        return error + beta * 0.5 * kl.sum(1).mean()

    for epoch in range(epochs):
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


def fit(x, shape, n_components, batch_size, epochs, params, beta=0.2) -> None:
    ARDVAE(
        n_components,
        beta,
        batch_size=batch_size,
        max_iter=epochs,
        learning_rate=1e-3,
        random_state=0,
        input_shape=shape,
        **params,
    ).fit(x)


def seconds(function: Callable, *args, **kwargs) -> float:
    start = time.perf_counter()
    function(*args, **kwargs)
    return time.perf_counter() - start


def epoch_seconds(function: Callable, x, settings: dict) -> float:
    """Return the seconds of `epochs` epochs, without start-up and what comes after."""
    more = settings | {"epochs": 2 * settings["epochs"]}
    return seconds(function, x, **more) - seconds(function, x, **settings)


def random_rows(n_rows: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).random((n_rows, int(np.prod(shape)))).astype("f4")


def compare(name: str, repeats: int) -> None:
    settings = SETTINGS[name].copy()
    x = random_rows(settings.pop("n_rows"), settings["shape"])
    fit(x, **settings)
    loop_by_hand(x, **settings)
    whole, epochs = [], []
    for _ in range(repeats):
        whole.append(seconds(fit, x, **settings) / seconds(loop_by_hand, x, **settings))
        epochs.append(
            epoch_seconds(fit, x, settings) / epoch_seconds(loop_by_hand, x, settings)
        )
    print(
        f"{name}: fit / loop by hand: median {np.median(epochs):.3f} per epoch "
        f"({min(epochs):.3f} to {max(epochs):.3f}), {np.median(whole):.3f} for a fit "
        f"of {settings['epochs']} epochs with everything after them"
    )


def relevance(repeats: int) -> None:
    """Time the relevance of 128 axes against an epoch of 50 000 rows."""
    for name, n_rows in (("mlp", 50_000), ("mnist", 500)):
        settings = SETTINGS[name] | {"n_components": 128, "epochs": 1}
        del settings["n_rows"]
        x = random_rows(n_rows, settings["shape"])
        _, decoder = networks(settings["shape"], 128, settings["params"])
        decoder.eval()
        z = torch.randn(100, 128)
        jacobian_weights(decoder, z)
        shares = []
        for _ in range(repeats):
            once = seconds(jacobian_weights, decoder, z)
            shares.append(once / epoch_seconds(fit, x, settings) * n_rows / 50_000)
        print(
            f"relevance, {name}: L = 128 at 100 rows costs {np.median(shares):.1%} of "
            f"an epoch of 50 000 rows ({min(shares):.1%} to {max(shares):.1%})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", nargs="*", help="mlp, mnist, relevance; all if left out"
    )
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for what in args.what or ["mlp", "mnist", "relevance"]:
        relevance(args.repeats) if what == "relevance" else compare(what, args.repeats)


if __name__ == "__main__":
    main()
