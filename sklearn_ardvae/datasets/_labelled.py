"""Checks and steps that the loaders of labelled images share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ._checks import check_option

__all__ = ["Split", "check_common", "check_labels", "join_splits"]

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


def join_splits(splits: list[Split], subset: str) -> Split:
    """Return the images and labels that `subset` asks for.

    Parameters
    ----------
    splits : list of (images, labels)
        Training and test rows.
    subset : {"train", "test", "all"}

    Returns
    -------
    images, labels : ndarray
    """
    if subset != "all":
        return splits[0] if subset == "train" else splits[1]
    images, labels = zip(*splits, strict=True)
    return np.concatenate(images), np.concatenate(labels)
