"""Where displays draw: axes that are given, or those of a new figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .drawing import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["at_the_edge", "has_layout", "one_place", "places"]

# The font size that sizes of figures are made for, in points.
_FONT_SIZE = 10.0


def one_place(
    ax: Axes | None, size: tuple[float, float], layout: str = "constrained"
) -> Axes:
    """Return `ax`, or the axes of a new figure.

    Parameters
    ----------
    ax : Axes or None
    size : (float, float)
        Width and height of a new figure, in inches, with the usual size of fonts.
    layout : str, default="constrained"
        Axes of a fixed aspect need "compressed".

    Raises
    ------
    TypeError
        If `ax` is something else.
    """
    if ax is not None:
        _check_place(ax)
        return ax
    return pyplot().subplots(figsize=_with_fonts(size), layout=layout)[1]


def has_layout(figure: Any) -> bool:
    """Whether a figure makes room for what stands beside its axes."""
    return figure.get_layout_engine() is not None


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
        Width and height of a panel of a new figure, in inches, with the usual size of
        fonts.

    Raises
    ------
    TypeError
        If `ax` is something else.
    ValueError
        If there are other than `n`, one has been divided before, or `n` is 0.
    """
    if not n:
        raise ValueError("There is nothing to draw: what this display holds is empty.")
    if ax is not None and np.ndim(ax) > 0:
        given = np.asarray(ax, dtype=object).ravel()
        for each in given:
            _check_place(each)
        if len(given) != n:
            raise ValueError(
                f"ax holds {len(given)} axes, but this display draws {n} panels: pass "
                f"{n} axes, or a single one, which is divided."
            )
        return given
    if ax is not None:
        _check_place(ax)
    if ax is not None and n == 1:
        return np.array([ax], dtype=object)
    n_columns = min(n, n_columns)
    n_rows = -(-n // n_columns)
    if ax is None:
        plt = pyplot()
        whole = _with_fonts((size[0] * n_columns, size[1] * n_rows))
        figure: Any = plt.figure(figsize=whole, layout="constrained")
        grid = figure.add_gridspec(n_rows, n_columns)
    else:
        if not ax.axison:
            raise ValueError(
                "ax has been divided before, or is switched off: pass ax=display.axes_ "
                "to draw into the same panels, or other axes."
            )
        figure, spec = ax.figure, ax.get_subplotspec()
        ax.set_axis_off()
        # Without a layout, room for labels has to be left.
        room = {} if has_layout(figure) else {"wspace": 0.4, "hspace": 0.7}
        if spec is None:
            left, bottom, right, top = ax.get_position().extents
            room |= {"left": left, "bottom": bottom, "right": right, "top": top}
            grid = figure.add_gridspec(n_rows, n_columns, **room)
        else:
            grid = spec.subgridspec(n_rows, n_columns, **room)
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


def _with_fonts(size: tuple[float, float]) -> tuple[float, float]:
    """Return the size of a figure whose fonts are not of the usual one."""
    factor = max(1.0, pyplot().rcParams["font.size"] / _FONT_SIZE)
    return size[0] * factor, size[1] * factor


def _check_place(ax: Any) -> None:
    if not isinstance(ax, pyplot().Axes):
        raise TypeError(
            f"ax must be matplotlib Axes, as plt.subplots() makes them; got {ax!r}."
        )
