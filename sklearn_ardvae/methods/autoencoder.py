"""The plain autoencoder and its contractive and sparse relatives.

Rifai et al.: "Contractive Auto-Encoders", ICML 2011; Ng: "Sparse autoencoder", CS294A
lecture notes, 2011. All three are baselines of the VRRAE paper, arXiv 2505.09458.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, Literal

import torch
from torch import Tensor

from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import NonNegative, OpenShare
from ..nn.deterministic import DeterministicModule
from ..nn.module import Noise

__all__ = ["Autoencoder", "ContractiveAE", "SparseAE"]

# A unit that is always off or on has no logarithm.
_SMALLEST_RATE = 1e-6


class Autoencoder(BaseAutoencoder, output_components="all"):
    r"""Plain autoencoder.

    .. math:: \text{loss} = \frac1B \sum_{i=1}^B \|x_i - \hat x_i\|^2

    %(squared_error)s With
    `n_components` near the number of dimensions of the data it is the "diabolo"
    autoencoder of the VRRAE paper, with many more the "long" one.

    Good for: the least error that the networks reach with L axes, beside which is seen
    what penalties and noise of other methods cost.

    Known to fail: nothing in the loss presses axes out of use, so that the count of
    active axes is that of the network's own habits.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    RAE : Codes kept small and decoders smooth, for sampling.
    ARDVAE : Finds the number of dimensions.

    Notes
    -----
    `sample` draws codes from a Gaussian with the moments of the training codes: there
    is no prior (ours).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import Autoencoder
    >>> X = load_digits().data / 16
    >>> Autoencoder(8, max_iter=2, random_state=0).fit(X).transform(X).shape
    (1797, 8)
    """

    _module_class = DeterministicModule


class ContractiveModule(DeterministicModule):
    """The penalty of `ContractiveAE`.

    Parameters
    ----------
    networks, penalty_weight
        As for `DeterministicModule`.
    estimator : {"exact", "hutchinson"}
    """

    estimator: str

    def draw_noise(self, n_rows: int, generator: torch.Generator) -> Tensor | None:
        if self.estimator == "exact":
            return None
        return self.standard_normal(n_rows, generator)

    def penalty(self, x: Tensor, z: Tensor, output: Tensor, noise: Noise) -> Tensor:
        """Return the mean squared Frobenius norm of the encoder's Jacobian."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            z = self.encode(x)
            directions = [noise] if noise is not None else self._unit_vectors(z)
            total = sum(
                torch.autograd.grad((z * v).sum(), x, create_graph=True)[0]
                .square()
                .sum(1)
                for v in directions
            )
        return total.mean()

    def _unit_vectors(self, z: Tensor) -> Tensor:
        return torch.eye(self.n_components, dtype=z.dtype, device=z.device)


class ContractiveAE(BaseAutoencoder, output_components="all"):
    r"""Autoencoder whose codes change little with the data.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \left[ \|x_i - \hat x_i\|^2
        + w \left\| \frac{\partial z}{\partial x}(x_i) \right\|_F^2 \right]

    Both squares are SUMS (over features; over features and latent axes) and means
    over the batch.

    Good for: codes that small changes of X hardly move, as features for a classifier.

    Known to fail: codes may shrink while the decoder undoes it, which lowers the
    penalty for nothing.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    penalty_weight : float, default=1e-3
        w, >= 0.
    estimator : {"hutchinson", "exact"}, default="hutchinson"
        The squared norm as that of one random combination of the Jacobian's rows
        for each sample, right on average, or from all L rows.
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    RAE : The decoder's Jacobian in place of the encoder's.

    Notes
    -----
    Paper: the penalty (Rifai et al., eq. 2). The code of the VRRAE paper uses the form
    for a single sigmoid layer on a latent that is linear; here the Jacobian is that of
    the whole encoder. Ours: the random estimate; `sample` draws codes from a Gaussian
    with the moments of the training codes.

    References
    ----------
    Rifai et al.: Contractive Auto-Encoders: Explicit Invariance During Feature
    Extraction, ICML 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import ContractiveAE
    >>> X = load_digits().data / 16
    >>> ContractiveAE(8, max_iter=2, random_state=0).fit(X).transform(X).shape
    (1797, 8)
    """

    _module_class = ContractiveModule

    penalty_weight: NonNegative = 1e-3
    _: KW_ONLY
    estimator: Literal["hutchinson", "exact"] = "hutchinson"


class SparseModule(DeterministicModule):
    """The penalties of `SparseAE`.

    Parameters
    ----------
    networks, penalty_weight
        As for `DeterministicModule`.
    kind : {"kl", "l1"}
    rate : float
        The mean activation that "kl" wants.
    """

    is_stackable = True

    kind: str
    rate: float

    def encode(self, x: Tensor) -> Tensor:
        z = self.encoder(x)
        return z.sigmoid() if self.kind == "kl" else z

    def penalty(self, x: Tensor, z: Tensor, output: Tensor, noise: Noise) -> Tensor:
        if self.kind == "l1":
            return z.abs().sum(1).mean()
        found = z.mean(0).clamp(_SMALLEST_RATE, 1.0 - _SMALLEST_RATE)
        wanted = torch.full_like(found, self.rate)
        on = wanted * (wanted / found).log()
        off = (1.0 - wanted) * ((1.0 - wanted) / (1.0 - found)).log()
        return (on + off).sum()


class SparseAE(BaseAutoencoder, output_components="all"):
    r"""Autoencoder of which few latent units are on at a time.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \|x_i - \hat x_i\|^2 + w \sum_{l=1}^L
        \left[ \rho \log\frac{\rho}{\bar z_l}
        + (1 - \rho) \log\frac{1 - \rho}{1 - \bar z_l} \right]

    for ``penalty="kl"``, with sigmoid codes and their means over the batch; for
    ``"l1"`` the second term is :math:`\frac wB \sum_i \sum_l |z_{il}|`, with linear
    codes. The squared error is a SUM over features.

    Good for: more units than the data have dimensions, each of them on for some of the
    rows: parts rather than axes.

    Known to fail: with "l1" codes may shrink while the decoder undoes it.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    penalty_weight : float, default=1.0
        w, >= 0.
    penalty : {"kl", "l1"}, default="kl"
        See above.
    rate : float, default=0.05
        :math:`\rho`, the wanted mean of a unit, in (0, 1). Only for "kl".
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    Autoencoder : Without a penalty.

    Notes
    -----
    Paper: the divergence of each unit (Ng, section 3). The code of the VRRAE paper
    takes one mean over all units, of codes that may lie outside (0, 1); here each unit
    has its own, behind a sigmoid. Ours: `sample` draws codes from a Gaussian with the
    moments of the training codes.

    References
    ----------
    Ng: Sparse autoencoder, CS294A lecture notes, 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import SparseAE
    >>> X = load_digits().data / 16
    >>> SparseAE(8, max_iter=2, random_state=0).fit(X).transform(X).shape
    (1797, 8)
    """

    _module_class = SparseModule

    penalty_weight: NonNegative = 1.0
    _: KW_ONLY
    penalty: Literal["kl", "l1"] = "kl"
    rate: OpenShare = 0.05

    def _module_settings(self) -> dict[str, Any]:
        return super()._module_settings() | {"kind": self.penalty}
