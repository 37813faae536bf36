"""How rows are shown: as images, as curves or as features of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import doubles
from .subject import Subject

__all__ = ["KINDS", "View"]

KINDS = ("image", "curve", "table")

_COLOURS = (1, 3)
# Of a table; of more, those are shown that the axes move furthest.
_MOST_FEATURES = 60


@dataclass(frozen=True)
class View:
    """What the script has to know to draw a row.

    Parameters
    ----------
    kind : {"image", "curve", "table"}
    shape : tuple of int
        Of a row.
    feature_names : list of str
    has_units : bool
        Whether features have units of their own, which do not compare.
    """

    kind: str
    shape: tuple[int, ...]
    feature_names: list[str]
    has_units: bool

    @classmethod
    def of(
        cls,
        subject: Subject,
        kind: str,
        shape: Sequence[int] | None,
        feature_names: Sequence[str] | None,
    ) -> View:
        """Take what the user says, or else what the estimator knows.

        Raises
        ------
        ValueError
            If that does not fit the rows.
        """
        n_features = subject.n_features
        if shape is None:
            found = _known_shape(subject.model.input_shape, n_features)
        else:
            found = _checked_shape(shape, n_features)
        if kind == "auto":
            kind = _kind_of(found)
            if kind == "image" and shape is None and not _is_image(found):
                kind = "table"  # a network may take what is no picture
        if kind not in KINDS:
            raise ValueError(f"kind must be 'auto' or one of {KINDS}; got {kind!r}.")
        if kind == "image" and not _is_image(found):
            raise ValueError(
                "shape of an image must be (height, width), or (channels, height, "
                f"width) with 1 or 3 channels; got {found}. Set shape, or kind='curve' "
                "or kind='table'."
            )
        names = subject.names() if feature_names is None else feature_names
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise TypeError(f"feature_names must be a sequence of str; got {names!r}.")
        names = [str(name) for name in names]
        if len(names) != n_features:
            raise ValueError(
                f"feature_names must hold {n_features} names, one for each feature; "
                f"got {len(names)}."
            )
        return cls(kind, found, names, subject.before is not None)

    def packed(self, decoded: NDArray, originals: NDArray | None) -> dict[str, Any]:
        """Return what the page's script reads.

        Parameters
        ----------
        decoded : ndarray of shape (n_rows, n_features)
            Rows along the axes. They say, with the originals, which values are low and
            which are high.
        originals : ndarray of shape (n_rows, n_features) or None
        """
        known = decoded[:0] if originals is None else originals
        if self.kind == "image":
            # What goes beyond the data is white or black.
            ends = _range(known) if len(known) else np.quantile(decoded, (0.01, 0.99))
            return {"kind": "image", **_as_ends(ends), **self._strides()}
        both = np.concatenate((decoded, known))
        if self.kind == "curve":
            ends = [self.feature_names[0], self.feature_names[-1]]
            return {"kind": "curve", "ends": ends, **_as_ends(_range(both))}
        moved, size = np.ptp(decoded, 0), np.ptp(both, 0)
        if self.has_units:
            moved = np.divide(moved, size, out=np.zeros_like(moved), where=size > 0.0)
        order = np.argsort(-moved, kind="stable")
        return {
            "kind": "table",
            "names": self.feature_names,
            "low": doubles(both.min(0)),
            "high": doubles(both.max(0)),
            "shown": np.sort(order[:_MOST_FEATURES]).tolist(),
        }

    def _strides(self) -> dict[str, int]:
        """Return how an image lies in its row."""
        channels, height, width = _image_axes(self.shape)
        strides = [math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        return {
            "channels": 1 if channels is None else self.shape[channels],
            "height": self.shape[height],
            "width": self.shape[width],
            "channel_stride": 0 if channels is None else strides[channels],
            "row_stride": strides[height],
            "column_stride": strides[width],
        }


def _range(rows: NDArray) -> tuple[float, float]:
    return rows.min(), rows.max()


def _as_ends(ends: Any) -> dict[str, float]:
    return {"low": float(ends[0]), "high": float(ends[1])}


def _kind_of(shape: tuple[int, ...]) -> str:
    """Return how rows of a shape are shown, unless the user says."""
    if not shape:
        return "table"
    is_line = len(shape) == 1 or (len(shape) == 2 and shape[0] == 1)
    return "curve" if is_line else "image"


def _known_shape(shape: Any, n_features: int) -> tuple[int, ...]:
    """Return an estimator's shape, unless a step before it changes what a row is."""
    if shape is None or math.prod(shape) != n_features:
        return ()
    return tuple(int(n) for n in shape)


def _checked_shape(shape: Any, n_features: int) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Iterable) else ()
    if not all(isinstance(n, Integral) and int(n) > 0 for n in sizes) or (
        math.prod(sizes) != n_features
    ):
        raise ValueError(
            f"shape must hold integers >= 1 whose product is the number of features, "
            f"{n_features}; got {shape!r}."
        )
    return tuple(int(n) for n in sizes)


def _is_image(shape: tuple[int, ...]) -> bool:
    has_channels = len(shape) == 3 and (shape[0] in _COLOURS or shape[2] in _COLOURS)
    return len(shape) == 2 or has_channels


def _image_axes(shape: tuple[int, ...]) -> tuple[int | None, int, int]:
    """Return which axes of an image are channels, height and width."""
    if len(shape) == 2:
        return None, 0, 1
    return (0, 1, 2) if shape[0] in _COLOURS else (2, 0, 1)
