"""The contract between a method's mathematics and the engine that trains it.

A method subclasses :class:`AutoencoderModule` and writes its loss. It never sees
scikit-learn, optimisers, batches or devices; the engine (``sklearn_ardvae.training``)
sees nothing of the method but what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .likelihoods import Likelihood

__all__ = ["AutoencoderModule", "EpochStart", "HeldOut", "LossTerms", "Noise", "Phase"]

Noise = Tensor | tuple[Tensor, ...] | None
"""Randomness that a loss needs; drawn by the engine, so that losses are functions."""


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
    """Rows withheld from the gradient steps and shown to ``start_epoch`` instead.

    Parameters
    ----------
    size : callable of int to int
        The number of rows to withhold, given the number of training rows.
    every : int
        A new set is drawn every so many epochs; it is withheld until the next.
    shared : bool
        Whether the rows are shown to ``start_epoch`` but not withheld.
    """

    size: Callable[[int], int]
    every: int = 1
    shared: bool = False


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
        Rows withheld from the steps of this epoch, where they were drawn anew.
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
    """

    name: str
    parameters: Sequence[nn.Parameter]
    loss: Callable[[Tensor, Noise], LossTerms]
    draw_noise: Callable[[int, torch.Generator], Noise]
    repeats: int = 1
    fresh_batch: bool = False
    learning_rate_factor: float = 1.0


class AutoencoderModule(nn.Module):
    """Encoder, decoder and likelihood; the mathematics of a method goes on top.

    Rows are flat: ``x`` has shape (n_rows, n_features) also for images.

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
    """

    #: Numbers the encoder puts out for each latent component (2: mean, log variance).
    outputs_per_component = 1
    #: Rows that ``start_epoch`` wants to see and the steps must not.
    held_out: HeldOut | None = None
    #: Whether the loss is comparable from epoch to epoch. While it is not, because a
    #: method still changes the size of its model, the engine neither lowers the
    #: learning rate nor stops nor keeps best weights.
    settled = True

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        n_components: int,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.n_components = n_components

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstructions, shape (n_rows, n_features)."""
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """Return the deterministic codes, shape (n_rows, n_components)."""
        return self.encoder(x)

    def code_std(self, x: Tensor) -> Tensor:
        """Return the deviation of q(z|x) around `encode`, 0 where there is no q."""
        return torch.zeros_like(self.encode(x))

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of x given z, in the range of the data."""
        return self.likelihood.mean(self.decoder(z))

    def draw_noise(self, n_rows: int, generator: torch.Generator) -> Noise:
        """Draw what `loss` needs of randomness for `n_rows` rows."""
        return None

    def loss(self, x: Tensor, noise: Noise) -> LossTerms:
        """Return the objective; on validation rows it is what the engine monitors."""
        raise NotImplementedError

    def phases(self) -> list[Phase]:
        """Return what is trained, in order; by default everything, on `loss`."""
        parameters = list(self.parameters())
        return [Phase("loss", parameters, self.loss, self.draw_noise)]

    def start_epoch(self, epoch: EpochStart) -> None:
        """Update state that changes once per epoch and is not trained."""

    def finish(self, x: Tensor, generator: torch.Generator) -> None:
        """Update state that is computed once, from all rows, after training."""

    def component_variance(self, codes: Tensor) -> Tensor:
        """Return the variance of each latent axis, shape (n_components,)."""
        return codes.var(0, correction=0)

    def count_active(self) -> Tensor | None:
        """Return the method's own count for the history, or None for an estimate."""
        return None

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        """Draw codes from the method's own prior, shape (n_rows, n_components)."""
        shape = (n_rows, self.n_components)
        return torch.randn(shape, generator=generator, device=generator.device)
