"""Evidence and count over beta."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .drawing import EMPHASIS, MARKERS, categories, count_whole, faint, legend_above
from .pipelines import Source
from .places import places

__all__ = ["BetaPathDisplay"]

_WIDER = 1.05


class BetaPathDisplay:
    """Cross-validated evidence, and the number of active axes, over beta.

    Points are folds. The line of the evidence is their mean, with its standard error;
    that of the counts is their median (of two in the middle, the smaller).

    Parameters
    ----------
    betas : array-like of shape (n_betas,)
        Candidates.
    evidence_path : array-like of shape (n_betas, n_folds) or \
            (n_betas, n_sizes, n_folds)
        Evidence of the rows of each fold, in nats a row; NaN where a fit has failed.
    n_active_path : array-like of the same shape
        Numbers of active axes.
    beta : float, default=None
        The one that was chosen.
    plateau : Plateau, default=None
        The range of betas over which the count stays the same.
    sizes : array-like of int of shape (n_sizes,), default=None
        Latent sizes, where several were tried.

    Attributes
    ----------
    axes_ : ndarray of two matplotlib Axes
        Evidence and counts.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        Holds them.
    evidence_lines_, count_lines_ : list of matplotlib Line2D
        One for each latent size.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import ARDVAECV
    >>> from sklearn_ardvae.inspection import BetaPathDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 6))
    >>> search = ARDVAECV(4, betas=[5.0, 0.05], cv=2, max_iter=2, random_state=0)
    >>> display = BetaPathDisplay.from_estimator(search.fit(X))
    >>> display.count_lines_[0].get_xdata()
    array([5.  , 0.05])
    """

    def __init__(
        self,
        betas: ArrayLike,
        evidence_path: ArrayLike,
        n_active_path: ArrayLike,
        *,
        beta: float | None = None,
        plateau: Any = None,
        sizes: ArrayLike | None = None,
    ) -> None:
        self.betas = betas
        self.evidence_path = evidence_path
        self.n_active_path = n_active_path
        self.beta = beta
        self.plateau = plateau
        self.sizes = sizes

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> BetaPathDisplay:
        """Draw the path of a fitted `ARDVAECV`.

        Parameters
        ----------
        estimator : ARDVAECV or Pipeline
            Fitted; a pipeline ends in one.
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw, see `plot`.

        Returns
        -------
        BetaPathDisplay

        Raises
        ------
        TypeError
            If it is another estimator, which has no path.
        """
        model: Any = Source.of(estimator).model
        if not hasattr(model, "evidence_path_"):
            raise TypeError(
                f"BetaPathDisplay needs a fitted ARDVAECV, which tries several betas; "
                f"got {type(model).__name__}."
            )
        several = np.ndim(model.n_components) > 0
        return cls(
            model.betas_,
            model.evidence_path_,
            model.n_active_path_,
            beta=model.beta_,
            plateau=model.plateau_,
            sizes=model.n_components if several else None,
        ).plot(ax)

    def plot(self, ax: Any = None) -> BetaPathDisplay:
        """Draw both curves.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of two Axes, default=None
            Where to draw: one, which is divided, or two. None makes a new figure.

        Returns
        -------
        BetaPathDisplay
        """
        betas = np.asarray(self.betas, dtype=float)
        evidence = _with_sizes(self.evidence_path)
        counts = _with_sizes(self.n_active_path)
        self.axes_ = places(ax, 2, 2, (4.4, 3.4))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        of_evidence, of_counts = self.axes_
        self.evidence_lines_, self.count_lines_ = [], []
        colors = categories()
        # Points, as a beta that stands alone has no line.
        lines: dict[str, Any] = {"lw": 1.5, "ms": 4}
        for panel in self.axes_:
            panel.set(xscale="log", xlim=_with_margins(betas), xlabel="beta")
        for i in range(evidence.shape[1]):
            look: dict[str, Any] = {"color": colors[i % len(colors)]}
            dots = {**look, "ls": "", "marker": ".", "ms": 4, "alpha": 0.5}
            of_evidence.plot(betas, evidence[:, i], **dots)
            of_counts.plot(betas, counts[:, i], **dots)
            if self.sizes is not None:
                look["label"] = f"from {np.asarray(self.sizes)[i]} components"
            lines["marker"] = MARKERS[i % len(MARKERS)]
            n_folds = evidence.shape[2]
            error = None
            if n_folds > 1:
                error = evidence[:, i].std(axis=1, ddof=1) / np.sqrt(n_folds)
            drawn = of_evidence.errorbar(
                betas, evidence[:, i].mean(axis=1), error, **look, **lines, capsize=3
            )
            self.evidence_lines_.append(drawn.lines[0])
            median = np.quantile(counts[:, i], 0.5, axis=1, method="lower")
            look.pop("label", None)  # The other panel has it.
            (line,) = of_counts.plot(betas, median, **look, **lines)
            self.count_lines_.append(line)
        for panel in self.axes_:
            if self.beta is not None:
                label = f"chosen, {self.beta:.3g}"
                panel.axvline(self.beta, color=EMPHASIS, ls="--", label=label)
        shaded = self._shade(of_counts)
        of_evidence.set_ylabel("evidence, nats a row")
        of_counts.set_ylabel("active axes")
        count_whole(of_counts.yaxis)
        legend_above(of_evidence, of_evidence.get_legend_handles_labels()[0] + shaded)
        return self

    def _shade(self, panel: Any) -> list[Any]:
        if self.plateau is None:
            return []
        # A single beta has a width, too.
        low, high = self.plateau.lowest_beta, self.plateau.highest_beta
        ends = (low / _WIDER, high * _WIDER)
        shaded = panel.axvspan(*ends, color=faint(), alpha=0.35, lw=0, zorder=0)
        shaded.set_label(f"plateau at {self.plateau.n_active_components}")
        return [shaded]


def _with_margins(betas: NDArray) -> tuple[float, float]:
    """Return the ends of an axis of betas, which has a length if there is only one."""
    low, high = betas[betas > 0.0].min(), betas.max()
    margin = (high / low) ** 0.05 if high > low else 2.0
    return low / margin, high * margin


def _with_sizes(path: ArrayLike) -> NDArray[np.float64]:
    path = np.asarray(path, dtype=float)
    return path[:, np.newaxis] if path.ndim == 2 else path
