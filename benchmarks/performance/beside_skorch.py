"""Time the engine beside skorch as it comes, with the same VAE.

skorch has its own DataLoader, validation split and books and torch's plain Adam; only
its printing is off. Both sides have the same networks and loss, no learned prior, and
as many steps.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from by_hand import N_COMPONENTS, SIZES, networks, random_rows
from measure import Case, Parts
from skorch import NeuralNet
from skorch.dataset import ValidSplit
from stopwatch import Stopwatch
from torch import Tensor, nn

from sklearn_ardvae import VAE


class Net(nn.Module):
    """Encoder, a draw, decoder."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        return self.decoder(z), mean, log_variance


class Loss(nn.Module):
    """That of a VAE, of the decoder's output and the posterior."""

    def forward(self, output: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
        decoded, mean, log_variance = output
        error = (decoded - x).square().sum(1).mean()
        kl = mean.square() + log_variance.exp() - 1 - log_variance
        return error + 0.5 * kl.sum(1).mean()


def with_skorch(x, n_epochs: int, shape: tuple, batch_size: int, params: dict) -> Parts:
    watch = Stopwatch()
    NeuralNet(
        Net(*networks(shape, N_COMPONENTS, params)),
        Loss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=batch_size,
        max_epochs=n_epochs,
        train_split=ValidSplit(10),
        callbacks=[watch],
        verbose=0,
    ).fit(x, x)
    return watch.parts()


def fit(x, n_epochs: int, shape: tuple, batch_size: int, params: dict) -> Parts:
    watch = Stopwatch()
    VAE(
        N_COMPONENTS,
        batch_size=batch_size,
        max_iter=n_epochs,
        learning_rate=1e-3,
        validation_fraction=0.1,
        random_state=0,
        input_shape=shape,
        callbacks=[watch],
        **params,
    ).fit(x)
    return watch.parts()


def cases(toy: bool = False) -> Iterator[Case]:
    for name, n_rows, n_epochs, rounds in (
        ("mlp", 10_000, 5, 15),
        ("mnist", 300, 4, 5),
    ):
        if toy:
            n_rows, n_epochs, rounds = 20, 3, 2
        size = SIZES[name]
        x = random_rows(n_rows, size["shape"])
        args = (x, n_epochs, size["shape"], size["batch_size"], size["networks"])
        yield Case(
            name,
            f"{n_rows} rows of {x.shape[1]} features, batches of {size['batch_size']}, "
            f"{n_epochs} epochs",
            {
                "default skorch": lambda a=args: with_skorch(*a),
                "fit": lambda a=args: fit(*a),
            },
            {"an epoch": {"least": 1.0}},
            rounds=rounds,
        )
