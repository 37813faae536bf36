"""Constructor arguments and data as a fuzzer draws them, from what a class declares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import torch
from estimator_table import FAST_OF
from hypothesis import strategies as st
from sklearn.model_selection import KFold
from sklearn.utils._param_validation import make_constraint
from torch import nn

# --- arguments ----------------------------------------------------------------------

#: Numbers of any size that cost nothing, and where they may be.
LARGE = st.sampled_from([1000, 2**31, 2**63, 10**30])
FREE = frozenset(
    {
        "batch_size",
        "lr_patience",
        "min_output_components",
        "n_iter_no_change",
        "prior_samples",
        "prior_update_every",
        "rank",
        "relevance_samples",
    }
)
EXTREMES = [0.0, 5e-324, 1e-40, 1e-20, 1e-10, 0.5, 1 - 1e-9, 1.0, 1e10, 1e20, 1e40]
EXTREMES += [1e300]
SIZES = st.lists(st.integers(1, 8), max_size=2)
NUMBERS = st.lists(st.floats(-1, 5) | st.sampled_from(EXTREMES), max_size=3)
#: What is wrong for most parameters.
JUNK: list[Any] = [None, True, False, 0, -1, 2.5, -0.5, "", "junk", b"mlp", (), [], {}]
JUNK += [np.nan, np.inf, -np.inf, 1j, object, (0,), (1.5,), [[1]], ("a", "b"), "auto"]
JUNK += [np.array(2), np.array([]), np.float32(np.nan), np.int8(-1), np.str_("mlp")]


class Widened(nn.Module):
    """A layer that is none of torch's own."""

    def forward(self, x):
        return x + x.tanh()


def own_encoder(shape: tuple[int, ...], n_outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), n_outputs))


def own_decoder(n_components: int, shape: tuple[int, ...]) -> nn.Module:
    linear = nn.Linear(n_components, math.prod(shape))
    return nn.Sequential(linear, nn.Unflatten(1, shape))


def generator(seed: int) -> np.random.RandomState:
    return np.random.RandomState(seed)


#: What scikit-learn's constraints do not say, or say too widely for a fit of a moment.
OWN: dict[str, st.SearchStrategy] = {
    "architecture": st.sampled_from(["mlp", "linear_mlp"] * 4)
    | st.sampled_from(["rrae", "ngvae", "ardvae_mnist", "ardvae_dsprites"])
    | st.just((own_encoder, own_decoder)),
    "betas": st.integers(2, 3) | st.lists(st.floats(1e-3, 10), min_size=1, max_size=2),
    "callbacks": st.sampled_from([None, []]),
    "checkpoint": st.sampled_from([None, Path]),
    "cv": st.integers(2, 3) | st.just(KFold(2)) | st.just([([0, 1, 2], [3, 4])]),
    "device": st.sampled_from([None, "cpu", "auto", torch.device("cpu")]),
    "input_shape": st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    "max_iter": st.integers(1, 3),
    "n_jobs": st.sampled_from([None, 1]),
    "random_state": st.integers(0, 2**32 - 1)
    | st.none()
    | st.integers(0, 9).map(generator),
    "second_stage_max_iter": st.none() | st.integers(1, 3),
    "skorch_params": st.sampled_from(
        [None, {}, {"optimizer__weight_decay": 0.1}, {"wheels": 4}]
    ),
    "verbose": st.sampled_from([0, 1, 2, False, True]),
}


def numbers_in(interval: Any, name: str) -> st.SearchStrategy:
    """Return values that scikit-learn's `interval` holds."""
    low = interval.left if interval.left is not None else -8
    if interval.type is Integral:
        small = st.integers(low, low + 7)
        drawn = small | LARGE if name in FREE else small
        return drawn | small.map(np.int64)
    high = low + 2 if interval.right is None else interval.right
    drawn = (
        st.floats(low, high)
        | st.integers(-60, 60).map(lambda power: 10.0 ** (power / 10))
        | st.floats(low, high, width=32).map(np.float32)
        | st.sampled_from(EXTREMES)
    )
    return drawn.filter(make_constraint(interval).is_satisfied_by)


def values_of(constraint: Any, name: str) -> st.SearchStrategy:
    """Return values that a constraint of a class lets through."""
    if isinstance(constraint, str) and constraint == "boolean":
        return st.booleans()
    if isinstance(constraint, str) and constraint == "array-like":
        return SIZES if "size" in name else NUMBERS
    if constraint is None:
        return st.none()
    if constraint is callable:
        return st.sampled_from([nn.Softplus, Widened])
    if hasattr(constraint, "options"):
        return st.sampled_from(sorted(constraint.options))
    return numbers_in(constraint, name)


def values(cls: type, name: str) -> st.SearchStrategy:
    """Return values of a parameter of `cls` that its constraints let through."""
    if name in OWN:
        return OWN[name]
    constraints = cls._parameter_constraints[name]
    return st.one_of([values_of(constraint, name) for constraint in constraints])


def is_allowed(cls: type, name: str, value: Any) -> bool:
    """Whether the constraints let a value through."""
    constraints = map(make_constraint, cls._parameter_constraints[name])
    return any(constraint.is_satisfied_by(value) for constraint in constraints)


SMALL: dict[str, Any] = {
    "n_components": 3,
    "hidden_layer_sizes": (8,),
    "max_iter": 2,
    "batch_size": 16,
    "random_state": 0,
}


@dataclass
class Arguments:
    """Arguments of a constructor, and which one of them its constraints refuse."""

    params: dict[str, Any]
    junk: str | None


@st.composite
def arguments(draw: Any, cls: type) -> Arguments:
    """Draw arguments of `cls`, few of them unlike those of a small fit."""
    names = sorted(cls._parameter_constraints)
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=6))
    params = SMALL | FAST_OF.get(cls.__name__, {})
    params |= {name: draw(values(cls, name)) for name in chosen}
    junk = draw(st.none() | st.none() | st.none() | st.sampled_from(names))
    if junk is not None:
        params[junk] = draw(st.sampled_from(JUNK))
        if is_allowed(cls, junk, params[junk]):
            # What then happens is not known; not so if it takes minutes, or processes.
            if junk in ("n_jobs", "max_iter"):
                del params[junk]
            junk = None
    return Arguments(params, junk)


# --- data ---------------------------------------------------------------------------


def low_rank(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    rank = rng.integers(1, d + 1)
    return rng.standard_normal((n, rank)) @ rng.standard_normal((rank, d))


def with_constants(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    return np.where(rng.random(d) < 0.5, rng.standard_normal((n, d)), 7.0)


def with_outlier(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.standard_normal((n, d))
    x[rng.integers(n)] *= 1e4
    return x


KINDS = {
    "normal": lambda rng, n, d: rng.standard_normal((n, d)),
    "low rank": low_rank,
    "uniform": lambda rng, n, d: rng.random((n, d)),
    "binary": lambda rng, n, d: rng.integers(0, 2, (n, d)).astype(float),
    "whole": lambda rng, n, d: rng.integers(-9, 9, (n, d)).astype(float),
    "constant": lambda rng, n, d: np.full((n, d), rng.standard_normal()),
    "constant columns": with_constants,
    "one column many times": lambda rng, n, d: np.repeat(rng.random((n, 1)), d, 1),
    "few rows many times": lambda rng, n, d: rng.random((3, d))[rng.integers(0, 3, n)],
    "heavy tails": lambda rng, n, d: rng.standard_cauchy((n, d)),
    "outlier": with_outlier,
    "mostly zero": lambda rng, n, d: (rng.random((n, d)) < 0.05) * rng.random((n, d)),
}


def strided(x: np.ndarray) -> np.ndarray:
    return np.repeat(x, 2, axis=0)[::2]


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


FORMS = {
    "float64": lambda x: x,
    "float32": lambda x: x.astype(np.float32),
    "float16": lambda x: np.clip(x, -6e4, 6e4).astype(np.float16),
    "longdouble": lambda x: x.astype(np.longdouble),
    "big endian": lambda x: x.astype(">f4"),
    "int64": lambda x: np.clip(x, -1e18, 1e18).astype(np.int64),
    "uint8": lambda x: np.clip(x, 0, 255).astype(np.uint8),
    "bool": lambda x: x > 0,
    "object": lambda x: x.astype(object),
    "columns first": np.asfortranarray,
    "strided": strided,
    "backwards": lambda x: x[::-1, ::-1],
    "read only": read_only,
    "list": lambda x: x.tolist(),
    "pandas": lambda x: pd.DataFrame(x, columns=[f"f{i}" for i in range(x.shape[1])]),
    "polars": lambda x: pl.DataFrame(x, schema=[f"f{i}" for i in range(x.shape[1])]),
    "tensor": torch.from_numpy,
    "single tensor": lambda x: torch.from_numpy(x.astype(np.float32)),
    "half tensor": lambda x: torch.from_numpy(x.astype(np.float32)).half(),
    "transposed tensor": lambda x: torch.from_numpy(x.T.copy()).T,
    "tensor with gradient": lambda x: torch.from_numpy(x).requires_grad_(),
}
SPOILED = [np.nan, np.inf, -np.inf, 1e300, 1e19, 3e38, -0.0, 1e-310]


@st.composite
def data(draw: Any, input_shape: Any) -> Any:
    """Draw X; most fit `input_shape`, if it is one."""
    is_shape = isinstance(input_shape, tuple) and all(
        isinstance(n, int) and n > 0 for n in input_shape or [0]
    )
    fits = draw(st.integers(0, 9)) > 0
    n_rows = draw(st.integers(4, 60) | st.integers(0, 5))
    n_columns = draw(st.integers(1, 8))
    if is_shape and fits:
        n_columns = int(np.prod(input_shape))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    make = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    x = make(rng, n_rows, n_columns) if n_rows else np.empty((0, n_columns))
    if draw(st.booleans()):
        x = x * 10.0 ** draw(st.integers(-3, 3) | st.integers(-40, 40))
        x = x + draw(st.sampled_from([0.0, 0.0, 1.0, -1e3, 1e8]))
    if x.size and draw(st.integers(0, 14)) == 14:
        x[rng.integers(n_rows), rng.integers(n_columns)] = draw(
            st.sampled_from(SPOILED)
        )
    form = draw(st.sampled_from(sorted(FORMS)))
    if is_shape and x.shape[1] == np.prod(input_shape) and draw(st.booleans()):
        form = "float32"
        x = x.reshape(n_rows, *input_shape)
    with np.errstate(all="ignore"):
        return FORMS[form](x)
