"""RAE: a deterministic autoencoder regularised where a VAE injects noise.

Ghosh, Sajjadi, Vergari, Black, Schoelkopf: "From Variational to Deterministic
Autoencoders", ICLR 2020, arXiv 1903.12436.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, Literal

import torch
from torch import Tensor

from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import NonNegative
from ..nn.deterministic import DeterministicModule
from ..nn.kernels import kernels, normalise_kernels, settle_norms
from ..nn.linear_path import BesideLinear
from ..nn.module import LossTerms, Networks, Noise

__all__ = ["RAE"]


class RAEModule(DeterministicModule):
    """The loss of `RAE`.

    Parameters
    ----------
    networks, penalty_weight
        As for `DeterministicModule`; the penalty is the decoder's.
    code_weight : float
        Weight of half the squared norm of the codes.
    kind : {"l2", "gradient", "spectral", "none"}
    """

    is_stackable = True

    code_weight: float
    kind: str

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        if self.kind == "spectral":
            normalise_kernels(self.decoder)

    def networks_beside_linear(self) -> list[BesideLinear]:
        """Return none for "spectral": a kernel of norm one cannot add nothing."""
        return [] if self.kind == "spectral" else super().networks_beside_linear()

    def end_epoch(self, rows: Tensor) -> None:
        if self.kind == "spectral":
            settle_norms(self.decoder)

    def draw_noise(self, n_rows: int, generator: torch.Generator) -> Tensor | None:
        if self.kind != "gradient":
            return None
        return self.standard_normal(n_rows, generator, width=self.n_features)

    def loss(self, x: Tensor, noise: Noise) -> LossTerms:
        z = self.encode(x)
        output = self.decoder(z)
        reconstruction = self.likelihood.reconstruction(x, output).mean()
        code = 0.5 * z.square().sum(1).mean()
        total = torch.add(reconstruction, code, alpha=self.code_weight)
        parts = {"reconstruction": reconstruction, "code": code}
        if self.kind == "l2":
            parts["penalty"] = self.kernel_norm()
        elif self.kind == "gradient":
            parts["penalty"] = self.jacobian_norm(z, noise)
        if "penalty" in parts:
            total = torch.add(total, parts["penalty"], alpha=self.penalty_weight)
        return LossTerms(total, parts)

    def kernel_norm(self) -> Tensor:
        """Return the sum of the squared kernels of the decoder, shape ()."""
        return sum(kernel.square().sum() for kernel in kernels(self.decoder))

    def jacobian_norm(self, z: Tensor, noise: Tensor) -> Tensor:
        """Estimate the mean squared Frobenius norm of the decoder's Jacobian.

        As the squared norm of one random combination of its rows for each code.
        """
        with torch.enable_grad():
            if not z.requires_grad:
                z = z.detach().requires_grad_()
            mean = self.decode(z)
            (slope,) = torch.autograd.grad((mean * noise).sum(), z, create_graph=True)
        return slope.square().sum(1).mean()


class RAE(BaseAutoencoder, output_components="all"):
    r"""Regularised autoencoder: small codes, a smooth decoder, an ex-post density.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \left[ \|x_i - \hat x_i\|^2
        + \tfrac b2 \|z_i\|^2 \right] + w\,P

    The squares are SUMS over features and over latent axes. P is the sum of the
    decoder's squared kernels (``penalty="l2"``), or the mean over the batch of the
    squared Frobenius norm of the decoder's Jacobian (``"gradient"``). ``"spectral"``
    divides each kernel of the decoder by its largest singular value instead; then
    networks beside a linear path start at random, not at PCA.

    Good for: reconstructions without noise in the codes, and samples by a density that
    is fitted to them afterwards.

    Known to fail: nothing switches axes off, so that the count of active axes is
    that of the network's own habits.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L.
    code_weight : float, default=0.01
        b, >= 0. The published settings are for means over features and axes: times
        2 D / L they are, for MNIST (D = 1024, L = 16), 0.013 ("l2", "gradient"), 1.2
        ("spectral") and 0.064 ("none").
    penalty : {"l2", "gradient", "spectral", "none"}, default="l2"
        See above.
    penalty_weight : float, default=1e-4
        w, >= 0, for "l2" and "gradient". Published for MNIST: 1e-7 and 5e-8, times D.
    %(shared_parameters)s

    Attributes
    ----------
    %(shared_attributes)s

    See Also
    --------
    Autoencoder : Without any of it.
    VAE : The noise that this takes the place of.

    Notes
    -----
    Paper: the loss (eqs. 6 to 11); a density fitted to the codes afterwards, which
    ``sample(density="gmm", X=X)`` is. Reference code: means where the paper has sums,
    and for "gradient" the slope of the sum of squared outputs; here it is the Jacobian,
    as in the paper, estimated from one random combination of its rows. Ours: for
    "spectral", more power iterations, to convergence after each epoch; by default
    `sample` draws codes from a Gaussian with the moments of the training codes.

    References
    ----------
    Ghosh et al.: From Variational to Deterministic Autoencoders, arXiv 1903.12436.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import RAE
    >>> X = load_digits().data / 16
    >>> RAE(8, max_iter=2, random_state=0).fit(X).transform(X).shape
    (1797, 8)
    """

    _module_class = RAEModule

    code_weight: NonNegative = 0.01
    _: KW_ONLY
    penalty: Literal["l2", "gradient", "spectral", "none"] = "l2"
    penalty_weight: NonNegative = 1e-4

    def _module_settings(self) -> dict[str, Any]:
        return super()._module_settings() | {"kind": self.penalty}
