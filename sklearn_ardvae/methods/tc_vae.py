"""beta-TCVAE: a VAE with a weight on the total correlation of its codes alone.

Chen, Li, Grosse, Duvenaud: "Isolating Sources of Disentanglement in Variational
Autoencoders", NeurIPS 2018, arXiv 1802.04942.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY
from typing import Literal

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import NonNegative
from ..nn.evidence import EvidenceModule
from ..nn.module import EpochStart, LossTerms
from ..nn.posteriors import GaussianPosterior

__all__ = ["BetaTCVAE"]

_LOG_2PI = math.log(2.0 * math.pi)


def stratified_log_weights(
    n_batch: int, n_rows: int, device: torch.device | None = None
) -> Tensor:
    """Return the log weights of minibatch-stratified sampling, shape (B, B).

    Row i weighs its own posterior by 1/N, one other by (N - M)/(N M) and the rest by
    1/M, with M = B - 1: each row adds up to 1, and the estimate of q(z) is unbiased.
    """
    m = n_batch - 1
    weights = torch.full((n_batch, n_batch), 1.0 / m, device=device)
    index = torch.arange(n_batch, device=device)
    weights[index, index] = 1.0 / n_rows
    weights[index, (index + 1) % n_batch] = (n_rows - m) / (n_rows * m)
    return weights.log()


class _TotalCorrelation(torch.autograd.Function):
    """Mean of log q(z_i) - sum_l log q(z_il), q a weighted sum of the posteriors.

    The slope with respect to the table of log densities is the softmax of all axes
    together less that of each alone, and is made in place of the table. Autograd would
    keep a dozen tables of B B L numbers, and spend its time on asking for memory.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        z: Tensor,
        mean: Tensor,
        log_variance: Tensor,
        log_weights: Tensor,
    ) -> Tensor:
        # Axes, then samples, then posteriors: sums run over neighbours in memory.
        z, mean, log_variance = (a.T.contiguous() for a in (z, mean, log_variance))
        root = torch.exp(-0.5 * log_variance)
        deviation = torch.sub(z[:, :, None], mean[:, None]).mul_(root[:, None])
        constant = -0.5 * (log_variance[:, None] + _LOG_2PI)
        table = torch.addcmul(constant, deviation, deviation, value=-0.5)
        joint = table.sum(0).add_(log_weights)
        table.add_(log_weights)
        largest = table.amax(2, keepdim=True)
        sums = table.sub_(largest).exp_().sum(2, keepdim=True)
        if any(ctx.needs_input_grad):
            slope = torch.sub(joint.softmax(1), table.div_(sums), out=table)
            ctx.save_for_backward(slope, deviation, root)
        return (joint.logsumexp(1) - (sums.log() + largest)[..., 0].sum(0)).mean()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, None]:
        slope, deviation, root = ctx.saved_tensors
        gradient = gradient / root.shape[1]
        pull = slope * deviation
        for_z = -torch.bmm(pull, root[:, :, None])[..., 0]
        for_mean = root * pull.sum(1)
        for_log_variance = 0.5 * (pull.mul_(deviation).sum(1) - slope.sum(1))
        slopes = (gradient * a.T for a in (for_z, for_mean, for_log_variance))
        return *slopes, None


class BetaTCVAEModule(EvidenceModule):
    """The loss of `BetaTCVAE`.

    Parameters
    ----------
    networks, beta
        As for `EvidenceModule`; beta weighs the whole KL.
    tc_weight : float
        Weight of the total correlation, on top of its share in the KL.
    estimator : {"weighted", "stratified"}
    """

    tc_weight: float
    estimator: str

    def start_epoch(self, epoch: EpochStart) -> None:
        self.n_rows = epoch.n_rows

    def total_correlation(self, q: GaussianPosterior, z: Tensor) -> Tensor:
        """Estimate the total correlation of q(z) in nats, shape ().

        The density of row i under the aggregate posterior is a weighted mean of those
        under the batch's posteriors, for all axes together and for each alone.
        """
        n_batch = len(z)
        if self.estimator == "stratified" and 1 < n_batch <= self.n_rows:
            log_weights = stratified_log_weights(n_batch, self.n_rows, z.device)
        else:
            log_weights = z.new_full((n_batch, n_batch), -math.log(n_batch))
        return _TotalCorrelation.apply(z, q.mean, q.log_variance, log_weights.to(z))

    def regulariser(self, q: GaussianPosterior, z: Tensor) -> LossTerms:
        tc = self.total_correlation(q, z)
        total = self.beta * ((self.tc_weight - 1.0) * tc)
        return LossTerms(total, {"total_correlation": tc})


class BetaTCVAE(BaseAutoencoder, output_components="all"):
    r"""VAE with a weight on the dependence between latent axes, and on nothing else.

    The KL is the sum of what the codes tell about x, the total correlation of the
    codes, and the divergence of each axis from the prior. The total correlation gets
    the weight `tc_weight`, the others 1:

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \|x_i - \hat x_i\|^2
        + \beta \left[ \frac1B \sum_i \mathrm{KL}_i
        + (w - 1)\,\mathrm{TC} \right], \qquad
        \mathrm{TC} = \frac1B \sum_i \Big[ \log \hat q(z_i)
        - \sum_{l=1}^L \log \hat q(z_{il}) \Big]

    %(squared_error_and_kl)s
    :math:`\hat q(z_i) = \sum_j w_{ij}\, q(z_i | x_j)` over the rows of the batch, at a
    draw z of each posterior.

    Good for: independent axes, where the weight of `BetaVAE` would cost detail.

    Known to fail: small batches make the estimate too large; the table of densities
    takes B B L numbers.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    tc_weight : float, default=6.0
        w, the beta of the paper, >= 0. Studies try 1, 2, 4, 6, 8, 10; the ARD-VAE
        paper takes 2 for images and 5 for its synthetic data.
    beta : float, default=0.1
        Weight of the whole KL, >= 0; twice the noise variance of one feature. The
        paper has 1 with cross entropy.
    estimator : {"weighted", "stratified"}, default="weighted"
        The weights of the batch's posteriors: 1/B each (biased, and the gradient of
        minibatch-weighted sampling), or minibatch-stratified, which is unbiased for
        q(z). Batches of one row use the first.
    %(count_by)s
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    FactorVAE : The same term by a discriminator.
    BetaVAE : The plain weight on the KL.

    Notes
    -----
    Paper: the decomposition (eq. 2), both estimators (section 4.1, appendix C).

    Reference code (disentanglement_lib): the analytic KL with (w - 1) TC added, less
    noisy than three sampled terms.

    Differences from the published code: its stratified weights are written to the
    first columns of the table instead of its diagonals; here they are where the
    appendix has them. The constant log N of the weighted estimate, which has no
    gradient, is left out.

    References
    ----------
    Chen, Li, Grosse, Duvenaud: Isolating Sources of Disentanglement in VAEs, arXiv
    1802.04942.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import BetaTCVAE
    >>> X = load_digits().data / 16
    >>> model = BetaTCVAE(8, max_iter=2, random_state=0).fit(X)
    >>> model.transform(X).shape
    (1797, 8)
    """

    _module_class = BetaTCVAEModule

    tc_weight: NonNegative = 6.0
    _: KW_ONLY
    beta: NonNegative = 0.1
    estimator: Literal["weighted", "stratified"] = "weighted"
    count_by: Literal["relevance", "evidence"] = "relevance"
