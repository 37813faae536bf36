"""What the examples print and draw of an estimator fitted to images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from sklearn_ardvae.estimator.base import BaseAutoencoder
from sklearn_ardvae.inspection import (
    LatentTraversalDisplay,
    ReconstructionDisplay,
    RelevanceDisplay,
    SampleDisplay,
)


def print_report(
    model: BaseAutoencoder, X: np.ndarray, seconds: float, train: np.ndarray
) -> None:
    """Print what a person wants to know; X are images that were not trained on."""
    error = np.square(model.reconstruct(X) - X).mean()
    print(
        f"{model.summary()}\n"
        "On images not seen:\n"
        f"  reconstruction error  {error:.4f} a pixel, of a variance of "
        f"{X.var(axis=0).mean():.4f}\n"
        f"{_pca_line(train, X, model.n_active_components_)}"
        f"  evidence              {model.score(X):.1f} nats an image\n"
        f"{seconds:.1f} seconds ({model.n_iter_} epochs, on {model.device_})\n"
    )


def _pca_line(train: np.ndarray, X: np.ndarray, width: int) -> str:
    if width == 0:
        return ""
    pca = PCA(width).fit(train)
    error = np.square(pca.inverse_transform(pca.transform(X)) - X).mean()
    return f"  PCA of as many axes   {error:.4f} a pixel\n"


def draw_report(
    estimator: BaseAutoencoder | Pipeline,
    X: np.ndarray,
    shape: tuple[int, int],
    path: Path,
) -> Path:
    """Draw relevance, reconstructions, samples and traversals of `estimator`.

    X are rows as it takes them, images of `shape`.
    """
    figure = Figure(figsize=(12, 10), layout="constrained")
    relevance, reconstructions, samples, traversals = figure.subplots(2, 2).flat
    RelevanceDisplay.from_estimator(estimator, ax=relevance)
    of_images = {"image_shape": shape, "cmap": "gray_r"}
    # As many columns and rows as the traversals have, so that images are as large.
    in_rows = {**of_images, "n_columns": 8}
    ReconstructionDisplay.from_estimator(
        estimator, X[:24], **in_rows, ax=reconstructions
    )
    SampleDisplay.from_estimator(
        estimator, X, n_samples=48, random_state=0, **in_rows, ax=samples
    )
    samples.set_title("samples of the learned prior")
    LatentTraversalDisplay.from_estimator(
        estimator, X, n_axes=6, around=0, **of_images, ax=traversals
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path
