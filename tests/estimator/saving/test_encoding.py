"""Values come back from JSON and arrays exactly, or are said to have no such form."""

import collections
import enum
import functools
import json
import pathlib

import numpy as np
import pytest
import torch
from saved_files import same

from sklearn_ardvae.estimator.saving.encoding import NotEncodableError, decoded, encoded

VALUES = {
    "plain": [None, True, False, 0, -3, 2**80, 0.1, -0.0, "", "é \ud800 \x00"],
    "not finite": [float("nan"), float("inf"), -float("inf")],
    "tuples in lists": [(), (1, (2, [3])), [[]]],
    "dict": {"tuple": {"tuple": [1]}, "": {}},
    "keys with dots": {"a.b": np.zeros(2), "a": {"b": np.ones(2)}},
    "dict of numbers": {0: "a", -1: {None: 1.5}},
    "long list of floats": [0.1 * i for i in range(99)] + [float("nan")],
    "long list of ints": list(range(99)),
    "long list of large ints": [2**70] * 99,
    "long list of booleans": [True] * 99,
    "long mixed list": [1.5, 2, None, "x"] * 20,
    "numbers of numpy": [np.float32(0.1), np.int8(3), np.bool_(True), np.float64(1)],
    "arrays": [np.arange(6.0).reshape(2, 3).T, np.array(3), np.zeros((0, 3), np.int8)],
    "array of booleans": np.array([[True], [False]]),
    "half precision": np.array([0.1, np.inf, np.nan], dtype=np.float16),
    "array of strings and numbers": np.array([["a", None], [2, np.nan]], dtype=object),
    "empty array of objects": np.empty((2, 0), dtype=object),
    "device": [torch.device("cpu"), torch.device("cuda:3")],
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_values_come_back(value):
    arrays = {}
    text = json.dumps(encoded(value, "x", arrays), allow_nan=False)
    assert same(decoded(json.loads(text), arrays), value)
    assert arrays == {}


class Colour(enum.StrEnum):
    RED = "red"


# To what they seem to be they would not come back.
NO_FORM = {
    "class": int,
    "function": functools.partial(int, 3),
    "generator": np.random.RandomState(0),
    "module": torch.nn.ReLU(),
    "tensor": torch.zeros(2),
    "string of an enumeration": Colour.RED,
    "named tuple": collections.namedtuple("Pair", "a b")(1, 2),
    "ordered dict": collections.OrderedDict(a=1),
    "dict of tuples": {(1, 2): 3},
    "path": pathlib.Path("x"),
    "complex array": np.zeros(2, complex),
    "array of strings": np.array(["a"]),
    "big-endian array": np.zeros(2, ">f4"),
    "array of lists": np.array([[1], [1, 2]], dtype=object),
    "string of numpy": np.str_("a"),
    "set": {1},
    "bytes": b"a",
}


@pytest.mark.parametrize("value", NO_FORM.values(), ids=NO_FORM.keys())
@pytest.mark.parametrize("inside", [lambda v: v, lambda v: {"a": [(v,)]}])
def test_what_has_no_form_is_named(value, inside):
    with pytest.raises(NotEncodableError, match=r"^an? "):
        encoded(inside(value), "x", {})


MALFORMED = [
    {},
    {"what": 1},
    {"tuple": [], "dict": {}},
    {"tuple": "abc"},
    {"tuple": {"a": 1}},
    {"dict": [1]},
    {"items": [[1]]},
    {"items": [[[], 1]]},
    {"items": {"a": 1}},
    {"float": "1.5"},
    {"float": []},
    {"array": "nowhere"},
    {"array": []},
    {"scalar": "vector"},
    {"numbers": "number"},
    {"objects": {"shape": [0, -1], "items": []}},
    {"objects": {"shape": [3], "items": [1]}},
    {"objects": {"shape": [True], "items": [1]}},
    {"objects": [[1], [2]]},
    {"device": "abacus"},
    {"device": 10**30},
    {"device": 0},
    [{"array": "vector"}, {"array": "vector"}],
]


@pytest.mark.parametrize("value", MALFORMED, ids=str)
def test_what_nothing_was_encoded_to_is_refused(value):
    arrays = {"vector": np.zeros(3), "number": np.array(1.0)}
    with pytest.raises(ValueError, match=r"^has a "):
        decoded({"dict": {"a": value}}, arrays)
