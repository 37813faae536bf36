"""How a page decodes: by the decoder's own weights, or from rows decoded beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...nn.gaussian import covariance_root
from .arrays import Packed, doubles, floats
from .grid import Grid
from .program import NotInThePage, Program
from .subject import Subject

__all__ = ["REACH", "Decoding", "decoding_of"]

#: Deviations of a code that a slider reaches, either way.
REACH = 3.0

# Random codes that are decoded beforehand, where the page does not decode.
_STARTS = 32


@dataclass(frozen=True)
class Decoding:
    """What a page decodes with.

    Parameters
    ----------
    n_axes : int
        Axes that it moves, the first ones.
    along : ndarray of shape (n_rows, n_features)
        Rows along them, which tell the range of values.
    packed : dict
        What the page's script reads.
    """

    n_axes: int
    along: NDArray
    packed: dict[str, Any]

    def starts(self, subject: Subject, codes: NDArray) -> dict[str, Packed]:
        """Return codes to start from, with their rows where a page does not decode."""
        found = {"codes": doubles(codes[:, : self.n_axes])}
        if self.packed["how"] == "grid":
            whole = np.tile(subject.code_mean, (len(codes), 1))
            whole[:, : self.n_axes] = codes[:, : self.n_axes]
            found["decoded"] = floats(subject.decode(whole))
        return found


def decoding_of(subject: Subject, wanted: str) -> Decoding:
    """Return what a page decodes with.

    Parameters
    ----------
    subject : Subject
    wanted : {"auto", "network", "grid"}

    Raises
    ------
    ValueError
        If the network is wanted and the page cannot run it.
    """
    if wanted == "grid":
        return _of_grid(subject, "the page was asked for without it")
    try:
        program = subject.program()
    except NotInThePage as error:
        if wanted == "auto":
            return _of_grid(subject, str(error))
        raise ValueError(
            f"decoder='network': the page cannot run this decoder: {error}. Set "
            "decoder='auto'."
        ) from error
    return _of_network(subject, program)


def _of_network(subject: Subject, program: Program) -> Decoding:
    ends = np.array([-REACH, -REACH / 2.0, REACH / 2.0, REACH])
    moves = np.diag(subject.deviation) * ends[:, None, None]
    n_axes = len(subject.axes)
    codes = subject.code_mean + moves.reshape(len(ends) * n_axes, n_axes)
    along = subject.decode(np.concatenate((codes, subject.code_mean[None])))
    packed = {
        "how": "network",
        "n_weights": program.n_weights,
        "steps": program.steps,
        "root": doubles(_root(subject)),
    }
    return Decoding(n_axes, along, packed)


def _of_grid(subject: Subject, reason: str) -> Decoding:
    mean, n_features = subject.code_mean, subject.n_features
    grid = Grid.of(subject.decode, mean, subject.deviation, REACH)
    scale = np.ones(n_features)
    if subject.before is not None:  # each feature has a unit of its own
        ranges = np.ptp(grid.rows, (0, 1))
        scale = np.where(ranges > 0.0, ranges, 1.0)
    packed = {
        "how": "grid",
        "reason": reason,
        "error": grid.error(subject.decode, mean, scale),
        **grid.packed(),
    }
    along = np.concatenate((grid.rows.reshape(-1, n_features), grid.centre[None]))
    found = Decoding(grid.n_axes, along, packed)
    noise = np.random.default_rng(0).standard_normal((_STARTS, len(mean)))
    codes = mean + noise @ _root(subject).T
    packed["starts"] = {"n": _STARTS, **found.starts(subject, codes)}
    return found


def _root(subject: Subject) -> NDArray[np.float64]:
    """Return R with R R' the covariance of the codes."""
    covariance = np.ascontiguousarray(subject.code_covariance)
    return covariance_root(torch.from_numpy(covariance)).numpy()
