"""Checks and steps that the loaders of labelled images share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from ._bunch import image_bunch, sample_rows
from ._checks import check_option

__all__ = ["Split", "check_common", "check_labels", "labelled_bunch"]

Split = tuple[NDArray[np.uint8], NDArray[np.int64]]


def check_common(
    subset: str, subsets: tuple[str, ...], dtype: str, verify: str
) -> None:
    """Raise unless the options that the loaders share are known.

    Parameters
    ----------
    subset : str
    subsets : tuple of str
        What `subset` may be.
    dtype, verify : str

    Raises
    ------
    ValueError
        Naming the options there are.
    """
    check_option("subset", subset, subsets)
    check_option("dtype", dtype, ("float32", "uint8"))
    check_option("verify", verify, ("structure", "checksum", "format"))


def check_labels(
    labels: NDArray, n_images: int, counts: tuple[int, ...], path: Path, verify: str
) -> None:
    """Raise unless there is one label for each image and, maybe, enough of each.

    Parameters
    ----------
    labels : ndarray
    n_images : int
    counts : tuple of int
        The published number of images of each class.
    path : Path
        For messages.
    verify : str
        With ``"format"``, the numbers of images do not matter.

    Raises
    ------
    ValueError
        Saying what `labels` holds instead.
    """
    if labels.shape != (n_images,) or labels.dtype.kind not in "iu" or n_images == 0:
        raise ValueError(
            f"{path} holds labels of shape {labels.shape} and dtype {labels.dtype} for "
            f"{n_images} images; there should be one integer for each."
        )
    if labels.min() < 0 or labels.max() >= len(counts):
        raise ValueError(
            f"{path} holds labels from {labels.min()} to {labels.max()}; they should "
            f"lie in 0 to {len(counts) - 1}."
        )
    found = np.bincount(labels.astype(np.int64), minlength=len(counts))
    if verify != "format" and not np.array_equal(found, counts):
        raise ValueError(
            f"{path} holds {found.tolist()} images of the classes instead of "
            f"{list(counts)}: it is damaged, or cut down; for the latter set "
            "verify='format'."
        )


def labelled_bunch(
    splits: list[Split],
    subset: str,
    *,
    n_samples: int | None,
    shuffle: bool,
    random_state: int | np.random.RandomState | None,
    pad: int = 0,
    **kwargs: Any,
) -> Bunch | tuple[NDArray, NDArray]:
    """Return what is asked for of training and test rows, as a loader does.

    Parameters
    ----------
    splits : list of (images, labels)
        Training and test rows.
    subset : {"train", "test", "all"}
    n_samples, shuffle, random_state
        Of `sample_rows`.
    pad : int, default=0
        Columns and rows of zeros to add on each side of an image.
    **kwargs
        Of `image_bunch`.

    Returns
    -------
    Bunch, or tuple of two ndarrays
    """
    if subset == "all":
        images, target = map(np.concatenate, zip(*splits, strict=True))
    else:
        images, target = splits[subset == "test"]
    rows = sample_rows(
        len(images), n_samples, shuffle=shuffle, random_state=random_state
    )
    images = images[rows]
    if pad > 0:
        images = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    return image_bunch(images, target[rows], **kwargs)
