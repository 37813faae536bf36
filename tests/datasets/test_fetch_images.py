"""Loaders of labelled images, on small files of the true formats."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sklearn_ardvae import datasets
from sklearn_ardvae.datasets import (
    _io,
    digits,
    fetch_cifar10,
    fetch_fashion_mnist,
    fetch_imagenet32,
    fetch_mnist,
    photographs,
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr(_io.urllib.request, "urlopen", refuse)


@pytest.fixture
def mnist(made_files, tmp_path):
    arrays = made_files.digits()
    made_files.write_mnist_npz(tmp_path / "mnist.npz", arrays)
    return tmp_path, arrays


def small(loader, home, **kwargs):
    return loader(data_home=home, verify="format", **kwargs)


def test_mnist_gives_a_bunch(mnist):
    home, (x_train, y_train, x_test, y_test) = mnist
    bunch = small(fetch_mnist, home)
    assert bunch.data.dtype == np.float32
    assert bunch.input_shape == (1, 28, 28)
    expected = np.concatenate([x_train, x_test]).reshape(50, 784) / np.float32(255)
    np.testing.assert_array_equal(bunch.data, expected)
    np.testing.assert_array_equal(bunch.target, np.concatenate([y_train, y_test]))
    assert bunch.DESCR.startswith("Load MNIST")
    assert "CC BY-SA" in bunch.license
    data, target = small(fetch_mnist, home, return_X_y=True)
    np.testing.assert_array_equal(data, bunch.data)
    np.testing.assert_array_equal(target, bunch.target)


def test_mnist_reads_idx_files_alike(made_files, mnist, tmp_path):
    home, arrays = mnist
    made_files.write_idx_files(tmp_path / "idx" / "mnist", arrays)
    from_idx = small(fetch_mnist, tmp_path / "idx", subset="test", dtype="uint8")
    from_npz = small(fetch_mnist, home, subset="test", dtype="uint8")
    np.testing.assert_array_equal(from_idx.data, from_npz.data)
    np.testing.assert_array_equal(from_idx.target, arrays[3])
    assert from_idx.data.dtype == np.uint8


def test_subset_padding_and_samples(mnist):
    home, (x_train, y_train, _, _) = mnist
    padded = small(fetch_mnist, home, subset="train", pad=2, dtype="uint8")
    images = padded.data.reshape(-1, *padded.input_shape)
    assert images.shape == (30, 1, 32, 32)
    np.testing.assert_array_equal(images[:, 0, 2:-2, 2:-2], x_train)
    assert images.sum(dtype=int) == x_train.sum(dtype=int)

    def draw(**kwargs):
        options = {"subset": "train", "dtype": "uint8", "random_state": 3, **kwargs}
        return small(fetch_mnist, home, **options)

    every = x_train.reshape(30, -1)
    shuffled = draw(shuffle=True)
    order = [int(np.flatnonzero((every == row).all(1))[0]) for row in shuffled.data]
    assert sorted(order) == list(range(30))
    assert order != sorted(order)
    np.testing.assert_array_equal(shuffled.target, y_train[order])
    some = draw(n_samples=7)
    rows = [int(np.flatnonzero((every == row).all(1))[0]) for row in some.data]
    assert rows == sorted(set(rows))
    np.testing.assert_array_equal(some.data, draw(n_samples=7).data)
    assert not np.array_equal(some.data, draw(n_samples=7, random_state=4).data)


def test_a_cut_down_copy_is_refused_unless_asked_for(mnist):
    with pytest.raises(ValueError, match="set verify='format'"):
        fetch_mnist(data_home=mnist[0])
    with pytest.raises(ValueError, match="sha256 checksum"):
        fetch_mnist(data_home=mnist[0], verify="checksum")


def test_published_counts_are_accepted(mnist, monkeypatch):
    home, (_, y_train, _, y_test) = mnist
    counts = tuple(tuple(np.bincount(y, minlength=10)) for y in (y_train, y_test))
    monkeypatch.setattr(digits, "_MNIST_CLASS_COUNTS", counts)
    assert len(fetch_mnist(data_home=home).data) == 50


def test_a_copy_sorted_by_label_is_warned_of(made_files, tmp_path):
    arrays = made_files.digits(200, 20)
    arrays[1].sort()
    made_files.write_mnist_npz(tmp_path / "mnist.npz", arrays)
    with pytest.warns(UserWarning, match="sorted by label"):
        small(fetch_mnist, tmp_path)
    small(fetch_mnist, tmp_path, shuffle=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, np.zeros((30, 28, 27), np.uint8)), "should be uint8 of shape"),
        ((0, np.zeros((30, 28, 28), np.float32)), "should be uint8 of shape"),
        ((1, np.zeros(29, np.uint8)), "one integer for each"),
        ((1, np.full(30, 10, np.uint8)), "lie in 0 to 9"),
    ],
)
def test_wrong_arrays_are_refused(made_files, tmp_path, change, message):
    arrays = made_files.digits()
    arrays[change[0]] = change[1]
    made_files.write_mnist_npz(tmp_path / "mnist.npz", arrays)
    with pytest.raises(ValueError, match=message):
        small(fetch_mnist, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subset": "valid"}, "subset must be one of 'all', 'train', 'test'"),
        ({"dtype": "float64"}, "dtype must be one of"),
        ({"verify": True}, "verify must be one of"),
        ({"pad": -1}, "pad must be an integer >= 0"),
        ({"n_samples": 51, "verify": "format"}, r"n_samples must be .* \[1, 50\]"),
        ({"n_samples": 0, "verify": "format"}, r"n_samples must be"),
    ],
)
def test_bad_arguments(mnist, arguments, message):
    with pytest.raises(ValueError, match=message):
        fetch_mnist(data_home=mnist[0], **arguments)


def test_missing_files_say_where_they_go(tmp_path):
    for loader, name in (
        (fetch_mnist, "mnist/mnist.npz"),
        (fetch_fashion_mnist, "fashion_mnist/train-images-idx3-ubyte.gz"),
        (fetch_cifar10, "cifar10/cifar-10-python.tar.gz"),
        (fetch_imagenet32, "imagenet32/Imagenet32_train.zip"),
        (datasets.fetch_celeba, "celeba/list_eval_partition.txt"),
        (datasets.fetch_dsprites, "dsprites/dsprites_ndarray_co1sh3sc6or40x32y32"),
    ):
        with pytest.raises(OSError, match="put it at") as caught:
            loader(data_home=tmp_path)
        assert str(tmp_path / name) in str(caught.value)


def test_fashion_mnist_never_takes_mnists_files(made_files, tmp_path):
    arrays = made_files.digits()
    made_files.write_idx_files(tmp_path, arrays)
    with pytest.raises(OSError, match="no network"):
        small(fetch_fashion_mnist, tmp_path)
    made_files.write_idx_files(tmp_path / "fashion_mnist", arrays)
    bunch = small(fetch_fashion_mnist, tmp_path, subset="train", dtype="uint8")
    np.testing.assert_array_equal(bunch.data, arrays[0].reshape(30, -1))
    assert bunch.target_names[9] == "Ankle boot"


def test_cifar10(made_files, tmp_path):
    batches = [made_files.colours(5, seed) for seed in range(6)]
    made_files.write_cifar10(tmp_path / "cifar-10-python.tar.gz", batches)
    train = small(fetch_cifar10, tmp_path, subset="train", dtype="uint8")
    assert train.input_shape == (3, 32, 32)
    np.testing.assert_array_equal(
        train.data, np.concatenate([b[0] for b in batches[:5]])
    )
    np.testing.assert_array_equal(
        train.target, np.concatenate([b[1] for b in batches[:5]])
    )
    everything = small(fetch_cifar10, tmp_path)
    assert everything.data.shape == (30, 3072)
    np.testing.assert_array_equal(everything.data[25:], batches[5][0] / np.float32(255))
    with pytest.raises(ValueError, match="instead of"):
        fetch_cifar10(data_home=tmp_path)


def test_a_damaged_cifar10_is_refused(made_files, tmp_path):
    batches = [made_files.colours(5, seed) for seed in range(6)]
    path = tmp_path / "cifar-10-python.tar.gz"
    made_files.write_cifar10(path, batches)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(ValueError, match=r"not a whole tar\.gz"):
        small(fetch_cifar10, tmp_path)


def test_no_flipped_bit_of_cifar10_changes_an_image(made_files, tmp_path):
    batches = [made_files.colours(1, seed) for seed in range(6)]
    path = tmp_path / "cifar-10-python.tar.gz"
    made_files.write_cifar10(path, batches)
    whole, expected = path.read_bytes(), small(fetch_cifar10, tmp_path, dtype="uint8")
    # A header of ten bytes and the name of the tar file, of which some say nothing.
    start = whole.index(b"\x00", 10) + 1
    rng = np.random.default_rng(0)
    for at in [*range(start), *rng.integers(start, len(whole), 60), *range(-8, 0)]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        if 0 <= at < start:
            with suppress(ValueError):
                got = small(fetch_cifar10, tmp_path, dtype="uint8")
                np.testing.assert_array_equal(got.data, expected.data)
        else:
            with pytest.raises(ValueError, match="cifar-10-python"):
                small(fetch_cifar10, tmp_path)
        with pytest.raises(ValueError, match="md5 checksum"):
            fetch_cifar10(data_home=tmp_path, verify="checksum")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_imagenet32(made_files, tmp_path, dtype):
    names = [f"train_data_batch_{i}" for i in range(1, 11)]
    batches = [made_files.colours(3, seed, 1000) for seed in range(10)]
    made_files.write_imagenet32(tmp_path / "Imagenet32_train.zip", names, batches)
    images = np.concatenate([b[0] for b in batches])
    labels = np.concatenate([b[1] for b in batches])
    whole = small(fetch_imagenet32, tmp_path, dtype=dtype)
    top = np.uint8(1) if dtype == "uint8" else np.float32(255)
    np.testing.assert_array_equal(whole.data, images / top)
    np.testing.assert_array_equal(whole.target, labels)
    some = small(
        fetch_imagenet32,
        tmp_path,
        dtype=dtype,
        n_samples=8,
        shuffle=True,
        random_state=0,
    )
    for row, label in zip(some.data, some.target, strict=True):
        (at,) = np.flatnonzero((whole.data == row).all(1))
        assert labels[at] == label
    with pytest.raises(ValueError, match="30 images instead of 1281167"):
        fetch_imagenet32(data_home=tmp_path)
    assert photographs._IMAGENET32["train"].checksum == ""
    with pytest.raises(ValueError, match="verify must be one of"):
        fetch_imagenet32(data_home=tmp_path, verify="checksum")


def test_imagenet32_with_wrong_insides_is_refused(made_files, tmp_path):
    batch = made_files.colours(3, 0)
    path = tmp_path / "Imagenet32_val.zip"
    made_files.write_imagenet32(path, ["something"], [batch])
    with pytest.raises(ValueError, match="lacks val_data"):
        small(fetch_imagenet32, tmp_path, subset="validation")
    made_files.write_imagenet32(path, ["val_data"], [(batch[0], batch[1] + 1000)])
    with pytest.raises(ValueError, match="labels outside 1 to 1000"):
        small(fetch_imagenet32, tmp_path, subset="validation")
    path.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="not a whole zip"):
        small(fetch_imagenet32, tmp_path, subset="validation")


def test_loaders_leave_the_global_generator_alone(mnist):
    before = np.random.get_state()[1].copy()
    small(fetch_mnist, mnist[0], n_samples=3, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


real = Path(os.environ.get("SKLEARN_ARDVAE_DATA", "")) / "mnist.npz"


@pytest.mark.skipif(
    not os.environ.get("SKLEARN_ARDVAE_DATA") or not real.is_file(),
    reason="no mnist.npz in SKLEARN_ARDVAE_DATA",
)
@pytest.mark.filterwarnings("ignore:The rows of this copy:UserWarning")
def test_the_real_mnist(tmp_path):
    bunch = fetch_mnist(subset="train", pad=2, dtype="uint8")
    assert bunch.data.shape == (60000, 1024)
    # The mean and deviation that everybody normalises 28 x 28 MNIST with.
    inner = bunch.data.reshape(-1, 32, 32)[:, 2:-2, 2:-2] / np.float32(255)
    np.testing.assert_allclose(inner.mean(dtype=float), 0.1307, atol=5e-5)
    np.testing.assert_allclose(inner.std(dtype=float), 0.3081, atol=5e-5)
    shutil.copy(real, tmp_path / "mnist.npz")
    again = fetch_mnist(subset="train", pad=2, dtype="uint8", data_home=tmp_path)
    np.testing.assert_array_equal(again.data, bunch.data)
