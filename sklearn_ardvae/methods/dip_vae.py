"""DIP-VAE: a VAE whose aggregate posterior is pressed towards identity covariance.

Kumar, Sattigeri, Balakrishnan: "Variational Inference of Disentangled Latent Concepts
from Unlabeled Observations", ICLR 2018, arXiv 1711.00848.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, Literal

import torch
from torch import Tensor

from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import NonNegative
from ..nn.evidence import EvidenceModule
from ..nn.module import LossTerms
from ..nn.posteriors import GaussianPosterior

__all__ = ["DIPVAE"]


class DIPVAEModule(EvidenceModule):
    r"""The loss of `DIPVAE`.

    Parameters
    ----------
    networks, beta
        As for `EvidenceModule`.
    kind : {"i", "ii"}
        Covariance of the posterior means, or of posterior samples.
    off_diagonal_weight, diagonal_weight : float
    """

    is_stackable = True

    kind: str
    off_diagonal_weight: float
    diagonal_weight: float

    def covariance(self, q: GaussianPosterior) -> Tensor:
        """Return the covariance of the batch's codes, shape (L, L), divided by B."""
        covariance = torch.cov(q.mean.T, correction=0).reshape(q.mean.shape[1], -1)
        if self.kind == "ii":
            covariance = covariance + q.log_variance.exp().mean(0).diag()
        return covariance

    def penalty(self, covariance: Tensor) -> Tensor:
        """Weigh what is not the identity; each pair of axes counts twice."""
        diagonal = covariance.diagonal()
        off_diagonal = covariance.square().sum() - diagonal.square().sum()
        return (
            self.off_diagonal_weight * off_diagonal
            + self.diagonal_weight * (diagonal - 1.0).square().sum()
        )

    def regulariser(self, q: GaussianPosterior, z: Tensor) -> LossTerms:
        penalty = self.penalty(self.covariance(q))
        return LossTerms(penalty, {"penalty": penalty})


class DIPVAE(BaseAutoencoder, output_components="all"):
    r"""VAE with a penalty on correlated latent axes ("disentangled inferred prior").

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \left[ \|x_i - \hat x_i\|^2
        + \beta\,\mathrm{KL}_i \right]
        + \lambda_{od} \sum_{l \ne m} C_{lm}^2 + \lambda_d \sum_l (C_{ll} - 1)^2

    %(squared_error_and_kl)s C is the covariance over the batch, divided by B, of the
    posterior means (``kind="i"``), to which the mean posterior variances are added
    (``"ii"``).

    Good for: uncorrelated axes at hardly any cost: one covariance of a batch, no
    further draws, no discriminator.

    Known to fail: the covariance of a batch has rank B - 1 at most, take batches of at
    least 4 L rows; kind I presses every axis to unit variance, so that no axis is
    switched off.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    kind : {"i", "ii"}, default="ii"
        DIP-VAE-I or DIP-VAE-II.
    beta : float, default=0.1
        Weight of the KL, >= 0; twice the noise variance of one feature. The papers
        have 1 with cross entropy.
    off_diagonal_weight : float, default=1.0
        :math:`\lambda_{od}`, >= 0. Studies try 1, 2, 5, 10, 20, 50; the ARD-VAE paper
        takes 10.
    diagonal_weight : float or None, default=None
        :math:`\lambda_d`, >= 0. None: ten times the other for I, equal to it for II,
        as in the study of Locatello et al. and in the ARD-VAE paper.
    %(count_by)s
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    BetaVAE : The plain weight on the KL.
    BetaTCVAE : The total correlation in place of the covariance.

    Notes
    -----
    Paper: eqs. 5 to 7. Reference code (disentanglement_lib): the batch's covariance
    with 1/B, ordered pairs. Ours: the active axes by relevance.

    References
    ----------
    Kumar, Sattigeri, Balakrishnan: Variational Inference of Disentangled Latent
    Concepts from Unlabeled Observations, arXiv 1711.00848.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import DIPVAE
    >>> X = load_digits().data / 16
    >>> model = DIPVAE(8, max_iter=2, random_state=0).fit(X)
    >>> model.transform(X).shape
    (1797, 8)
    """

    _module_class = DIPVAEModule

    kind: Literal["i", "ii"] = "ii"
    _: KW_ONLY
    beta: NonNegative = 0.1
    off_diagonal_weight: NonNegative = 1.0
    diagonal_weight: NonNegative | None = None
    count_by: Literal["relevance", "evidence"] = "relevance"

    def _module_settings(self) -> dict[str, Any]:
        settings = super()._module_settings()
        if self.diagonal_weight is None:
            factor = 10.0 if self.kind == "i" else 1.0
            settings["diagonal_weight"] = factor * self.off_diagonal_weight
        return settings
