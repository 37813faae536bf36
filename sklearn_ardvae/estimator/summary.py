"""What a fitted estimator says of itself, as text and as HTML."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from sklearn.utils.validation import check_is_fitted

from ..nn.units import door_of
from .certainty import CertaintyMixin
from .verdict import Verdict

__all__ = ["AxisSummary", "Summary", "SummaryMixin"]

# Axes that are listed one by one.
_LISTED = 12
_WIDTH, _INDENT, _LABEL = 88, 2, 16
# Colours are those around it, so that light and dark pages can be read alike.
_TABLE = "margin: 0.5em 0; text-align: left; border-collapse: collapse"
_CELL = "padding: 0.1em 1em 0.1em 0; text-align: left; vertical-align: top"


@dataclass(frozen=True, slots=True)
class AxisSummary:
    """One active axis.

    Parameters
    ----------
    index : int
        Its number among all components.
    share : float
        Of the relevance of all axes.
    evidence, evidence_std : float or None
        What the evidence of a row that the steps do not see loses without it, in nats,
        and the standard error of that; None where no fit weighed it.
    """

    index: int
    share: float
    evidence: float | None = None
    evidence_std: float | None = None

    def __str__(self) -> str:
        share = f"{self.share:6.1%} of the relevance"
        if self.evidence is None:
            return share
        return f"{share}, worth {self.evidence:.2f} +- {self.evidence_std:.2f} nats"


@dataclass(frozen=True, repr=False)
class Summary:
    """What `summary` returns: shown as a block of text, in notebooks as a table.

    Parameters
    ----------
    estimator : str
        The name of the class.
    n_features : int
    n_components : int
        Axes in all.
    axes : tuple of AxisSummary
        The active ones, most relevant first.
    likelihood : {"gaussian", "bernoulli"}
    noise_variance : float
        Mean squared error of one feature, as `noise_variance_`.
    beta : float or None
        The weight of the KL term; None where there is none, or it is not one number.
    beta_is_estimated : bool
    comparison : Verdict or None
        Numbers of rows, and how the fit compares with PCA; None if nothing told.
    compares_unseen : bool
        Whether the rows that it was compared by were kept from the steps.
    n_directions : int or None
        Of the signal, which networks see alone; None if they see all features.
    noise_outside : float
        Variance in each direction outside these.
    intrinsic_dimension : float or None
        As `intrinsic_dimension_`; None where it is not known.
    """

    estimator: str
    n_features: int
    n_components: int
    axes: tuple[AxisSummary, ...]
    likelihood: str
    noise_variance: float
    beta: float | None
    beta_is_estimated: bool
    comparison: Verdict | None
    compares_unseen: bool = True
    n_directions: int | None = None
    noise_outside: float = 0.0
    intrinsic_dimension: float | None = None

    @property
    def doubts(self) -> list[str]:
        """What speaks against the count, each in a sentence."""
        return [] if self.comparison is None else self.comparison.doubts()

    # --- what is said -----------------------------------------------------------

    def _title(self) -> str:
        plural = "axis" if len(self.axes) == 1 else "axes"
        count = f"{len(self.axes)} active {plural} of {self.n_components}"
        if self.axes and self.intrinsic_dimension is not None:
            count += f" (flat), intrinsic dimension {self.intrinsic_dimension:.1f}"
        return f"{self.estimator}: {count}"

    def _rows(self) -> list[tuple[str, str]]:
        """Return what is said, each under a name."""
        rows = [
            ("data", self._of_data()),
            *self._of_signal(),
            *((f"axis {axis.index}", str(axis)) for axis in self.axes[:_LISTED]),
        ]
        if left := self.axes[_LISTED:]:
            share = sum(axis.share for axis in left)
            rows.append((f"and {len(left)} more", f"{share:6.1%} of the relevance"))
        rows.append(("noise", self._of_noise()))
        if self.beta is not None:
            origin = ", estimated with the rest" if self.beta_is_estimated else ""
            rows.append(("beta", f"{self.beta:.3g}{origin}"))
        if self.comparison is not None:
            rows += self._of_comparison(self.comparison)
        rows.append(("trust the count?", self._of_trust()))
        return rows

    def _of_data(self) -> str:
        if self.comparison is None:
            return f"{self.n_features} features"
        kept = f"{self.comparison.n_unseen} rows kept to compare"
        if not self.compares_unseen:
            kept = "none kept: figures are of rows that were trained on"
        return f"{self.comparison.n_samples} rows of {self.n_features} features, {kept}"

    def _of_signal(self) -> list[tuple[str, str]]:
        if self.n_directions is None:
            return []
        signal = f"in {self.n_directions} directions of {self.n_features}; outside, "
        return [
            ("signal", f"{signal}normal noise of variance {self.noise_outside:.3g}")
        ]

    def _of_noise(self) -> str:
        variance, deviation = self.noise_variance, self.noise_variance**0.5
        return f"variance {variance:.3g}, deviation {deviation:.3g} of a feature"

    def _of_comparison(self, found: Verdict) -> list[tuple[str, str]]:
        own = f"{found.evidence:.2f} +- {found.evidence_std:.2f} nats a row"
        error = f"{found.error:.3g} a feature; of PCA of as many axes "
        error += f"{found.pca_error:.3g}"
        if self.likelihood == "bernoulli":
            # A probability of black and white, and a density: they do not compare.
            return [("evidence", own), ("squared error", error)]
        if found.is_linear:
            # PCA that is taken is that of all rows, so that its own figures are not
            # of rows that it has not seen.
            own = f"{found.pca_evidence:.2f} +- {found.evidence_std:.2f} nats a row"
            return [
                ("evidence", f"{own}, of probabilistic PCA ({found.pca_width} axes)"),
                ("squared error", f"{found.pca_error:.3g} a feature, of PCA"),
                ("model", self._of_linear()),
            ]
        pca = f"{found.pca_evidence:.2f} ({found.pca_width} axes)"
        return [
            ("evidence", f"{own}; of probabilistic PCA {pca}"),
            ("squared error", error),
            ("model", f"networks: {self._of_networks(found)}"),
        ]

    @staticmethod
    def _of_networks(found: Verdict) -> str:
        if found.evidence > found.pca_evidence:
            return "they explain the rows better than PCA does"
        more = ", by more axes" if found.pca_width > found.n_active else ""
        return f"PCA explains the rows no worse{more}"

    def _of_linear(self) -> str:
        if not self.axes:
            return "each row is the mean, and noise"
        assert self.comparison is not None
        if self.comparison.are_full:
            return "PCA itself, of all directions: rows are alike in them, but no noise"
        more = "; further principal axes follow from these"
        more = more if self.comparison.are_curved else ""
        return f"PCA itself: networks explain the rows no better{more}"

    def _of_trust(self) -> str:
        if self.comparison is None:
            return (
                "Nothing compares this fit with PCA, or one half of the data with the "
                "other."
            )
        if self.doubts:
            return f"No. {' '.join(self.doubts)}"
        if not self.axes:
            return "Nothing speaks against it: where all is noise, no axis is found."
        if self.comparison.is_linear:
            return "Nothing speaks against it: halves of the rows agree."
        return (
            "Nothing speaks against it: PCA of as many axes reconstructs no better, "
            "and halves of the rows agree."
        )

    # --- how it is shown --------------------------------------------------------

    def __str__(self) -> str:
        lines = [self._title()]
        for name, text in self._rows():
            label = f"{'':{_INDENT}}{name:{_LABEL}}  "
            lines += textwrap.wrap(
                text,
                _WIDTH,
                initial_indent=label,
                subsequent_indent=" " * len(label),
                break_long_words=False,
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        def escaped(text: str) -> str:
            return html.escape(text.strip()).replace("+-", "&plusmn;")

        rows = "\n".join(
            f'<tr><th scope="row" style="{_CELL}">{escaped(name)}</th>'
            f'<td style="{_CELL}">{escaped(text)}</td></tr>'
            for name, text in self._rows()
        )
        return (
            f'<table style="{_TABLE}">\n<caption style="{_CELL}"><b>'
            f"{escaped(self._title())}</b></caption>\n{rows}\n</table>"
        )


class SummaryMixin(CertaintyMixin):
    """Says in a few lines what was found, and whether to trust it."""

    def summary(self) -> Summary:
        """Return in a few lines what the fit has found, and whether to trust it.

        Returns
        -------
        Summary
            Printed, it is a block of text; a notebook shows it as a table. It says
            how many axes are active and what the intrinsic dimension is, how many rows
            and features there were (as far as that is known: the rows themselves are
            not kept), the share of relevance of each active axis, the noise and beta.
            Where the fit was weighed by evidence, as that of ``ARDVAE()`` is, also:
            what each axis is worth in nats a row, with a standard error; the evidence
            and the squared error of rows that the steps have not seen, beside those of
            PCA; whether the model is PCA itself; and what speaks against the count.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_ardvae import ARDVAE
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 4))
        >>> X += 0.1 * rng.normal(size=X.shape)
        >>> ARDVAE(random_state=0).fit(X).summary()  # doctest: +ELLIPSIS
        ARDVAE: 2 active axes of 128 (flat), intrinsic dimension ...
          data              100 rows of 4 features, 25 rows kept to compare
          axis ...          ...% of the relevance, worth ... nats
          axis ...          ...% of the relevance, worth ... nats
          noise             variance 0.0..., deviation 0.0... of a feature
          beta              0.0..., estimated with the rest
        ...
        """
        check_is_fitted(self)
        # Parameters may have been set since.
        settings = self._built_from
        beta = getattr(self, "beta_", settings.get("beta"))
        is_gaussian = settings["likelihood"] == "gaussian"
        verdict = self.__dict__.get("_verdict")
        door = door_of(self._module)
        axes = None if door is None else door.axes
        return Summary(
            estimator=type(self).__name__,
            n_features=self.n_features_in_,
            n_components=len(self.relevance_),
            axes=tuple(self._axis_summary(axis) for axis in self.active_components_),
            likelihood=settings["likelihood"],
            noise_variance=self.noise_variance_,
            beta=float(beta) if isinstance(beta, Real) else None,
            beta_is_estimated=settings.get("beta") == "auto" and is_gaussian,
            comparison=Verdict.of_dict(verdict) if verdict else None,
            compares_unseen=settings["validation_fraction"] != 0,
            n_directions=None if axes is None else len(axes),
            noise_outside=0.0 if door is None or axes is None else door.noise.item(),
            intrinsic_dimension=self._known_dimension(),
        )

    def _known_dimension(self) -> float | None:
        """Return the intrinsic dimension; None of few rows, and of older files."""
        found = getattr(self, "intrinsic_dimension_", math.nan)
        return None if math.isnan(found) else found

    def _axis_summary(self, axis: int) -> AxisSummary:
        share = float(self.relevance_ratio_[axis])
        worth = self.__dict__.get("axis_evidence_")
        if worth is None:
            return AxisSummary(int(axis), share)
        error = self.axis_evidence_std_[axis]
        return AxisSummary(int(axis), share, float(worth[axis]), float(error))

    # --- notebooks --------------------------------------------------------------

    def _with_summary(self, diagram: str) -> str:
        """Return scikit-learn's diagram, and below it the summary of a fitted model."""
        if not self.__sklearn_is_fitted__():
            return diagram
        return f"{diagram}\n{self.summary()._repr_html_()}"

    @property
    def _repr_html_(self) -> Callable[[], str]:
        # An AttributeError with ``display="text"``: then there is no such method.
        diagram = super()._repr_html_
        return lambda: self._with_summary(diagram())

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = self._with_summary(bundle["text/html"])
        return bundle
