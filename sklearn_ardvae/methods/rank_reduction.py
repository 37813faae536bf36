"""RRAE and VRRAE: autoencoders whose bottleneck is the rank of a large code.

Mounayer et al., arXiv 2405.13980 (RRAE) and arXiv 2505.09458 (VRRAE).
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import Count, NonNegative
from ..nn.low_rank import PrincipalAxes, align, batch_axes, truncate
from ..nn.module import AutoencoderModule, EpochStart, LossTerms, Networks, Noise
from ..nn.posteriors import GaussianPosterior
from ..nn.rank_search import RankSearch
from ..nn.variational import VariationalModule

__all__ = ["RRAE", "VRRAE"]

# Below it a squared norm is rounding: the gradient of its root stays finite.
_TINY = 1e-30
# Where the kept and the discarded spectrum cross, the exact gradient is infinite.
_SMALLEST_GAP = 1e-4


class RRAEModule(AutoencoderModule):
    r"""The truncated code of RRAE (eq. 3), its loss, and the search for its rank.

    Parameters
    ----------
    networks
        As for `AutoencoderModule`; ``n_components`` is the width L of the large code.
    initial_rank : int
        The bottleneck k, or where the search starts.
    search_tolerance : float or None
        Of `RankSearch`; None keeps the rank.
    svd : bool
        Whether the basis is that of the codes, or the first k unit vectors.
    basis : {"all_rows", "batches"}
        Where the basis after training comes from.
    """

    initial_rank: int
    search_tolerance: float | None
    svd: bool
    basis: str

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.axes = PrincipalAxes(
            self.n_components, self.initial_rank, centred=False, fixed=not self.svd
        )
        searching = self.search_tolerance is not None
        self.search = RankSearch(self.search_tolerance) if searching else None
        self.register_buffer("epoch_error", torch.zeros(2, dtype=torch.float64))
        self._batch_rows = 2

    def encode(self, x: Tensor) -> Tensor:
        return self.axes.project(self.encoder(x))

    def output(self, z: Tensor) -> Tensor:
        return self.decoder(self.axes.expand(z))

    def loss(self, x: Tensor, noise: Noise) -> LossTerms:
        y = self.encoder(x)
        if self.training:
            self.axes.observe(y)
            y = self.truncated(y)
        else:
            y = self.axes.expand(self.axes.project(y))
        error = self.error(x, self.decoder(y))
        self.record(error, len(x))
        return LossTerms(error, {"reconstruction": error})

    def truncated(self, y: Tensor) -> Tensor:
        """Return the code of a training batch at rank k."""
        if self.svd:
            return truncate(y, self.axes.rank, _SMALLEST_GAP)
        return self.axes.expand(self.axes.project(y))

    def error(self, x: Tensor, output: Tensor) -> Tensor:
        """Return 100 times the relative Frobenius error, or the cross entropy."""
        losses = self.likelihood.reconstruction(x, output)
        if self.likelihood.logits:
            return losses.mean()
        size = x.square().sum() + _TINY
        return 100.0 * ((losses.sum() + _TINY) / size).sqrt()

    def is_active(self) -> Tensor:
        """Return the k coefficients: the rank is the method's own count."""
        axes = torch.arange(self.n_components, device=self.axes.rank_.device)
        return axes < self.axes.rank_

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        return self.axes.draw(n_rows, generator)

    def record(self, error: Tensor, n_rows: int) -> None:
        """Add the error of a training batch to those of the epoch."""
        if self.training:
            self._batch_rows = max(self._batch_rows, n_rows)
            total = error.detach().double() * n_rows
            self.epoch_error += torch.stack((total, torch.full_like(total, n_rows)))

    @property
    def settled(self) -> bool:
        """Whether no search for the rank is going on."""
        return self.search is None or bool(self.search.is_over)

    def start_epoch(self, epoch: EpochStart) -> None:
        total, n_rows = self.epoch_error.tolist()
        self.epoch_error.zero_()
        if not self.settled and n_rows > 0:
            rank, weights = self.axes.rank, list(self.parameters())
            self.axes.set_rank(self.search.advance(rank, total / n_rows, weights))
        self.axes.forget(epoch.streaming)

    def end_epoch(self, rows: Tensor) -> None:
        self.axes.update()

    def finish(self, x: Tensor, generator: torch.Generator, streaming: bool) -> None:
        """Take the basis from the codes of all rows, with the final weights.

        A trial of a smaller rank that training left undecided is called off.
        """
        if streaming:
            return
        if self.search is not None:
            weights = list(self.parameters())
            self.axes.set_rank(self.search.call_off(self.axes.rank, weights))
        if self.basis == "batches":
            order = torch.randperm(len(x), generator=generator, device=x.device)
            batches = (x[some] for some in order.split(self._batch_rows))
            self.axes.refit_to_batches(self.encoder(rows) for rows in batches)
        else:
            self.axes.refit(self.encoder, x)


class VRRAEModule(RRAEModule, VariationalModule):
    r"""RRAE with sampled coefficients (VRRAE, section 3).

    Parameters
    ----------
    networks, beta, initial_rank, search_tolerance, svd, basis
        As for `RRAEModule` and `VariationalModule`; beta may be "profiled".
    mean_map : {"identity", "linear"}
        The map f from coefficients to posterior means.
    kl_reduction : {"sum", "mean"}
        Over the rows of a batch, in the loss.
    """

    outputs_per_component = 1

    mean_map: str
    kl_reduction: str

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        k = self.axes.rank
        self.to_mean = nn.Linear(k, k) if self.mean_map == "linear" else None
        self.log_variance_map = nn.Linear(k, k)

    def heads(self, a: Tensor) -> GaussianPosterior:
        """Return the posterior given coefficients: beyond the rank, N(0, 1)."""
        kept = torch.arange(self.n_components, device=a.device) < self.axes.rank_

        def mapped(linear: nn.Linear) -> Tensor:
            # Not sliced: of that torch 2.6 cannot export the free number of rows.
            values = linear(a.narrow(1, 0, linear.in_features))
            return kept * F.pad(values, (0, self.n_components - values.shape[1]))

        mean = a if self.to_mean is None else mapped(self.to_mean)
        return GaussianPosterior.of(mean, mapped(self.log_variance_map))

    def posterior(self, x: Tensor) -> GaussianPosterior:
        return self.heads(self.axes.project(self.encoder(x)))

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x).mean

    def loss(self, x: Tensor, noise: Tensor) -> LossTerms:
        y = self.encoder(x)
        basis = self.axes.basis
        if self.training:
            self.axes.observe(y)
            y, basis = self.truncated(y), self.batch_basis(y)
        else:
            y = self.axes.expand(self.axes.project(y))
        a = y @ basis
        q = self.heads(a)
        # y is a @ basis.T; written so, its gradient is that of the truncation, which
        # needs no derivative of single singular vectors.
        shift = q.mean - a + q.std * noise
        error = self.error(x, self.decoder(y + shift @ basis.T))
        kl = self.kl(q, q.mean)
        parts = {"reconstruction": error, "kl": kl.mean()}
        self.record(error, len(x))
        total = error + self.weighted(kl, error, x)
        if self.beta == "profiled" and not self.likelihood.logits:
            # The slope of `total`, but the value of what that is the slope of: lower
            # is better, also from epoch to epoch.
            total = total + (self.negative_bound(kl, error, x) - total).detach()
        return LossTerms(total, parts)

    def weighted(self, kl: Tensor, error: Tensor, x: Tensor) -> Tensor:
        """Return beta times the sum (or mean) of the KL of the rows of x, shape ()."""
        if self.beta != "profiled":
            return self.beta * (kl.sum() if self.kl_reduction == "sum" else kl.mean())
        scale = len(x) if self.likelihood.logits else x.numel() / error.detach()
        return kl.sum() / scale

    def negative_bound(self, kl: Tensor, error: Tensor, x: Tensor) -> Tensor:
        r"""Return minus the bound at the noise variance that fits best, shape ().

        .. math:: \tfrac D2 (1 + \log 2 \pi s^2) + \overline{\mathrm{KL}}, \qquad
            s^2 = r^2 \, \overline{x^2}

        in nats, a mean over rows; r = `error` / 100.
        """
        log_size = (x.square().sum() + _TINY).log() - math.log(x.numel())
        log_variance = 2.0 * (error / 100.0).log() + log_size
        constant = 1.0 + math.log(2.0 * math.pi)
        return 0.5 * x.shape[1] * (constant + log_variance) + kl.mean()

    def batch_basis(self, y: Tensor) -> Tensor:
        """Return the axes of a batch, turned to those of the last epoch."""
        if not self.svd:
            return self.axes.basis
        rank = self.axes.rank
        axes = align(batch_axes(y, rank), self.axes.basis[:, :rank])
        return F.pad(axes, (0, self.n_components - rank))

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        return self.draw_noise(n_rows, generator)


class RRAE(BaseAutoencoder):
    r"""Autoencoder whose bottleneck is the rank of a large code.

    The encoder puts out L numbers for each sample; the codes of a batch, as a matrix,
    are cut down to rank k by a truncated SVD before they are decoded. After training
    the batch's singular vectors give way to the basis U of all codes, and a sample is
    described by k coefficients :math:`a = U^\top y`, sorted by their singular values.

    .. math::
        \text{loss} = 100 \, \frac{\|X - D(\bar Y)\|_F}{\|X\|_F}, \qquad
        \bar Y = P_k \, Y, \quad Y = E(X)

    with :math:`P_k` the projector on the k leading left singular vectors of Y, in which
    a sample is a column. Both Frobenius norms are over the WHOLE batch, features and
    samples, and are not squared: the loss is a relative error in percent, and no mean
    over samples. (With ``likelihood="bernoulli"`` the cross entropy takes its place, a
    SUM over features and a mean over the batch.)

    Good for: a few linear coefficients out of a wide code, with no weight to choose:
    their number is given, or found.

    Known to fail: after training the decoder sees codes that it has not seen, if
    batches (small ones above all) span different subspaces; a tolerance below the
    noise of the loss keeps too many axes (0.1 gave 4 for a manifold of dimension 3);
    the linear rank exceeds the dimension where a manifold stays curved in the code.

    Parameters
    ----------
    n_components : int, default=128
        Width L of the large code, and the largest rank.
    rank : "adaptive" or int, default="adaptive"
        The bottleneck k in [1, n_components], or ``"adaptive"``: the smallest rank
        that costs no accuracy, found while training. A `batch_size` of at least 2k is
        advised; batches of k rows or fewer are not truncated.
    rank_tolerance : float, default=0.2
        Relative rise of the training error, >= 0, at which a smaller rank is still
        accepted. Only for ``rank="adaptive"``.
    svd : bool, default=True
        False drops the SVD and puts the first k of the L outputs of the encoder in
        its place: a plain autoencoder with a bottleneck of k. Needs an int `rank`.
    basis : {"all_rows", "batches"}, default="all_rows"
        The basis after training: left singular vectors of the codes of all rows, or,
        as the published code has it, leading eigenvectors of the mean of the
        projectors on the bases of batches, which ignores singular values.
    %(shared_parameters)s

    Attributes
    ----------
    rank_ : int
        The rank k of the code.
    %(shared_attributes)s

    See Also
    --------
    VRRAE : With sampled coefficients.
    IRMAE : Low rank by the implicit bias of linear layers.

    Notes
    -----
    `transform` returns the k coefficients; with ``output_components="all"`` they come
    in the order of their singular values, then zeros up to L. The rank is
    `n_active_components_`. ``density="prior"`` of `sample` is a Gaussian with the
    mean and covariance of the training coefficients; the papers use ``"gmm"``.

    Paper: truncated SVD of the raw, not centred, code; relative error; projection on
    one basis after training. Code: the form of the loss, ``basis="batches"``.

    Ours: the gradient of the truncation by projectors, which exists for equal
    singular values (gaps to the discarded ones: at least 1e-4 of the largest square);
    the basis by the Gram matrix of all codes; validation rows are projected on the
    basis of the epoch, as new data are. The search for the rank has the idea of the
    published adaptive scheme (shrink while the loss stays below its settled value,
    else go back), but by epochs and by bisection, and after each rank that fails that
    value is settled anew; meanwhile the learning rate stays and training does not stop
    early. If the budget ends before the search, the last rank that held is left.

    References
    ----------
    Mounayer et al.: Rank Reduction Autoencoders, arXiv 2405.13980.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import RRAE
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 10))
    >>> model = RRAE(8, rank=2, max_iter=30, early_stopping=False, random_state=0)
    >>> model.fit(X).transform(X).shape
    (300, 2)
    """

    _module_class = RRAEModule

    rank: Literal["adaptive"] | Count = "adaptive"
    _: KW_ONLY
    rank_tolerance: NonNegative = 0.2
    svd: bool = True
    basis: Literal["all_rows", "batches"] = "all_rows"

    def _module_settings(self) -> dict[str, Any]:
        adaptive = self.rank == "adaptive"
        if adaptive and not self.svd:
            raise ValueError(
                "svd=False leaves nothing that orders the components, so that "
                f"rank={self.rank!r} cannot choose among them: set rank to an int."
            )
        if not adaptive and self.rank > self.n_components:
            raise ValueError(
                f"rank={self.rank} exceeds n_components={self.n_components}, the "
                "largest rank that a code of that width can have: decrease rank or "
                "increase n_components."
            )
        return super()._module_settings() | {
            "initial_rank": self.n_components if adaptive else self.rank,
            "search_tolerance": self.rank_tolerance if adaptive else None,
        }

    @property
    def rank_(self) -> int:
        return self._module.axes.rank


class VRRAE(RRAE, rank_tolerance=0.1):
    r"""Variational autoencoder whose bottleneck is the rank of a large code.

    As in `RRAE`, the codes of a batch are cut down to rank k; here the coefficients
    are the means of a posterior, and what is decoded is a sample of it.

    .. math::
        \text{loss} = 100 \, \frac{\|X - D(U \tilde a)\|_F}{\|X\|_F} + \beta
        \sum_{i=1}^B \sum_{j=1}^k \tfrac12 \left( a_{ij}^2 + \sigma_{ij}^2 - 1
        - \log \sigma_{ij}^2 \right), \qquad
        \tilde a = a + \sigma \epsilon, \quad a = U^\top y

    The error is that of `RRAE`, over the whole batch and not squared. The KL is a SUM
    over coefficients and, as in the published code, a SUM over the rows of the batch,
    so that a given beta works with batch_size; ``kl_reduction="mean"`` divides by B.
    Log variances are one linear map of the coefficients.

    Good for: what `RRAE` is good for, with a bound on log p(x), and, of few rows,
    mostly a smaller error of unseen ones than that of `RRAE` (docs/rivals.md).

    Known to fail: as `RRAE`, from small batches; a constant code remains possible at
    :math:`\pm s_i / \sqrt N` on each axis, the SVD only fixes its level.

    Parameters
    ----------
    n_components : int, default=128
        Width L of the large code, and the largest rank.
    rank : "adaptive" or int, default="adaptive"
        As for `RRAE`.
    beta : float or "profiled", default="profiled"
        Weight of the KL term, >= 0. ``"profiled"``: :math:`100\,r / (BD)`, with r the
        relative error (not in percent) of the batch of B rows of D features, taken as a
        constant; the gradient is then that of the evidence bound at the noise variance
        that fits best, and the loss that is reported and stopped by is minus that
        bound, in nats. (With the cross entropy, 1 / B.) The paper has numbers: 1e-3 or
        less (MNIST and CelebA 1e-6, CIFAR 0); 0 is an ablation.
    mean_map : {"identity", "linear"}, default="identity"
        The map f from coefficients to posterior means; ``"linear"`` is the paper's
        ablation RRAE + VAE.
    kl_reduction : {"sum", "mean"}, default="sum"
        Over the rows of the batch, where `beta` is a number.
    rank_tolerance : float, default=0.1
        As for `RRAE`; smaller, since the noise of the codes is in the error too.
    svd : bool, default=True
        False drops the SVD and puts the first k of the L outputs of the encoder in
        its place, the paper's ablation VAE (f = I), and with ``mean_map="linear"``
        its VAE. Needs an int `rank`.
    basis : {"all_rows", "batches"}, default="all_rows"
        As for `RRAE`.
    %(shared_parameters)s

    Attributes
    ----------
    rank_ : int
        The rank k of the code.
    %(shared_attributes)s

    See Also
    --------
    RRAE : Without noise.

    Notes
    -----
    `transform` returns posterior means of the k coefficients. ``density="prior"`` of
    `sample` is N(0, I), which the codes follow only where beta is large enough; the
    paper generates with ``density="gmm"``. `score` is the evidence at the final basis.

    Paper: section 3; f = identity. The paper prints the KL with the opposite sign
    and divided by N; the published code's sign and sum are used.

    Ours: the axes of each batch are turned, within their span, to the basis of the
    last epoch (orthogonal Procrustes), since singular vectors are known only up to
    signs and rotations and the log variance map would see another frame in every
    batch; the noise takes them as constants, so that only the projector's gradient
    remains, which exists for equal singular values. The search for the rank: see
    `RRAE`.

    References
    ----------
    Mounayer et al.: Variational Rank Reduction Autoencoders, arXiv 2505.09458.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import VRRAE
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 10))
    >>> model = VRRAE(8, rank=2, max_iter=30, early_stopping=False, random_state=0)
    >>> model.fit(X).transform(X).shape
    (300, 2)
    """

    _module_class = VRRAEModule

    beta: Literal["profiled"] | NonNegative = "profiled"
    _: KW_ONLY
    mean_map: Literal["identity", "linear"] = "identity"
    kl_reduction: Literal["sum", "mean"] = "sum"
