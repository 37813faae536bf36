"""Packages that only some functions need."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["optional_module"]


def optional_module(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which `extra` of this package installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{error}. Install it with: pip install sklearn_ardvae[{extra}]"
        ) from error
