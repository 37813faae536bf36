"""CelebA from its published files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from .._warnings import warn
from ._archives import REMEDY, opened_zip, read_member, reading
from ._bunch import image_bunch, loader, sample_rows
from ._checks import check_count, check_option
from ._image_cache import load_images, save_images
from ._io import RemoteFile, data_folder, find, obtain

__all__ = ["fetch_celeba"]

_SOURCE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
# The checksums are those that torchvision states.
_IMAGES = RemoteFile(
    "img_align_celeba.zip", (), "md5:00d2c5bc6d35e252742224ab0c1e8fcb", _SOURCE
)
_PARTITION = RemoteFile(
    "list_eval_partition.txt", (), "md5:d32c9cbf5e040fd4025c592c306e6668", _SOURCE
)
_ATTRIBUTES = RemoteFile(
    "list_attr_celeba.txt", (), "md5:75e246fa4810816ffd6ee81facbd244c", _SOURCE
)
_FOLDER = "celeba"
# An aligned image takes some 10 kB, its pixels 116 kB.
_MAX_IMAGE_BYTES = 2**20
_ALIGNED_SIZE = (178, 218)
_PARTITIONS = {"train": 0, "validation": 1, "test": 2}
_PARTITION_COUNTS = (162_770, 19_867, 19_962)


@loader
def fetch_celeba(
    *,
    subset: str = "train",
    n_samples: int | None = None,
    shuffle: bool = False,
    crop: int | None = 140,
    image_size: int = 64,
    dtype: str = "float32",
    data_home: str | os.PathLike | None = None,
    cache: bool = True,
    verify: str = "structure",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Load CelebA: 202 599 faces, cropped around the centre and made smaller.

    The aligned images of 178 x 218 pixels [1]_, as the zip file
    ``img_align_celeba.zip`` or unpacked to the folder ``img_align_celeba``, with the
    official partition ``list_eval_partition.txt`` and, where it is there, the
    attributes ``list_attr_celeba.txt``. They lie in a web drive that wants a browser,
    so that they cannot be downloaded here. Needs the package Pillow.

    The central square of `crop` pixels is resized with an anti-aliased bilinear
    filter. The papers' crops to 64 pixels are 140 (RAE, two-stage VAE), 148 (WAE,
    IRMAE) and 128 (two-stage VAE's other); the RRAE papers squeeze the whole image
    (``crop=None``) to 160; the ARD-VAE paper does not say.

    Parameters
    ----------
    subset : {"train", "validation", "test", "all"}, default="train"
        The official parts, of 162 770, 19 867 and 19 962 images.
    n_samples : int, default=None
        Keep so many rows, drawn at random without replacement; by default all, which
        for "train" are 2 GB as "uint8" and 8 GB as "float32" at 64 pixels.
    shuffle : bool, default=False
        Whether to put the rows in random order.
    crop : int or None, default=140
        Side of the central square, 1 to 178. None takes the whole image, and changes
        its proportions.
    image_size : int, default=64
        Side of the images returned.
    dtype : {"float32", "uint8"}, default="float32"
        "float32" divides by 255; "uint8" leaves 0 to 255. The ARD-VAE paper scales
        faces to [-1, 1]: ``2 * data - 1``.
    data_home : path, default=None
        The folder that holds the files, or a folder "celeba" that does. By default the
        environment variable ``SKLEARN_ARDVAE_DATA``, or else scikit-learn's data home.
    cache : bool, default=True
        Whether to keep the resized images of a whole `subset` as an array file in the
        folder "celeba", if that can be written to, and to read them from there next
        time: decoding takes minutes, the file seconds. Each image there has a checksum;
        a damaged file, or one of other images, is warned of and written anew.
    verify : {"structure", "checksum", "format"}, default="structure"
        "structure" asks for the published sizes of image and parts; "checksum" for the
        files' published checksums as well, and so for the zip file, from which images
        are then decoded even if `cache` has them; "format" accepts any number of
        images, for cut-down copies.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Source of `n_samples` and `shuffle`.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, 3 * image_size ** 2); ``target`` (n_samples, 40), the
        attributes as 0 and 1, or None without their file; ``target_names``;
        ``filenames``; ``input_shape`` (3, image_size, image_size); ``license``;
        ``DESCR``.

    Raises
    ------
    ImportError
        If Pillow is not installed.
    OSError
        If a file is missing.
    ValueError
        If an argument is out of range or a file is not what it should be.

    References
    ----------
    .. [1] Liu, Luo, Wang, Tang, "Deep learning face attributes in the wild", ICCV 2015.
    """
    check_option("subset", subset, (*_PARTITIONS, "all"))
    check_option("dtype", dtype, ("float32", "uint8"))
    check_option("verify", verify, ("structure", "checksum", "format"))
    image_size = check_count("image_size", image_size, 1)
    if crop is not None:
        crop = check_count("crop", crop, 1, min(_ALIGNED_SIZE))
    home = data_folder(data_home)
    partition = _read_partition(home, verify)
    attribute_names, attributes = _read_attributes(home, verify, list(partition))
    names = np.array(
        [n for n, p in partition.items() if subset == "all" or p == _PARTITIONS[subset]]
    )
    if len(names) == 0:
        raise ValueError(f"{_PARTITION.name} assigns no image to subset={subset!r}.")
    rows = np.arange(len(names))[
        sample_rows(len(names), n_samples, shuffle=shuffle, random_state=random_state)
    ]
    images = _read_images(
        home, names, rows, subset, crop, image_size, cache=cache, verify=verify
    )
    target = None
    if attributes is not None:
        target = np.stack([attributes[name] for name in names[rows]])
    elif return_X_y:
        raise OSError(
            f"return_X_y=True needs the attributes: put {_ATTRIBUTES.name} beside "
            f"{_PARTITION.name}, from {_SOURCE}."
        )
    return image_bunch(
        images,
        target,
        dtype=dtype,
        return_X_y=return_X_y,
        target_names=attribute_names,
        filenames=names[rows].tolist(),
        license="for non-commercial research only, see " + _SOURCE,
        doc=fetch_celeba.__doc__,
    )


def _read_partition(home: Path, verify: str) -> dict[str, int]:
    """Return the part that each image belongs to, by its file name."""
    path = obtain(_PARTITION, home, _FOLDER, download=False, verify=verify)
    parts: dict[str, int] = {}
    for words in _lines(path):
        if len(words) != 2 or words[1] not in ("0", "1", "2"):
            raise ValueError(
                f"{path} holds the line {' '.join(words)!r}; each should be a file "
                "name and 0, 1 or 2."
            )
        parts[words[0]] = int(words[1])
    if not parts:
        raise ValueError(f"{path} is empty. {REMEDY}")
    counts = tuple(np.bincount(list(parts.values()), minlength=3).tolist())
    if verify != "format" and counts != _PARTITION_COUNTS:
        raise ValueError(
            f"{path} has parts of {counts} images instead of {_PARTITION_COUNTS}: it "
            "is damaged, or cut down; for the latter set verify='format'."
        )
    return parts


def _read_attributes(
    home: Path, verify: str, names: list[str]
) -> tuple[list[str] | None, dict[str, NDArray[np.int8]] | None]:
    """Return the attributes' names and, by file name, their values; None if absent."""
    if find(_ATTRIBUTES.name, home, _FOLDER) is None:
        return None, None
    path = obtain(_ATTRIBUTES, home, _FOLDER, download=False, verify=verify)
    lines = _lines(path)
    next(lines, None)  # the number of images
    attribute_names = next(lines, [])
    values = {}
    for name, *words in lines:
        if len(words) != len(attribute_names) or not set(words) <= {"1", "-1"}:
            raise ValueError(
                f"{path} should have 1 or -1 for each of {len(attribute_names)} "
                f"attributes of {name}."
            )
        values[name] = np.array([word == "1" for word in words], np.int8)
    if missing := set(names) - set(values):
        raise ValueError(
            f"{path} lacks {len(missing)} images that {_PARTITION.name} has, of which "
            f"{min(missing)} is the first."
        )
    return attribute_names, values


def _lines(path: Path) -> Iterator[list[str]]:
    """Yield the words of each line that has any."""
    with reading(path, "text"), path.open(encoding="utf-8") as stream:
        for line in stream:
            if words := line.split():
                yield words


def _read_images(
    home: Path,
    names: NDArray,
    rows: NDArray[np.int64],
    subset: str,
    crop: int | None,
    image_size: int,
    *,
    cache: bool,
    verify: str,
) -> NDArray[np.uint8]:
    folder = home / _FOLDER
    shape = (3, image_size, image_size)
    stored = folder / f"celeba_{subset}_crop{crop or 'none'}_{image_size}.npy"
    # What came of files that nobody verified is not what "checksum" asks for.
    if cache and verify != "checksum" and stored.is_file():
        try:
            return load_images(stored, names, rows, shape)
        except Exception as error:  # of a damaged header, about any
            warn(
                f"{stored} is damaged, or of other images: {error}. The images are "
                "decoded again.",
            )
    whole = len(rows) == len(names)
    kept = np.sort(rows) if whole else rows
    images = np.empty((len(kept), *shape), np.uint8)
    with _image_source(home, verify) as read:
        for image, name in zip(images, names[kept], strict=True):
            image[:] = _shrunken(*read(name), crop, image_size)
    if not whole:
        return images
    if cache and os.access(folder, os.W_OK):
        save_images(stored, names, images)
    return images[rows]


@contextmanager
def _image_source(
    home: Path, verify: str
) -> Iterator[Callable[[str], tuple[bytes, str]]]:
    """Give a function from file name to file, and what to call it in messages.

    The files are those of the folder or of the zip file.
    """
    unpacked = find("img_align_celeba", home, _FOLDER)
    if unpacked is not None and verify != "checksum":
        yield lambda name: (_read_unpacked(unpacked / name), str(unpacked / name))
        return
    path = obtain(_IMAGES, home, _FOLDER, download=False, verify=verify)
    with opened_zip(path) as archive:
        yield lambda name: (
            read_member(archive, f"img_align_celeba/{name}", _MAX_IMAGE_BYTES),
            f"{name} in {path}",
        )


def _read_unpacked(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise OSError(
            f"{path} is missing. Unpack {_IMAGES.name} again, or remove the folder to "
            "have the images read from the zip file."
        ) from error


def _shrunken(
    file: bytes, what: str, crop: int | None, image_size: int
) -> NDArray[np.uint8]:
    """Return the image of a file, cropped and resized, channels first."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "fetch_celeba decodes jpeg files with Pillow: pip install pillow"
        ) from error
    with reading(what, "jpg"), Image.open(BytesIO(file)) as image:
        if image.size != _ALIGNED_SIZE:
            raise ValueError(
                f"{what} has {image.size[0]} x {image.size[1]} pixels instead of the "
                f"{_ALIGNED_SIZE[0]} x {_ALIGNED_SIZE[1]} of the aligned images."
            )
        box = (0, 0, *image.size)
        if crop is not None:
            left, top = ((side - crop) // 2 for side in image.size)
            box = (left, top, left + crop, top + crop)
        small = image.convert("RGB").crop(box)
        small = small.resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(small).transpose(2, 0, 1)
