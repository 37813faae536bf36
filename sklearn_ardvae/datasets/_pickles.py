"""Batches of images from pickles, without doing whatever a pickle asks for."""

from __future__ import annotations

import math
import pickletools
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._archives import REMEDY

__all__ = ["load_batch"]

_ROW = 3 * 32 * 32
# A batch of ImageNet32 with a numpy scalar for each of its 128 117 labels takes about
# a million; without a bound a few compressed bytes could ask for any number of lists.
_MAX_STEPS = 2**21
# What comes of steps in a senseless order, or of senseless arguments; some of them make
# pickletools warn, which may be set to be an error.
_SENSELESS = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    Warning,
)
_PLAIN_NUMBER = re.compile("b1|[iu][1248]|f[248]")

# Steps that put their argument on the stack.
_LITERALS = frozenset(
    {
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    }
)


def load_batch(raw: bytes, what: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images and labels of a CIFAR or ImageNet32 batch.

    The pickle is not handed to :mod:`pickle`, which calls what a file names and has
    numpy rebuild a type from whatever state a file gives, to the point of a crash. Its
    steps are followed here instead: those alone that make arrays, numbers, text and
    containers of them.

    Parameters
    ----------
    raw : bytes
        The pickle, of protocol 2 or later, by Python 2 or 3.
    what : str
        The batch, for messages.

    Returns
    -------
    images : ndarray of uint8 of shape (n, 3, 32, 32)
    labels : ndarray of int of shape (n,)

    Raises
    ------
    ValueError
        If the pickle is damaged, holds anything else, or not the arrays of a batch.
    """
    try:
        batch = _follow(raw)
    except _SENSELESS as e:
        raise ValueError(f"{what} is not a batch of images: {e}. {REMEDY}") from e
    if isinstance(batch, dict):
        data, labels = _numbers(batch.get("data")), _numbers(batch.get("labels"))
        if (
            data.dtype == np.uint8
            and data.ndim == 2
            and data.shape[1] == _ROW
            and labels.shape == data.shape[:1]
            and labels.dtype.kind in "iu"
        ):
            return data.reshape(-1, 3, 32, 32), labels.astype(np.int64)
    raise ValueError(
        f"{what} must be a dictionary of 'data', uint8 of shape (n, {_ROW}), and "
        f"'labels', n integers. {REMEDY}"
    )


def _numbers(value: Any) -> NDArray:
    """Return an array, or a list of labels, as an array; of anything else an empty one.

    Labels are integers of no more than 32 bits.
    """
    if isinstance(value, _Array):
        return value.values
    if isinstance(value, list) and all(
        type(label) is int and abs(label) < 2**31 for label in value
    ):
        return np.array(value, np.int64)
    return np.empty((0, 0))


class _DType:
    """The type of an array's values: a code, and then a state, the byte order."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(code, str) or not _PLAIN_NUMBER.fullmatch(code):
            raise ValueError("values that are not plain numbers are not allowed")
        self.dtype = np.dtype(code)

    def build(self, state: Any) -> None:
        _, order, *rest = state
        # That numbers have no fields and no shape; numpy crashes on some others.
        if order not in ("|", "<", ">") or rest != [None, None, None, -1, -1, 0]:
            raise ValueError("the state of a number type is none that such a type has")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """An array, whose values come later, as its state."""

    def __init__(self, *_: Any) -> None:
        self.values: NDArray = np.empty((0, 0))

    def build(self, state: Any) -> None:
        _, shape, dtype, fortran_order, data = state
        self.values = _values(data, dtype, shape, "F" if fortran_order else "C")


def _values(data: Any, dtype: Any, shape: Any, order: Any) -> NDArray:
    if isinstance(data, str):  # which Python 2 had for bytes
        data = data.encode("latin1")
    if not isinstance(dtype, _DType) or not isinstance(data, bytes | bytearray):
        raise ValueError("an array must be of plain numbers")
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError("the sides of an array must be integers >= 0")
    if math.prod(shape) * dtype.dtype.itemsize != len(data):
        raise ValueError("an array has more or fewer values than its shape says")
    values = np.frombuffer(data, dtype.dtype)
    return values.reshape(tuple(shape), order="F" if order == "F" else "C")


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.values = _values(data, dtype, shape, order)
    return array


def _scalar(dtype: Any, data: Any) -> int | float | bool:
    return _values(data, dtype, (), "C").item()


def _encoded(text: Any, encoding: Any) -> bytes:
    # So Python 3 writes bytes in pickles that Python 2 can read.
    if encoding != "latin1":
        raise ValueError("codecs other than latin1 are not allowed")
    return text.encode("latin1")


_FUNCTIONS = {
    ("_codecs", "encode"): _encoded,
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Array,  # an argument of _reconstruct
}
for _core in ("numpy.core", "numpy._core"):  # before and since numpy 2
    _FUNCTIONS[_core + ".multiarray", "_reconstruct"] = _Array
    _FUNCTIONS[_core + ".multiarray", "scalar"] = _scalar
    _FUNCTIONS[_core + ".numeric", "_frombuffer"] = _from_buffer


def _function(module: Any, name: Any) -> Any:
    # Text only: the hash of tuples within tuples can take for ever.
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError("the name of a function must be text")
    if (module, name) not in _FUNCTIONS:
        raise ValueError(
            f"it asks for {module[:80]}.{name[:80]}, which data have no use for"
        )
    return _FUNCTIONS[module, name]


def _call(function: Any, arguments: Any) -> Any:
    if not any(function is known for known in _FUNCTIONS.values()):
        raise ValueError("it calls what is no function")
    return function(*arguments)


def _set_items(target: dict[str, Any], items: list[Any]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Bytes in the CIFAR files, which Python 2 wrote.
        key = key.decode("latin1") if isinstance(key, bytes) else key
        if not isinstance(key, str):
            raise ValueError("the keys of a dictionary must be text")
        target[key] = value


class _Stack(list):
    """What the steps of a pickle work on."""

    def __init__(self) -> None:
        self.marks: list[int] = []  # heights of the stack

    def take(self, count: int) -> list[Any]:
        if count > len(self):
            raise ValueError("a step lacks its operands")
        values = self[len(self) - count :]
        del self[len(self) - count :]
        return values

    def take_marked(self) -> list[Any]:
        return self.take(max(len(self) - self.marks.pop(), 0))


def _follow(raw: bytes) -> Any:
    """Return what a pickle holds."""
    stack = _Stack()
    memo: dict[Any, Any] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(raw)):
        if count == _MAX_STEPS:
            raise ValueError("it has more steps than a batch needs")
        match opcode.name:
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case name:
                _step(name, argument, stack)
    (value,) = stack
    return value


def _step(name: str, argument: Any, stack: _Stack) -> None:
    """Do a step of a pickle that the memo has no part in."""
    match name:
        case "PROTO" | "FRAME" | "STOP":
            pass
        case literal if literal in _LITERALS:
            stack.append(argument)
        case "NONE":
            stack.append(None)
        case "NEWTRUE" | "NEWFALSE":
            stack.append(name == "NEWTRUE")
        case "EMPTY_DICT":
            stack.append({})
        case "EMPTY_LIST":
            stack.append([])
        case "EMPTY_TUPLE":
            stack.append(())
        case "MARK":
            stack.marks.append(len(stack))
        case "TUPLE":
            stack.append(tuple(stack.take_marked()))
        case "TUPLE1" | "TUPLE2" | "TUPLE3":
            stack.append(tuple(stack.take(int(name[-1]))))
        case "APPEND":
            (value,) = stack.take(1)
            stack[-1].append(value)
        case "APPENDS":
            values = stack.take_marked()
            stack[-1].extend(values)
        case "SETITEM":
            items = stack.take(2)
            _set_items(stack[-1], items)
        case "SETITEMS":
            items = stack.take_marked()
            _set_items(stack[-1], items)
        case "GLOBAL":
            stack.append(_function(*argument.split(" ", 1)))
        case "STACK_GLOBAL":
            stack.append(_function(*stack.take(2)))
        case "REDUCE":
            stack.append(_call(*stack.take(2)))
        case "BUILD":
            target, state = stack.take(2)
            target.build(state)
            stack.append(target)
        case _:
            raise ValueError(f"its step {name} is one that data have no use for")
