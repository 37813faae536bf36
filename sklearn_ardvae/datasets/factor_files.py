"""dSprites and 3D Shapes from their published files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from ._archives import REMEDY, reading
from ._bunch import FactorGrid, factor_bunch, loader
from ._checks import check_option
from ._formats import npz_arrays, stream_npz_rows
from ._io import RemoteFile, data_folder, obtain

__all__ = ["DSPRITES_GRID", "SHAPES3D_GRID", "fetch_3dshapes", "fetch_dsprites"]

DSPRITES_GRID = FactorGrid(
    ("shape", "scale", "orientation", "position_x", "position_y"),
    (
        np.array(["square", "ellipse", "heart"]),
        np.linspace(0.5, 1.0, 6),
        np.linspace(0.0, 2.0 * np.pi, 40),
        np.linspace(0.0, 1.0, 32),
        np.linspace(0.0, 1.0, 32),
    ),
)
SHAPES3D_GRID = FactorGrid(
    ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"),
    (
        np.arange(10) / 10,
        np.arange(10) / 10,
        np.arange(10) / 10,
        np.linspace(0.75, 1.25, 8),
        np.array(["cube", "cylinder", "sphere", "capsule"]),
        np.linspace(-30.0, 30.0, 15),
    ),
)

# The checksum is one that several packages state for the npz file.
_DSPRITES = RemoteFile(
    "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    (
        "https://github.com/google-deepmind/dsprites-dataset/raw/master/"
        "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    ),
    "md5:7da33b31b13a06f4b04a70402ce90c2e",
)
# The checksum is the one that TensorFlow Datasets states.
_SHAPES3D = RemoteFile(
    "3dshapes.h5",
    ("https://storage.googleapis.com/3d-shapes/3dshapes.h5",),
    "sha256:0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
)
# The published ones are six integers of 64 bits for each row, 35 MB.
_MAX_CLASS_BYTES = 2**26
_BLOCK_ROWS = 2048


@loader
def fetch_dsprites(
    *,
    subset: int | ArrayLike | None = None,
    dtype: str = "uint8",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    verify: str = "structure",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Load dSprites: 737 280 binary images of one white sprite, with its five factors.

    Each combination of 3 shapes, 6 scales, 40 orientations and 32 x 32 positions once,
    at 64 x 64 pixels [1]_, from the published npz file (28 MB). The images there are
    3 GB; the file is read in pieces, so that a `subset` needs little memory. The
    sixth factor, the colour, has the single value "white" and is left out.

    A square looks the same after a quarter turn, an ellipse after half a turn, and the
    first and the last orientation are the same angle: the orientation cannot be told
    from the image in general.

    Parameters
    ----------
    subset : int, array-like of int, or None, default=None
        Which rows: so many different ones drawn at random, in the order drawn; or those
        of the given indices, which may repeat; or all.
    dtype : {"uint8", "float32"}, default="uint8"
        The values are 0 and 1 either way; all rows as "float32" are 12 GB.
    data_home : path, default=None
        The folder to look in and to download to: the file itself, or a folder
        "dsprites" that holds it. By default the environment variable
        ``SKLEARN_ARDVAE_DATA``, or else scikit-learn's data home.
    download_if_missing : bool, default=True
        If False, a missing file is an error.
    verify : {"structure", "checksum"}, default="structure"
        "structure" asks for the published number and shape of the images and the order
        of the factors, "checksum" for the published checksum as well. A download must
        always match the checksum.
    return_X_y : bool, default=False
        Return ``(data, factors)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws the rows, where `subset` is a number.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, 4096); ``factors`` (n_samples, 5), the index of each
        factor's value; ``factor_values``, the values; ``factor_names``;
        ``factor_sizes``; ``indices`` (n_samples,), the rows, which are
        ``np.ravel_multi_index(factors.T, factor_sizes)``; ``input_shape`` (1, 64, 64);
        ``license``; ``DESCR``.

    Raises
    ------
    OSError
        If the file is missing and cannot be downloaded.
    ValueError
        If an argument is out of range or the file is not what it should be.

    See Also
    --------
    make_sprites : Much the same images without a file.

    References
    ----------
    .. [1] Matthey, Higgins, Hassabis, Lerchner, "dSprites: disentanglement testing
       sprites dataset", 2017.
    """
    check_option("dtype", dtype, ("uint8", "float32"))
    check_option("verify", verify, ("structure", "checksum"))
    rows = DSPRITES_GRID.rows(subset, random_state)
    path = obtain(
        _DSPRITES,
        data_folder(data_home),
        "dsprites",
        download=download_if_missing,
        verify=verify,
    )
    _check_dsprites_order(path)
    images = stream_npz_rows(path, "imgs", (DSPRITES_GRID.n_rows, 64, 64), rows)
    if images.max() > 1:
        raise ValueError(
            f"{path} does not hold binary images: it is damaged or another file. "
            f"{REMEDY}"
        )
    return factor_bunch(
        images[:, None],
        rows,
        DSPRITES_GRID,
        dtype=dtype,
        top=1,
        return_X_y=return_X_y,
        license="Apache 2.0, DeepMind",
        doc=fetch_dsprites.__doc__,
    )


def _check_dsprites_order(path: Path) -> None:
    # Not the array "metadata" of the file, which is a pickle.
    (classes,) = npz_arrays(path, ("latents_classes",), _MAX_CLASS_BYTES)
    grid = DSPRITES_GRID
    order = grid.factors(np.arange(grid.n_rows))
    if classes.shape != (grid.n_rows, 6) or not np.array_equal(classes[:, 1:], order):
        raise ValueError(
            f"{path} does not hold the factors of dSprites in their published order. "
            f"{REMEDY}"
        )


@loader
def fetch_3dshapes(
    *,
    subset: int | ArrayLike | None = None,
    dtype: str = "float32",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    verify: str = "structure",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray, NDArray]:
    """Load 3D Shapes: 480 000 images of a thing in a room, with their six factors.

    Each combination of 10 hues of the floor, 10 of the wall, 10 of the object, 8
    scales, 4 shapes and 15 orientations of the room once, at 64 x 64 pixels [1]_, from
    ``3dshapes.h5`` (268 MB). Needs the package h5py.

    Parameters
    ----------
    subset : int, array-like of int, or None, default=None
        Which rows: so many different ones drawn at random, in the order drawn; or those
        of the given indices, which may repeat; or all.
    dtype : {"float32", "uint8"}, default="float32"
        "float32" divides by 255, "uint8" leaves 0 to 255. All rows are 5.9 GB as
        "uint8" and 23.6 GB as "float32".
    data_home : path, default=None
        The folder to look in and to download to: the file itself, or a folder
        "3dshapes" that holds it. By default the environment variable
        ``SKLEARN_ARDVAE_DATA``, or else scikit-learn's data home.
    download_if_missing : bool, default=True
        If False, a missing file is an error.
    verify : {"structure", "checksum"}, default="structure"
        "structure" asks for the published number and shape of the images and the order
        of the factors, "checksum" for the published checksum as well. A download must
        always match the checksum.
    return_X_y : bool, default=False
        Return ``(data, factors)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Draws the rows, where `subset` is a number.

    Returns
    -------
    Bunch or tuple of two arrays
        ``data`` (n_samples, 12288), the red, green and blue planes of an image one
        after the other; ``factors`` (n_samples, 6), the index of each factor's value;
        the rest as in :func:`fetch_dsprites`, with ``input_shape`` (3, 64, 64).

    Raises
    ------
    ImportError
        If h5py is not installed.
    OSError
        If the file is missing and cannot be downloaded.
    ValueError
        If an argument is out of range or the file is not what it should be.

    See Also
    --------
    make_shapes3d : Similar images without a file.

    References
    ----------
    .. [1] Burgess, Kim, "3D Shapes dataset", 2018.
    """
    check_option("dtype", dtype, ("float32", "uint8"))
    check_option("verify", verify, ("structure", "checksum"))
    rows = SHAPES3D_GRID.rows(subset, random_state)
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "fetch_3dshapes reads an HDF5 file with h5py: pip install h5py"
        ) from error
    path = obtain(
        _SHAPES3D,
        data_folder(data_home),
        "3dshapes",
        download=download_if_missing,
        verify=verify,
    )
    with reading(path, "HDF5"), h5py.File(path) as file:
        _check_shapes3d(file, path)
        images = _read_blocks(file["images"], rows)
    return factor_bunch(
        images,
        rows,
        SHAPES3D_GRID,
        dtype=dtype,
        top=255,
        return_X_y=return_X_y,
        license="Apache 2.0, DeepMind",
        doc=fetch_3dshapes.__doc__,
    )


def _check_shapes3d(file, path: Path) -> None:
    grid = SHAPES3D_GRID
    if "images" not in file or "labels" not in file:
        raise ValueError(f"{path} lacks 'images' or 'labels'. {REMEDY}")
    images, labels = file["images"], file["labels"]
    if images.shape != (grid.n_rows, 64, 64, 3) or images.dtype != np.uint8:
        raise ValueError(
            f"{path} holds images of shape {images.shape} and dtype {images.dtype} "
            f"instead of uint8 of shape {(grid.n_rows, 64, 64, 3)}. {REMEDY}"
        )
    index = grid.factors(np.arange(grid.n_rows))
    values = (np.arange(4.0) if v.dtype.kind == "U" else v for v in grid.values)
    order = np.stack([v[i] for v, i in zip(values, index.T, strict=True)], axis=1)
    if labels.shape != order.shape or not np.allclose(labels[:], order, atol=1e-6):
        raise ValueError(
            f"{path} does not hold the factors of 3D Shapes in their published order. "
            f"{REMEDY}"
        )


def _read_blocks(images, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return rows of an HDF5 array, channels first.

    It is compressed in chunks of neighbours, each of which is read once.
    """
    out = np.empty((len(rows), 3, 64, 64), np.uint8)
    order = np.argsort(rows, kind="stable")
    wanted = rows[order]
    for start in range(0, len(images), _BLOCK_ROWS):
        first, last = np.searchsorted(wanted, (start, start + _BLOCK_ROWS))
        if first < last:
            low = int(wanted[first])
            block = images[low : int(wanted[last - 1]) + 1]
            part = block[wanted[first:last] - low]
            out[order[first:last]] = part.transpose(0, 3, 1, 2)
    return out
