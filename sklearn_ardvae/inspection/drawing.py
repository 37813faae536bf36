"""What displays draw with: matplotlib, places, colours, rows of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._optional import optional_module

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "ACTIVE",
    "CATEGORIES",
    "EMPHASIS",
    "OTHER",
    "SEQUENTIAL",
    "add_scale",
    "at_the_edge",
    "colors_of",
    "legend_above",
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
#: A map of colours whose lightness tells the order too.
SEQUENTIAL = "viridis"


def pyplot() -> Any:
    """Import ``matplotlib.pyplot``, or say how to install it."""
    return optional_module("matplotlib.pyplot", "plot")


def one_place(
    ax: Axes | None, size: tuple[float, float], layout: str = "constrained"
) -> Axes:
    """Return `ax`, or the axes of a new figure.

    Parameters
    ----------
    ax : Axes or None
    size : (float, float)
        Width and height of a new figure, in inches.
    layout : str, default="constrained"
        Axes of a fixed aspect need "compressed".
    """
    if ax is not None:
        return ax
    return pyplot().subplots(figsize=size, layout=layout)[1]


def places(
    ax: Any, n: int, n_columns: int, size: tuple[float, float]
) -> NDArray[np.object_]:
    """Return `n` axes in one figure.

    Parameters
    ----------
    ax : Axes, array-like of Axes or None
        One is divided into `n`; of several, there must be `n`; None makes a new figure.
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
        return given
    if ax is not None and n == 1:
        return np.array([ax], dtype=object)
    n_columns = min(n, n_columns)
    n_rows = -(-n // n_columns)
    if ax is None:
        plt = pyplot()
        whole = (size[0] * n_columns, size[1] * n_rows)
        figure: Any = plt.figure(figsize=whole, layout="constrained")
        grid = figure.add_gridspec(n_rows, n_columns)
    else:
        figure, spec = ax.figure, ax.get_subplotspec()
        ax.set_axis_off()
        if spec is None:
            left, bottom, right, top = ax.get_position().extents
            grid = figure.add_gridspec(
                n_rows, n_columns, left=left, bottom=bottom, right=right, top=top
            )
        else:
            grid = spec.subgridspec(n_rows, n_columns)
    made = [figure.add_subplot(grid[i // n_columns, i % n_columns]) for i in range(n)]
    return np.array(made, dtype=object)


def at_the_edge(ax: Any, n: int, n_columns: int) -> list[tuple[bool, bool]]:
    """Return whether each panel of `places` is the first of its row, the last below.

    Of panels that a user has placed each is both.

    Parameters
    ----------
    ax, n, n_columns
        As for `places`.
    """
    n_columns = min(n, n_columns)
    if ax is not None and np.ndim(ax) > 0:
        return [(True, True)] * n
    return [(i % n_columns == 0, i + n_columns >= n) for i in range(n)]


def legend_above(ax: Axes) -> None:
    """Say what is what above an axes, where it hides nothing.

    Parameters
    ----------
    ax : Axes
    """
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=3,
        frameon=False,
        fontsize="small",
        borderaxespad=0.2,
    )


def add_scale(axes: Any, values: tuple[float, float], cmap: str, label: str) -> None:
    """Draw beside some axes which colour stands for which value.

    Parameters
    ----------
    axes : sequence of Axes
        Of one figure.
    values : (float, float)
        The ends of the map.
    cmap : str
    label : str
    """
    plt = pyplot()
    norm = plt.Normalize(*values)
    mappable = plt.cm.ScalarMappable(norm, cmap)
    axes[0].figure.colorbar(mappable, ax=list(axes), label=label)


def colors_of(values: NDArray, cmap: str) -> NDArray[np.floating]:
    """Return a colour for each value, over the whole of a map.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
    cmap : str

    Returns
    -------
    ndarray of shape (n_values, 4)
    """
    low, high = float(values.min()), float(values.max())
    shares = (values - low) / ((high - low) or 1.0)
    return pyplot().get_cmap(cmap)(shares)
