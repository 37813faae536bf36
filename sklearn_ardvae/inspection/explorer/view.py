"""How rows are shown: as images, as curves or as features of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
        given = subject.model.input_shape if shape is None else shape
        found = _checked_shape(given, n_features)
        if kind == "auto":
            kind = {0: "table", 1: "curve"}.get(len(found), "image")
        if kind not in KINDS:
            raise ValueError(f"kind must be 'auto' or one of {KINDS}; got {kind!r}.")
        if kind == "image":
            _image_axes(found)  # which raises if it is none
        names = subject.names() if feature_names is None else feature_names
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
            return {"kind": "curve", **_as_ends(_range(both))}
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


def _checked_shape(shape: Any, n_features: int) -> tuple[int, ...]:
    if shape is None:
        return ()
    sizes = tuple(shape)
    if not all(isinstance(n, Integral) and int(n) > 0 for n in sizes) or (
        math.prod(sizes) != n_features
    ):
        raise ValueError(
            f"shape must hold integers >= 1 whose product is the number of features, "
            f"{n_features}; got {shape!r}."
        )
    return tuple(int(n) for n in sizes)


def _image_axes(shape: tuple[int, ...]) -> tuple[int | None, int, int]:
    """Return which axes of an image are channels, height and width."""
    if len(shape) == 2:
        return None, 0, 1
    if len(shape) == 3 and shape[0] in _COLOURS:
        return 0, 1, 2
    if len(shape) == 3 and shape[2] in _COLOURS:
        return 2, 0, 1
    raise ValueError(
        "shape of an image must be (height, width), or (channels, height, width) with "
        f"1 or 3 channels; got {shape}. Set shape, or kind='curve' or kind='table'."
    )
