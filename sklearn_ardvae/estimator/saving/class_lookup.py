"""Classes by name, among those that are defined: nothing is imported."""

from __future__ import annotations

from .saved_model import SavedModel

__all__ = ["defined_classes", "name_of", "saved_class"]

_PACKAGE = __name__.partition(".")[0]


def defined_classes(cls: type) -> list[type]:
    """Return `cls` and all classes that are derived from it, in order of definition."""
    children: list[type] = cls.__subclasses__()
    below = (found for child in children for found in defined_classes(child))
    return list(dict.fromkeys([cls, *below]))


def name_of(cls: type) -> tuple[str, str]:
    """Return module and qualified name; of this package's classes, the package."""
    ours = cls.__module__.partition(".")[0] == _PACKAGE
    return (_PACKAGE if ours else cls.__module__, cls.__qualname__)


def saved_class(cls: type, base: type, model: SavedModel) -> type:
    """Return the class of a saved model, `cls` or one that is derived from it.

    Parameters
    ----------
    cls : type
        Of a file of version 1, which has a bare name, this package's class is meant, if
        it is among those.
    base : type
        Of all classes that could have been saved.
    model : SavedModel

    Raises
    ------
    ValueError
        If it is another class, or is not defined.
    """
    module, name = model.class_name

    def matching(root: type) -> list[type]:
        if model.format_version > 1:
            return [c for c in defined_classes(root) if name_of(c) == (module, name)]
        named = [c for c in defined_classes(root) if c.__name__ == name]
        return [c for c in named if name_of(c)[0] == _PACKAGE] or named

    found = matching(cls)
    if found:
        return cls if cls in found else found[-1]
    full_name = f"{module}.{name}" if module else name
    problem = f"holds a model of class {full_name:.200}, "
    if matching(base):
        asked = ".".join(name_of(cls))
        raise ValueError(f"{problem}not {asked}: load it with that class.")
    if module == _PACKAGE:
        raise ValueError(f"{problem}which this version of {_PACKAGE} does not have.")
    remedy = f"import {module:.200}" if module not in ("", "__main__") else "define it"
    raise ValueError(f"{problem}which is not defined here: {remedy} before load.")
