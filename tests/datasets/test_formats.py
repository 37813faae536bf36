"""Readers of published formats, and what they refuse."""

import codecs
import gzip
import io
import os
import pickle

import numpy as np
import pytest

from sklearn_ardvae.datasets import _formats
from sklearn_ardvae.datasets._formats import (
    load_batch,
    npz_arrays,
    read_idx,
    stream_npz_rows,
)


class Evil:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 28, 28)])
def test_idx_round_trip(made_files, tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    made_files.write_idx(tmp_path / "a.gz", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a.gz"), array)


def test_idx_refuses_what_is_not_whole(made_files, tmp_path):
    path = tmp_path / "a.gz"
    made_files.write_idx(path, np.zeros((5, 28, 28), np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="not a whole gzip file"):
        read_idx(path)
    path.write_bytes(b"not gzip")
    with pytest.raises(ValueError, match="not a whole gzip file"):
        read_idx(path)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\x00\x00\x08\x01\x00\x00\x00\x09abc", "announces an array of shape"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01abcd", "not an idx file of unsigned"),
        (b"\x00", "not an idx file"),
    ],
)
def test_idx_refuses_a_wrong_header(tmp_path, raw, message):
    (tmp_path / "a.gz").write_bytes(gzip.compress(raw))
    with pytest.raises(ValueError, match=message):
        read_idx(tmp_path / "a.gz")


def test_npz_says_what_is_wrong(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3))
    (x,) = npz_arrays(path, ("x",))
    np.testing.assert_array_equal(x, np.arange(3))
    with pytest.raises(ValueError, match="it must hold x, y"):
        npz_arrays(path, ("x", "y"))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match="not a whole npz"):
        npz_arrays(path, ("x",))


def test_rows_of_an_npz_are_streamed(tmp_path, monkeypatch):
    array = np.random.default_rng(0).integers(0, 256, (50, 3, 2), dtype=np.uint8)
    np.savez_compressed(tmp_path / "a.npz", imgs=array)
    # Four rows at a time, so that rows fall into several chunks.
    monkeypatch.setattr(_formats, "_CHUNK_BYTES", 4 * 6)
    rows = np.array([49, 0, 7, 7, 23, 8])
    got, n_rows = stream_npz_rows(tmp_path / "a.npz", "imgs", rows)
    np.testing.assert_array_equal(got, array[rows])
    assert n_rows == 50


def test_batches_of_python_2_and_3_are_read_alike(made_files):
    images, labels = made_files.colours(4, seed=0)
    python2 = made_files.python2_batch(images, labels)
    python3 = [
        pickle.dumps({key("data"): images, key("labels"): labels.tolist()}, protocol)
        for key in (str, str.encode)
        for protocol in (2, 4, 5)
    ]
    for raw in (python2, *python3):
        data, got = load_batch(io.BytesIO(raw), "a batch")
        np.testing.assert_array_equal(data.reshape(4, -1), images)
        np.testing.assert_array_equal(got, labels)


@pytest.mark.filterwarnings("ignore:dtype")
def test_python_2_pickle_agrees_with_the_unrestricted_reader(made_files):
    # That the handmade pickle is one that Python itself reads as intended.
    images, labels = made_files.colours(2, seed=1)
    raw = made_files.python2_batch(images, labels)
    batch = pickle.loads(raw, encoding="bytes")
    np.testing.assert_array_equal(batch[b"data"], images)


@pytest.mark.parametrize(
    "thing",
    [
        Evil(os.system, "touch hacked"),
        Evil(eval, "1 + 1"),
        Evil(getattr, "a", "upper"),
        {"data": Evil(os.getcwd), "labels": []},
        Evil(np.load, "somewhere"),
        np.array([Evil(os.getcwd)], dtype=object),
    ],
)
def test_a_pickle_that_calls_functions_is_refused(thing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"asks for|not allowed"):
        load_batch(io.BytesIO(pickle.dumps(thing)), "a batch")
    assert os.listdir() == []


def test_codecs_that_decompress_are_refused():
    raw = pickle.dumps(Evil(codecs.encode, "abc", "rot13"))
    with pytest.raises(ValueError, match="codec 'rot13' is not allowed"):
        load_batch(io.BytesIO(raw), "a batch")


@pytest.mark.parametrize(
    "batch",
    [
        [1, 2],
        {"data": np.zeros((2, 3072), np.uint8)},
        {"data": np.zeros((2, 3072), np.float32), "labels": [0, 1]},
        {"data": np.zeros((2, 100), np.uint8), "labels": [0, 1]},
        {"data": np.zeros((2, 3072), np.uint8), "labels": [0]},
        {"data": np.zeros((2, 3072), np.uint8), "labels": ["a", "b"]},
    ],
)
def test_a_batch_of_the_wrong_make_is_refused(batch):
    with pytest.raises(ValueError, match="must be a dictionary of 'data'"):
        load_batch(io.BytesIO(pickle.dumps(batch)), "a batch")


def test_what_is_no_pickle_is_refused():
    for raw in (b"", b"garbage", pickle.dumps([1])[:-3]):
        with pytest.raises(ValueError, match="not a batch of images"):
            load_batch(io.BytesIO(raw), "a batch")
