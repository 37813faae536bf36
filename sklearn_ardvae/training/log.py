"""What ``verbose`` prints while a network trains: a table, and a line at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from skorch.callbacks import Callback

if TYPE_CHECKING:
    from .net import AutoencoderNet

__all__ = ["EpochLog", "PathLog", "closing_line"]

_MOST_COLUMNS = 8
_NARROWEST = 10


class EpochLog(Callback):
    """Print a table with a row for every so many epochs.

    Parameters
    ----------
    every : int
        Epochs from row to row, counted over all calls of fit and partial_fit.
    """

    def __init__(self, every: int) -> None:
        self.every = every

    def on_train_begin(self, net: AutoencoderNet, **kwargs: Any) -> None:
        self.columns_: list[str] = []

    def on_epoch_end(self, net: AutoencoderNet, **kwargs: Any) -> None:
        epoch = net.epoch_ + 1
        if epoch % self.every:
            return
        row = net.history[-1]
        if not self.columns_:
            self.columns_ = columns_of(row)
            titles = ["seconds" if name == "dur" else name for name in self.columns_]
            print(_aligned(titles, self.columns_), flush=True)
        values = [_number(row[name]) for name in self.columns_[1:]]
        print(_aligned([str(epoch), *values], self.columns_), flush=True)


class PathLog:
    """Print a table with a row for every candidate of a path, as it comes."""

    _COLUMNS = ("fits", "beta", "components", "evidence", "std_error", "n_active")

    def __init__(self) -> None:
        self.n_fits = 0

    def add(
        self,
        beta: float,
        n_components: int,
        evidence: NDArray[np.float64],
        n_active: NDArray[np.float64],
    ) -> None:
        """Print the row of a candidate, of what it was in each fold."""
        columns = [*self._COLUMNS]
        if not self.n_fits:
            print(_aligned(columns, columns), flush=True)
        self.n_fits += len(evidence)
        error = evidence.std() / max(1, len(evidence) - 1) ** 0.5
        values = [beta, n_components, evidence.mean(), error, n_active.mean()]
        cells = [str(self.n_fits), *(_number(value) for value in values)]
        print(_aligned(cells, columns), flush=True)


def columns_of(row: dict[str, Any]) -> list[str]:
    """Return the columns to print of a row of the history, no more than eight."""
    losses = [name for name in ("train_loss", "valid_loss") if name in row]
    others = ["n_active", "learning_rate", "dur"]
    terms = [
        name
        for name, value in row.items()
        if name.startswith("train_") and isinstance(value, float) and name not in losses
    ]
    n_terms = _MOST_COLUMNS - 1 - len(losses) - len(others)
    return ["epoch", *losses, *terms[:n_terms], *others]


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:#.4g}"


def _aligned(cells: list[str], columns: list[str]) -> str:
    widths = [5, *(max(_NARROWEST, len(name)) for name in columns[1:])]
    pairs = zip(cells, widths, strict=True)
    return "  ".join(cell.rjust(width) for cell, width in pairs)


def closing_line(net: AutoencoderNet, n_active: int, n_components: int) -> str:
    """Return what came out of training, in one line."""
    seconds = sum(row["dur"] for row in net.history)
    line = f"{len(net.history)} epochs in {seconds:.1f} s"
    if net.history:
        name = "valid_loss" if "valid_loss" in net.history[-1] else "train_loss"
        losses = net.history[:, name]
        epoch = net.epochs_before + losses.index(min(losses)) + 1
        line += f", lowest {name} {min(losses):.5g} in epoch {epoch}"
    return f"{line}, {n_active} of {n_components} components active"
