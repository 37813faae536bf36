"""What stands on the page, as plain values that its scripts read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ...nn.gaussian import covariance_root
from .arrays import doubles, floats
from .grid import Grid
from .program import NotInThePage
from .subject import Subject
from .view import View

__all__ = ["REACH", "contents_of", "facts_of"]

#: Deviations of a code that a slider reaches, either way.
REACH = 3.0

# Axes beyond these are summed up in the chart of relevances.
_BARS = 30
# Epochs that a curve shows.
_POINTS = 400


def facts_of(subject: Subject) -> list[tuple[str, str]]:
    """Return the numbers that head the page, each under a name."""
    model = subject.model
    n_all = len(model.relevance_)
    facts = [("active axes", f"{model.n_active_components_} of {n_all}")]
    if hasattr(model, "_verdict"):
        low, high = model.dimension_interval()
        both = str(low) if low == high else f"{low} to {high}"
        facts.append(("interval of their number (90 %)", both))
    dimension = getattr(model, "intrinsic_dimension_", math.nan)
    if not math.isnan(dimension):
        facts.append(("intrinsic dimension", f"{dimension:.1f}"))
    facts.append(("features", f"{subject.n_features:,}"))
    if model.likelihood == "gaussian":
        deviation = f"{math.sqrt(model.noise_variance_):.3g}"
        of = " (scaled units)" if subject.before is not None else ""
        facts.append((f"noise, deviation of a feature{of}", deviation))
    facts.append(("epochs", f"{model.n_iter_:,}"))
    return facts


def contents_of(
    subject: Subject,
    view: View,
    X: ArrayLike | None,
    *,
    decoder: str,
    n_rows: int,
    n_samples: int,
    random_state: Any,
) -> dict[str, Any]:
    """Return all that the scripts of a page read."""
    deviation = np.sqrt(np.diag(subject.code_covariance))
    deviation = np.where(deviation > 0.0, deviation, 1.0)
    grid = Grid.of(subject.decode, subject.code_mean, deviation, REACH)
    shown = [grid.rows.reshape(-1, len(grid.centre)), grid.centre[None]]
    parts: dict[str, Any] = {"reach": REACH}
    if X is not None:
        some, originals = subject.rows(X, n_rows)
        codes, whole = subject.encode(some), subject.reconstruct(some)
        shown.append(originals)
        parts["rows"] = {
            "n": len(originals),
            "codes": doubles(codes),
            "originals": floats(originals),
            "reconstructions": floats(whole),
        }
    if n_samples:
        samples = subject.sample(n_samples, random_state)
        parts["samples"] = {"n": n_samples, "rows": floats(samples)}
    runs, n_axes = _decoder(subject, grid, decoder)
    if runs["how"] == "grid" and X is not None:
        # Where the page starts at a row, it is exact.
        runs["rows"] = floats(subject.decode(codes))
    model = subject.model
    return {
        **parts,
        "view": view.packed(np.concatenate(shown)),
        "n_features": subject.n_features,
        "axes": [
            {
                "index": int(axis),
                "mean": float(subject.code_mean[place]),
                "deviation": float(deviation[place]),
                "share": float(model.relevance_ratio_[axis]),
            }
            for place, axis in enumerate(subject.axes[:n_axes])
        ],
        "root": doubles(_root(subject, n_axes)),
        "decoder": runs,
        "relevance": _relevance(subject),
        "history": _history(model.history_),
    }


def _root(subject: Subject, n_axes: int) -> NDArray[np.float64]:
    """Return R with R R' the covariance of the codes along the first axes."""
    covariance = np.ascontiguousarray(subject.code_covariance[:n_axes, :n_axes])
    return covariance_root(torch.from_numpy(covariance)).numpy()


def _decoder(subject: Subject, grid: Grid, wanted: str) -> tuple[dict[str, Any], int]:
    """Return how the page decodes, and how many axes it moves."""
    reason = "the page was asked for without it"
    if wanted != "grid":
        try:
            program = subject.program()
        except NotInThePage as error:
            if wanted == "network":
                raise ValueError(
                    f"decoder='network': the page cannot run this decoder: {error}. "
                    "Set decoder='auto'."
                ) from error
            reason = str(error)
        else:
            size = {"n_weights": program.n_weights, "steps": program.steps}
            return {"how": "network", **size}, len(subject.axes)
    root = _root(subject, len(subject.axes))
    error = grid.error(subject.decode, subject.code_mean, root)
    found = {"how": "grid", "reason": reason, "error": error}
    return {**found, **grid.packed()}, grid.n_axes


def _relevance(subject: Subject) -> dict[str, Any]:
    """Return the relevances of axes, the largest first, and the threshold."""
    ratio = subject.model.relevance_ratio_
    order = np.argsort(-ratio, kind="stable")
    n_bars = min(len(order), max(_BARS, len(subject.axes)))
    active = set(subject.axes.tolist())
    return {
        "n_components": len(order),
        "bars": [
            {
                "axis": int(axis),
                "share": _number(ratio[axis]),
                "is_active": int(axis) in active,
            }
            for axis in order[:n_bars]
        ],
    }


def _history(history: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return one panel for each kind of number, thinned out."""
    panels: dict[str, dict[str, Any]] = {}
    for name, values in history.items():
        title, line = name, "train"
        for prefix in ("train", "valid"):
            if name.startswith(f"{prefix}_"):
                title, line = name.removeprefix(f"{prefix}_"), prefix
        epochs = np.unique(np.linspace(0, len(values) - 1, _POINTS).round().astype(int))
        panel = panels.setdefault(
            title, {"title": title.replace("_", " "), "lines": []}
        )
        panel["lines"].append(
            {
                "name": {"train": "training", "valid": "validation"}[line],
                "epochs": (epochs + 1).tolist(),
                "values": [_number(values[epoch]) for epoch in epochs],
            }
        )
    return list(panels.values())


def _number(value: Any) -> float | None:
    """Return a float that JSON has: it has no NaN."""
    number = float(value)
    return number if math.isfinite(number) else None
