"""What displays draw with: matplotlib, places, colours, rows of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._optional import optional_module

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ACTIVE",
    "CATEGORIES",
    "EMPHASIS",
    "OTHER",
    "SEQUENTIAL",
    "SIGNED",
    "one_place",
    "places",
    "pyplot",
]

#: The palette of Okabe and Ito, which people with any kind of colour vision tell apart;
#: its yellow, hard to see on white, comes last.
CATEGORIES = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
    "#F0E442",
)
ACTIVE, EMPHASIS, OTHER = CATEGORIES[0], CATEGORIES[3], "#B8B8B8"
#: Maps of colours, of which the lightness tells the order too.
SEQUENTIAL, SIGNED = "viridis", "cividis"


def pyplot() -> Any:
    """Import ``matplotlib.pyplot``, or say how to install it."""
    return optional_module("matplotlib.pyplot", "plot")


def one_place(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return `ax`, or the axes of a new figure of `size` inches."""
    if ax is not None:
        return ax
    return pyplot().subplots(figsize=size, layout="constrained")[1]


def places(
    ax: Any, n: int, n_columns: int, size: tuple[float, float]
) -> tuple[Figure, NDArray[np.object_]]:
    """Return a figure and `n` axes in it.

    Parameters
    ----------
    ax : Axes, array-like of Axes or None
        One is divided; of several, there must be `n`; None makes a new figure.
    n, n_columns : int
        Panels, and how many stand side by side at most.
    size : (float, float)
        Width and height of a panel of a new figure, in inches.
    """
    if ax is not None and np.ndim(ax) > 0:
        given = np.asarray(ax, dtype=object).ravel()
        if len(given) != n:
            raise ValueError(
                f"ax holds {len(given)} axes, but this display draws {n} panels: pass "
                f"{n} axes, or a single one, which is divided."
            )
        return given[0].figure, given
    n_columns = min(n, n_columns)
    n_rows = -(-n // n_columns)
    if ax is None:
        plt = pyplot()
        whole = (size[0] * n_columns, size[1] * n_rows)
        figure = plt.figure(figsize=whole, layout="constrained")
        grid = figure.add_gridspec(n_rows, n_columns)
    else:
        figure, spec = ax.figure, ax.get_subplotspec()
        ax.set_axis_off()
        if spec is None:
            box = ax.get_position()
            edges = dict(
                zip(("left", "bottom", "right", "top"), box.extents, strict=True)
            )
            grid = figure.add_gridspec(n_rows, n_columns, **edges)
        else:
            grid = spec.subgridspec(n_rows, n_columns)
    made = [figure.add_subplot(grid[i // n_columns, i % n_columns]) for i in range(n)]
    return figure, np.array(made, dtype=object)
