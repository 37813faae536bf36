"""Pickled batches: which are read, and that nothing else is done with them."""

import codecs
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_ardvae.datasets import _pickles
from sklearn_ardvae.datasets._pickles import load_batch


class Evil:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def test_batches_of_python_2_and_3_are_read_alike(made_files):
    images, labels = made_files.colours(4, seed=0)
    python2 = made_files.python2_batch(images, labels)
    python3 = [
        pickle.dumps({key("data"): images, key("labels"): labels.tolist()}, protocol)
        for key in (str, str.encode)
        for protocol in (2, 4, 5)
    ]
    for raw in (python2, *python3):
        data, got = load_batch(raw, "a batch")
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
        load_batch(pickle.dumps(thing), "a batch")
    assert os.listdir() == []


def with_state_of_its_type(state):
    """A batch whose number type is rebuilt from `state`."""

    class Values(np.ndarray):
        def __reduce__(self):
            made, arguments, (version, shape, _, order, raw) = super().__reduce__()
            dtype = Evil(np.dtype, "u1", False, True)
            dtype.call = (*dtype.call, state)
            return (
                made,
                (np.ndarray, *arguments[1:]),
                (version, shape, dtype, order, raw),
            )

    images = np.zeros((2, 3072), np.uint8).view(Values)
    return pickle.dumps({"data": images, "labels": [0, 1]})


PLAIN = (3, "|", None, None, None, -1, -1, 0)


@pytest.mark.parametrize(
    "state",
    [
        (3, "|", None, None, None, -1, -1, 63),  # flags: numpy takes bytes for objects
        (3, "|", None, None, None, 2**31 - 1, -1, 0),  # size of a value
        (3, "|", None, None, None, -1, 2**31 - 1, 0),  # alignment
        (3, "|", (np.dtype("u1"), (2**20,)), None, None, -1, -1, 0),  # values of values
        (3, "|", None, ("a",), {"a": (np.dtype("O"), 10**6)}, -1, -1, 0),
        (3, "?", None, None, None, -1, -1, 0),
        (*PLAIN, {"metadata": 1}),
        PLAIN[:-1],
        (),
    ],
)
def test_number_types_get_no_state_that_crashes_numpy(state):
    data, _ = load_batch(with_state_of_its_type(PLAIN), "a batch")
    assert data.shape == (2, 3, 32, 32)
    with pytest.raises(ValueError, match="a batch is not a batch of images"):
        load_batch(with_state_of_its_type(state), "a batch")


def test_codecs_that_decompress_are_refused():
    raw = pickle.dumps(Evil(codecs.encode, "abc", "rot13"))
    with pytest.raises(ValueError, match="codecs other than latin1"):
        load_batch(raw, "a batch")


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
        load_batch(pickle.dumps(batch), "a batch")


def test_what_is_no_pickle_is_refused():
    for raw in (b"", b"garbage", pickle.dumps([1])[:-3]):
        with pytest.raises(ValueError, match="not a batch of images"):
            load_batch(raw, "a batch")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        # A place in the memo for which pickle would make room for 2 ** 33 others.
        (b"\x80\x02]r" + struct.pack("<I", 2**32 - 1) + b".", "must be a dictionary"),
        (b"\x80\x02\x8e" + struct.pack("<Q", 2**60) + b"abc.", "not a batch"),
        # A key whose hash takes 2 ** 90 steps.
        (b"\x80\x02})" + 90 * b"q\x00h\x00\x86" + b"Ns.", "keys .* must be text"),
        (b"\x80\x02(" + 2**12 * b"]" + b"t.", "more steps than a batch needs"),
        (b"\x80\x02}U\x06labels]q\x00h\x00as.", "must be a dictionary of 'data'"),
        (b"\x80\x02\x86.", "lacks its operands"),
        (b"\x80\x02K\x01K\x02.", "not a batch"),
    ],
    ids=["memo", "length", "hash", "steps", "circle", "operands", "two"],
)
def test_pickles_meant_to_exhaust_the_reader_are_refused(raw, message, monkeypatch):
    monkeypatch.setattr(_pickles, "_MAX_STEPS", 2**11)
    with pytest.raises(ValueError, match=message):
        load_batch(raw, "a batch")


@pytest.fixture(scope="module")
def batches(made_files):
    """Batches of one image in seven makes of pickle."""
    images, labels = made_files.colours(1, seed=0)
    batch = {"data": images, "mean": images.mean(0)}
    return [
        made_files.python2_batch(images, labels),
        *(
            pickle.dumps({**batch, "labels": kind(labels)}, protocol)
            for protocol in (2, 4, 5)
            for kind in (list, np.array)
        ),
    ]


# Where they say what they hold: the rest are pixels, which may be anything.
NEAR_THE_ENDS = st.one_of(st.integers(0, 350), st.integers(-350, -1))


@settings(max_examples=1000)
@given(
    st.integers(0, 6),
    st.lists(
        st.tuples(NEAR_THE_ENDS, st.integers(0, 3), st.binary(min_size=1, max_size=4)),
        min_size=1,
        max_size=4,
    ),
)
def test_a_damaged_pickle_is_a_batch_or_a_clear_error(batches, make, changes):
    raw = batches[make]
    for at, n_removed, inserted in changes:
        at %= len(raw)
        raw = raw[:at] + inserted + raw[at + n_removed :]
    try:
        images, labels = load_batch(raw, "batch 7 in archive")
    except ValueError as error:
        message = str(error)
    else:
        assert images.dtype == np.uint8
        assert images.shape == (len(labels), 3, 32, 32)
        message = "batch 7 in archive"
    assert message.startswith("batch 7 in archive")
