"""What displays draw with: matplotlib, colours, points, names and legends."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._optional import optional_module

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "ACTIVE",
    "EMPHASIS",
    "MARKERS",
    "SEQUENTIAL",
    "add_scale",
    "axis_names",
    "categories",
    "colors_of",
    "count_whole",
    "ends_of",
    "faint",
    "foreground",
    "legend_above",
    "points_of",
    "pyplot",
    "shortened",
]

# The palette of Okabe and Ito, which people with any kind of colour vision tell apart,
# without its black, see `categories`, and its yellow, hard to see on white.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
ACTIVE, EMPHASIS = _PALETTE[0], _PALETTE[3]
#: Forms of points, of several kinds of them in one axes.
MARKERS = "o^sD"
#: A map of colours whose lightness tells the order too.
SEQUENTIAL = "viridis"
# Points up to which each is drawn in full.
_FULL = 2000
# Entries of a legend side by side.
_IN_A_ROW = 3
# Characters of a name beyond which its middle is left out, and what stands there.
_LONGEST, _CUT = 30, "\N{HORIZONTAL ELLIPSIS}"


def pyplot() -> Any:
    """Import ``matplotlib.pyplot``, or say how to install it."""
    return optional_module("matplotlib.pyplot", "plot")


def foreground() -> str:
    """Return the colour of text, black on white unless a style says otherwise."""
    return str(pyplot().rcParams["text.color"])


def faint() -> str:
    """Return a grey near the background, of what is not in the foreground."""
    back = pyplot().rcParams["axes.facecolor"]
    from matplotlib.colors import to_hex, to_rgb

    mixed = 0.3 * np.array(to_rgb(foreground())) + 0.7 * np.array(to_rgb(back))
    return to_hex(mixed.tolist())


def categories() -> list[str]:
    """Return seven colours that people with any kind of colour vision tell apart."""
    return [*_PALETTE, foreground()]


def points_of(n: int, area: float = 18.0) -> dict[str, Any]:
    """Return how `n` points are drawn: of many, each is smaller and lighter.

    Parameters
    ----------
    n : int
    area : float, default=18.0
        Of one of few, in square points.
    """
    share = min(1.0, math.sqrt(_FULL / max(n, 1)))
    return {"s": area * share, "alpha": 0.85 * share**0.5, "linewidths": 0}


def shortened(names: Sequence[str]) -> list[str]:
    """Return names, those without their middles that are too long for a panel.

    Where they would be alike then, their numbers stand in place of the ends.
    """
    half = (_LONGEST - 1) // 2
    short = [
        name if len(name) <= _LONGEST else f"{name[:half]}{_CUT}{name[-half:]}"
        for name in names
    ]
    times = Counter(short)
    return [
        f"{name[:half]}{_CUT} ({i})" if times[name] > 1 and _CUT in name else name
        for i, name in enumerate(short)
    ]


def count_whole(axis: Any) -> None:
    """Put ticks of an axis of counts at whole numbers."""
    # One tick is enough: two need fractions if all counts are the same.
    axis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def axis_names(labels: ArrayLike | None, n: int) -> list[str]:
    """Return names of `n` latent axes: those that were given, or numbers."""
    if labels is None:
        return [f"axis {i}" for i in range(n)]
    names = [str(label) for label in np.asarray(labels)]
    if len(names) != n:
        raise ValueError(f"axis_labels holds {len(names)} names for {n} axes.")
    return names


def legend_above(ax: Axes, handles: Sequence[Any] | None = None) -> None:
    """Say what is what, if something is named, where it hides nothing: above a title.

    Parameters
    ----------
    ax : Axes
        Whose title is set.
    handles : sequence of Artist, default=None
        What is named; None takes all of the axes that have a label.
    """
    if handles is None:
        handles = ax.get_legend_handles_labels()[0]
    if not handles:
        return
    legend = ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=_IN_A_ROW,
        frameon=False,
        fontsize="small",
    )
    size = float(legend.get_texts()[0].get_fontsize())
    lines, height = ax.get_title().splitlines(), 0.0
    if lines:
        height = float(pyplot().rcParams["axes.titlepad"])
        height += 1.3 * float(ax.title.get_fontsize()) * len(lines)
    # In font sizes of the legend, which are in points as heights are.
    legend.borderaxespad = 0.2 + height / size
    # A layout shall make room for it above the axes, but none beside them, where it
    # may be the wider of the two: a blank stands for it.
    legend.set_in_layout(False)
    height += size * (1.0 + 1.5 * -(-len(handles) // _IN_A_ROW))
    ax.annotate(
        " ",
        (0.0, 1.0),
        (0.0, height),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
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


def ends_of(values: NDArray) -> tuple[float, float]:
    """Return the ends of a scale of values, those that are NaN left out.

    Of values that are all the same the scale has a length of 1, and of none it is that
    from 0.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return low, high if high > low else low + 1.0


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
    low, high = ends_of(values)
    return pyplot().get_cmap(cmap)((values - low) / (high - low))
