"""
MNIST with the papers' networks
===============================

::

    python examples/mnist.py --data-home FOLDER                # some two minutes
    python examples/mnist.py --data-home FOLDER --size paper   # a quarter of an hour
    python examples/mnist.py --data-home FOLDER --size full --device auto

FOLDER holds mnist.npz as Keras publishes it; without ``--data-home`` it is the
environment variable SKLEARN_ARDVAE_DATA, or else scikit-learn's data home, where the
file is downloaded to if it is not there. Images are padded to 32 x 32 and scaled to
[0, 1].

"small" is the convolutional network of the NGVAE paper, a tenth as dear as that of the
ARD-VAE paper, which needs more steps than fit into minutes before the running means of
its batch normalisation say anything. "paper" is the latter, with its settings for MNIST
(L = 16, beta = 0.5, batches of 100, learning rate 5e-4) on a sixth of the images for a
tenth of the epochs; "full" is all of it.

.. image:: /mnist.png
   :alt: Relevance of the axes, reconstructions, samples and traversals of MNIST images

What "small" draws: some axes count and the others do not, images of the test set come
back, new ones are drawn, and each axis changes an image in its own way.
"""

# sphinx_gallery_thumbnail_path = "mnist.png"

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import numpy as np
from reporting import draw_report, print_report

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.datasets import fetch_mnist

OUTPUT = Path(__file__).parent / "output"

NGVAE = {"architecture": "ngvae", "batch_size": 50, "learning_rate": 2e-3}
PAPER = {"architecture": "ardvae_mnist", "batch_size": 100, "learning_rate": 5e-4}
# Training images, and what differs in the estimator.
SIZES: dict[str, tuple[int, dict[str, Any]]] = {
    "tiny": (2_000, {**NGVAE, "max_iter": 30, "verbose": 10}),
    "small": (6_000, {**NGVAE, "max_iter": 25, "verbose": 5}),
    "paper": (10_000, {**PAPER, "max_iter": 10, "verbose": 1}),
    "full": (60_000, {**PAPER, "max_iter": 100, "verbose": 5}),
}


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
    parser = argparse.ArgumentParser(description="ARDVAE on MNIST images.")
    parser.add_argument("--data-home", help="the folder of mnist.npz")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default=None, help="such as cuda, or auto")
    parser.add_argument("--n-components", type=int, default=16)
    parser.add_argument("--beta", type=float, default=0.5)
    args = parser.parse_args()
    n_train, settings = SIZES[args.size]
    train, test = load(args, "train", n_train), load(args, "test", 2000)
    start = time.perf_counter()
    model = ARDVAE(
        args.n_components,
        args.beta,
        input_shape=(1, 32, 32),
        device=args.device,
        random_state=0,
        **settings,
    ).fit(train)
    print_report(model, test, time.perf_counter() - start, train)
    path = draw_report(model, test, (32, 32), OUTPUT / "mnist.png")
    print(f"Relevance, reconstructions, samples and traversals: {path}")


if __name__ == "__main__":
    main()
