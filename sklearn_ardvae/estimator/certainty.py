"""How sure the number of active axes is: what each number's probability is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson
from sklearn.utils.validation import check_is_fitted

from .._warnings import warn
from .dimension import DimensionMixin
from .verdict import CountWarning, Verdict

__all__ = ["CertaintyMixin", "Clues", "CountOdds"]

# Of `Clues.regressors`, by `benchmarks/count_certainty.py calibrate`: the log odds that
# there are fewer dimensions than were counted, and, without the last of them, more.
FEWER = (-1.27, -0.4, 2.31)
MORE = (0.21, -1.44)
# If fewer, the number of them beyond the first has a Poisson law, whose mean is so many
# times the excess over the intrinsic dimension less this, and no less than that.
_OF_EXCESS, _LESS, _LEAST = 0.9, 0.7, 0.15
# If more, each number of them has this share of the probability of the one before, up
# to so many.
_EACH_MORE, _MOST_MORE = 0.2, 20
# Worth that tells no more than this does, in prices.
_CLEAR, _FAINT = 100.0, 0.5


@dataclass(frozen=True, slots=True)
class Clues:
    """What a fit knows of its count, by which it may be wrong.

    Parameters
    ----------
    count : int
        Axes found.
    kept : float or None
        What the least of these axes is worth, over the price of an axis; None if
        nothing tells.
    intrinsic : float
        The intrinsic dimension of the reconstructions; NaN if it is not known.
    """

    count: int
    kept: float | None
    intrinsic: float

    @property
    def excess(self) -> float:
        """How many axes there are beyond the intrinsic dimension."""
        if math.isnan(self.intrinsic):
            return 0.0
        return max(0.0, self.count - self.intrinsic)

    def regressors(self) -> NDArray[np.float64]:
        """Return 1 and the logarithms that log odds are linear in."""
        kept = _CLEAR if self.kept is None else min(max(self.kept, _FAINT), _CLEAR)
        return np.array([1.0, math.log(kept), math.log1p(self.excess)])


@dataclass(frozen=True, slots=True)
class CountOdds:
    """A probability of each number of dimensions.

    Parameters
    ----------
    probabilities : ndarray of shape (n_counts,)
        Of 0, 1, 2, ... dimensions.
    """

    probabilities: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        clues: Clues,
        fewer: Sequence[float] = FEWER,
        more: Sequence[float] = MORE,
    ) -> CountOdds:
        """Return the odds by all that a fit knows, and by regressions."""
        x, count = clues.regressors(), clues.count
        mean = max(_LEAST, _OF_EXCESS * clues.excess - _LESS)
        below = _shares(poisson.pmf(np.arange(count), mean))
        above = _shares(_EACH_MORE ** np.arange(_MOST_MORE, dtype=np.float64))
        below *= math.exp(x @ np.asarray(fewer))
        above *= math.exp(x[:2] @ np.asarray(more))
        odds = np.concatenate((below[::-1], np.ones(1), above))
        return cls(odds / odds.sum())

    def interval(self, confidence: float) -> tuple[int, int]:
        """Return the first and the last of neighbouring numbers.

        Of the most probable so many neighbours, of any number, those whose probability
        is nearest to `confidence`: as often above it as below.
        """
        sums = np.concatenate(([0.0], self.probabilities.cumsum()))
        nearest, found = math.inf, (0, len(self.probabilities) - 1)
        for width in range(1, len(sums)):
            inside = sums[width:] - sums[:-width]
            low = int(inside.argmax())
            distance = abs(inside[low] - confidence)
            if distance < nearest:
                nearest, found = distance, (low, low + width - 1)
        return found


def _shares(weights: NDArray[Any]) -> NDArray[np.float64]:
    """Return weights over their sum; none of none."""
    return np.asarray(weights / (weights.sum() or 1.0), dtype=np.float64)


class CertaintyMixin(DimensionMixin):
    """Says how sure the number of active axes is."""

    @property
    def count_probabilities_(self) -> NDArray[np.float64]:
        """The probability of 0, 1, 2, ... dimensions; see `dimension_interval`."""
        return CountOdds.of(self._clues()).probabilities

    @property
    def count_stability_(self) -> float:
        """The probability that `n_active_components_` is right."""
        return float(self.count_probabilities_[self.n_active_components_])

    def dimension_interval(self, confidence: float = 0.9) -> tuple[int, int]:
        r"""Return neighbouring numbers of axes among which the true one likely is.

        Two clues tell how likely it is that the data have fewer dimensions than axes
        were found, or more: what the least of the axes is worth to unseen rows, over
        the price of an axis (w, from 0.5 to 100; the price is 0.007 nats a feature),
        and by how much the axes exceed the intrinsic dimension of the reconstructions
        (e, at least 0):

        .. math:: \log \frac{p(\text{fewer})}{p(\text{right})}
            = a_0 + a_1 \log w + a_2 \log(1 + e), \qquad
            \log \frac{p(\text{more})}{p(\text{right})} = b_0 + b_1 \log w

        are regressions on some two hundred manifolds of known dimension. How many fewer
        there may be has a Poisson law, whose mean grows with the excess; how many more,
        a geometric one.

        Parameters
        ----------
        confidence : float in (0, 1), default=0.9
            The probability that the interval holds the true number.

        Returns
        -------
        low, high : int
            Both included. They may be equal, and often are. Whole numbers hardly ever
            have a given probability: of the most probable one, two, ... neighbours,
            they are those whose probability is nearest to `confidence`.

        Raises
        ------
        ValueError
            If `confidence` is not between 0 and 1.
        AttributeError
            If the fit does not weigh its axes against unseen rows and PCA, as
            ``ARDVAE()`` does, or was saved by a version without this method.

        Notes
        -----
        The true number is that of a global chart: of a sphere in 3-D it is 3. The
        intrinsic dimension is a clue of it where the data are a graph above a flat
        space, as all manifolds of the calibration. On closed surfaces and in data of
        several parts it is rightly smaller, and intervals reach too far down; of
        clusters, as images of digits, they may lie below the count altogether, and a
        `CountWarning` says so. Such data, and tables that lie on no manifold, are
        judged as if they were graphs. An
        intrinsic dimension above the count is no clue; a `CountWarning` tells of it.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_ardvae import ARDVAE
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 8))
        >>> X += 0.1 * rng.normal(size=X.shape)
        >>> ARDVAE(random_state=0).fit(X).dimension_interval()
        (2, 2)
        """
        is_share = isinstance(confidence, Real) and 0.0 < confidence < 1.0
        if not is_share:
            raise ValueError(
                f"The 'confidence' parameter of {type(self).__name__}."
                "dimension_interval must be a float in the range (0.0, 1.0). Got "
                f"{confidence!r} instead."
            )
        clues = self._clues()
        low, high = CountOdds.of(clues).interval(float(confidence))
        if high < clues.count:
            warn(
                f"The interval from {low} to {high} lies below the {clues.count} axes "
                f"that were found, as the intrinsic dimension is "
                f"{clues.intrinsic:.1f}. If the rows are closed surfaces or lie in "
                "several parts, as clusters do, do not believe the interval; if not, "
                "do not believe the count. local_dimension(X) may tell which.",
                CountWarning,
            )
        return low, high

    def _clues(self) -> Clues:
        check_is_fitted(self)
        known = self.__dict__.get("_verdict")
        if known is None:
            raise AttributeError(
                f"This {type(self).__name__} has not weighed its axes against unseen "
                "rows and PCA. ARDVAE(beta='auto') with validation_fraction > 0 does."
            )
        verdict = Verdict.of_dict(known)
        return Clues(
            count=self.n_active_components_,
            kept=verdict.kept_worth,
            intrinsic=self.intrinsic_dimension_,
        )
