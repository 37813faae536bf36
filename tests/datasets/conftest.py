"""Small files in the true formats of the published data sets."""

import gzip
import io
import pickle
import struct
import sys
import tarfile
import zipfile

import numpy as np
import pytest


@pytest.fixture(scope="session")
def made_files():
    """This module."""
    return sys.modules[__name__]


def digits(n_train=30, n_test=20, seed=0):
    """Images and labels of a training and a test set of 28 x 28."""
    rng = np.random.default_rng(seed)
    return [
        array
        for n in (n_train, n_test)
        for array in (
            rng.integers(0, 256, (n, 28, 28), dtype=np.uint8),
            rng.integers(0, 10, n, dtype=np.uint8),
        )
    ]


def write_mnist_npz(path, arrays):
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez_compressed(path, **dict(zip(names, arrays, strict=True)))


def write_idx(path, array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    with gzip.open(path, "wb") as stream:
        stream.write(header + array.tobytes())


def write_idx_files(folder, arrays):
    folder.mkdir(parents=True, exist_ok=True)
    names = (
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    )
    for name, array in zip(names, arrays, strict=True):
        write_idx(folder / name, array)


def python2_batch(images, labels):
    """The pickle that Python 2 and numpy 1 wrote of a CIFAR batch, protocol 2."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def number(value):
        return b"J" + struct.pack("<i", value)

    raw = images.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"\x87R(K\x01"
        + number(images.shape[0])
        + number(images.shape[1])
        + b"\x86cnumpy\ndtype\n"
        + text(b"u1")
        + b"K\x00K\x01\x87R(K\x03"
        + text(b"|")
        + b"NNN"
        + number(-1)
        + number(-1)
        + b"K\x00tb\x89T"
        + struct.pack("<I", len(raw))
        + raw
        + b"tb"
    )
    listed = b"](" + b"".join(number(int(label)) for label in labels) + b"e"
    return (
        b"\x80\x02}("
        + text(b"batch_label")
        + text(b"training batch")
        + text(b"labels")
        + listed
        + text(b"data")
        + array
        + b"u."
    )


def colours(n, seed, n_classes=10):
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (n, 3072), dtype=np.uint8),
        rng.integers(0, n_classes, n),
    )


def write_cifar10(path, batches):
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    with tarfile.open(path, "w:gz") as tar:
        for name, (images, labels) in zip(names, batches, strict=True):
            raw = python2_batch(images, labels)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))


def write_imagenet32(path, names, batches):
    with zipfile.ZipFile(path, "w") as archive:
        for name, (images, labels) in zip(names, batches, strict=True):
            batch = {
                "data": images,
                "labels": [int(label) + 1 for label in labels],
                "mean": images.mean(0),
            }
            archive.writestr(name, pickle.dumps(batch))
