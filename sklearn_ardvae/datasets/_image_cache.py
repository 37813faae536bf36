"""A file of images that were costly to make, each with a checksum."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._files import whole_file

__all__ = ["load_images", "save_images"]


def save_images(path: Path, names: NDArray[np.str_], images: NDArray[np.uint8]) -> None:
    """Write images to an npy file of records, as it says in :func:`load_images`.

    Parameters
    ----------
    path : Path
    names : ndarray of str of shape (n,)
        Of the files that the images were made of.
    images : ndarray of uint8 of shape (n, channels, height, width)
    """
    header = {
        "descr": np.lib.format.dtype_to_descr(_record(images.shape[1:])),
        "fortran_order": False,
        "shape": images.shape[:1],
    }
    with whole_file(path) as partial, partial.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for name, image in zip(names, images, strict=True):
            stream.write(_checksum(name, image).to_bytes(4, "little"))
            stream.write(image.data)


def load_images(
    path: Path, names: NDArray[np.str_], rows: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Return some rows of a file of images; only these are read, and checked.

    Parameters
    ----------
    path : Path
    names : ndarray of str of shape (n,)
        Of the files that the images in `path` should have been made of.
    rows : ndarray of int of shape (m,)
    shape : tuple of int
        Channels, height and width that the images should have.

    Returns
    -------
    ndarray of uint8 of shape (m, channels, height, width)

    Raises
    ------
    Exception
        If the file is damaged, or holds others: of what kind depends on the damage.
    """
    records = np.load(path, mmap_mode="r", allow_pickle=False)
    if records.shape != names.shape or records.dtype != _record(shape):
        raise ValueError(f"it holds {records.dtype} of shape {records.shape}")
    pixels, checksums = np.asarray(records["pixels"]), records["checksum"][rows]
    images = np.empty((len(rows), *shape), np.uint8)
    for image, row, checksum in zip(images, rows, checksums, strict=True):
        image[:] = pixels[row]
        if _checksum(names[row], image) != checksum:
            raise ValueError(f"the checksum of {names[row]} is wrong")
    return images


def _record(shape: tuple[int, ...]) -> np.dtype:
    return np.dtype([("checksum", "<u4"), ("pixels", np.uint8, shape)])


def _checksum(name: str, image: NDArray[np.uint8]) -> int:
    """Return a sum that tells apart other images, and images of other files."""
    return zlib.crc32(image.data, zlib.crc32(name.encode()))
