"""What stands on the page, as plain values that its scripts read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import floats
from .decoding import REACH, decoding_of
from .subject import Subject
from .view import View

__all__ = ["contents_of", "facts_of"]

# Axes that are not active in the chart of relevances.
_MORE_BARS = 5
# Epochs that a curve shows.
_POINTS = 400


def facts_of(subject: Subject) -> list[tuple[str, str]]:
    """Return the numbers that head the page, each under a name.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    list of (name, value)
    """
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
    """Return all that the scripts of a page read.

    Parameters
    ----------
    subject : Subject
    view : View
        How its rows are shown.
    X : array-like of shape (n_samples, n_features) or None
        Rows to reconstruct, as the subject takes them.
    decoder : str
        As for `report`.
    n_rows, n_samples : int
        How many of X are reconstructed, and how many are drawn.
    random_state : int, RandomState instance or None
        Of the draws.
    """
    model, originals = subject.model, None
    found = decoding_of(subject, decoder)
    parts: dict[str, Any] = {}
    if X is not None:
        some: Any = _first(X, n_rows)
        starts = found.starts(subject, subject.encode(some))  # which checks them
        originals = np.asarray(some, dtype=np.float64).reshape(len(some), -1)
        parts["rows"] = {
            "n": len(originals),
            "originals": floats(originals),
            "reconstructions": floats(subject.reconstruct(some)),
            **starts,
        }
    if n_samples:
        samples = subject.sample(n_samples, random_state)
        parts["samples"] = {"n": n_samples, "rows": floats(samples)}
    return {
        **parts,
        "reach": REACH,
        "view": view.packed(found.along, originals),
        "n_features": subject.n_features,
        "axes": [
            {
                "index": int(axis),
                "mean": float(subject.code_mean[place]),
                "deviation": float(subject.deviation[place]),
                "share": float(model.relevance_ratio_[axis]),
            }
            for place, axis in enumerate(subject.axes[: found.n_axes])
        ],
        "decoder": found.packed,
        "relevance": _relevance(subject),
        "history": _history(model.history_),
    }


def _first(X: Any, n: int) -> Any:
    """Return the first rows, of data frames by their place."""
    rows = getattr(X, "iloc", X)
    if not hasattr(rows, "__getitem__"):
        raise TypeError(
            f"X must be an array-like of shape (n_samples, n_features); got {X!r}."
        )
    return rows[:n]


def _relevance(subject: Subject) -> dict[str, Any]:
    """Return the relevances of active axes and of some others, the largest first."""
    ratio = subject.model.relevance_ratio_
    order = np.argsort(-ratio, kind="stable")
    is_active = np.isin(order, subject.axes)
    # By its own rule a method may have active axes behind others.
    is_shown = is_active | (np.cumsum(~is_active) <= _MORE_BARS)
    return {
        "n_components": len(order),
        "bars": [
            {
                "axis": int(axis),
                "share": _number(ratio[axis]),
                "is_active": bool(active),
            }
            for axis, active in zip(order[is_shown], is_active[is_shown], strict=True)
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
