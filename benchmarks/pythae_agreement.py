"""Compare losses, gradients and trained models with pythae's, on the same networks.

    python -m venv pythae-venv                   # pythae is for development only
    . pythae-venv/bin/activate
    pip install -c constraints.txt -e . -r benchmarks/pythae-requirements.txt
    pip install --no-deps pythae==0.1.2
    python benchmarks/pythae_agreement.py          # everything
    python benchmarks/pythae_agreement.py batch    # losses and gradients of one batch
    python benchmarks/pythae_agreement.py trained  # models after 50 epochs, five seeds

In one batch both sides have the very same networks and draw the same noise; pythae's
loss is converted to ours (what was converted is said beside it) and the two, and their
gradients with respect to all weights, are compared in double precision. Exits with 1 if
a pair that should agree does not, to 1e-5.

Trained models start from the same weights and see the same rows, in other orders and
with other noise. Reported are means over the seeds on rows not seen, of the decoder at
the mean code, and the difference in standard errors of the paired differences.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from pythae.data.datasets import DatasetOutput
from pythae_pairs import PAIRS, Batch, Networks, Pair, available, copies, make_trainer
from sklearn.datasets import load_digits
from torch import Tensor, nn

from sklearn_ardvae.datasets import make_manifold
from sklearn_ardvae.nn.likelihoods import LIKELIHOODS
from sklearn_ardvae.nn.module import EpochStart

N_COMPONENTS = 16
TOLERANCE = 1e-5
# Of the weights of one batch's networks, relative to the initial ones.
_SCALE = 2.0


# --- one batch ------------------------------------------------------------------------


def compare_losses(pair: Pair, rows: np.ndarray, n_rows: int) -> Iterator[tuple]:
    """Yield name, our loss, pythae's converted, weights, and whether to agree."""
    x = torch.from_numpy(rows).double()
    n_features = x.shape[1]
    size = n_features if pair.identity else N_COMPONENTS
    encoder, decoder = pair.networks(n_features, size, seed=0)
    with torch.no_grad():  # else every KL is near 0, and every penalty
        for weight in (*encoder.parameters(), *decoder.parameters()):
            weight *= _SCALE
    if pair.identity:
        encoder = nn.Identity()
    module = _module(pair, (encoder, decoder), n_features, size)
    encoder, decoder = module.encoder, module.decoder
    torch.manual_seed(0)
    model = pair.model((encoder, decoder), n_features, size)
    generator = torch.Generator().manual_seed(1)
    module.start_epoch(EpochStart(1, 1, n_rows, None, generator))
    if pair.phases is not None:
        for name, *compared in pair.phases(module, model, x):
            yield f"{pair.name}, {name}", *compared
        return
    noise = module.draw_noise(len(x), torch.Generator().manual_seed(1))
    ours = module.loss(x, torch.ones_like(x) if pair.identity else noise).total
    torch.manual_seed(1)
    output = model(DatasetOutput(data=x.clone()), dataset_size=n_rows, **pair.forward)
    theirs = pair.to_ours(output.loss, Batch(x, encoder, decoder, noise, n_rows))
    weights = [*encoder.parameters(), *decoder.parameters()]
    yield pair.name, ours, theirs, weights, pair.agree


def _module(pair: Pair, networks: Networks, n_features: int, size: int):
    """Return our module around copies of the networks, as the estimator makes it."""
    estimator = pair.estimator(networks, size)
    estimator.n_features_in_, estimator._seed = n_features, 0
    return estimator._build_module()


def _gradient(loss: Tensor, weights: list[nn.Parameter]) -> Tensor:
    found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(w) if g is None else g).flatten()
            for g, w in zip(found, weights, strict=True)
        ]
    )


def one_batch(only: list[str]) -> bool:
    """Print the table; return whether all pairs behave as they should."""
    digits, unit = data("digits"), load_digits().data / 16
    fine, pairs = True, available(PAIRS, only)
    print(
        "| pair | our loss | pythae's, converted | relative difference | of the "
        "gradients | conversion, or reason |\n" + "|---" * 6 + "|"
    )
    torch.set_default_dtype(torch.float64)
    for pair in pairs:
        rows = unit if pair.likelihood == "bernoulli" else digits
        for name, ours, theirs, weights, agree in compare_losses(
            pair, rows[:64], len(rows)
        ):
            a, b = (_gradient(loss, weights) for loss in (ours, theirs))
            of_loss = (abs(ours - theirs) / abs(ours)).item()
            of_gradient = ((a - b).norm() / a.norm()).item()
            agrees = max(of_loss, of_gradient) < TOLERANCE
            fine &= agrees == agree
            verdict = "" if agrees == agree else " UNEXPECTED"
            print(
                f"| {name} | {ours:.8g} | {theirs:.8g} | {of_loss:.1e} | "
                f"{of_gradient:.1e} | {pair.says}{verdict} |",
                flush=True,
            )
    torch.set_default_dtype(torch.float32)
    return fine


# --- trained models -------------------------------------------------------------------


def data(name: str) -> np.ndarray:
    """Return rows of 64 features, of mean 0 and a global variance of 1."""
    if name == "manifold":
        return make_manifold(
            "network", 2000, n_dimensions=8, n_features=64, noise=0.1, random_state=0
        ).data
    x = load_digits().data
    return ((x - x.mean(0)) / x.std()).astype(np.float32)


@torch.no_grad()
def describe(pair: Pair, networks: Networks, rows: np.ndarray) -> tuple[float, float]:
    """Return the squared error of a feature at the mean code, and the mean KL."""
    x = torch.from_numpy(rows)
    encoder, decoder = networks
    encoder.eval(), decoder.eval()
    code = encoder(x)
    kl = float("nan")
    if pair.variational:
        code, log_variance = code.chunk(2, 1)
        kl = code.square() + log_variance.exp() - 1 - log_variance
        kl = 0.5 * kl.sum(1).mean().item()
    output = LIKELIHOODS[pair.likelihood]().mean(decoder(code))
    return (output - x).square().mean().item(), kl


def train(pair: Pair, x: np.ndarray, seed: int, epochs: int) -> np.ndarray:
    """Return what `describe` says of both sides, shape (2, 2)."""
    x = x[np.random.default_rng(seed).permutation(len(x))]
    n_train = len(x) * 4 // 5 // 128 * 128
    rows, test = x[:n_train], x[n_train:]
    settings = {"batch_size": 128, "learning_rate": 1e-3}
    start = pair.networks(x.shape[1], N_COMPONENTS, seed)
    ours = pair.estimator(
        copies(start),
        N_COMPONENTS,
        max_iter=epochs,
        validation_fraction=0.0,
        early_stopping=False,
        lr_patience=None,
        random_state=seed,
        **settings,
    ).fit(rows)
    theirs = copies(start)
    model = pair.model(theirs, x.shape[1], N_COMPONENTS)
    trainer = make_trainer(model, rows, None, epochs=epochs, **settings)
    trainer.training_config.seed = seed
    trainer.train()
    module = ours._module
    return np.array(
        [
            describe(pair, (module.encoder, module.decoder), test),
            describe(pair, theirs, test),
        ]
    )


def trained(name: str, n_seeds: int, epochs: int, only: list[str]) -> None:
    x, unit = data(name), (load_digits().data / 16).astype(np.float32)
    pairs = [pair for pair in available(PAIRS, only) if pair.trains]
    print(
        f"{name}, {epochs} epochs, {n_seeds} seeds\n\n| pair | error, ours | pythae | "
        "apart by, s.e. | KL, ours | pythae | apart by, s.e. |\n" + "|---" * 7 + "|"
    )
    for pair in pairs:
        rows = unit if pair.likelihood == "bernoulli" else x
        found = np.array([train(pair, rows, seed, epochs) for seed in range(n_seeds)])
        cells = []
        for i in range(2 if pair.variational else 1):
            ours, theirs = found[:, 0, i], found[:, 1, i]
            gap = ours - theirs
            error = gap.std(ddof=1) / np.sqrt(n_seeds)
            cells += [f"{ours.mean():.4f}", f"{theirs.mean():.4f}"]
            cells += [f"{gap.mean() / error:+.1f}"]
        cells += ["-"] * (6 - len(cells))
        print(f"| {pair.name} | {' | '.join(cells)} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", help="batch, trained; both if left out")
    parser.add_argument("--data", choices=["digits", "manifold"], default="digits")
    parser.add_argument("--n-seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--only", nargs="+", default=[], help="estimators, by name")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    what = args.what or ["batch", "trained"]
    fine = one_batch(args.only) if "batch" in what else True
    if "trained" in what:
        trained(args.data, args.n_seeds, args.epochs, args.only)
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main())
