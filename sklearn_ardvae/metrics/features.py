"""Features in which generated data are compared with real data."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_array, check_consistent_length
from torch import Tensor, nn

from ..randomness import SeededDraws, derived_generator, draw_seed
from ._factors import check_counts

__all__ = ["ClassifierFeatures", "extract_features", "train_classifier_features"]

_NAMES = ("identity", "pca", "classifier", "inception")
# Most components of features="pca"; ours.
_PCA_COMPONENTS = 64
# Rows that go through a network at once; images for Inception grow to 299 x 299.
_ROWS = 1024
_INCEPTION_ROWS = 32


def extract_features(
    X: ArrayLike,
    X_generated: ArrayLike,
    *,
    features: str | Callable[[NDArray], ArrayLike] = "identity",
    y: ArrayLike | None = None,
    input_shape: tuple[int, ...] | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return features of real and of generated data, for the Frechet distance et al.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Real data.
    X_generated : array-like of shape (n_generated, ...)
        Generated data, in the same units.
    features : {"identity", "pca", "classifier", "inception"} or callable, \
            default="identity"
        ``"identity"``: the data, each sample as one row. ``"pca"``: scores on the first
        64 principal components of X, or as many as X has. ``"classifier"``: the last
        hidden layer of a small network that is trained here to tell the labels `y`
        of X, see :func:`train_classifier_features`, after the protocol of the VRRAE
        paper, which fine-tunes an Inception network. ``"inception"``: the 2048 pool
        features of the Inception network of the original FID, with the weights that
        the package ``pytorch-fid`` downloads once; images in [0, 1] of 1 or 3
        channels. A callable gets the arrays as given, and returns (n, ...).
    y : array-like of shape (n_samples,), default=None
        Labels of X, for ``"classifier"`` only.
    input_shape : tuple of int, default=None
        Shape (channels, height, width) or (height, width) of one sample, if the data
        are rows but images are meant, for ``"classifier"`` and ``"inception"``.
    random_state : int, RandomState instance or None, default=None
        Seeds the training of the classifier and a randomised PCA.

    Returns
    -------
    features, features_generated : ndarray of shape (n, n_features)
        Finite, float64.

    Raises
    ------
    ImportError
        If ``pytorch-fid`` is not installed and ``features="inception"``.
    ValueError
        If the arrays do not fit each other or are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae.metrics import extract_features
    >>> rng = np.random.default_rng(0)
    >>> real, generated = extract_features(
    ...     rng.random((50, 9)), rng.random((40, 9)), features=lambda rows: rows[:, :3]
    ... )
    >>> real.shape, generated.shape
    ((50, 3), (40, 3))
    """
    if not callable(features) and features not in _NAMES:
        raise ValueError(
            f"features must be one of {_NAMES} or a callable; got {features!r}."
        )
    real, generated = _check_data(X, "X"), _check_data(X_generated, "X_generated")
    if real[0].size != generated[0].size:
        raise ValueError(
            f"X has {real[0].size} features, X_generated {generated[0].size}; they "
            "must be equal."
        )
    if y is not None and features != "classifier":
        raise ValueError("y is for features='classifier'; leave it out.")
    if features == "identity":
        return _as_rows(real), _as_rows(generated)
    if features == "pca":
        n_components = min(_PCA_COMPONENTS, real[0].size, len(real))
        seed = draw_seed(random_state)
        pca = PCA(n_components, random_state=seed).fit(_as_rows(real))
        return pca.transform(_as_rows(real)), pca.transform(_as_rows(generated))
    if features == "classifier":
        function: Callable = train_classifier_features(
            real, y, input_shape=input_shape, random_state=random_state
        )
    elif features == "inception":
        function = _InceptionFeatures(input_shape)
    else:
        function = cast("Callable", features)
    return _apply(function, real), _apply(function, generated)


def _check_data(X: ArrayLike, name: str) -> NDArray:
    return check_array(X, dtype="numeric", allow_nd=True, input_name=name)


def _as_rows(X: NDArray) -> NDArray[np.float64]:
    return X.reshape(len(X), -1).astype(np.float64)


def _apply(function: Callable, X: NDArray) -> NDArray[np.float64]:
    found = function(X)
    if isinstance(found, Tensor):
        found = found.detach().cpu().numpy()
    found = _check_data(found, "the array that features returned")
    if len(found) != len(X):
        raise ValueError(
            f"features, called with {len(X)} samples, returned {len(found)} rows; it "
            "must return one for each."
        )
    return _as_rows(found)


class ClassifierFeatures:
    """The last hidden layer of a trained classifier; call it with data.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    accuracy_ : float
        Accuracy on the data it was trained on, at the end.
    """

    classes_: NDArray
    accuracy_: float

    def __init__(
        self, network: nn.Sequential, shape: tuple[int, ...], scale: tuple[float, float]
    ) -> None:
        self._network = network
        self._shape = shape
        self._mean, self._std = scale

    def tensor(self, X: ArrayLike) -> Tensor:
        """Return X standardised, in the shape that the network takes."""
        rows = np.asarray(X, dtype=np.float32)
        rows = rows.reshape(len(rows), -1)
        if rows.shape[1] != math.prod(self._shape):
            raise ValueError(
                f"A sample has {rows.shape[1]} features; the classifier was trained "
                f"on samples of shape {self._shape}."
            )
        tensor = torch.from_numpy((rows - self._mean) / self._std)
        return tensor.reshape(-1, *self._shape)

    @torch.no_grad()
    def __call__(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return features of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Data of the same number of features as those trained on.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        batches = self.tensor(X).split(_ROWS)
        return torch.cat([self._network[:-1](batch) for batch in batches]).numpy()


def train_classifier_features(
    X: ArrayLike,
    y: ArrayLike | None,
    *,
    input_shape: tuple[int, ...] | None = None,
    n_features: int = 64,
    n_epochs: int = 20,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    random_state: int | np.random.RandomState | None = None,
) -> ClassifierFeatures:
    """Train a small network on labels and return its last hidden layer as features.

    The idea is the protocol of the VRRAE paper: distances between distributions mean
    more in the features of a classifier of the same data than in pixels. The paper
    fine-tunes an Inception v3 network; here, a small one learns from scratch, so
    that values cannot be compared with the paper's, only with each other, and only
    for one seed. Images go through two convolutions, other data through one hidden
    layer of 128 units, both then through a layer of `n_features`, with ReLU. X is
    centred and scaled by one mean and one standard deviation.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Training data, never those generated.
    y : array-like of shape (n_samples,)
        Labels, at least two different ones.
    input_shape : tuple of int, default=None
        Shape (channels, height, width) or (height, width) of one sample; sides of at
        least 4. By default that of ``X[0]``, if X is an array of images.
    n_features : int, default=64
        Units of the last hidden layer, >= 1; ours.
    n_epochs : int, default=20
        >= 1; ours. Fast: 5.
    batch_size : int, default=128
        >= 1; ours.
    learning_rate : float, default=1e-3
        Of Adam, > 0; its authors' default.
    random_state : int, RandomState instance or None, default=None
        Seeds weights and shuffling. Torch's global generators stay as they are.

    Returns
    -------
    ClassifierFeatures

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae.metrics import train_classifier_features
    >>> X, y = load_digits(return_X_y=True)
    >>> features = train_classifier_features(X, y, n_epochs=3, random_state=0)
    >>> features(X[:5]).shape
    (5, 64)
    """
    check_counts(n_features=n_features, n_epochs=n_epochs, batch_size=batch_size)
    if not 0.0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate must be > 0; got {learning_rate!r}.")
    data = _check_data(X, "X")
    classes, labels = _check_labels(data, y)
    shape = _image_shape(data, input_shape) or (data[0].size,)
    # In float64: the variance of float32 data with a large mean would be rounding.
    values = data.astype(np.float64)
    scale = float(values.mean()), float(values.std()) or 1.0
    seed = draw_seed(random_state)
    with SeededDraws(seed):
        network = _network(shape, n_features, len(classes))
    features = ClassifierFeatures(network, shape, scale)
    features.classes_ = classes
    x, target = features.tensor(data), torch.from_numpy(labels)
    generator = derived_generator(seed, 1)
    adam = torch.optim.Adam(network.parameters(), lr=learning_rate)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(x), generator=generator).split(batch_size):
            adam.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(network(x[rows]), target[rows]).backward()
            adam.step()
    network.eval().requires_grad_(False)
    guesses = torch.cat([network(batch).argmax(1) for batch in x.split(_ROWS)])
    features.accuracy_ = float((guesses == target).double().mean())
    return features


def _check_labels(X: NDArray, y: ArrayLike | None) -> tuple[NDArray, NDArray]:
    if y is None:
        raise ValueError("features='classifier' needs y=, the labels of X.")
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    check_consistent_length(X, y)
    classes, labels = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y has one value only, {classes[0]!r}; a classifier needs two or more."
        )
    return classes, labels.ravel().astype(np.int64)


def _image_shape(
    X: NDArray, input_shape: tuple[int, ...] | None
) -> tuple[int, ...] | None:
    """Return (channels, height, width), or None if samples are not images."""
    shape = input_shape
    if shape is None and X.ndim in (3, 4):
        shape = X.shape[1:]
    if shape is None:
        return None
    shape = tuple(shape)
    if len(shape) not in (2, 3) or math.prod(shape) != X[0].size:
        raise ValueError(
            f"input_shape={input_shape!r} must be (channels, height, width) or "
            f"(height, width) with {X[0].size} numbers in all, those of a sample."
        )
    return (1, *shape) if len(shape) == 2 else shape


def _network(shape: tuple[int, ...], n_features: int, n_classes: int) -> nn.Sequential:
    if len(shape) == 3:
        body = nn.Sequential(
            nn.Conv2d(shape[0], 16, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        width = 32 * (shape[1] // 4) * (shape[2] // 4)
        if width == 0:
            raise ValueError(f"Images of shape {shape} need sides of at least 4.")
    else:
        body, width = nn.Sequential(nn.Linear(shape[0], 128), nn.ReLU()), 128
    hidden = nn.Sequential(nn.Linear(width, n_features), nn.ReLU())
    return nn.Sequential(body, hidden, nn.Linear(n_features, n_classes))


class _InceptionFeatures:
    """The 2048 pool features of the Inception network of the original FID."""

    def __init__(self, input_shape: tuple[int, ...] | None) -> None:
        self._network = _load_inception()
        self._input_shape = input_shape

    @torch.no_grad()
    def __call__(self, X: NDArray) -> NDArray:
        shape = _image_shape(X, self._input_shape)
        if shape is None or shape[0] not in (1, 3):
            raise ValueError(
                "features='inception' needs images of 1 or 3 channels; pass "
                f"input_shape=(channels, height, width); got {shape or X[0].shape}."
            )
        if X.min() < 0.0 or X.max() > 1.0:
            raise ValueError(
                "features='inception' needs pixels in [0, 1]; got "
                f"[{X.min():.3g}, {X.max():.3g}]: rescale, or clip what was generated."
            )
        images = torch.as_tensor(X, dtype=torch.float32).reshape(-1, *shape)
        batches = images.expand(-1, 3, -1, -1).split(_INCEPTION_ROWS)
        return torch.cat([self._network(b)[0].flatten(1) for b in batches]).numpy()


def _load_inception() -> Any:
    try:
        from pytorch_fid.inception import InceptionV3
    except ImportError as error:
        raise ImportError(
            "features='inception' needs the packages pytorch-fid and torchvision: "
            "pip install 'sklearn_ardvae[inception]'. What is missing: "
            f"{error.name or error}."
        ) from error
    return InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]]).eval()
