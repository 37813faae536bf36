"""MaskAAE: an adversarial autoencoder that learns a mask over its latent axes.

Mondal, Chowdhury, Jayendran, Singla, Asnani, Prathosh: "MaskAAE: Latent Space
Optimization for Adversarial Auto-Encoders", UAI 2020, arXiv 1912.04564 (LMGAE there).
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY
from numbers import Real
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.callbacks import Callback
from torch import Tensor, nn

from .._sklearn_compat import Interval
from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import Count, LayerSizes, NonNegative, OpenShare, Positive
from ..nn.critics import gradient_penalty, make_critic
from ..nn.gates import tolerable_loss, within
from ..nn.module import (
    AutoencoderModule,
    EpochStart,
    HeldOut,
    LossTerms,
    Networks,
    Noise,
    Phase,
)
from ..training.net import AutoencoderNet

__all__ = ["MaskAAE"]

# Beyond it the mask is 1 to 5e-5 and its slope, exp(-t), too flat to come back.
_LARGEST_LOGIT = 10.0
# Errors relative to less than this have squared gradients that overflow float32.
_SMALLEST_VARIANCE = 1e-16
# Rows on which collapse is looked for, and which the scale of X is taken from.
_GUARD_ROWS = 1024


class MaskAAEModule(AutoencoderModule):
    r"""The four losses of MaskAAE and the schedule of its polarising weight.

    With codes z = E(x), the mask :math:`u_l = 1 - e^{-t_l}`, t >= 0, masked codes
    :math:`y = u \odot z`, masked draws of the prior :math:`y' = u \odot \epsilon`, the
    critic H, and R the reconstruction loss of one feature (below), in turn:

    .. math::
        L_{ae} &= R + a \, \frac1{BL} \sum_{il} (z_{il} - \bar z_l)^2 e^{-10 u_l^2}
        \\ L_{critic} &= \overline{H(y)} - \overline{H(y')}
        + g \, \overline{(\|\nabla H\| - 1)^2}
        \\ L_{generator} &= -\overline{H(y)}
        \\ L_{mask} &= k R + (1 + w)^2 + c \sum_l u_l (1 - u_l), \qquad
        w = \overline{H(y')} - \overline{H(y)}

    Bars are means over the batch. They train encoder and decoder, the critic (several
    updates), the encoder, and t, each alone and on a batch of its own.

    Parameters
    ----------
    networks
        As for `AutoencoderModule`.
    critic : nn.Module
        Maps (n_rows, n_components) to (n_rows, 1).
    reconstruction_weight, variance_weight, penalty_weight : float
        k, a and g.
    n_critic : int
        Updates of the critic in each step.
    largest_polarisation : float
        Where c ends.
    schedule : tuple of float
        Shares of the epochs after which c begins and ends to grow.
    collapse_guard : float
        c is halved, not doubled, while R is nearer to that of the mean of x than this
        share of the way from that of x itself.
    n_epochs : int
        The budget of a stream, which does not know its own.
    mask_init : tuple of float
        Between which t is uniform at the start.
    mask_threshold : float
        The least mask of an active axis.
    """

    held_out = HeldOut(most=_GUARD_ROWS, withheld=False)

    critic: nn.Module
    reconstruction_weight: float
    variance_weight: float
    penalty_weight: float
    n_critic: int
    largest_polarisation: float
    schedule: tuple[float, float]
    collapse_guard: float
    n_epochs: int
    mask_init: tuple[float, float]
    mask_threshold: float

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.t = nn.Parameter(torch.empty(self.n_components).uniform_(*self.mask_init))
        largest = self.largest_polarisation
        self.smallest_polarisation = min(2.0 / self.n_components, largest)
        ratio = largest / self.smallest_polarisation
        self.n_doublings = math.ceil(math.log2(ratio) - 1e-9)
        self.register_buffer("polarisation", torch.tensor(self.smallest_polarisation))
        self.register_buffer("scale", torch.tensor(1.0))

    @property
    def mask(self) -> Tensor:
        """u, shape (n_components,)."""
        return -torch.expm1(-within(self.t, 0.0, _LARGEST_LOGIT))

    def encode(self, x: Tensor) -> Tensor:
        return self.mask * self.encoder(x)

    def is_active(self) -> Tensor:
        return self.mask >= self.mask_threshold

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        return self.mask * self.standard_normal(n_rows, generator)

    def reconstruction(self, x: Tensor, y: Tensor) -> Tensor:
        """Return R: cross entropy, or squared error over the variance, shape ()."""
        loss = self.likelihood.reconstruction(x, self.decoder(y)).mean()
        return loss / (x.shape[1] * self.scale)

    # --- the schedule -------------------------------------------------------------

    def start_epoch(self, epoch: EpochStart) -> None:
        x = epoch.held_out
        if epoch.index == 0 and not self.likelihood.logits:
            variance = x.var(0, correction=0).mean()
            self.scale.copy_(torch.where(variance > _SMALLEST_VARIANCE, variance, 1.0))
        budget = self.n_epochs if epoch.streaming else epoch.n_epochs
        begin, end = self.schedule
        progress = (epoch.index / budget - begin) / (end - begin)
        progress = min(1.0, max(0.0, progress))
        planned = self.smallest_polarisation * 2.0 ** math.floor(
            self.n_doublings * progress + 1e-9
        )
        planned = min(planned, self.largest_polarisation)
        # A warm start goes on from where the schedule has come to.
        planned = self.polarisation.clamp_min(planned)
        # An axis whose mask has gone to 0 rarely comes back: while too much is lost,
        # the weight that closes axes recedes.
        most = tolerable_loss(self.likelihood, x, self.collapse_guard)
        output = self.decoder(self.encode(x))
        lost = self.likelihood.reconstruction(x, output).mean() > most
        factor = torch.where(lost & (epoch.index > 0), 0.5, 2.0)
        weight = self.polarisation * factor
        weight = torch.minimum(weight, planned)
        self.polarisation.copy_(weight.clamp_min(self.smallest_polarisation))

    # --- the losses ---------------------------------------------------------------

    def phases(self) -> list[Phase]:
        nets = [*self.encoder.parameters(), *self.decoder.parameters()]
        # The code has 5e-4 for autoencoder and mask, 1e-4 for the other two.
        slow = {"fresh_batch": True, "learning_rate_factor": 0.2}
        return [
            Phase("autoencoder", nets, self.loss, self.draw_noise, fresh_batch=True),
            Phase(
                "critic",
                list(self.critic.parameters()),
                self.critic_loss,
                self.draw_critic_noise,
                repeats=self.n_critic,
                **slow,
            ),
            Phase(
                "generator",
                list(self.encoder.parameters()),
                self.generator_loss,
                self.draw_noise,
                **slow,
            ),
            Phase(
                "mask",
                [self.t],
                self.mask_loss,
                self.draw_mask_noise,
                fresh_batch=True,
            ),
        ]

    def loss(self, x: Tensor, noise: Noise) -> LossTerms:
        """L_ae; on validation rows it tells whether codes carry the data."""
        z, u = self.encoder(x), self.mask.detach()
        reconstruction = self.reconstruction(x, u * z)
        spread = ((z - z.mean(0)).square() * torch.exp(-10.0 * u.square())).mean()
        total = reconstruction + self.variance_weight * spread
        return LossTerms(
            total, {"reconstruction": reconstruction, "masked_variance": spread}
        )

    def draw_mask_noise(self, n_rows: int, generator: torch.Generator) -> Tensor:
        return self.standard_normal(n_rows, generator)

    def draw_critic_noise(
        self, n_rows: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        share = torch.rand((n_rows, 1), generator=generator, device=generator.device)
        return self.draw_mask_noise(n_rows, generator), share

    def critic_loss(self, x: Tensor, noise: tuple[Tensor, Tensor]) -> LossTerms:
        prior, share = noise
        with torch.no_grad():
            y, y_prior = self.encode(x), self.mask * prior
        distance = self.critic(y_prior).mean() - self.critic(y).mean()
        penalty = gradient_penalty(self.critic, y, y_prior, share)
        return LossTerms(
            self.penalty_weight * penalty - distance,
            {"wasserstein": distance, "gradient_penalty": penalty},
        )

    def generator_loss(self, x: Tensor, noise: Noise) -> LossTerms:
        return LossTerms(-self.critic(self.mask.detach() * self.encoder(x)).mean())

    def mask_loss(self, x: Tensor, noise: Tensor) -> LossTerms:
        """L_mask over k, which an optimiser that is blind to scale does not see."""
        with torch.no_grad():
            self.t.clamp_(0.0, _LARGEST_LOGIT)
            z = self.encoder(x)
        u = self.mask
        reconstruction = self.reconstruction(x, u * z)
        distance = self.critic(u * noise).mean() - self.critic(u * z).mean()
        polarity = (u * (1.0 - u)).sum()
        others = (1.0 + distance).square() + self.polarisation * polarity
        return LossTerms(
            reconstruction + others / self.reconstruction_weight,
            {"polarity": polarity, "polarisation": self.polarisation},
        )


class LearningRateDrop(Callback):
    """Divide the rates of autoencoder and mask, once, when an epoch begins.

    Parameters
    ----------
    divisor : float
    share : float
        Of all epochs, after which it happens.
    """

    def __init__(self, divisor: float, share: float) -> None:
        self.divisor = divisor
        self.share = share

    def on_train_begin(self, net: AutoencoderNet, **kwargs: Any) -> None:
        # A warm start goes on at the rate that is set for it.
        self.dropped_ = net.epochs_before > 0

    def on_epoch_begin(self, net: AutoencoderNet, **kwargs: Any) -> None:
        if self.dropped_ or net.epoch_ < self.share * net.n_epochs_:
            return
        self.dropped_ = True
        for trained in net.phases_:
            if trained.phase.name in ("autoencoder", "mask"):
                for group in trained.optimizer.param_groups:
                    group["lr"] /= self.divisor


class MaskAAE(
    BaseAutoencoder,
    n_components=64,
    max_iter=200,
    lr_patience=None,
    early_stopping=False,
):
    r"""Adversarial autoencoder that learns which latent axes to keep by a mask.

    A deterministic autoencoder multiplies its codes by a mask u in [0, 1). A critic
    makes the masked codes look like masked normal numbers, and a weight that grows
    over the epochs drives each mask to 0 or 1. With z = E(x), the critic H, the mask
    :math:`u_l = 1 - e^{-t_l}` of trained :math:`t_l \ge 0`, and
    :math:`y = u \odot z`, :math:`y' = u \odot \epsilon`, :math:`\epsilon \sim N(0, I)`,
    four losses are lowered in turn, each on a batch of its own:

    .. math::
        L_{ae} &= R + a \, \frac1{BL} \sum_{il} (z_{il} - \bar z_l)^2 e^{-10 u_l^2}
        && \text{(encoder, decoder)} \\
        L_{critic} &= \overline{H(y)} - \overline{H(y')}
        + g \, \overline{(\|\nabla H\| - 1)^2} && \text{(critic)} \\
        L_{generator} &= -\overline{H(y)} && \text{(encoder)} \\
        L_{mask} &= k R + (1 + \overline{H(y')} - \overline{H(y)})^2
        + c \sum_l u_l (1 - u_l) && \text{(mask)}

    Bars are means over the batch (:math:`\bar z_l` that of axis l); the gradient of H
    is taken at points between y and y'. R is a MEAN over batch and features: of the
    squared error over the variance of X, so that 1 is the error of the mean, or, with
    ``likelihood="bernoulli"``, of the cross entropy.

    Good for: bent sets of few dimensions, also in noise: of some it finds a chart where
    most other methods count the linear span (docs/dimension_benchmark.md).

    Known to fail: an axis once closed stays closed, so that a schedule that is too
    fast, or k too small, loses real dimensions, down to none. A mask moves by about the
    learning rate in a step: with too few steps before c has grown (`max_iter`,
    `schedule`; some 1000 steps at 0.004) surplus axes stay open. Counts vary with the
    seed and the schedule by a few axes. The critic may not make codes normal: `sample`
    from a density then. The gradient penalty needs second derivatives, which
    ``compile`` does not support.

    Parameters
    ----------
    n_components : int, default=64
        The initial latent size L: an upper bound on what may be found.
    reconstruction_weight : float, default=100.0
        k, > 0: what reconstruction counts against closing axes. The larger, the
        more axes stay open.
    variance_weight : float, default=100.0
        a, >= 0, of the variance of axes whose mask is small.
    penalty_weight : float, default=10.0
        g, >= 0, of the critic's gradient penalty.
    n_critic : int, default=5
        Updates of the critic in each step, >= 1.
    critic_layer_sizes : array-like of int, default=None
        Hidden layers of the critic, with ReLU; None for `hidden_layer_sizes`.
    polarisation : float, default=2048.0
        Where c ends, > 0. It starts at 2 / L and doubles in equal intervals.
    schedule : pair of float, default=(0.25, 0.8)
        Shares of `max_iter` after which c begins to double and has come to its end,
        0 <= begin < end <= 1. Before, c is small enough for surplus axes to be closed,
        wherever their masks start.
    mask_init : pair of float, default=(3.0, 5.0)
        t is uniform between them at the start, 0 <= low <= high <= 10: masks from 0.95
        to 0.99. The paper's (0, 5) has some near 0, which closes real axes where there
        are none to spare.
    lr_drop : float, default=5.0
        What the learning rates of autoencoder and mask are divided by, once, >= 1.
    lr_drop_share : float, default=0.8
        Share of `max_iter` in [0, 1] after which they are.
    collapse_guard : float, default=0.5
        c is halved, not doubled, at the start of an epoch if more than this share of
        the way from a perfect reconstruction to the mean of X is lost, > 0.
    mask_threshold : float, default=0.1
        An axis is active if its mask is at least so large, in (0, 1).
    %(shared_parameters)s

    Attributes
    ----------
    mask_ : ndarray of shape (n_components,)
        u. `transform` returns codes times mask.
    %(shared_attributes)s

    See Also
    --------
    ARDVAE : Finds the axes by a learned prior, in one loss.

    Notes
    -----
    Paper: the four losses, their order, the mask, t >= 0 by projection, t uniform on
    (0, 5) at the start; it claims its counts for more axes than dimensions only. Its
    reconstruction term is a norm, its variance term a sum with :math:`e^{-\gamma u}`,
    the weights are not given.

    Reference code: cross entropy as a mean, 100, 1000 and :math:`e^{-10 u^2}`; the
    penalty where the critic looks, at masked codes; active if u >= 0.1; c from 2 / L to
    2048; one division by 5, of the losses, to which RMSProp is blind.

    Ours: squared error over the variance of X and k = 100 for it (for cross entropies
    use the code's 1000); masks that start open; the schedule as a share of the budget,
    and its slow start, which the code has only beyond 20 axes, by slower doubling; the
    division by 5 of the learning rates themselves, and when; the collapse guard;
    :math:`t \le 10`; Adam, with a fifth of the rate for critic and generator, as in the
    code. :math:`L_{mask}` is divided by k, which Adam is blind to. The last weights are
    kept: the validation loss of an adversarial game says little about its end, so that
    nothing stops early or lowers the rate by it, and a `ConvergenceWarning` may come
    from a loss that still falls. `score` is minus the mean squared error.

    References
    ----------
    Mondal, Chowdhury, Jayendran, Singla, Asnani, Prathosh: MaskAAE: Latent Space
    Optimization for Adversarial Auto-Encoders, UAI 2020, arXiv 1912.04564.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import MaskAAE
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 10))
    >>> model = MaskAAE(4, max_iter=2, random_state=0).fit(X)
    >>> model.mask_.shape
    (4,)
    """

    _module_class = MaskAAEModule

    _: KW_ONLY
    reconstruction_weight: Positive = 100.0
    variance_weight: NonNegative = 100.0
    penalty_weight: NonNegative = 10.0
    n_critic: Count = 5
    critic_layer_sizes: LayerSizes | None = None
    polarisation: Positive = 2048.0
    schedule: Annotated[tuple[float, float], "array-like"] = (0.25, 0.8)
    mask_init: Annotated[tuple[float, float], "array-like"] = (3.0, 5.0)
    lr_drop: Annotated[float, Interval(Real, 1, None, closed="left")] = 5.0
    lr_drop_share: Annotated[float, Interval(Real, 0, 1, closed="both")] = 0.8
    collapse_guard: Positive = 0.5
    mask_threshold: OpenShare = 0.1

    def _module_settings(self) -> dict[str, Any]:
        sizes = self._layer_sizes("critic_layer_sizes")
        return super()._module_settings() | {
            "critic": make_critic(self.n_components, sizes),
            "largest_polarisation": self.polarisation,
            "schedule": self._check_schedule(),
            "mask_init": self._check_mask_init(),
            "n_epochs": self.max_iter,
        }

    def _check_schedule(self) -> tuple[float, float]:
        shares = np.ravel(self.schedule)
        if len(shares) != 2 or not 0.0 <= shares[0] < shares[1] <= 1.0:
            raise ValueError(
                "schedule must be a pair of shares of max_iter with 0 <= begin < end "
                f"<= 1, such as (0.25, 0.8); got {self.schedule!r}."
            )
        return float(shares[0]), float(shares[1])

    def _check_mask_init(self) -> tuple[float, float]:
        ends = np.ravel(self.mask_init)
        if len(ends) != 2 or not 0.0 <= ends[0] <= ends[1] <= _LARGEST_LOGIT:
            raise ValueError(
                "mask_init must be a pair of values of t with 0 <= low <= high <= "
                f"{_LARGEST_LOGIT:g}, such as (3, 5); got {self.mask_init!r}."
            )
        return float(ends[0]), float(ends[1])

    def _callbacks(self) -> list[tuple[str, Callback]]:
        drop = LearningRateDrop(self.lr_drop, self.lr_drop_share)
        return [("learning_rate_drop", drop)]

    @property
    def mask_(self) -> NDArray[np.float32]:
        return self._module.mask.detach().cpu().numpy().copy()
