"""A density of codes: a small VAE trained on the codes of another autoencoder.

Dai, Wipf: "Diagnosing and Enhancing VAE Models", ICLR 2019, arXiv 1903.05789.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, field
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import DensityMixin
from sklearn.utils.validation import (
    check_array,
    check_is_fitted,
    check_scalar,
    validate_data,
)
from torch import Tensor, nn

from ..density import NAMED_DENSITIES
from ..estimator.parameters import (
    Activation,
    LayerSizes,
    Positive,
    TrainingParameters,
)
from ..nn.likelihoods import GaussianLikelihood
from ..nn.module import LossTerms, Networks
from ..nn.networks import check_layer_sizes
from ..nn.perceptrons import ACTIVATIONS, multilayer_perceptron
from ..randomness import SeededDraws, derived_generator, draw_seed
from ..training.batches import batch_rows
from ..training.callbacks import ConvergenceMonitor, join_histories
from ..training.devices import resolve_device
from ..training.environment import count_flops
from ..training.inference import evidence
from ..training.net import AutoencoderNet
from .vae import VAEModule

__all__ = ["SecondStageModule", "SecondStageVAE"]

_ROWS = 1024
# A variance below this share of the squared mean is rounding.
_ROUNDING = 1e-12


class SkipPerceptron(nn.Module):
    """A perceptron whose linear output layer sees its input beside the hidden layer.

    Parameters
    ----------
    n_inputs, n_outputs : int
    hidden : sequence of int
        Without any, the output is linear in the input.
    activation : callable
        Makes the module behind each hidden layer.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        hidden: Sequence[int],
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        self.hidden = None
        if hidden:
            layers = multilayer_perceptron([n_inputs, *hidden], activation)
            self.hidden = nn.Sequential(*layers, activation())
        self.output = nn.Linear(n_inputs + sum(hidden[-1:]), n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.hidden is None:
            return self.output(x)
        return self.output(torch.cat((x, self.hidden(x)), 1))


class SecondStageModule(VAEModule):
    r"""A VAE of codes :math:`z \sim q(z|x)`, drawn anew whenever a row is seen.

    With latents u of the width of z, and s the standard deviation of each axis,

    .. math::
        \text{loss} = \frac1B \sum_i \left[ \frac{\|z_i' - \hat z_i'\|^2}{2 g^2}
        + \frac L2 \log(2 \pi g^2) + \mathrm{KL}_i \right], \qquad
        z_i' = \frac{\mu_i + \sigma_i \epsilon_i - m}{s}

    Its rows are :math:`(\mu_i, \sigma_i)`, side by side; a code that is fixed has
    :math:`\sigma_i = 0`. Means, posteriors and the decoder are in the units of z'.

    Parameters
    ----------
    networks, initial_noise_variance
        As for `VAEModule`; a row is twice as wide as a code.
    """

    noise_model = "learned"

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.register_buffer("trained", torch.tensor(False))
        self.register_buffer("code_mean", torch.zeros(self.n_components))
        self.register_buffer("code_scale", torch.ones(self.n_components))

    def set_units(self, mean: Tensor, std: Tensor) -> None:
        """Take m and s from the codes N(mean, std^2), each (n_rows, n_components)."""
        mean, std = mean.double(), std.double()
        center = mean.mean(0)
        variance = mean.var(0, correction=0) + std.square().mean(0)
        constant = variance <= _ROUNDING * center.square()
        self.code_mean.copy_(center)
        self.code_scale.copy_(torch.where(constant, 1.0, variance.sqrt()))

    def standardise(self, z: Tensor) -> Tensor:
        return (z - self.code_mean) / self.code_scale

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(self.standardise(x.chunk(2, 1)[0]))

    def draw_noise(self, n_rows: int, generator: torch.Generator) -> Tensor:
        """Draw noise for z, then for u, shape (n_rows, 2 * n_components)."""
        return self.standard_normal(n_rows, generator, width=2 * self.n_components)

    def loss(self, x: Tensor, noise: Tensor) -> LossTerms:
        (mean, std), (for_z, for_u) = x.chunk(2, 1), noise.chunk(2, 1)
        z = torch.addcmul(mean, std, for_z)
        return super().loss(self.standardise(z), for_u)

    def draw_codes(self, n_rows: int, generator: torch.Generator) -> Tensor:
        """Draw u from N(0, I), then z given u, noise and all."""
        u, noise = self.draw_noise(n_rows, generator).chunk(2, 1)
        z = torch.cat([self.decode(rows) for rows in u.split(_ROWS)])
        z = z + self.noise_variance.sqrt() * noise
        return self.code_mean + self.code_scale * z


class SecondStageVAE(DensityMixin, TrainingParameters):
    r"""Density of codes: a small VAE trained on the codes of another autoencoder.

    With latents u of the width L of the codes, in units of each axis' deviation,

    .. math::
        \text{loss} = \frac1n \sum_{i=1}^n \left[ \frac{\|z_i - \hat z_i\|^2}{2 g^2}
        + \frac L2 \log(2 \pi g^2) + \sum_{l=1}^L \tfrac12 \left( \mu_{il}^2
        + \sigma_{il}^2 - \log\sigma_{il}^2 - 1 \right) \right]

    with one learned g. Squared error and KL are SUMS over axes and means over the
    batch: minus a bound on log p(z) in nats. `sample` draws u from N(0, I), then
    :math:`z = \hat z(u) + g\epsilon`.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(128, 128)
        Hidden layers of the encoder; the decoder has them in reverse. Both have a
        linear output layer that sees the input beside the last hidden layer. Paper:
        (1024, 1024, 1024).
    activation : str or callable, default="relu"
        Between layers: ``"elu"``, ``"gelu"``, ``"identity"``, ``"leaky_relu"``,
        ``"relu"``, ``"silu"``, ``"tanh"``, or a class or function that makes a module.
    noise_variance : float, default=0.1
        :math:`g^2` at the start, > 0, in units of the variance of each axis. Paper: 1,
        see the notes.
    %(training_parameters)s

    Attributes
    ----------
    noise_variance_ : float
        :math:`g^2`, in units of the variance of each axis.
    n_iter_ : int
        Epochs run.
    history_ : dict of str to list
        One number per epoch: the losses and their terms (``"train_loss"``,
        ``"valid_loss"``, ``"train_noise_variance"``, ...), ``"learning_rate"``, and
        ``"n_active"``, an estimate of the number of axes of u that are used.
    loss_curve_ : list of float
        ``history_["train_loss"]``.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during :term:`fit`. Defined only when X has feature
        names that are all strings.

    See Also
    --------
    TwoStageVAE : Has it as its second stage.
    sklearn.mixture.GaussianMixture : What ``density="gmm"`` of ``sample`` fits.

    Notes
    -----
    The decoder of a VAE was trained on draws z ~ q(z|x), not on the posterior means
    that `transform` returns. So `fit` takes the deviations of q(z|x) as well (`std`)
    and draws each code anew whenever it is seen; ``model.sample(n, density=
    "second_stage", X=X)`` passes them for every method that has a posterior. The
    codes of deterministic methods are fixed (``std=None``). For a posterior that is
    not normal (NGVAE) the normal one of the same mean and deviation takes its place.

    Paper: the loss, u of the width of z; 800 epochs (CIFAR-10 2000, CelebA 300) of
    batches of 64 at a learning rate of 1e-4, halved every 300 epochs.
    Reference code: the connections that skip the hidden layers, fresh noise in every
    epoch, one scalar g.
    Ours: every axis is divided by its deviation over the rows, posterior noise
    included, since the decoder of a deterministic method undoes any scale (the codes
    of a VAE have a deviation near 1 anyway); validation, stopping and the schedule;
    the small g at the start. With g = 1 a ring, whose covariance is that of a normal
    distribution, stayed at the solution that does not use u at all.
    Known to fail: codes that fill fewer dimensions than L, without noise, have no best
    g, and its floor of 1e-3 decides; codes in clusters far apart are bridged by a few
    samples, since u and its decoder are continuous; few rows for many axes: of 1400
    fixed codes of 16 axes (an `Autoencoder` of digits) draws had 0.83 of the codes'
    deviation, and a mixture of 10 Gaussians came nearer to held-out codes.

    References
    ----------
    Dai, Wipf: Diagnosing and Enhancing VAE Models, arXiv 1903.05789.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import SecondStageVAE
    >>> codes = np.random.default_rng(0).normal(size=(200, 3))
    >>> density = SecondStageVAE(max_iter=2, random_state=0).fit(codes)
    >>> density.sample(5, random_state=0).shape
    (5, 3)
    """

    hidden_layer_sizes: LayerSizes = (128, 128)
    _: KW_ONLY
    activation: Activation = "relu"
    noise_variance: Positive = 0.1

    noise_variance_: float = field(init=False)
    n_iter_: int = field(init=False)
    history_: dict[str, list[float]] = field(init=False)
    loss_curve_: list[float] = field(init=False)

    def fit(self, X: ArrayLike, y: Any = None, *, std: ArrayLike | None = None) -> Self:
        """Fit the density to codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Codes, or the means of the posteriors of codes.
        y : Ignored
            Not used, present for API consistency by convention.
        std : array-like of shape (n_samples, n_features), default=None
            Standard deviations of the posteriors, >= 0: whenever a row is seen, noise
            is drawn anew. None for fixed codes.

        Returns
        -------
        self : object
            The fitted density.

        Raises
        ------
        ValueError
            If a parameter, X or `std` is unusable.
        """
        self._validate_params()
        codes = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        std = np.zeros_like(codes) if std is None else _check_std(std, codes.shape)
        device = resolve_device(self.device)
        seed = draw_seed(self.random_state)
        with SeededDraws(seed):
            module = self._build_module(codes.shape[1])
        rows = torch.from_numpy(np.hstack((codes, std))).to(device)
        net = self._train(module.to(device), rows, seed)
        self._module, self._seed = module, seed
        self.noise_variance_ = module.noise_variance.item()
        self.history_ = join_histories({}, net.history)
        self.loss_curve_ = self.history_["train_loss"]
        self.n_iter_ = len(self.loss_curve_)
        return self

    def _build_module(self, n_components: int) -> SecondStageModule:
        """Return a module of initial weights."""
        hidden = check_layer_sizes(self.hidden_layer_sizes)
        activation = ACTIVATIONS.get(self.activation, self.activation)
        n = n_components
        networks = Networks(
            SkipPerceptron(n, 2 * n, hidden, activation),
            SkipPerceptron(n, n, hidden[::-1], activation),
            GaussianLikelihood(),
            n_components=n,
            n_features=2 * n,
            foreign=not isinstance(self.activation, str),
        )
        module = SecondStageModule(networks, initial_noise_variance=self.noise_variance)
        module.flops_per_row = count_flops(module)
        return module

    def _train(
        self,
        module: SecondStageModule,
        rows: Tensor,
        seed: int,
        *,
        name: str = "SecondStageVAE",
        **settings: Any,
    ) -> AutoencoderNet:
        """Train `module` on means and deviations, side by side in `rows`."""
        if not module.trained:
            module.set_units(*rows.chunk(2, 1))
        monitor = ConvergenceMonitor(
            lr_patience=self.lr_patience,
            early_stopping=self.early_stopping,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
        )
        defaults = {
            "callbacks": [("convergence", monitor)],
            "max_epochs": self.max_iter,
            "validation_fraction": self.validation_fraction,
            "batch_size": batch_rows(self.batch_size, len(rows)),
            "lr": self.learning_rate,
            "device": str(rows.device),
            "verbose": self.verbose,
        }
        net = AutoencoderNet(module, seed=seed, **(defaults | settings))
        net.initialize().train(rows)
        module.eval().trained.fill_(True)
        if not net.streaming:
            monitor.warn_of(net, name, "samples may miss the codes' distribution")
        return net

    def sample(
        self,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ) -> NDArray[np.float32]:
        """Draw codes.

        Parameters
        ----------
        n_samples : int, default=1
            How many, >= 1.
        random_state : int, RandomState instance or None, default=None
            Pass an int for reproducible results across multiple function calls.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Codes.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        seed = draw_seed(random_state)
        generator = derived_generator(seed, device=self._module.code_mean.device)
        with torch.no_grad():
            return self._module.draw_codes(n_samples, generator).cpu().numpy()

    def score_samples(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return a lower bound on the log density of each code, in nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Codes, taken as they are.

        Returns
        -------
        ndarray of shape (n_samples,)
            Bounds; the same code has the same one in any company.
        """
        check_is_fitted(self)
        codes = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        module = self._module
        device = module.code_mean.device
        rows = torch.from_numpy(codes)
        rows = rows if device.type == "cpu" else rows.to(device, torch.float32)
        with torch.no_grad():
            z = module.standardise(rows)
            units = module.code_scale.log().sum()
        bounds = evidence(module, z, self.noise_variance_, self._seed) - units
        return bounds.float().cpu().numpy()

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Return the mean of `score_samples`, for model selection.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Codes.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        float
            Mean bound in nats, higher is better.
        """
        return float(self.score_samples(X).mean(dtype=np.float64))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_module")


NAMED_DENSITIES["second_stage"] = lambda _: SecondStageVAE()


def _check_std(std: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    std = check_array(std, dtype=np.float32, input_name="std")
    if std.shape != shape or np.any(std < 0.0):
        raise ValueError(
            f"std must hold standard deviations >= 0 in the shape of X, {shape}; got "
            f"shape {std.shape} and a smallest value of {std.min():.3g}."
        )
    return std
