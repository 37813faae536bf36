"""How many latent dimensions do MNIST images need? The paper's convolutional network.

    python examples/mnist.py --data-home FOLDER                # some minutes on a CPU
    python examples/mnist.py --data-home FOLDER --size full --device auto

FOLDER holds mnist.npz as Keras publishes it; without --data-home it is the environment
variable SKLEARN_ARDVAE_DATA, or else scikit-learn's data home, where the file is
downloaded to if it is not there. Images are padded to 32 x 32 and scaled to [0, 1].
Settings are those of the ARD-VAE paper for MNIST (L = 16, beta = 0.5, batches of 100,
learning rate 5e-4); the small sizes train for fewer epochs.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import matplotlib as mpl

mpl.use("agg")

import numpy as np
from reporting import draw_report, print_report

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.datasets import fetch_mnist

OUTPUT = Path(__file__).parent / "output"

# Training images and epochs.
SIZES = {"tiny": (2_000, 5), "small": (10_000, 10), "full": (60_000, 100)}


def load(args: argparse.Namespace, subset: str, n_samples: int) -> np.ndarray:
    """Return images as rows of 32 * 32 in [0, 1]."""
    return fetch_mnist(
        subset=subset,
        n_samples=n_samples,
        shuffle=True,
        pad=2,
        data_home=args.data_home,
        random_state=0,
    ).data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="the folder of mnist.npz")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default=None, help="such as cuda, or auto")
    parser.add_argument("--n-components", type=int, default=16)
    parser.add_argument("--beta", type=float, default=0.5)
    args = parser.parse_args()
    n_train, epochs = SIZES[args.size]
    train, test = load(args, "train", n_train), load(args, "test", 2000)
    start = time.perf_counter()
    model = ARDVAE(
        args.n_components,
        args.beta,
        architecture="ardvae_mnist",
        input_shape=(1, 32, 32),
        learning_rate=5e-4,
        batch_size=100,
        max_iter=epochs,
        device=args.device,
        random_state=0,
        verbose=1,
    ).fit(train)
    print_report(model, test, time.perf_counter() - start)
    path = draw_report(model, test, (32, 32), OUTPUT / "mnist.png")
    print(f"Relevance, reconstructions, samples and traversals: {path}")


if __name__ == "__main__":
    main()
