"""The plain autoencoder and its contractive and sparse relatives.

Rifai et al.: "Contractive Auto-Encoders", ICML 2011; Ng: "Sparse autoencoder", CS294A
lecture notes, 2011. All three are baselines of the VRRAE paper, arXiv 2505.09458.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn

from .._sklearn_compat import Interval, StrOptions
from ..estimator.base import BaseAutoencoder, SharedParameters
from ..nn.deterministic import DeterministicModule
from ..nn.likelihoods import Likelihood
from ..nn.module import Noise

__all__ = ["Autoencoder", "ContractiveAE", "SparseAE"]

# A unit that is always off or on has no logarithm.
_SMALLEST_RATE = 1e-6


class Autoencoder(BaseAutoencoder):
    r"""Plain autoencoder.

    .. math:: \text{loss} = \frac1B \sum_{i=1}^B \|x_i - \hat x_i\|^2

    The squared error is a SUM over features without 1/2 (the Bernoulli likelihood
    puts the cross entropy in its place) and a mean over the batch. With
    `n_components` near the number of dimensions of the data it is the "diabolo"
    autoencoder of the VRRAE paper, with many more the "long" one.

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
    is no prior (ours). Nothing in the loss presses axes out of use, so that the count
    of active axes is that of the network's own habits.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import Autoencoder
    >>> X = load_digits().data / 16
    >>> Autoencoder(8, max_iter=2, random_state=0).fit(X).transform(X).shape
    (1797, 8)
    """

    _module_class = DeterministicModule

    def __init__(
        self,
        n_components: int = 128,
        *,
        output_components: Literal["active", "all"] = "all",
        **shared: Unpack[SharedParameters],
    ) -> None:
        super().__init__(n_components, output_components=output_components, **shared)


class ContractiveModule(DeterministicModule):
    """The penalty of `ContractiveAE`.

    Parameters
    ----------
    encoder, decoder, likelihood, n_components, penalty_weight
        As for `DeterministicModule`.
    estimator : {"exact", "hutchinson"}
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        n_components: int,
        penalty_weight: float,
        estimator: str,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, n_components, penalty_weight)
        self.estimator = estimator

    def draw_noise(self, n_rows: int, generator: torch.Generator) -> Tensor | None:
        if self.estimator == "exact":
            return None
        shape = (n_rows, self.n_components)
        return torch.randn(shape, generator=generator, device=generator.device)

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


class ContractiveAE(BaseAutoencoder):
    r"""Autoencoder whose codes change little with the data.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \left[ \|x_i - \hat x_i\|^2
        + w \left\| \frac{\partial z}{\partial x}(x_i) \right\|_F^2 \right]

    Both squares are SUMS (over features; over features and latent axes) and means
    over the batch.

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
    Known to fail: codes may shrink while the decoder undoes it, which lowers the
    penalty for nothing.

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

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "penalty_weight": [Interval(Real, 0, None, closed="left")],
        "estimator": [StrOptions({"hutchinson", "exact"})],
    }

    def __init__(
        self,
        n_components: int = 128,
        penalty_weight: float = 1e-3,
        *,
        estimator: Literal["hutchinson", "exact"] = "hutchinson",
        output_components: Literal["active", "all"] = "all",
        **shared: Unpack[SharedParameters],
    ) -> None:
        super().__init__(n_components, output_components=output_components, **shared)
        self.penalty_weight = penalty_weight
        self.estimator = estimator

    def _module_settings(self) -> dict[str, Any]:
        return {
            "penalty_weight": self.penalty_weight,
            "estimator": self.estimator,
        }


class SparseModule(DeterministicModule):
    """The penalties of `SparseAE`.

    Parameters
    ----------
    encoder, decoder, likelihood, n_components, penalty_weight
        As for `DeterministicModule`.
    kind : {"kl", "l1"}
    rate : float
        The mean activation that "kl" wants.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        n_components: int,
        penalty_weight: float,
        kind: str,
        rate: float,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, n_components, penalty_weight)
        self.kind = kind
        self.rate = rate

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


class SparseAE(BaseAutoencoder):
    r"""Autoencoder of which few latent units are on at a time.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \|x_i - \hat x_i\|^2 + w \sum_{l=1}^L
        \left[ \rho \log\frac{\rho}{\bar z_l}
        + (1 - \rho) \log\frac{1 - \rho}{1 - \bar z_l} \right]

    for ``penalty="kl"``, with sigmoid codes and their means over the batch; for
    ``"l1"`` the second term is :math:`\frac wB \sum_i \sum_l |z_{il}|`, with linear
    codes. The squared error is a SUM over features.

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
    Known to fail: with "l1" codes may shrink while the decoder undoes it.

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

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "penalty_weight": [Interval(Real, 0, None, closed="left")],
        "penalty": [StrOptions({"kl", "l1"})],
        "rate": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        n_components: int = 128,
        penalty_weight: float = 1.0,
        *,
        penalty: Literal["kl", "l1"] = "kl",
        rate: float = 0.05,
        output_components: Literal["active", "all"] = "all",
        **shared: Unpack[SharedParameters],
    ) -> None:
        super().__init__(n_components, output_components=output_components, **shared)
        self.penalty_weight = penalty_weight
        self.penalty = penalty
        self.rate = rate

    def _module_settings(self) -> dict[str, Any]:
        return {
            "penalty_weight": self.penalty_weight,
            "kind": self.penalty,
            "rate": self.rate,
        }
