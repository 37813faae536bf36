"""The contract between a method's mathematics and the engine that trains it.

A method subclasses :class:`AutoencoderModule` and writes its loss. It never sees
scikit-learn, optimisers, batches or devices; the engine (``sklearn_ardvae.training``)
sees nothing of the method but what stands here.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .in_units import InUnits
from .likelihoods import Likelihood
from .linear_path import BesideLinear, WithinRange, start_at_principal_axes
from .principal import PrincipalBasis

__all__ = [
    "AutoencoderModule",
    "EpochStart",
    "FitStart",
    "HeldOut",
    "LossTerms",
    "Networks",
    "Noise",
    "Phase",
]

Noise = Any
"""Randomness that a loss needs; drawn by the engine, so that losses are functions.

A tensor, a tuple of them or None: what `draw_noise` of the same module returns.
"""


@dataclass(frozen=True, slots=True)
class Networks:
    """What every method is made of, and the widths of its ends.

    Parameters
    ----------
    encoder : nn.Module
        Maps rows to ``outputs_per_component * n_components`` numbers.
    decoder : nn.Module
        Maps codes to what the likelihood takes (means or logits).
    likelihood : Likelihood
        Turns the decoder's output into a reconstruction loss and a mean.
    n_components : int
        The latent size L.
    n_features : int
        The width D of rows.
    foreign : bool
        Whether they are a user's, which may draw random numbers of their own.
    """

    encoder: nn.Module
    decoder: nn.Module
    likelihood: Likelihood
    n_components: int
    n_features: int
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class LossTerms:
    """A loss and the named terms that make it up, each a mean over the batch.

    Parameters
    ----------
    total : Tensor of shape ()
        What is minimised.
    parts : mapping of str to Tensor of shape ()
        The terms by name, unweighted; each name becomes a column of ``history_``.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows that ``start_epoch`` sees; the gradient steps do not, if they are withheld.

    Parameters
    ----------
    share : float
        Of the training rows.
    most : int or None
        No more than so many.
    every : int
        A new set is drawn every so many epochs; it is withheld until the next.
    withheld : bool
        Whether the steps must not see the rows; then they are at most half of all.
    parameter : str
        What the estimator calls it, for messages.
    """

    share: float = 1.0
    most: int | None = None
    every: int = 1
    withheld: bool = True
    parameter: str = "held_out"

    def size(self, n_rows: int) -> int:
        """Return the number of rows wanted of `n_rows`."""
        wanted = max(1, round(self.share * n_rows))
        return wanted if self.most is None else min(wanted, self.most)


@dataclass(frozen=True, slots=True)
class EpochStart:
    """What a module is told when an epoch begins.

    Parameters
    ----------
    index : int
        Epochs run before this one, over all calls of fit and partial_fit.
    n_epochs : int
        The value that `index` reaches if the budget is used up.
    n_rows : int
        Training rows, those that are withheld among them.
    held_out : Tensor of shape (n_held_out, n_features) or None
        The rows of `HeldOut`, where they were drawn anew.
    generator : torch.Generator
        The fit's own stream of random numbers, on the module's device.
    streaming : bool
        Whether the rows are one piece of a stream (``partial_fit``).
    """

    index: int
    n_epochs: int
    n_rows: int
    held_out: Tensor | None
    generator: torch.Generator
    streaming: bool = False


@dataclass(frozen=True, slots=True)
class FitStart:
    """What a module is told before the first epoch.

    Parameters
    ----------
    rows : Tensor of shape (n_samples, n_features)
        All rows.
    seen : Tensor of int of shape (n_rows,)
        Those that the steps see.
    unseen : Tensor of shape (n_unseen, n_features)
        Validation rows, no more than some thousands; where there are none, some of
        the training rows. None of them, unless the module `watches_unseen`.
    n_epochs : int
        That will be run if the budget is used up.
    is_new : bool
        Whether the weights are initial ones.
    """

    rows: Tensor
    seen: Tensor
    unseen: Tensor
    n_epochs: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Phase:
    """One group of parameters and the loss that trains it.

    Parameters
    ----------
    name : str
        The phase's total appears in the history as ``train_<name>``.
    parameters : sequence of nn.Parameter
        Only these receive gradients and are updated.
    loss : callable
        ``loss(x, noise) -> LossTerms``.
    draw_noise : callable
        ``draw_noise(n_rows, generator) -> Noise``, handed to `loss`.
    repeats : int
        Updates of this phase in each step.
    fresh_batch : bool
        Whether each update draws rows of its own, uniformly, rather than taking
        the rows of the step.
    learning_rate_factor : float
        This phase's learning rate over the estimator's ``learning_rate``.
    optimizer : mapping of str to object
        Settings of this phase's Adam, which those of a user go before; another
        optimiser does not get them.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    loss: Callable[[Tensor, Noise], LossTerms]
    draw_noise: Callable[[int, torch.Generator], Noise]
    repeats: int = 1
    fresh_batch: bool = False
    learning_rate_factor: float = 1.0
    optimizer: Mapping[str, Any] = field(default_factory=dict)


class AutoencoderModule(InUnits):
    """Encoder, decoder and likelihood; the mathematics of a method goes on top.

    Rows are flat: ``x`` has shape (n_rows, n_features) also for images.

    A method declares its settings as annotations of its class (``beta: float``) and
    finds them as attributes. Those with a value there may be left out; a plain value in
    a class below (``beta = 1.0``) fixes a setting.

    Parameters
    ----------
    networks : Networks
        Encoder, decoder, likelihood and widths.
    **settings
        By the names that the class and its parents declare.
    """

    #: Numbers the encoder puts out for each latent component (2: mean, log variance).
    outputs_per_component = 1
    #: Rows that ``start_epoch`` wants to see.
    held_out: HeldOut | None = None
    #: Whether the loss is comparable from epoch to epoch. While it is not, because a
    #: method still changes the size of its model, the engine neither lowers the
    #: learning rate nor stops nor keeps best weights.
    settled = True
    #: Whether axes that the data cannot have may be left out of the networks.
    limits_axes = False
    #: Whether what optimisers remember has nothing to do with the coming epoch.
    begins_anew = False
    #: Whether ``torch.func.vmap`` can take the loss of several modules at once, and the
    #: loss leaves the module as it is. It holds for the class that says so, not for
    #: those below it.
    is_stackable = False
    #: Floating point operations of a row's way there and back; unknown until counted.
    flops_per_row = math.inf

    if TYPE_CHECKING:  # torch takes every buffer for "Tensor or Module"

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__()
        self.encoder = networks.encoder
        self.decoder = networks.decoder
        self.likelihood = networks.likelihood
        self.n_components = networks.n_components
        self.n_features = networks.n_features
        self.has_foreign_networks = networks.foreign
        declared = self.declared_settings()
        missing = [n for n, needed in declared.items() if needed and n not in settings]
        unknown = [name for name in settings if name not in declared]
        if missing or unknown:
            raise TypeError(
                f"{type(self).__name__} has the settings {list(declared)}; missing: "
                f"{missing}, unknown: {unknown}."
            )
        for name, value in settings.items():
            setattr(self, name, value)

    @classmethod
    def declared_settings(cls) -> dict[str, bool]:
        """Return the names of the settings, parents' first, and which are needed."""
        declared: dict[str, bool] = {}
        for method in reversed(cls.__mro__[: cls.__mro__.index(AutoencoderModule)]):
            stated, values = inspect.get_annotations(method), vars(method)
            declared |= {name: name not in values for name in stated}
            for fixed in values.keys() - stated.keys():
                declared.pop(fixed, None)
        return declared

    # --- inference ----------------------------------------------------------------

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstructions, shape (n_rows, n_features)."""
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """Return the deterministic codes, shape (n_rows, n_components)."""
        return self.encoder(x)

    def posterior_mean(self, x: Tensor) -> Tensor:
        """Return the mean of q(z|x), or the code where there is no q."""
        return self.encode(x)

    def code_std(self, x: Tensor) -> Tensor:
        """Return the deviation of q(z|x) around `encode`, 0 where there is no q."""
        return torch.zeros_like(self.encode(x))

    def output(self, z: Tensor) -> Tensor:
        """Return what the likelihood takes (means or logits), given codes."""
        return self.decoder(z)

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of x given z, in the range of the data."""
        return self.likelihood.mean(self.output(z))

    def known_noise_variance(self) -> float | None:
        """Return that of the Gaussian likelihood, where the module has found it."""
        return None

    def component_variance(self, of_codes: Tensor) -> Tensor:
        """Return the variance of each latent axis, given that of the codes, (L,)."""
        return of_codes

    def is_active(self) -> Tensor | None:
        """Return which axes the method's own rule keeps, bool, (n_components,).

        None leaves it to the relevance of the axes.
        """
        return None

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        """Draw codes from the method's own prior, shape (n_rows, n_components)."""
        return self.standard_normal(n_rows, generator)

    # --- what the engine asks -------------------------------------------------------

    @property
    def watches_unseen(self) -> bool:
        """Whether the engine is to call `judge`."""
        return False

    @property
    def is_searching(self) -> bool:
        """Whether it decides itself on learning rates, weights and stopping."""
        return False

    @property
    def learning_rate_factor(self) -> float | None:
        """Learning rate of the coming epoch over the estimator's; None: as it is."""
        return None

    @property
    def is_finished(self) -> bool:
        """Whether training is to end, since what was looked for is found."""
        return False

    # --- start --------------------------------------------------------------------

    def networks_beside_linear(self) -> list[BesideLinear]:
        """Return the encoder's and the decoder's network, if they can start at PCA."""
        return [m for m in self.modules() if isinstance(m, BesideLinear)]

    # --- training -----------------------------------------------------------------

    def draw_noise(self, n_rows: int, generator: torch.Generator) -> Noise:
        """Draw what `loss` needs of randomness for `n_rows` rows."""
        return None

    def loss(self, x: Tensor, noise: Noise) -> LossTerms:
        """Return the objective; on validation rows it is what the engine monitors."""
        raise NotImplementedError

    def phases(self) -> list[Phase]:
        """Return what is trained, in order; by default everything, on `loss`."""
        return [Phase("loss", list(self.parameters()), self.loss, self.draw_noise)]

    def start_epoch(self, epoch: EpochStart) -> None:
        """Update state that changes once per epoch and is not trained."""

    def end_epoch(self, rows: Tensor) -> None:
        """Update state after the steps of an epoch; `rows` are some training rows."""

    def begin(self, start: FitStart) -> None:
        """Prepare for the epochs of a fit: networks that can, start at PCA.

        Not those of a loss that is free of scale: such a module chooses its start.
        """
        for layer in self.modules():
            if isinstance(layer, WithinRange):
                layer.show(start.rows, anew=start.is_new)
        networks = self.networks_beside_linear()
        if networks and start.is_new and not self.is_scale_free:
            width = networks[0].linear.out_features
            width = min(width, self.n_features - 1, len(start.seen) - 1)
            principal = PrincipalBasis.of(start.rows, width, start.seen)
            start_at_principal_axes(networks[0], networks[1], principal, width)

    def judge(self, rows: Tensor) -> Mapping[str, float]:
        """Look at an epoch and prepare the next; `rows` are some training rows.

        Returns
        -------
        mapping of str to float
            What the history is to show of the epoch.
        """
        return {}

    def converged(self, rows: Tensor) -> bool:
        """Return whether training is over, now that the loss has converged.

        The best weights are in place. If it goes on, the module `is_searching`.
        """
        return True

    def finish(self, x: Tensor, generator: torch.Generator, streaming: bool) -> None:
        """Update state that is taken from all rows, or a stream's piece, at the end."""

    def forget_rows(self) -> None:
        """Let go of the rows that a fit was told of."""

    def standard_normal(
        self, n_rows: int, generator: torch.Generator, width: int | None = None
    ) -> Tensor:
        """Draw from N(0, I), shape (n_rows, width), by default one for each axis."""
        shape = (n_rows, self.n_components if width is None else width)
        return torch.randn(shape, generator=generator, device=generator.device)
