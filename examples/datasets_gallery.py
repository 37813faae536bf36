"""A page of each rendered data set
================================

::

    python examples/datasets_gallery.py

Writes one picture a data set to ``examples/output``. Needs matplotlib.
"""

import os
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ardvae.datasets import (
    make_color_sprites,
    make_gaussian_bumps,
    make_irmae_shapes,
    make_manifold,
    make_shapes3d,
    make_shift,
    make_sprites,
)

# The gallery of the documentation knows no __file__.
OUTPUT = Path(sys.argv[0]).parent / "output"
N_ROWS, N_COLUMNS = 6, 10


def save(figure, name):
    """Write a figure and say where."""
    OUTPUT.mkdir(exist_ok=True)
    path = OUTPUT / f"{name}.png"
    figure.savefig(path, dpi=100)
    print(os.path.relpath(path))


def image_page(name, bunch, title):
    """Draw the first images of a data set in a grid."""
    n_channels, height, width = bunch.input_shape
    images = bunch.data[: N_ROWS * N_COLUMNS].reshape(-1, n_channels, height, width)
    tiles = images.reshape(N_ROWS, N_COLUMNS, n_channels, height, width)
    tiles = (tiles - images.min()) / (images.max() - images.min())
    page = tiles.transpose(0, 3, 1, 4, 2).reshape(
        N_ROWS * height, N_COLUMNS * width, n_channels
    )
    figure, axes = plt.subplots(figsize=(N_COLUMNS, N_ROWS + 0.4), layout="constrained")
    axes.imshow(page.squeeze(), cmap="gray", interpolation="nearest")
    # Lines between the images.
    axes.set_xticks(np.arange(1, N_COLUMNS) * width - 0.5, [])
    axes.set_yticks(np.arange(1, N_ROWS) * height - 0.5, [])
    axes.grid(color="0.5", linewidth=0.5)
    axes.tick_params(length=0)
    axes.set_title(title)
    save(figure, name)


def shift_page():
    """Draw shifted sines and their singular values."""
    shift = make_shift()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(shift.data[::20].T, color="C0", alpha=0.5)
    left.set(xlabel="feature", title="make_shift: every 20th row")
    right.semilogy(np.linalg.svd(shift.data.astype(float))[1][:10], "o")
    right.set(xlabel="singular value", title="rank 2, one factor")
    save(figure, "make_shift")


def manifold_page():
    """Draw the first principal components of each kind of manifold."""
    kinds = [
        "linear",
        "swiss_roll",
        "sphere",
        "torus",
        "network",
        "shallow_relu_network",
        "tanh_network",
        "shallow_tanh_network",
        "random_sines",
        "mixed_sines",
        "quadratic",
    ]
    figure, axes = plt.subplots(3, 4, figsize=(13, 10.2), layout="constrained")
    axes.flat[-1].axis("off")
    for axis, kind in zip(axes.flat, kinds, strict=False):
        manifold = make_manifold(kind, 2000, n_dimensions=2, random_state=0)
        centred = manifold.data - manifold.data.mean(0)
        components = np.linalg.svd(centred, full_matrices=False)[2]
        scores = centred @ components[:2].T
        axis.scatter(*scores.T, c=manifold.factors[:, 0], s=2)
        axis.set(xticks=[], yticks=[], aspect="equal")
        axis.set_title(
            f"{kind}:\nn_true {manifold.n_true}, n_linear {manifold.n_linear}"
        )
    save(figure, "make_manifold")


def main():
    """Draw all pages."""
    n = N_ROWS * N_COLUMNS
    image_page("make_sprites", make_sprites(n, random_state=0), "make_sprites")
    image_page(
        "make_color_sprites",
        make_color_sprites(n, random_state=0),
        "make_color_sprites",
    )
    image_page("make_shapes3d", make_shapes3d(n, random_state=0), "make_shapes3d")
    image_page(
        "make_irmae_shapes", make_irmae_shapes(n, random_state=0), "make_irmae_shapes"
    )
    image_page(
        "make_gaussian_bumps", make_gaussian_bumps(n_test=0), "make_gaussian_bumps"
    )
    shift_page()
    manifold_page()


if __name__ == "__main__":
    main()
