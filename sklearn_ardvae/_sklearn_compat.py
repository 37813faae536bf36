"""Every import from scikit-learn that is private or newer than the oldest supported.

``sklearn.callback`` came with 1.9 and is experimental; without it, estimators work
and report to nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypeVar

from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    RealNotInt,
    StrOptions,
)

__all__ = [
    "CallbackSupportMixin",
    "Interval",
    "InvalidParameterError",
    "RealNotInt",
    "StrOptions",
    "with_callbacks",
]

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:

    class _NoContext:
        """Stands for a context that no callback listens to."""

        def subcontext(self, **kwargs):
            return self

        def call_on_fit_task_begin(self, **kwargs):
            return None

        def call_on_fit_task_end(self, **kwargs):
            return False

        def propagate_callback_context(self, sub_estimator):
            return nullcontext()

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's mixin before 1.9."""

        def _init_callback_context(self, **kwargs):
            return _NoContext()

    def _with_callbacks(method):
        return method


Method = TypeVar("Method", bound=Callable[..., Any])


def with_callbacks(method: Method) -> Method:
    """Let callbacks follow `method`, whose types stay what they are."""
    return _with_callbacks(method)
