"""What the examples print and draw of an estimator fitted to images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from sklearn_ardvae.estimator.base import BaseAutoencoder

_COLUMNS = 10


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
    model: BaseAutoencoder,
    X: np.ndarray,
    shape: tuple[int, int],
    path: Path,
    as_images: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Path:
    """Draw relevance, reconstructions, samples and traversals of `model`.

    `as_images` turns rows as the model has them into images of `shape`.
    """
    figure = Figure(figsize=(11, 9), layout="constrained")
    relevance, reconstructions, samples, traversals = figure.subplots(2, 2).flat
    _draw_relevance(relevance, model)
    some = X[:_COLUMNS]
    pairs = np.stack([some, model.reconstruct(some)], axis=0)
    more = X[_COLUMNS : 2 * _COLUMNS]
    pairs = np.concatenate([pairs, np.stack([more, model.reconstruct(more)], axis=0)])
    _draw_images(reconstructions, pairs, shape, as_images)
    reconstructions.set_title("images (odd rows) and reconstructions (even rows)")
    drawn = model.sample(5 * _COLUMNS, random_state=0)
    _draw_images(samples, drawn.reshape(5, _COLUMNS, -1), shape, as_images)
    samples.set_title("samples of the learned prior")
    _draw_images(traversals, _traverse(model, X), shape, as_images)
    traversals.set_title("the most relevant axes, from -2 to +2 standard deviations")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def _draw_relevance(axes: Axes, model: BaseAutoencoder) -> None:
    n_active = model.n_active_components_
    ratios = np.sort(model.relevance_ratio_)[::-1]
    shown = ratios[: max(n_active + 4, 16)]
    colours = ["C0" if i < n_active else "lightgray" for i in range(len(shown))]
    axes.bar(np.arange(1, len(shown) + 1), shown, color=colours)
    axes.set(
        title=f"{n_active} of {len(ratios)} axes are active",
        xlabel="latent axis, most relevant first",
        ylabel="share of relevance",
    )


def _traverse(model: BaseAutoencoder, X: np.ndarray) -> np.ndarray:
    """Return images along the most relevant axes, shape (n_axes, n_steps, D)."""
    codes = model.transform(X)
    rows = []
    for axis in range(min(6, model.n_active_components_)):
        z = np.tile(codes[:1], (_COLUMNS, 1))
        z[:, axis] = np.linspace(-2, 2, _COLUMNS) * codes[:, axis].std()
        rows.append(model.inverse_transform(z))
    return np.stack(rows)


def _draw_images(
    axes: Axes,
    rows: np.ndarray,
    shape: tuple[int, int],
    as_images: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Draw images, given rows of the model of shape (n_rows, n_columns, D)."""
    gap = 1 + min(shape) // 16
    flat = as_images(rows.reshape(-1, rows.shape[2]))
    images = np.asarray(flat).reshape(*rows.shape[:2], *shape)
    images = np.pad(images, ((0, 0), (0, 0), (0, gap), (0, gap)))
    sheet = np.block([list(row) for row in images])
    axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=1)
    axes.set_axis_off()
