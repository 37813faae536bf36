"""Saved models as bytes, ways to damage them, and what loading them costs."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as pack_any

from sklearn_ardvae.estimator.saving import container

Header = dict[str, Any]
Arrays = dict[str, np.ndarray]


def unpacked(path: Path) -> tuple[Header, Arrays]:
    return container.unpack(path.read_bytes())


def packed(header: Header, arrays: Arrays) -> bytes:
    """Return a file whose hash is right, whatever it says."""
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps(header)
    metadata = {"sklearn_ardvae": text, "sha256": container._hash(text, arrays)}
    return pack_any(arrays, metadata=metadata)


def same(a: Any, b: Any) -> bool:
    """Whether two values are of the same types and equal, with NaN equal to itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and repr(a) == repr(b)
    return a == b or (a != a and b != b)


# --- what loading costs -------------------------------------------------------------


def memory(kind: str) -> int:
    """Return the bytes of this process: "RSS", now, or "HWM", at most so far."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"Vm{kind}:\s+(\d+) kB", text)[1])


class Cost:
    """The seconds and the bytes beyond what was there that a block took."""

    def __init__(self) -> None:
        self.seconds, self.bytes = 0.0, 0

    @contextmanager
    def measured(self) -> Iterator[None]:
        has_proc = Path("/proc/self/clear_refs").exists()
        if has_proc:
            Path("/proc/self/clear_refs").write_text("5")  # the most so far is now
            before = memory("RSS")
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds = time.perf_counter() - start
            if has_proc:
                self.bytes = memory("HWM") - before


# --- damage -------------------------------------------------------------------------

ODD_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    7,
    10**9,
    10**30,
    -0.5,
    1e308,
    "",
    "x",
    "__class__",
    "transform",
    [],
    [1, 2],
    [[[]]],
    {},
    {"tuple": [1]},
    {"tuple": "abc"},
    {"dict": {}},
    {"float": "nan"},
    {"float": "two"},
    {"array": "module.encoder.0.weight"},
    {"array": []},
    {"numbers": "attributes.relevance_"},
    {"scalar": "attributes.relevance_"},
    {"objects": {"shape": [0, 10**18], "items": []}},
    {"objects": {"shape": [2], "items": ["a", "b"]}},
    {"objects": {"shape": [-1], "items": [[]]}},
    {"device": "tpu9"},
    {"device": "cuda:7"},
    {"missing": "a lot"},
    {"what": 1},
    {"items": [[1, 2], [[], 3]]},
    [1] * 100_000,
]

# What parameters and attributes might be, of networks that are not those stored.
PLAUSIBLE_VALUES: list[Any] = [
    None,
    True,
    False,
    1,
    2,
    3,
    100,
    10**6,
    10**9,
    0.5,
    1e-30,
    "mlp",
    "maskaae",
    "rrae",
    "all",
    "auto",
    "learned",
    "bernoulli",
    "relu",
    {"tuple": [8]},
    {"tuple": [8, 8]},
    {"tuple": [4, 4, 4]},
    {"tuple": [1] * 10_000},
    {"tuple": [10**7]},
    {"tuple": [1, 32, 32]},
    {"dict": {"optimizer__betas": {"tuple": [0.5, 0.5]}}},
    {"dict": {"optimizer": "SGD"}},
]


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with bits flipped, or bytes cut, put in, taken out or moved."""
    data = bytearray(content)
    at, n = int(rng.integers(len(data))), int(rng.integers(1, 40))
    # Half of the places are in the header, which is under half of the file.
    if rng.random() < 0.5:
        at = int(rng.integers(min(len(data), 4000)))
    kind = rng.integers(6)
    if kind < 2:
        for place in [at, *rng.integers(len(data), size=rng.integers(4))]:
            data[place] ^= 1 << rng.integers(8)
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        data[at:at] = rng.bytes(n)
    elif kind == 4:
        del data[at : at + n]
    else:
        other = int(rng.integers(len(data)))
        data[at : at + n] = data[other : other + n]
    return bytes(data)


def edited(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a file that says something else, with the hash for it."""
    header, arrays = container.unpack(content)
    arrays = dict(arrays)
    for _ in range(rng.integers(1, 3)):
        kind = rng.random()
        if kind < 0.4:
            edit_header(header, rng)
        elif kind < 0.7:
            edit_parameter(header, rng)
        else:
            edit_arrays(arrays, rng)
    return packed(header, arrays)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container in JSON with each of its keys."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def edit_header(header: Header, rng: np.random.Generator) -> None:
    found = list(places(header))
    inside, key = found[rng.integers(len(found))]
    other, other_key = found[rng.integers(len(found))]
    kind = rng.integers(6)
    if kind < 3:
        odd = ODD_VALUES[rng.integers(len(ODD_VALUES))]
        inside[key] = copy.deepcopy(odd)
    elif kind == 3:
        del inside[key]
    elif kind == 4:
        inside[key] = copy.deepcopy(other[other_key])
    elif isinstance(inside, dict):
        names = ["transform", "_module", "__dict__", "x", "n_components", "save", "é"]
        inside[names[rng.integers(len(names))]] = inside.pop(key)


def edit_parameter(header: Header, rng: np.random.Generator) -> None:
    groups = ["built_from", "built_from", "params", "attributes"]
    group = header.get(groups[rng.integers(len(groups))])
    if not isinstance(group, dict) or not group:
        return  # edited before
    names = sorted(group)
    value = PLAUSIBLE_VALUES[rng.integers(len(PLAUSIBLE_VALUES))]
    group[names[rng.integers(len(names))]] = copy.deepcopy(value)


def edit_arrays(arrays: Arrays, rng: np.random.Generator) -> None:
    names = sorted(arrays)
    name, other = (names[i] for i in rng.integers(len(names), size=2))
    edits: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda a: a.reshape(-1),
        lambda a: a.reshape(1, *a.shape),
        lambda a: a[:0] if a.ndim else a,
        lambda a: a.astype(np.float64),
        lambda a: a.astype(np.int8),
        lambda a: a.astype(bool),
        lambda a: np.full_like(a, -1) if a.dtype != bool else ~a,
        lambda a: np.tile(a, 3),
        lambda a: a.T,
        lambda a: a * np.float32(np.nan),
    ]
    kind = rng.integers(len(edits) + 3)
    with np.errstate(all="ignore"):
        if kind < len(edits):
            arrays[name] = edits[kind](arrays[name])
        elif kind == len(edits):
            del arrays[name]
        elif kind == len(edits) + 1:
            arrays[f"{name}x"] = arrays.pop(name)
        else:
            arrays[name] = arrays[other]
