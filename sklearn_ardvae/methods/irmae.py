"""IRMAE and LoRAE: low rank of the code by linear layers between encoder and decoder.

Jing, Zbontar, LeCun: "Implicit Rank-Minimizing Autoencoder", NeurIPS 2020,
arXiv 2010.00679. Zeng et al.: "Autoencoders for discovering manifold dimension and
coordinates in data from complex dynamical systems", arXiv 2305.01090. Mounayer et al.:
"Rank Reduction Autoencoders", arXiv 2405.13980.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.callbacks import Callback
from torch import Tensor, nn

from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import Count, NonNegative, Positive, ProperShare
from ..nn.low_rank import PrincipalAxes, nuclear_norm
from ..nn.module import AutoencoderModule, EpochStart, LossTerms, Networks, Noise
from ..training.net import AutoencoderNet

__all__ = ["IRMAE", "LoRAE"]

# Variances below this share of the largest count as equal. A product of random matrices
# begins with singular values that fall by many orders, down to the rounding of codes.
_ROUNDING = torch.finfo(torch.float32).eps
# How many times smaller variances are beyond a gap.
_SMALLEST_GAP = 10.0


def above_the_gap(variances: Tensor) -> Tensor:
    """Return which of descending variances stand before the largest drop.

    Parameters
    ----------
    variances : Tensor of shape (n_components,)
        Descending; what is below 1.2e-7 of the largest counts as equal.

    Returns
    -------
    Tensor of bool of shape (n_components,)
        All of them where none is 10 times its successor; none where all are 0.
    """
    if not variances.max() > 0.0:
        return torch.zeros_like(variances, dtype=torch.bool)
    logs = variances.double().clamp_min(_ROUNDING * variances.max()).log()
    drops = logs[:-1] - logs[1:]
    n_kept = len(logs)
    if n_kept > 1 and drops.max() >= math.log(_SMALLEST_GAP):
        n_kept = int(drops.argmax()) + 1
    return torch.arange(len(logs), device=logs.device) < n_kept


class IRMAEModule(AutoencoderModule):
    r"""An autoencoder with square linear layers in the path of the code.

    .. math:: \bar z = W_l \cdots W_1 E(x), \qquad \hat x = D(\bar z)

    Codes are the PCA coordinates of :math:`\bar z`.

    Parameters
    ----------
    networks
        As for `AutoencoderModule`.
    n_linear_layers : int
        The number l of layers, without bias, each drawn on its own.
    active_rule : {"relevance", "variance", "gap"}
    variance_threshold : float
        For "variance": axes of a smaller share of the largest are not active.
    nuclear_weight : float
        Weight of the nuclear norm of :math:`W_l \cdots W_1` in the loss.
    """

    n_linear_layers: int = 1
    active_rule: str
    variance_threshold: float
    nuclear_weight: float = 0.0

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        n, layers = self.n_components, range(self.n_linear_layers)
        self.layers = nn.Sequential(*(nn.Linear(n, n, bias=False) for _ in layers))
        self.axes = PrincipalAxes(n, n, centred=True)

    def product(self) -> Tensor:
        """Return the one matrix that the layers amount to, (L, L)."""
        product = self.layers[0].weight
        for layer in self.layers[1:]:
            product = layer.weight @ product
        return product

    def latent(self, x: Tensor) -> Tensor:
        """Return the code after the linear layers, in its own coordinates."""
        return self.layers(self.encoder(x))

    def encode(self, x: Tensor) -> Tensor:
        return self.axes.project(self.latent(x))

    def output(self, z: Tensor) -> Tensor:
        return self.decoder(self.axes.expand(z))

    def loss(self, x: Tensor, noise: Noise) -> LossTerms:
        latent = self.latent(x)
        if self.training:
            self.axes.observe(latent)
        error = self.likelihood.reconstruction(x, self.decoder(latent)).mean()
        parts = {"reconstruction": error}
        if self.nuclear_weight == 0.0:
            return LossTerms(error, parts)
        parts["nuclear_norm"] = nuclear_norm(self.product())
        return LossTerms(error + self.nuclear_weight * parts["nuclear_norm"], parts)

    def start_epoch(self, epoch: EpochStart) -> None:
        self.axes.forget(epoch.streaming)

    def end_epoch(self, rows: Tensor) -> None:
        self.axes.update()

    def finish(self, x: Tensor, generator: torch.Generator, streaming: bool) -> None:
        """Take the principal axes from the codes of all rows."""
        if not streaming:
            self.axes.refit(self.latent, x)

    def is_active(self) -> Tensor | None:
        if self.active_rule == "relevance":
            return None
        variances = self.axes.covariance.diagonal()
        if self.active_rule == "gap":
            return above_the_gap(variances)
        return variances > self.variance_threshold * variances.max()

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        return self.axes.draw(n_rows, generator)


class _PrincipalAxesAutoencoder(BaseAutoencoder):
    """Base of the two: components are principal axes of the code."""

    _module_class = IRMAEModule

    _: KW_ONLY
    active_rule: Literal["relevance", "variance", "gap"] = "relevance"
    variance_threshold: ProperShare = 0.01

    @property
    def component_variance_(self) -> NDArray[np.float32]:
        variances = self._module.axes.covariance.diagonal()
        return variances.cpu().numpy().clip(0.0)


class IRMAE(_PrincipalAxesAutoencoder):
    r"""Autoencoder whose code gets a low rank from extra linear layers.

    Gradient descent on a product of matrices prefers products of low rank. A few
    square linear layers after the encoder, which add nothing to what the network can
    represent, therefore leave the code in as few directions as the data need.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \|x_i - D(W_l \cdots W_1 E(x_i))\|^2

    a SUM over features without 1/2 (the Bernoulli likelihood puts the cross entropy
    in its place), a mean over the batch. With weight decay w every step of learning
    rate r is :math:`\theta \leftarrow (1 - r w)\,\theta - r\,u`, u being Adam's.

    Good for: a low rank with no weight to choose, and codes along principal axes.

    Known to fail: the implicit bias is a matter of optimisation, so that learning rate,
    length of training, weight decay and Adam itself change the count; directions decay
    slowly, and short training counts too many; the rank is linear, and exceeds the
    dimension where the code of a curved manifold is curved. Decay of 1e-6 at a rate of
    1e-3 shrinks a weight of no gradient by 0.1 % in a million steps: by itself it
    closes no direction.

    Parameters
    ----------
    n_components : int, default=128
        Width L of the code.
    n_linear_layers : int, default=4
        Number l of linear layers, >= 1, without bias. More push harder towards low
        rank, and train more slowly: each shrinks the signal by the root of 3 at first.
    weight_decay : float, default=0.0
        w, >= 0: above 0 the optimiser is AdamW, on all weights and biases.
        `skorch_params` goes before it.
    active_rule : {"relevance", "variance", "gap"}, default="relevance"
        What counts as active: the axes of 99 % of `relevance_`; those whose variance
        exceeds `variance_threshold`; or those before the largest drop of
        `component_variance_`, from one to the next and on a logarithmic scale (all of
        them, if no variance falls to a tenth of the one before).
    variance_threshold : float, default=0.01
        Share of the largest variance, in [0, 1), for ``active_rule="variance"``.
    %(shared_parameters)s

    Attributes
    ----------
    component_variance_ : ndarray of shape (n_components,)
        Variances of the training codes along their principal axes, descending: the
        plot from which the paper reads the rank.
    %(shared_attributes)s

    See Also
    --------
    LoRAE : With an explicit penalty on the rank.
    RRAE : With a hard limit on the rank.

    Notes
    -----
    `transform` returns PCA coordinates of the code after the linear layers, so that
    active directions are axes; with ``output_components="all"`` in descending order of
    variance. ``density="prior"`` of `sample` is the paper's Gaussian with the mean and
    covariance of the training codes; ``"gmm"`` is its other choice.

    Paper: the layers, independent draws, squared error, Gaussian or mixture for
    generation. It averages the squared error over features as well (Adam does not
    mind) and reads the rank off a plot.

    IRMAE-WD (Zeng et al.): ``IRMAE(n, 4, weight_decay=1e-6, learning_rate=1e-3,
    active_rule="gap")`` on data standardised feature by feature. Its code has AdamW,
    whose decay is not scaled as Adam scales gradients. The rank is where the singular
    values of the covariance of the codes fall by orders of magnitude, read off a plot.

    Ours: the threshold on variances; what "gap" takes for a fall; the defaults for
    network and training.

    References
    ----------
    Jing, Zbontar, LeCun: Implicit Rank-Minimizing Autoencoder, arXiv 2010.00679.

    Zeng, Perez De Jesus, Fox, Graham: Autoencoders for discovering manifold dimension
    and coordinates in data from complex dynamical systems, arXiv 2305.01090.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import IRMAE
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 10))
    >>> model = IRMAE(n_components=8, max_iter=100, random_state=0).fit(X)
    >>> model.n_active_components_
    2
    """

    n_linear_layers: Count = 4
    _: KW_ONLY
    weight_decay: NonNegative = 0.0

    def _make_net(
        self,
        module: AutoencoderModule,
        x: Tensor,
        callbacks: list[tuple[str, Callback]],
        settings: dict[str, Any],
    ) -> AutoencoderNet:
        if self.weight_decay:
            settings = settings | {
                "optimizer": torch.optim.AdamW,
                "optimizer__weight_decay": self.weight_decay,
            }
        return super()._make_net(module, x, callbacks, settings)


class LoRAE(_PrincipalAxesAutoencoder):
    r"""Autoencoder with a nuclear-norm penalty on a linear layer in the code.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \|x_i - D(W E(x_i))\|^2
        + \lambda \, \|W\|_*

    The squared error is a SUM over features without 1/2 (the Bernoulli likelihood puts
    the cross entropy in its place) and a mean over the batch; the nuclear norm is the
    SUM of the singular values of the (L, L) matrix W.

    Good for: a low rank where the layers of `IRMAE` train too slowly: it has one, and a
    weight that says how hard to press.

    Known to fail: encoder and decoder can take over the scale that the penalty takes
    from W, so that lambda does not say how many directions remain; the rank is linear.

    Parameters
    ----------
    n_components : int, default=128
        Width L of the code.
    nuclear_weight : float, default=0.01
        The weight lambda, > 0. Where the squared error is averaged over D features
        as well, the same penalty is lambda / D.
    active_rule : {"relevance", "variance", "gap"}, default="relevance"
        What counts as active: the axes of 99 % of `relevance_`; those whose variance
        exceeds `variance_threshold`; or those before the largest drop of
        `component_variance_`, from one to the next and on a logarithmic scale (all of
        them, if no variance falls to a tenth of the one before).
    variance_threshold : float, default=0.01
        Share of the largest variance, in [0, 1), for ``active_rule="variance"``.
    %(shared_parameters)s

    Attributes
    ----------
    component_variance_ : ndarray of shape (n_components,)
        Variances of the training codes along their principal axes, descending.
    %(shared_attributes)s

    See Also
    --------
    IRMAE : Low rank without a penalty.

    Notes
    -----
    Codes, count and generation as in `IRMAE`.

    Papers: one linear layer and the nuclear norm of its matrix. In the code published
    with RRAE the layer is not applied, so that its penalty acts on nothing; here it is
    in the path. Ours: the weight's default; the threshold on variances.

    References
    ----------
    Mazumder et al.: Learning Low-Rank Latent Spaces with Simple Deterministic
    Autoencoder, WACV 2024, arXiv 2310.16194.

    Mounayer et al.: Rank Reduction Autoencoders, arXiv 2405.13980 (comparison).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import LoRAE
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 10))
    >>> model = LoRAE(n_components=8, max_iter=60, random_state=0).fit(X)
    >>> model.n_active_components_
    2
    """

    nuclear_weight: Positive = 0.01
