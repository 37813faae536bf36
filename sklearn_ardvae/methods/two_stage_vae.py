"""The two-stage VAE: a VAE, and a second one that learns what its codes look like.

Dai, Wipf: "Diagnosing and Enhancing VAE Models", ICLR 2019, arXiv 1903.05789.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, field
from typing import Any

import torch
from torch import Tensor

from .._warnings import warn
from ..estimator.parameters import Count, LayerSizes, Positive
from ..nn.module import Phase
from ..nn.networks import check_layer_sizes
from ..randomness import Stream, derived_seed
from ..training.callbacks import join_histories
from ..training.inference import in_batches
from ..training.net import AutoencoderNet
from .second_stage import SecondStageModule, SecondStageVAE
from .vae import VAE, VAEModule

__all__ = ["TwoStageVAE"]

# What the second stage has of the first, unless it is given of its own.
_SHARED = (
    "hidden_layer_sizes",
    "max_iter",
    "batch_size",
    "learning_rate",
    "lr_patience",
    "validation_fraction",
    "early_stopping",
    "n_iter_no_change",
    "tol",
    "device",
    "random_state",
)


class TwoStageVAEModule(VAEModule):
    r"""A VAE whose codes are drawn, once they are learned, from a second VAE.

    .. math:: u \sim N(0, I), \qquad z = \hat z(u) + g_z \epsilon

    Parameters
    ----------
    networks, noise_model, initial_noise_variance
        As for `VAEModule`.
    second_stage : SecondStageModule
        Not trained with the rest. Until it is trained, codes are drawn from N(0, I).
    """

    second_stage: SecondStageModule

    def phases(self) -> list[Phase]:
        names = dict(self.named_parameters())
        first = [p for n, p in names.items() if not n.startswith("second_stage.")]
        return [Phase("loss", first, self.loss, self.draw_noise)]

    def code_rows(self, x: Tensor) -> Tensor:
        """Return the rows that the second stage is trained on."""
        return torch.cat((self.encode(x), self.code_std(x)), 1)

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        if self.second_stage.trained:
            return self.second_stage.draw_codes(n_rows, generator)
        return super().draw_prior(n_rows, generator)


class TwoStageVAE(VAE, noise="learned"):
    r"""VAE that generates through a second, small VAE of its codes.

    A VAE that reconstructs well puts its codes on a manifold of fewer dimensions than
    it has axes or away from N(0, I) altogether, so that codes from the prior decode
    badly. The first stage is trained as `VAE` is; then a second one on draws
    :math:`z \sim q(z|x)` of its codes,

    .. math::
        \text{loss}_2 = \frac1B \sum_{i=1}^B \left[
        \frac{\|z_i - \hat z_i\|^2}{2 g_z^2} + \frac L2 \log(2 \pi g_z^2)
        + \sum_{l=1}^L \tfrac12 \left( m_{il}^2 + s_{il}^2
        - \log s_{il}^2 - 1 \right) \right]

    with z about its mean, in units of the deviation of each axis, and posteriors
    :math:`N(m_i, s_i^2)` of latents u of the width of z. The squared error is a SUM
    over the L codes, the KL a SUM over the axes of u, both are means over the batch.
    `sample` draws :math:`u \sim N(0, I)`, :math:`z = \hat z(u) + g_z \epsilon`, and
    decodes z.

    Good for: samples, where the codes of a `VAE` do not fill N(0, I).

    Known to fail: a first stage that was stopped early has codes that no second one
    can make good; X that is reconstructed perfectly has no best noise variance.

    Parameters
    ----------
    n_components : int, default=128
        The latent size L of both stages. Paper: 64.
    noise : {"learned", "profiled", "fixed"}, default="learned"
        Where the noise variance of the first stage comes from, see `VAE`.
    noise_variance : float, default=1.0
        The first stage's noise variance, > 0: the fixed one, or the learned one's
        start.
    second_stage_hidden_layer_sizes : array-like of int or None, default=None
        Hidden layers of the second stage's encoder, which its decoder has in reverse;
        None for `hidden_layer_sizes`. Paper: (1024, 1024, 1024).
    second_stage_max_iter : int or None, default=None
        Most epochs of the second stage; None for `max_iter`. Paper: 800 after 400 of
        the first stage (MNIST, Fashion-MNIST), 2000 after 1000 (CIFAR-10), 300 after
        120 (CelebA).
    second_stage_learning_rate : float or None, default=None
        Of Adam at the second stage's start, > 0; None for `learning_rate`. Paper: 1e-4
        for both, halved every 300 epochs.
    %(count_by)s
    %(shared_parameters)s

    Attributes
    ----------
    second_stage_noise_variance_ : float
        :math:`g_z^2`, in units of the variance of each axis of z.
    second_stage_history_ : dict of str to list
        As `history_`, of the second stage.
    %(shared_attributes)s

    See Also
    --------
    VAE : The first stage alone.
    SecondStageVAE : The second stage, for the codes of any method.

    Notes
    -----
    `transform` returns the posterior means of the first stage, and `score` is its
    evidence, under N(0, I): the second stage serves `sample` alone. The parameters of
    training (`batch_size`, `lr_patience`,
    `validation_fraction`, `early_stopping`, `n_iter_no_change`, `tol`) hold for both
    stages, `callbacks`, `skorch_params` and `verbose` for the first. `partial_fit`
    makes one pass of each stage. Interrupting the first stage skips the second;
    `sample` draws z from N(0, I) then.

    Paper: the losses and stages (section 3). Reference code: the layers of the second
    stage, which skip from input to output; fresh noise in every epoch.

    Ours: see `SecondStageVAE`; both stages stop by validation loss; the second stage
    has the first one's hidden layers and learning rate unless told otherwise, and
    rectifiers between its layers whatever `activation` is.

    References
    ----------
    Dai, Wipf: Diagnosing and Enhancing VAE Models, arXiv 1903.05789.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ardvae import TwoStageVAE
    >>> X = load_digits().data / 16
    >>> model = TwoStageVAE(8, max_iter=2, random_state=0).fit(X)
    >>> model.sample(5, random_state=0).shape
    (5, 64)
    """

    _module_class = TwoStageVAEModule

    _: KW_ONLY
    second_stage_hidden_layer_sizes: LayerSizes | None = None
    second_stage_max_iter: Count | None = None
    second_stage_learning_rate: Positive | None = None

    second_stage_history_: dict[str, list[float]] = field(init=False)

    @property
    def second_stage_noise_variance_(self) -> float:
        return self._module.second_stage.noise_variance.item()

    def _module_settings(self) -> dict[str, Any]:
        second_stage = self._density()._build_module(self.n_components)
        return super()._module_settings() | {"second_stage": second_stage}

    def _density(self) -> SecondStageVAE:
        """Return the second stage as an estimator that is not fitted."""
        params = self.get_params(deep=False)
        own = {name: params.get(f"second_stage_{name}") for name in _SHARED}
        if own["hidden_layer_sizes"] is not None:
            check_layer_sizes(
                own["hidden_layer_sizes"], "second_stage_hidden_layer_sizes"
            )
        return SecondStageVAE(
            **{name: params[name] if own[name] is None else own[name] for name in own}
        )

    def _train_further(
        self, module: TwoStageVAEModule, net: AutoencoderNet, x: Tensor
    ) -> None:
        earlier = self.second_stage_history_ if net.epochs_before else {}
        self.second_stage_history_ = earlier
        if net.interrupted_:
            warn(
                "Training was interrupted by user before the second stage, which stays "
                "as it was; while it is untrained, sample draws codes from N(0, I).",
            )
            return
        settings = {"streaming": True, "max_epochs": 1, "validation_fraction": 0.0}
        second = self._density()._train(
            module.second_stage,
            in_batches(module, lambda m, rows: m.code_rows(rows), x),
            derived_seed(self._seed, Stream.SECOND_STAGE),
            name="TwoStageVAE, second stage",
            epochs_before=len(next(iter(earlier.values()), [])),
            **(settings if net.streaming else {}),
        )
        self.second_stage_history_ = join_histories(earlier, second.history)
