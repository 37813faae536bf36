"""`report`: one HTML file of a fitted estimator."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib.resources import files
from numbers import Integral
from os import PathLike
from pathlib import Path
from string import Template
from typing import Any, Literal

from numpy.typing import ArrayLike
from sklearn.utils.validation import check_scalar

from ..._files import whole_file
from .contents import contents_of, facts_of
from .subject import Subject
from .view import View

__all__ = ["report"]

_PAGE = files(__package__) / "page"
_SUFFIXES = (".html", ".htm")
# In this order: each uses what stands before it.
_SCRIPTS = ("data.js", "decoder.js", "pictures.js", "charts.js", "explorer.js")


def report(
    estimator: Any,
    path: str | PathLike,
    X: ArrayLike | None = None,
    *,
    kind: Literal["auto", "image", "curve", "table"] = "auto",
    shape: Sequence[int] | None = None,
    feature_names: Sequence[str] | None = None,
    decoder: Literal["auto", "network", "grid"] = "auto",
    n_rows: int = 16,
    n_samples: int = 16,
    title: str | None = None,
    random_state: Any = None,
) -> None:
    """Write a page on which a fitted estimator can be explored, as one HTML file.

    It shows what `summary` says, relevances, training curves, reconstructions and
    samples, and has one slider for each active axis, most relevant first: while one
    moves, from 3 deviations below the mean code of the training rows to 3 above it, the
    page decodes. The file needs no server and no network.

    Parameters
    ----------
    estimator : object
        A fitted estimator of this package, or a fitted `Pipeline` that ends in one and
        whose other steps have ``inverse_transform``: the page is then in the units of
        the pipeline's input.
    path : path-like
        The file, which ends in ``.html``, in a folder that exists. A file that is there
        already stays as it is until the new one is whole.
    X : array-like of shape (n_samples, n_features), default=None
        Rows, of which the first `n_rows` are shown beside their reconstructions; None
        for a page without, since estimators do not keep training data.
    kind : {"auto", "image", "curve", "table"}, default="auto"
        How rows are shown. ``"auto"``: as images if `shape` has two or three numbers,
        as curves if it has one, or one channel and a length, as a table if there is
        none.
    shape : sequence of int, default=None
        Of one row; None for the estimator's ``input_shape``. Images are (height,
        width), or have 1 or 3 channels before or after these.
    feature_names : sequence of str of length n_features, default=None
        None for those that were seen in ``fit``, if any.
    decoder : {"auto", "network", "grid"}, default="auto"
        ``"network"``: the page runs the decoder, and shows what `inverse_transform`
        returns, to rounding. It takes linear layers, convolutions and batch
        normalisation in a row, the activations of this package, and `StandardScaler`,
        `MinMaxScaler`, `MaxAbsScaler` and `RobustScaler` before it; up to 4 million
        weights (a page of 22 MB) and 34 million multiplications a row. ``"grid"``: rows
        are decoded beforehand, at up to 25 points of each axis with the others at their
        mean; sliders then move one axis at a time, and the page says so, and how much
        interpolation misses. ``"auto"``: the network if the page can run it.
    n_rows : int, default=16
        Of `X`, >= 1.
    n_samples : int, default=16
        New rows that are shown, >= 0, drawn by `sample`.
    title : str, default=None
        Of the page; None for the name of the estimator.
    random_state : int, RandomState instance or None, default=None
        Of the samples.

    Raises
    ------
    OSError
        If the file cannot be written.
    TypeError, ValueError
        If an argument is unusable, or ``decoder="network"`` and the page cannot run it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import VAE
    >>> from sklearn_ardvae.inspection import report
    >>> X = load_digits().data / 16
    >>> model = VAE(8, max_iter=2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report(model, Path(folder) / "digits.html", X, shape=(8, 8))
    """
    check_scalar(n_rows, "n_rows", Integral, min_val=1)
    check_scalar(n_samples, "n_samples", Integral, min_val=0)
    if decoder not in ("auto", "network", "grid"):
        raise ValueError(
            f"decoder must be 'auto', 'network' or 'grid'; got {decoder!r}."
        )
    target = _file_of(path)
    subject = Subject.of(estimator)
    view = View.of(subject, kind, shape, feature_names)
    contents = contents_of(
        subject,
        view,
        X,
        decoder=decoder,
        n_rows=n_rows,
        n_samples=n_samples,
        random_state=random_state,
    )
    name = type(subject.model).__name__
    page = _page(
        name if title is None else str(title),
        facts_of(subject),
        subject.model.summary()._repr_html_(),
        contents,
    )
    with whole_file(target) as partial:
        partial.write_text(page, encoding="utf-8")


def _file_of(path: Any) -> Path:
    """Return where the page goes: a bad place is found before anything is computed."""
    if not isinstance(path, (str, PathLike)):
        raise TypeError(f"path must be a str or path-like; got {path!r}.")
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise ValueError(
            "path must end in '.html', or browsers show the page as plain text; "
            f"got {str(path)!r}."
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"path: there is no folder {str(target.parent)!r}; make it first."
        )
    if target.is_dir():
        raise IsADirectoryError(f"path: {str(target)!r} is a folder, not a file.")
    return target


def _page(
    title: str, facts: list[tuple[str, str]], summary: str, contents: dict[str, Any]
) -> str:
    scripts = [(_PAGE / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    return Template((_PAGE / "page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        policy=_policy(scripts),
        style=(_PAGE / "page.css").read_text(encoding="utf-8"),
        facts="\n".join(
            f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
            for name, value in facts
        ),
        summary=summary,
        contents=_json(contents),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def _policy(scripts: list[str]) -> str:
    """Return what lets the page's own scripts run, and nothing else, nor load any."""
    hashes = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(h).decode()}'" for h in hashes)
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src 'unsafe-inline'; script-src {allowed}"
    )


def _json(contents: dict[str, Any]) -> str:
    """Return JSON in which nothing ends the element that it stands in."""
    text = json.dumps(contents, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
