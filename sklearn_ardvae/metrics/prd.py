"""Precision and recall of a distribution of generated data (PRD)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils.validation import check_scalar
from threadpoolctl import threadpool_limits

from ..randomness import draw_seed
from ._factors import check_counts
from .features import extract_features

__all__ = ["PrecisionRecall", "precision_recall_distribution"]

# The outermost angles, a little off the axes.
_ANGLE = 1e-10


@dataclass(frozen=True)
class PrecisionRecall:
    """What :func:`precision_recall_distribution` finds.

    Parameters
    ----------
    precision, recall : ndarray of shape (n_angles,)
        The curve, in [0, 1], precision rising.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    def f_score(self, beta: float) -> float:
        r"""Return the largest F score on the curve.

        .. math:: \max \frac{(1 + \beta^2) P R}{\beta^2 P + R}

        Parameters
        ----------
        beta : float
            > 0; above 1 recall weighs more, below 1 precision.

        Returns
        -------
        float
            In [0, 1].
        """
        check_scalar(beta, "beta", Real, min_val=0.0, include_boundaries="neither")
        p, r = self.precision, self.recall
        return float(np.max((1 + beta**2) * p * r / (beta**2 * p + r + 1e-10)))

    @property
    def f_8(self) -> float:
        """The largest F score with beta = 8: how much of the real data is covered."""
        return self.f_score(8.0)

    @property
    def f_1_8(self) -> float:
        """The largest F score with beta = 1/8: how much of the generated is real."""
        return self.f_score(1.0 / 8.0)


def precision_recall_distribution(
    X: ArrayLike,
    X_generated: ArrayLike,
    *,
    features: str | Callable[[NDArray], ArrayLike] = "identity",
    y: ArrayLike | None = None,
    input_shape: tuple[int, ...] | None = None,
    n_clusters: int = 20,
    n_angles: int = 1001,
    n_runs: int = 10,
    random_state: int | np.random.RandomState | None = None,
) -> PrecisionRecall:
    r"""Precision and recall of generated data, over all trade-offs between them.

    The features of both sets are clustered together; with the shares p of the real
    and q of the generated data in cluster c, and angles :math:`\theta` between 0 and
    :math:`\pi/2`,

    .. math::
        P(\theta) = \sum_c \min(p_c \tan\theta, q_c), \qquad
        R(\theta) = \sum_c \min\left(p_c, \frac{q_c}{\tan\theta}\right).

    The curve is the mean over several clusterings.

    Parameters
    ----------
    X, X_generated, features, y, input_shape
        As for :func:`frechet_distance`; no warning for few rows. Of the larger set
        as many rows are drawn as the smaller has.
    n_clusters : int, default=20
        >= 2 and no more than the rows of both sets (Sajjadi et al.).
    n_angles : int, default=1001
        Points of the curve, >= 3 (Sajjadi et al.).
    n_runs : int, default=10
        Clusterings, >= 1, by `MiniBatchKMeans` with 10 initialisations (Sajjadi et
        al.). Fast: 1.
    random_state : int, RandomState instance or None, default=None
        Seeds clusterings, draws and features.

    Returns
    -------
    PrecisionRecall
        The curve; its ``f_8`` (recall) and ``f_1_8`` (precision) are the pair of
        numbers that papers give. Both are 1 for equal sets and 0 for sets that share
        no cluster.

    References
    ----------
    Sajjadi et al.: Assessing generative models via precision and recall, NeurIPS
    2018, equations 5 and 6, section 4.

    Examples
    --------
    >>> from typing import Any

    import numpy as np
    >>> from sklearn_ardvae.metrics import precision_recall_distribution
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> found = precision_recall_distribution(X, X + 100.0, n_runs=1, random_state=0)
    >>> found.f_8, found.f_1_8
    (0.0, 0.0)
    """
    check_counts(n_runs=n_runs)
    check_scalar(n_clusters, "n_clusters", Integral, min_val=2)
    check_scalar(n_angles, "n_angles", Integral, min_val=3)
    seed = draw_seed(random_state)
    settings: dict[str, Any] = {
        "y": y,
        "input_shape": input_shape,
        "random_state": seed,
    }
    real, generated = extract_features(X, X_generated, features=features, **settings)
    rng = np.random.default_rng(seed)
    size = min(len(real), len(generated))
    if 2 * size < n_clusters:
        raise ValueError(
            f"n_clusters={n_clusters} is more than the {2 * size} rows of both sets; "
            "lower it or give more rows."
        )
    rows = np.concatenate(
        [
            part if len(part) == size else part[rng.choice(len(part), size, False)]
            for part in (real, generated)
        ]
    )
    curves = []
    for _ in range(n_runs):
        k_means = MiniBatchKMeans(
            n_clusters, n_init=10, random_state=int(rng.integers(2**31))
        )
        # Batches are small: threads wait for each other more than they work.
        with threadpool_limits(1, user_api="openmp"):
            clusters = k_means.fit_predict(rows)
        curves.append(_curve(clusters[:size], clusters[size:], n_clusters, n_angles))
    return PrecisionRecall(*np.mean(curves, axis=0))


def _curve(real: NDArray, generated: NDArray, n: int, n_angles: int) -> NDArray:
    """Return precision and recall, (2, n_angles), from clusters of both sets."""
    p, q = (np.bincount(c, minlength=n) / len(c) for c in (real, generated))
    slopes = np.tan(np.linspace(_ANGLE, np.pi / 2 - _ANGLE, n_angles))[:, None]
    precision = np.minimum(slopes * p, q).sum(axis=1)
    recall = np.minimum(p, q / slopes).sum(axis=1)
    # Sums of shares, up to rounding.
    return np.clip([precision, recall], 0.0, 1.0)
