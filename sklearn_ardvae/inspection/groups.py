"""What y says of rows: the class of each, or a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length

from .drawing import (
    ACTIVE,
    MARKERS,
    SEQUENTIAL,
    add_scale,
    categories,
    colors_of,
    ends_of,
    faint,
    points_of,
    shortened,
)
from .places import has_layout

__all__ = ["Groups"]

# Of classes of one colour, in histograms.
_HATCHES = ("", "////", "....", "xxxx")
# Each has its own colour and form.
_MOST_CLASSES = 7 * len(MARKERS)
# Entries of a legend below each other.
_IN_A_COLUMN = 12
# Inches that an entry takes: the mark, and each letter.
_MARK, _LETTER = 0.5, 0.07


@dataclass(frozen=True)
class _Group:
    """Rows that look alike; a label is None where there is no y."""

    label: str | None
    rows: NDArray[np.bool_]
    color: str
    marker: str = "o"
    hatch: str = ""


class Groups:
    """How rows are coloured by y, and what the colours mean.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1), or None
        Classes or numbers; None, NaN and the like for rows that have none.
    n : int

    Attributes
    ----------
    colors : ndarray of shape (n, 4)
        Of each row.
    name : str
        Of y, or "y".
    numbers : ndarray of shape (n,) or None
        Of a y that has no classes, NaN where there is none.
    """

    def __init__(self, y: ArrayLike | None, n: int) -> None:
        self.name = str(getattr(y, "name", None) or "y")
        self.numbers: NDArray[np.float64] | None = None
        self._is_scaled = False
        if y is None:
            self._groups = [_Group(None, np.ones(n, dtype=bool), ACTIVE)]
        else:
            values = _one_column(y)
            check_consistent_length(values, np.empty(n))
            self._groups = self._read(values, _order_of(y))
        self.colors = np.empty((n, 4))
        for group in self._groups:
            self.colors[group.rows] = _rgba([group.color])
        if self.numbers is not None:
            known = np.isfinite(self.numbers)
            self.colors[known] = colors_of(self.numbers[known], SEQUENTIAL)

    def _read(self, values: NDArray[Any], order: Any) -> list[_Group]:
        missing = np.array([_is_missing(value) for value in values], dtype=bool)
        known = values[~missing]
        names: list[str] = []
        numbers = _as_numbers(known) if order is None else None
        if numbers is not None and not _are_classes(numbers):
            self.numbers = np.full(len(values), np.nan)
            self.numbers[~missing] = numbers
        else:
            if numbers is not None:
                known = numbers.astype(np.int64)
                order = np.unique(known)
            of_row = np.full(len(values), "", dtype=object)
            of_row[~missing] = [str(value) for value in known]
            found = set(of_row[~missing])
            names = sorted(found) if order is None else [str(value) for value in order]
            names = [name for name in names if name in found]
        if len(names) > _MOST_CLASSES:
            raise ValueError(
                f"y holds {len(names)} classes, but {_MOST_CLASSES} are the most that "
                "can be told apart: group them, or pass numbers."
            )
        palette, groups = categories(), []
        for k, (name, label) in enumerate(zip(names, shortened(names), strict=True)):
            again, which = divmod(k, len(palette))
            rows = (of_row == name) & ~missing
            # Neighbours differ in form, too, for those who see few colours.
            marker = MARKERS[(which + again) % len(MARKERS)]
            look = (palette[which], marker, _HATCHES[again])
            groups.append(_Group(label, rows, *look))
        if missing.any():
            groups.append(_Group("missing", missing, faint(), "P"))
        return groups

    @property
    def legend_width(self) -> float:
        """How many inches the legend takes, about."""
        letters = max((len(group.label or "") for group in self._groups), default=0)
        return self._legend_columns * (_MARK + _LETTER * letters) if letters else 0.0

    @property
    def _legend_columns(self) -> int:
        return -(-len(self._groups) // _IN_A_COLUMN)

    def scatter(self, panel: Any, xy: NDArray) -> list[Any]:
        """Draw points: those that have numbers, then those of each group."""
        look: dict[str, Any] = {**points_of(len(xy)), "zorder": 2}
        drawn = []
        if self.numbers is not None:
            known = np.isfinite(self.numbers)
            low, high = ends_of(self.numbers)
            how: dict[str, Any] = {"cmap": SEQUENTIAL, "vmin": low, "vmax": high}
            how["c"] = self.numbers[known]
            drawn.append(panel.scatter(*xy[known].T, **how, **look))
            self._is_scaled = True
        for group in self._groups:
            how = {"color": group.color, "marker": group.marker, "label": group.label}
            drawn.append(panel.scatter(*xy[group.rows].T, **how, **look))
        return drawn

    def one_axis(self, panel: Any, codes: NDArray) -> list[Any]:
        """Draw a single axis: against numbers, or how many rows of a group are where.

        Returns
        -------
        list of PathCollection
            Points, where there are numbers.
        """
        if self.numbers is not None:
            panel.set_ylabel(self.name)
            look = points_of(len(codes))
            return [panel.scatter(codes, self.numbers, color=ACTIVE, **look)]
        edges = np.histogram_bin_edges(codes, 30)
        below = np.zeros(len(edges) - 1)
        for group in self._groups:
            heights, _ = np.histogram(codes[group.rows], edges)
            panel.bar(
                edges[:-1],
                heights,
                np.diff(edges),
                below,
                align="edge",
                color=group.color,
                hatch=group.hatch,
                edgecolor="white" if group.hatch else None,
                linewidth=0,
                label=group.label,
            )
            below += heights
        panel.set_ylabel("rows")
        return []

    def explain(self, panels: NDArray[np.object_]) -> None:
        """Say what the colours are: by a scale, and beside the last panel."""
        figure, last = panels[0].figure, panels[-1]
        if self.numbers is not None and self._is_scaled:
            add_scale(panels, ends_of(self.numbers), SEQUENTIAL, self.name)
        if not last.get_legend_handles_labels()[0]:
            return
        # Without a layout, what stands beside the axes would be cut.
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "frameon": False}
        last.legend(
            **(beside if has_layout(figure) else {"loc": "upper right"}),
            ncols=self._legend_columns,
            title=None if self.name == "y" else self.name,
            fontsize="small",
            markerscale=1.4,
        )


def _one_column(y: Any) -> NDArray[Any]:
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            f"y must be of shape (n_samples,), a class or a number for each row; got "
            f"shape {values.shape}."
        )
    return values


def _order_of(y: Any) -> Any:
    """Return the categories of a pandas categorical, else None."""
    return getattr(getattr(y, "cat", y), "categories", None)


def _is_missing(value: Any) -> bool:
    """Whether a value is None, or one that does not equal itself."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA does not know.
        return True


def _as_numbers(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return numbers, None if some are none."""
    if values.dtype == object:
        are = all(isinstance(v, Real) and not isinstance(v, bool) for v in values)
    else:
        are = values.dtype.kind in "iuf"
    if not are or not len(values):
        return None
    numbers = values.astype(np.float64)
    if np.isinf(numbers).any():
        raise ValueError("y holds infinite numbers: pass NaN for rows that have none.")
    return numbers


def _are_classes(numbers: NDArray[np.float64]) -> bool:
    """Whether numbers are so few and whole that they name classes."""
    different = np.unique(numbers)
    return len(different) <= _MOST_CLASSES and not np.any(different % 1.0)


def _rgba(colors: Sequence[str]) -> NDArray[np.floating]:
    from matplotlib.colors import to_rgba_array

    return to_rgba_array(list(colors))
