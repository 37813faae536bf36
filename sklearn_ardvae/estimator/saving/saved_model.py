"""What a file says of a model, whatever the version of its format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

__all__ = ["SavedModel"]


@dataclass
class SavedModel:
    """A fitted estimator as values, of which nothing has been made yet.

    Parameters
    ----------
    format_version : int
    class_name : tuple of (str, str)
        Module and qualified name of the class; version 1 has a bare name, and "".
    params, built_from : dict of str to object
        Constructor parameters at present, and those that the module was built from;
        without those that could not be saved.
    attributes : dict of str to object
        Of the estimator, but for its module.
    weights : dict of str to ndarray
        The state of the module.
    optimizer_states : list of dict or None, default=None
        The state of each optimiser, with arrays for tensors; None if it is not known.
    missing_params, missing_built_from : dict of str to str
        Parameters that could not be saved, and what they were.
    version : str, default=""
        Of this package when the model was saved, where it is known.
    """

    format_version: int
    class_name: tuple[str, str]
    params: dict[str, Any]
    built_from: dict[str, Any]
    attributes: dict[str, Any]
    weights: dict[str, NDArray[Any]]
    optimizer_states: list[dict[str, Any]] | None = None
    missing_params: dict[str, str] = field(default_factory=dict)
    missing_built_from: dict[str, str] = field(default_factory=dict)
    version: str = ""
