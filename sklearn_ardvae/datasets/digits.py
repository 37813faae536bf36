"""MNIST and Fashion-MNIST from their published files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from .._warnings import warn
from ._bunch import loader
from ._checks import check_count
from ._formats import npz_arrays, read_idx
from ._io import RemoteFile, data_folder, find, obtain
from ._labelled import Split, check_common, check_labels, labelled_bunch

__all__ = ["fetch_fashion_mnist", "fetch_mnist"]

# The checksums are those that Keras and torchvision state for these files.
_MNIST_NPZ = RemoteFile(
    "mnist.npz",
    ("https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",),
    "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
_IDX_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_MNIST_MD5 = (
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
)
_FASHION_MD5 = (
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "25c81989df183df01b3e8a0aad5dffbe",
    "bef4ecab320f06d8554ea6380940ec79",
    "bb300cfdad3c16e7a12a480ee83cd310",
)
_MNIST_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION_MIRROR = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_MNIST_IDX = tuple(
    RemoteFile(name, (_MNIST_MIRROR + name,), f"md5:{md5}")
    for name, md5 in zip(_IDX_NAMES, _MNIST_MD5, strict=True)
)
_FASHION_IDX = tuple(
    RemoteFile(name, (_FASHION_MIRROR + name,), f"md5:{md5}")
    for name, md5 in zip(_IDX_NAMES, _FASHION_MD5, strict=True)
)
_FASHION_CLASSES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
# The largest of the published arrays, the training images, has 47 MB.
_MAX_BYTES = 2**26
# Of training and test set, as published.
_MNIST_CLASS_COUNTS = (
    (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
)


@loader
def fetch_mnist(
    *,
    subset: str = "all",
    n_samples: int | None = None,
    shuffle: bool = False,
    pad: int = 0,
    dtype: str = "float32",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    verify: str = "structure",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Load MNIST: 70 000 handwritten digits of 28 x 28 pixels.

    60 000 training and 10 000 test images [1]_, from the file ``mnist.npz`` as Keras
    distributes it or from the four gzipped idx files, whichever is there; otherwise
    ``mnist.npz`` is downloaded (11 MB).

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
        "all" is the training set followed by the test set.
    n_samples : int, default=None
        Keep so many rows, drawn at random without replacement; by default all.
    shuffle : bool, default=False
        Whether to put the rows in random order. The published files are in random
        order, but there are copies sorted by label, of which a warning tells.
    pad : int, default=0
        Columns and rows of zeros to add on each side: 2 gives the 32 x 32 pixels that
        convolutional networks like.
    dtype : {"float32", "uint8"}, default="float32"
        "float32" divides by 255; "uint8" leaves 0 to 255, in a quarter of the memory.
    data_home : path, default=None
        The folder to look in and to download to: the file itself or a folder "mnist"
        that holds it. By default the environment variable ``SKLEARN_ARDVAE_DATA``, or
        else scikit-learn's data home.
    download_if_missing : bool, default=True
        If False, a missing file is an error.
    verify : {"structure", "checksum", "format"}, default="structure"
        How to verify files that are already there; a download must always match the
        published checksum. "structure" asks for the published shapes, types, number
        of images of each class; "checksum" for the checksum of the file as well;
        "format" accepts any number of images, for cut-down copies.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Source of `n_samples` and `shuffle`.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, 784) or wider by `pad`; ``target`` (n_samples,), 0 to 9;
        ``target_names``; ``input_shape`` (1, 28, 28), which is what estimators take;
        ``license``; ``DESCR``.

    Raises
    ------
    OSError
        If the files are missing and cannot be downloaded.
    ValueError
        If an argument is out of range or a file is not what it should be.

    References
    ----------
    .. [1] LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
       recognition", Proceedings of the IEEE, 1998.

    Examples
    --------
    >>> from sklearn_ardvae.datasets import fetch_mnist
    >>> digits = fetch_mnist(subset="train", pad=2)  # doctest: +SKIP
    >>> digits.data.shape, digits.input_shape  # doctest: +SKIP
    ((60000, 1024), (1, 32, 32))
    """
    check_common(subset, ("all", "train", "test"), dtype, verify)
    pad = check_count("pad", pad, 0)

    splits = _load_mnist(data_folder(data_home), download_if_missing, verify)
    if not shuffle and _is_sorted(splits[0][1]):
        warn(
            "The rows of this copy of MNIST are sorted by label: a slice of them holds "
            "only a few of the digits. Set shuffle=True before slicing or splitting.",
        )
    return labelled_bunch(
        splits,
        subset,
        n_samples=n_samples,
        shuffle=shuffle,
        random_state=random_state,
        pad=pad,
        dtype=dtype,
        return_X_y=return_X_y,
        target_names=[str(digit) for digit in range(10)],
        license="CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
        doc=fetch_mnist.__doc__,
    )


@loader
def fetch_fashion_mnist(
    *,
    subset: str = "all",
    n_samples: int | None = None,
    shuffle: bool = False,
    pad: int = 0,
    dtype: str = "float32",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    verify: str = "structure",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Load Fashion-MNIST: 70 000 articles of clothing of 28 x 28 pixels.

    60 000 training and 10 000 test images in ten classes of 7 000 [1]_, from the four
    gzipped idx files (31 MB), which have the names of MNIST's and so belong in a
    folder "fashion_mnist" of the data home.

    Parameters
    ----------
    subset, n_samples, shuffle, pad, dtype, download_if_missing, verify, return_X_y, \
random_state
        As in :func:`fetch_mnist`.
    data_home : path, default=None
        The folder that holds the folder "fashion_mnist". By default the environment
        variable ``SKLEARN_ARDVAE_DATA``, or else scikit-learn's data home.

    Returns
    -------
    Bunch or tuple of two arrays
        As in :func:`fetch_mnist`.

    Raises
    ------
    OSError
        If the files are missing and cannot be downloaded.
    ValueError
        If an argument is out of range or a file is not what it should be.

    References
    ----------
    .. [1] Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset for
       benchmarking machine learning algorithms", arXiv 1708.07747, 2017.
    """
    check_common(subset, ("all", "train", "test"), dtype, verify)
    pad = check_count("pad", pad, 0)
    splits = _load_idx(
        _FASHION_IDX,
        # Files of these names beside the folder are MNIST's more likely than not.
        data_folder(data_home) / "fashion_mnist",
        "",
        download_if_missing,
        verify,
        ((6000,) * 10, (1000,) * 10),
    )
    return labelled_bunch(
        splits,
        subset,
        n_samples=n_samples,
        shuffle=shuffle,
        random_state=random_state,
        pad=pad,
        dtype=dtype,
        return_X_y=return_X_y,
        target_names=_FASHION_CLASSES,
        license="MIT, Zalando SE",
        doc=fetch_fashion_mnist.__doc__,
    )


def _load_mnist(home: Path, download: bool, verify: str) -> list[Split]:
    idx_is_there = all(find(file.name, home, "mnist") for file in _MNIST_IDX)
    if idx_is_there and not find(_MNIST_NPZ.name, home, "mnist"):
        return _load_idx(
            _MNIST_IDX, home, "mnist", download, verify, _MNIST_CLASS_COUNTS
        )
    path = obtain(_MNIST_NPZ, home, "mnist", download=download, verify=verify)
    arrays = npz_arrays(path, ("x_train", "y_train", "x_test", "y_test"), _MAX_BYTES)
    return _digit_splits(arrays, path, verify, _MNIST_CLASS_COUNTS)


def _is_sorted(labels: NDArray[np.int64]) -> bool:
    # A hundred labels in random order are never sorted.
    return len(labels) >= 100 and bool(np.all(np.diff(labels) >= 0))


def _load_idx(
    files: tuple[RemoteFile, ...],
    home: Path,
    folder: str,
    download: bool,
    verify: str,
    class_counts: tuple[tuple[int, ...], ...],
) -> list[Split]:
    paths = [
        obtain(file, home, folder, download=download, verify=verify) for file in files
    ]
    arrays = [read_idx(path, _MAX_BYTES) for path in paths]
    return _digit_splits(arrays, paths[0].parent, verify, class_counts)


def _digit_splits(
    arrays: list[NDArray],
    path: Path,
    verify: str,
    class_counts: tuple[tuple[int, ...], ...],
) -> list[Split]:
    splits = []
    for images, labels, counts in zip(
        arrays[::2], arrays[1::2], class_counts, strict=True
    ):
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
            raise ValueError(
                f"{path} holds images of shape {images.shape} and dtype "
                f"{images.dtype}; they should be uint8 of shape (n, 28, 28)."
            )
        check_labels(labels, len(images), counts, path, verify)
        splits.append((images[:, None], labels.astype(np.int64)))
    return splits
