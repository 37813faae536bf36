"""Ranking models by how far they agree on their axes, without factors (UDR)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.linear_model import Lasso

from ._factors import check_codes

__all__ = ["DisentanglementRanking", "unsupervised_disentanglement_ranking"]

# Weight of the Lasso's penalty, of Duan et al.'s code.
_LASSO_ALPHA = 0.1


@dataclass(frozen=True)
class DisentanglementRanking:
    """What :func:`unsupervised_disentanglement_ranking` finds.

    Parameters
    ----------
    scores : ndarray of shape (n_models,)
        Score of each model in [0, 1], higher is better.
    pairwise : ndarray of shape (n_models, n_models)
        ``pairwise[i, j]``: how well model i agrees with model j; NaN where i = j.
        ``scores[i]`` is the median of row i.
    """

    scores: NDArray[np.float64]
    pairwise: NDArray[np.float64]


def unsupervised_disentanglement_ranking(
    codes: Sequence[ArrayLike],
    *,
    similarity: Literal["lasso", "spearman"]
    | Callable[[NDArray, NDArray], ArrayLike] = "lasso",
    informative: Sequence[ArrayLike] | None = None,
) -> DisentanglementRanking:
    r"""Unsupervised disentanglement ranking (UDR): good models agree on their axes.

    Two models are compared by the matrix :math:`R_{ab} \geq 0` of how similar axis a
    of one is to axis b of the other. They agree where each axis has one partner:

    .. math::
        \mathrm{UDR}_{ij} = \frac{1}{d_i + d_j} \left[
        \sum_b \frac{\max_a R_{ab}^2}{\sum_a R_{ab}} +
        \sum_a \frac{\max_b R_{ab}^2}{\sum_b R_{ab}} \right],
        \qquad \mathrm{UDR}_i = \operatorname{median}_{j \neq i} \mathrm{UDR}_{ij},

    over the :math:`d_i` and :math:`d_j` informative axes (0 for an axis similar to
    none). The authors' code averages the two means over axes, the same if
    :math:`d_i = d_j`. Models that differ in their seed only show whether their setting
    disentangles.

    Parameters
    ----------
    codes : sequence of array-likes of shape (n_samples, n_codes_i)
        Codes of the same rows by each of two or more models; their widths may
        differ. The median is over the others: take five or more.
    similarity : {"lasso", "spearman"} or callable, default="lasso"
        ``"lasso"``: absolute coefficients of a Lasso regression (weight 0.1) that
        predicts model i from model j, both standardised; then models that agree
        perfectly on uncorrelated axes have 0.9. ``"spearman"``: absolute rank
        correlations. Or a callable that gets the codes of model j and of model i,
        (n_samples, d_j) and (n_samples, d_i), and returns R of shape (d_j, d_i).
    informative : sequence of array-likes of bool of shape (n_codes_i,), default=None
        Which axes of each model count. Duan et al.: those of a KL divergence above
        0.01 nats, ``axis_kl(mean, log_variance) > 0.01``, see :func:`axis_kl`. By
        default those that vary, which suits codes of active components only.

    Returns
    -------
    DisentanglementRanking
        Models without an informative axis have 0.

    References
    ----------
    Duan et al.: Unsupervised model selection for variational disentangled
    representation learning, ICLR 2020, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae.metrics import unsupervised_disentanglement_ranking
    >>> z = np.random.default_rng(0).standard_normal((1000, 3))
    >>> turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    >>> models = [z, -z[:, [2, 0, 1]], z**3, z @ turn]
    >>> found = unsupervised_disentanglement_ranking(models, similarity="spearman")
    >>> found.scores.argmin(), found.scores[0] > 0.9
    (np.int64(3), np.True_)
    """
    if not callable(similarity) and similarity not in _SIMILARITIES:
        raise ValueError(
            f"similarity must be one of {sorted(_SIMILARITIES)} or a callable; got "
            f"{similarity!r}."
        )
    measure = similarity if callable(similarity) else _SIMILARITIES[similarity]
    models = _informative_codes(codes, informative)
    pairwise = np.full((len(models), len(models)), np.nan)
    for i, target in enumerate(models):
        for j, source in enumerate(models):
            if i != j:
                pairwise[i, j] = _agreement(measure, source, target)
    return DisentanglementRanking(np.nanmedian(pairwise, axis=1), pairwise)


def _informative_codes(
    codes: Sequence[ArrayLike], informative: Sequence[ArrayLike] | None
) -> list[NDArray]:
    """Return the codes of the informative axes of each model."""
    models = [check_codes(z, f"codes[{i}]", 2) for i, z in enumerate(codes)]
    if len(models) < 2:
        raise ValueError(
            f"codes must hold the codes of two or more models; got {len(models)}."
        )
    n_rows = [len(z) for z in models]
    if len(set(n_rows)) > 1:
        raise ValueError(
            f"codes must be of the same rows by each model; got {n_rows} rows."
        )
    varies = [np.ptp(z, axis=0) > 0.0 for z in models]
    if informative is None:
        return [z[:, axes] for z, axes in zip(models, varies, strict=True)]
    masks = [np.asarray(mask) for mask in informative]
    expected = [(z.shape[1],) for z in models]
    if [m.shape for m in masks] != expected or any(m.dtype != bool for m in masks):
        raise ValueError(
            "informative must hold an array of bool for each model, of shapes "
            f"{expected}; got {[(m.shape, m.dtype.name) for m in masks]}."
        )
    return [
        z[:, axes & mask] for z, axes, mask in zip(models, varies, masks, strict=True)
    ]


def _agreement(
    measure: Callable[[NDArray, NDArray], ArrayLike], source: NDArray, target: NDArray
) -> float:
    """Return UDR of two models, 0 if one has no informative axis."""
    shape = (source.shape[1], target.shape[1])
    if 0 in shape:
        return 0.0
    found = np.asarray(measure(source, target), dtype=np.float64)
    if found.shape != shape or not np.all((found >= 0.0) & np.isfinite(found)):
        raise ValueError(
            f"similarity must return finite numbers >= 0 of shape {shape}; got an "
            f"array of shape {found.shape} with values from {found.min():.3g} to "
            f"{found.max():.3g}."
        )
    shares = 0.0
    for axis in (0, 1):
        best, total = np.square(found.max(axis=axis)), found.sum(axis=axis)
        shares += np.sum(best[total > 0.0] / total[total > 0.0])
    return float(shares / sum(shape))


def _lasso(source: NDArray, target: NDArray) -> NDArray:
    """Return absolute coefficients (n_source, n_target) that predict the target."""
    lasso = Lasso(_LASSO_ALPHA).fit(_standardised(source), _standardised(target))
    return np.abs(np.atleast_2d(lasso.coef_)).T


def _spearman(source: NDArray, target: NDArray) -> NDArray:
    """Return absolute rank correlations (n_source, n_target)."""
    ranks = [_standardised(rankdata(z, axis=0)) for z in (source, target)]
    return np.abs(ranks[0].T @ ranks[1]) / len(source)


def _standardised(codes: NDArray) -> NDArray:
    codes = codes - codes.mean(axis=0)
    # First to a size of 1, whose square is neither 0 nor infinite.
    codes = codes / np.abs(codes).max(axis=0)
    return codes / codes.std(axis=0)


_SIMILARITIES = {"lasso": _lasso, "spearman": _spearman}
