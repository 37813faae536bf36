"""Whether networks are preferred to probabilistic PCA, by rows neither was fitted to.

By evidence alone, PCA wins wherever networks are a little less precise than many linear
axes; but fewer axes are preferred, where they explain what linear ones cannot.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .elimination import AXIS_PRICE
from .principal import WidthCurves

if TYPE_CHECKING:
    from .evidence import EvidenceModule

__all__ = [
    "is_compact",
    "is_significant",
    "is_worth_fewer",
    "lead_of_pca",
    "leads_as_many",
    "leaves_little",
    "price_of_axes",
    "reconstructs_as_pca",
]

# Nats a row and axis that one of two models must be better for each axis more; in all
# no more than that a feature.
_AXIS_PRICE, _FEATURE_PRICE = 0.15, 0.08
# Nats a row and feature that all axes together may cost where the data are curved.
_CURVED_PRICE = 0.1
# Networks are compact that leave at most this share of the variance, with at most this
# share of the axes that PCA needs to leave as little.
_COMPACT_NOISE, _COMPACT_AXES = 0.25, 0.65
_ROUNDING = 1e-6
# Standard errors by which networks must be better than PCA.
_SIGNIFICANT = 3.0


def is_significant(gain: Tensor, lead: float = 0.0) -> bool:
    """Whether rows gain by three standard errors, given a lead."""
    error = gain.std().item() / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
    return gain.mean().item() + lead > _SIGNIFICANT * error


def lead_of_pca(
    model: EvidenceModule, n_axes: int, evidence: float, width: int
) -> float:
    """Return the nats a row by which `width` of PCA's axes must lead networks.

    Those have `n_axes`, and so much evidence. No more than what they gain on as many of
    PCA's.
    """
    price = _AXIS_PRICE * max(0, width - n_axes)
    densities = model.fit_rows.curves.densities.mean(0)
    of_pca = densities[min(n_axes, len(densities) - 1)].item()
    gained = max(0.0, evidence - of_pca)
    return min(price, _FEATURE_PRICE * model.n_features, gained)


def leaves_little(model: EvidenceModule, noise: float) -> bool:
    """Whether a noise variance is small enough for compact networks."""
    return noise <= _COMPACT_NOISE * model.feature_variance


@torch.no_grad()
def is_compact(model: EvidenceModule) -> bool:
    """Whether networks explain, with a few axes, what many of PCA's have to.

    Without noise there is no end to the evidence of a subspace that holds all rows,
    however curved the manifold in it. So the networks are compared with PCA of a noise
    no less than theirs: they are compact if it needs half as many axes more, either to
    leave as little or for its best evidence, and that is worse by three standard
    errors.
    """
    evidence, noise = model.profile_noise(model.unseen).cpu(), model.noise.item()
    curves = WidthCurves.of(model.principal, model.unseen, least_noise=noise)
    means = curves.densities.mean(0)
    # Axes of less variance than the noise change nothing but the last bits.
    best = int((means > means.max() - _ROUNDING).nonzero()[0])
    width = max(best, curves.width_of_noise(noise))
    return (
        leaves_little(model, noise)
        and 0 < model.n_kept() <= _COMPACT_AXES * width
        and is_significant(evidence - curves.densities[:, best])
    )


@torch.no_grad()
def leads_as_many(model: EvidenceModule) -> bool:
    """Whether networks explain rows better than PCA of as many axes: they are curved.

    By three standard errors. That of more axes may still be the best of all.
    """
    densities = model.fit_rows.curves.densities
    of_pca = densities[:, min(model.n_kept(), densities.shape[1] - 1)]
    return is_significant(model.profile_noise(model.unseen).cpu() - of_pca)


def price_of_axes(n_axes: int, n_features: int) -> float:
    """Return the nats a row that so many axes must be worth to data that are curved."""
    return min(AXIS_PRICE * max(0, n_axes), _CURVED_PRICE) * n_features


def is_worth_fewer(model: EvidenceModule, gain: float, width: int) -> bool:
    """Whether curved networks lose less on `width` of PCA's axes than those cost.

    An axis costs what it does in a trial; `gain` is what rows gain by the networks.
    """
    price = price_of_axes(width - model.n_kept(), model.n_features)
    return leads_as_many(model) and gain + price > 0.0


@torch.no_grad()
def reconstructs_as_pca(model: EvidenceModule) -> bool:
    """Whether networks reconstruct no worse than PCA of as many axes."""
    errors = model.fit_rows.curves.errors
    of_pca = errors[min(model.n_kept(), len(errors) - 1)].item()
    return model.squared_error(model.unseen) <= of_pca
