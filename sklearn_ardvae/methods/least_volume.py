"""Least Volume: codes that fill as few axes as a decoder of bounded slope allows.

Chen, Fuge: "Compressing Latent Space via Least Volume", ICLR 2024, arXiv 2404.17773.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import NonNegative, Positive, ProperShare
from ..nn.deterministic import DeterministicModule
from ..nn.kernels import normalise_kernels, settle_norms
from ..nn.linear_path import BesideLinear
from ..nn.module import EpochStart, Networks, Noise

__all__ = ["LeastVolumeAE"]

# Rows on which axes are pruned: after training, and every so many epochs before.
_ROWS, _ROWS_MEANWHILE, _EVERY = 2000, 128, 5
_CHUNK = 1024


class LeastVolumeModule(DeterministicModule):
    """The penalty of `LeastVolumeAE`, its decoder, and the pruning of its axes.

    Parameters
    ----------
    networks, penalty_weight
        As for `DeterministicModule`; the decoder's kernels get the norm 1.
    offset : float
        What is added to each deviation.
    active_rule : {"pruning", "relevance"}
    pruning_tolerance : float
        For "pruning".
    """

    offset: float
    active_rule: str
    pruning_tolerance: float

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        normalise_kernels(self.decoder)
        self.register_buffer("kept", torch.ones(self.n_components, dtype=torch.bool))
        self._looks = True

    def networks_beside_linear(self) -> list[BesideLinear]:
        """Return none: kernels of norm 1 cannot take the weights of PCA."""
        return []

    def penalty(self, x: Tensor, z: Tensor, output: Tensor, noise: Noise) -> Tensor:
        """Return the geometric mean of the deviations of a batch, each plus eta."""
        return (z.std(0, correction=0) + self.offset).log().mean().exp()

    def start_epoch(self, epoch: EpochStart) -> None:
        self._looks = epoch.index % _EVERY == 0

    def end_epoch(self, rows: Tensor) -> None:
        settle_norms(self.decoder)
        if self.active_rule == "pruning" and self._looks:
            self.prune(rows[:_ROWS_MEANWHILE])

    def finish(self, x: Tensor, generator: torch.Generator, streaming: bool) -> None:
        super().finish(x, generator, streaming)
        if self.active_rule == "pruning":
            order = torch.randperm(len(x), generator=generator, device=x.device)
            self.prune(x[order[:_ROWS]])

    def prune(self, rows: Tensor) -> None:
        """Fix axes at their means, least deviation first, while that costs little."""
        z = self.encode(rows).clone()  # an encoder may return its rows
        mean = z.mean(0)
        best = self._error(rows, z)
        worst = self._error(rows, mean.expand_as(z))
        allowed = best + self.pruning_tolerance * (worst - best).clamp_min(0.0)
        self.kept.fill_(True)
        for axis in z.std(0, correction=0).argsort().tolist():
            z[:, axis] = mean[axis]
            if self._error(rows, z) > allowed:
                return
            self.kept[axis] = False

    def _error(self, rows: Tensor, z: Tensor) -> Tensor:
        parts = zip(rows.split(_CHUNK), z.split(_CHUNK), strict=True)
        losses = [self.likelihood.reconstruction(x, self.output(c)) for x, c in parts]
        return torch.cat(losses).mean()

    def is_active(self) -> Tensor | None:
        return self.kept if self.active_rule == "pruning" else None


class LeastVolumeAE(BaseAutoencoder, activation="leaky_relu"):
    r"""Autoencoder whose codes are pressed into the box of least volume.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \|x_i - D(z_i)\|^2
        + \lambda \left[ \prod_{l=1}^L (\sigma_l + \eta) \right]^{1/L}, \qquad
        \sigma_l^2 = \frac1B \sum_{i=1}^B (z_{il} - \bar z_l)^2

    %(squared_error)s The volume is the GEOMETRIC MEAN over
    axes of the deviations of the codes of a batch. The kernels of the decoder D are
    divided by their largest singular values, so that its slope is at most 1: codes
    cannot shrink at no cost, and an axis of deviation :math:`\sigma_l` adds at most
    that to the root mean squared error if it is fixed at its mean.

    Good for: counting without a likelihood, by deviations that have a meaning in units
    of X (above), where dimensions are few (docs/dimension_benchmark.md).

    Known to fail: the slope is not bounded by 1 for activations of larger slope (1.1
    for each layer of ``"silu"``), for convolutions (whose kernels have the norm 1 as
    matrices), for batch normalisation, and beside a linear map (``"linear_mlp"``: at
    most 2, in units of the standardised rows; its start is not PCA). The count depends
    on the weight: too small a one leaves surplus axes.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    penalty_weight : float, default=1.0
        :math:`\lambda`, >= 0. The published 1e-3 is for an error that is averaged over
        the D features as well: times D it is 1.0 for MNIST of 32 x 32. It grows with
        the deviation of X, if `offset` does as well.
    offset : float, default=1.0
        :math:`\eta`, > 0. Near 0 the penalty is the volume itself, whose slope is
        largest for the axes that are smallest; a large one makes it the arithmetic mean
        of the deviations.
    active_rule : {"pruning", "relevance"}, default="pruning"
        What counts as active: the axes that are left when those of least deviation
        are fixed at their means, one after the other, while the reconstruction allows
        it; or the axes of 99 % of `relevance_`.
    pruning_tolerance : float, default=0.01
        In [0, 1), for ``active_rule="pruning"``: how much the error may grow, as a
        share of what it grows by when all axes are fixed.
    %(shared_parameters)s

    Attributes
    ----------
    component_variance_ : ndarray of shape (n_components,)
        Variances of the training codes, axis by axis.
    %(shared_attributes)s

    See Also
    --------
    RAE : With ``penalty="spectral"`` it has the same decoder.
    SparseAE : Magnitudes of codes in place of their volume.

    Notes
    -----
    A decoder of slope K needs no parameter: with its codes K times as large it is one
    of slope 1, at :math:`\lambda / K` and :math:`K \eta`. For linear networks the
    codes are those of PCA, of deviations :math:`\sigma_l < s_l` (those of PCA) with
    :math:`2 (s_l - \sigma_l) = \lambda V / (L (\sigma_l + \eta))`, V the volume; an
    axis whose equation has no solution is switched off.

    Paper: the volume and the bounded decoder (section 2), :math:`\lambda` on the sum of
    both (where the paper's problem has the volume alone, under a constraint), and axes
    fixed at their means in the order of deviations. Reference code: deviations with
    B - 1; convolutions normalised as maps, not as kernels; the explained share of the
    error that `pruning_tolerance` bounds. Ours: the size of that tolerance, taken on
    up to 2000 rows; `sample` draws codes from a Gaussian with the moments of the
    training codes.

    References
    ----------
    Chen, Fuge: Compressing Latent Space via Least Volume, arXiv 2404.17773.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import LeastVolumeAE
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 10))
    >>> model = LeastVolumeAE(
    ...     8, hidden_layer_sizes=(32,), batch_size=100, max_iter=100, random_state=0
    ... ).fit(X)
    >>> model.n_active_components_
    2
    """

    _module_class = LeastVolumeModule

    penalty_weight: NonNegative = 1.0
    _: KW_ONLY
    offset: Positive = 1.0
    active_rule: Literal["pruning", "relevance"] = "pruning"
    pruning_tolerance: ProperShare = 0.01

    @property
    def component_variance_(self) -> NDArray[np.float32]:
        return self._module.code_root.square().sum(1).cpu().numpy()
