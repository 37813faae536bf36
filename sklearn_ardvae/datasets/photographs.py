"""CIFAR-10 and ImageNet32 from their published files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from ._archives import REMEDY, opened_zip, read_member, tar_gz_members
from ._bunch import image_bunch, loader, sample_rows
from ._checks import check_option
from ._io import RemoteFile, data_folder, obtain
from ._labelled import Split, check_common, check_labels, labelled_bunch
from ._pickles import load_batch

__all__ = ["fetch_cifar10", "fetch_imagenet32"]

# The checksum is the one that torchvision states.
_CIFAR10 = RemoteFile(
    "cifar-10-python.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    "md5:c58f30108f718f92721af3b95e74349a",
)
# The published archive unpacks to 186 MB.
_CIFAR10_MAX_BYTES = 2**28
_CIFAR10_CLASSES = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
_IMAGENET_SOURCE = "https://image-net.org/download-images (an account is needed)"
_IMAGENET32 = {
    "train": RemoteFile("Imagenet32_train.zip", source=_IMAGENET_SOURCE),
    "validation": RemoteFile("Imagenet32_val.zip", source=_IMAGENET_SOURCE),
}
_IMAGENET32_BATCHES = {
    "train": [f"train_data_batch_{i}" for i in range(1, 11)],
    "validation": ["val_data"],
}
# A published batch has 394 MB at most.
_IMAGENET32_MAX_BYTES = 2**29
_IMAGENET32_ROWS = {"train": 1_281_167, "validation": 50_000}


@loader
def fetch_cifar10(
    *,
    subset: str = "all",
    n_samples: int | None = None,
    shuffle: bool = False,
    dtype: str = "float32",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    verify: str = "structure",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Load CIFAR-10: 60 000 colour photographs of 32 x 32 pixels in ten classes.

    50 000 training and 10 000 test images [1]_, read from ``cifar-10-python.tar.gz``
    (170 MB) without unpacking it to disk. Its batches are pickles; only arrays,
    numbers, strings and containers are accepted from them.

    Parameters
    ----------
    subset, n_samples, shuffle, dtype, download_if_missing, verify, return_X_y, \
random_state
        As in :func:`fetch_mnist`. All images take 737 MB as "float32".
    data_home : path, default=None
        The folder to look in and to download to: the archive itself, or a folder
        "cifar10" that holds it. By default the environment variable
        ``SKLEARN_ARDVAE_DATA``, or else scikit-learn's data home.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, 3072), the red, green and blue planes of an image one after
        the other; ``target`` (n_samples,), 0 to 9; ``target_names``; ``input_shape``
        (3, 32, 32); ``license``; ``DESCR``.

    Raises
    ------
    OSError
        If the archive is missing and cannot be downloaded.
    ValueError
        If an argument is out of range or the archive is not what it should be.

    References
    ----------
    .. [1] Krizhevsky, "Learning multiple layers of features from tiny images",
       technical report, University of Toronto, 2009.
    """
    check_common(subset, ("all", "train", "test"), dtype, verify)
    archive = obtain(
        _CIFAR10,
        data_folder(data_home),
        "cifar10",
        download=download_if_missing,
        verify=verify,
    )
    return labelled_bunch(
        _load_cifar10(archive, verify),
        subset,
        n_samples=n_samples,
        shuffle=shuffle,
        random_state=random_state,
        dtype=dtype,
        return_X_y=return_X_y,
        target_names=_CIFAR10_CLASSES,
        license="not stated by its authors, who ask to be cited",
        doc=fetch_cifar10.__doc__,
    )


@loader
def fetch_imagenet32(
    *,
    subset: str = "train",
    n_samples: int | None = None,
    shuffle: bool = False,
    dtype: str = "float32",
    data_home: str | os.PathLike | None = None,
    verify: str = "structure",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Load ImageNet at 32 x 32 pixels: 1 281 167 photographs in 1000 classes.

    The downsampled ImageNet of [1]_, and 50 000 validation images, from
    ``Imagenet32_train.zip`` and ``Imagenet32_val.zip``, which one gets from ImageNet
    with an account; they cannot be downloaded here. The batches inside are pickles;
    only arrays, numbers, strings and containers are accepted from them.

    No published checksum of these archives is known to this package: `verify` looks
    at shapes, types, the number of images, and the range of the labels.

    Parameters
    ----------
    subset : {"train", "validation"}, default="train"
        Which of the two published parts.
    n_samples : int, default=None
        Keep so many rows, drawn at random without replacement; by default all, which
        are 3.9 GB for "train" as "uint8" and 15.7 GB as "float32". The archive is read
        batch by batch, and only the kept rows and one batch are in memory.
    shuffle : bool, default=False
        Whether to put the rows in random order.
    dtype : {"float32", "uint8"}, default="float32"
        "float32" divides by 255; "uint8" leaves 0 to 255.
    data_home : path, default=None
        The folder that holds the archive, or a folder "imagenet32" that does. By
        default the environment variable ``SKLEARN_ARDVAE_DATA``, or else
        scikit-learn's data home.
    verify : {"structure", "format"}, default="structure"
        "format" accepts any number of images.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Source of `n_samples` and `shuffle`.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, 3072); ``target`` (n_samples,), 0 to 999, one less than in
        the files; ``input_shape`` (3, 32, 32); ``license``; ``DESCR``.

    Raises
    ------
    OSError
        If the archive is missing.
    ValueError
        If an argument is out of range or the archive is not what it should be.

    References
    ----------
    .. [1] Chrabaszcz, Loshchilov, Hutter, "A downsampled variant of ImageNet as an
       alternative to the CIFAR datasets", arXiv 1707.08819, 2017.
    """
    check_option("subset", subset, ("train", "validation"))
    check_option("verify", verify, ("structure", "format"))
    check_option("dtype", dtype, ("float32", "uint8"))
    file = _IMAGENET32[subset]
    path = obtain(file, data_folder(data_home), "imagenet32", download=False)
    names = _IMAGENET32_BATCHES[subset]
    labels = [label for _, label in _zip_batches(path, names, 1000, first_label=1)]
    target = np.concatenate(labels)
    if verify == "structure" and len(target) != _IMAGENET32_ROWS[subset]:
        raise ValueError(
            f"{path} holds {len(target)} images instead of {_IMAGENET32_ROWS[subset]}: "
            "it is damaged, or cut down; for the latter set verify='format'."
        )
    rows = np.arange(len(target))[
        sample_rows(len(target), n_samples, shuffle=shuffle, random_state=random_state)
    ]
    images = np.empty((len(rows), 3, 32, 32), np.uint8)
    start = 0
    for batch, _ in _zip_batches(path, names, 1000, first_label=1):
        here = np.flatnonzero((rows >= start) & (rows < start + len(batch)))
        images[here] = batch[rows[here] - start]
        start += len(batch)
    return image_bunch(
        images,
        target[rows],
        dtype=dtype,
        return_X_y=return_X_y,
        license="for non-commercial research and education, see image-net.org",
        doc=fetch_imagenet32.__doc__,
    )


def _load_cifar10(archive: Path, verify: str) -> list[Split]:
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    batches = {
        name: load_batch(raw, f"{name} in {archive}")
        for name, raw in tar_gz_members(archive, names, _CIFAR10_MAX_BYTES)
    }
    if missing := [name for name in names if name not in batches]:
        raise _lacking(archive, missing)
    splits = []
    for part, count in ((names[:-1], 5000), (names[-1:], 1000)):
        images = np.concatenate([batches[name][0] for name in part])
        labels = np.concatenate([batches[name][1] for name in part])
        check_labels(labels, len(images), (count,) * 10, archive, verify)
        splits.append((images, labels))
    return splits


def _lacking(path: Path, names: list[str]) -> ValueError:
    return ValueError(
        f"{path} lacks {', '.join(names)}: it is another file, or part of one. {REMEDY}"
    )


def _zip_batches(
    path: Path, names: list[str], n_classes: int, *, first_label: int
) -> Iterator[Split]:
    """Yield the batches of a zip file one after the other, labels from 0."""
    with opened_zip(path) as archive:
        inside = {name.rsplit("/", 1)[-1]: name for name in archive.namelist()}
        if missing := [name for name in names if name not in inside]:
            raise _lacking(path, missing)
        for name in names:
            raw = read_member(archive, inside[name], _IMAGENET32_MAX_BYTES)
            images, labels = load_batch(raw, f"{name} in {path}")
            del raw  # a train batch is 390 MB
            labels = labels - first_label
            if len(labels) and not (0 <= labels.min() <= labels.max() < n_classes):
                raise ValueError(
                    f"{name} in {path} holds labels outside {first_label} to "
                    f"{n_classes + first_label - 1}."
                )
            yield images, labels
