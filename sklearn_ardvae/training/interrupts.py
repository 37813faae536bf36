"""Ctrl-C: told from a callback's wish to stop, and held back where it would do harm."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts"]


class Interrupts:
    """Takes note of Ctrl-C inside the block, and puts the old handler back after it.

    Python tells the main thread alone; in others, and where an application handles
    SIGINT in its own way, nothing is changed.

    Attributes
    ----------
    seen : bool
        Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.seen = False
        self._is_deferred = self._is_installed = False

    def __enter__(self) -> Self:
        self._previous: Any = None
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.getsignal(signal.SIGINT)
            ours = isinstance(getattr(self._previous, "__self__", None), Interrupts)
            if ours or self._previous is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._handle)
                self._is_installed = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_installed:
            signal.signal(signal.SIGINT, self._previous)
            self._is_installed = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.seen = self.seen, True
        if again or not self._is_deferred:
            raise KeyboardInterrupt

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the block end before the first Ctrl-C counts; a second one ends it."""
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False
