"""Warnings that point at the user's line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Held", "held_warnings", "warn"]

Held = list[tuple[str, type[Warning]]]
"""Warnings that are to be given elsewhere."""

_held: ContextVar[Held | None] = ContextVar("_held", default=None)

# What runs between a user's line and a warning: this package, and who calls it or
# wraps its functions on the way.
_INSIDE = frozenset(
    {
        "contextlib",
        "joblib",
        "sklearn",
        "sklearn_ardvae",
        "skorch",
        "threadpoolctl",
        "torch",
    }
)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn as of the line that called scikit-learn or this package.

    A pipeline or a search puts frames of its own between the two, so that no number of
    frames is right for all. In a worker process, where no line of the user runs, the
    line is the worker's.

    Parameters
    ----------
    message : str
    category : type of Warning, default=UserWarning
    """
    held = _held.get()
    if held is not None:
        held.append((message, category))
        return
    frame, stacklevel = sys._getframe(1), 2
    while _is_inside(frame) and frame.f_back is not None:
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, category, stacklevel=stacklevel)


@contextmanager
def held_warnings() -> Iterator[Held]:
    """Hold what the block warns of back: no line of the user called this thread."""
    held: Held = []
    token = _held.set(held)
    try:
        yield held
    finally:
        _held.reset(token)


def _is_inside(frame) -> bool:
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    return package in _INSIDE
