"""A trained module at work: codes, reconstructions, errors and evidence, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..nn.gaussian import Moments, moments_of
from ..nn.module import AutoencoderModule
from ..nn.variational import VariationalModule
from ..randomness import derived_generator
from .batches import Rows
from .environment import environment, in_precision_of, takes_double

__all__ = ["code_moments", "evidence", "in_batches", "noise_variance"]

# Rows that go through a network at once.
_ROWS = 1024
# Draws of posterior noise behind a score: in pairs, so that expectations over 16 axes
# are exact up to third degree.
_DRAWS = 32
# The evidence divides by the noise variance; a perfect reconstruction would make it 0.
_SMALLEST_NOISE_VARIANCE = 1e-30
_SMALLEST_ERROR = 1e-30


@torch.no_grad()
def in_batches(
    module: AutoencoderModule,
    function: Callable[[AutoencoderModule, Tensor], Tensor],
    rows: Tensor,
) -> Tensor:
    """Return ``function(module, rows)``, a batch at a time, in the precision of `rows`.

    Parameters
    ----------
    module : AutoencoderModule
    function : callable
        A method of modules, as ``AutoencoderModule.encode``, or any function like it.
    rows : Tensor of shape (n_rows, width)
    """
    if rows.dtype == torch.float64 and not takes_double(module):
        return in_batches(module, function, rows.float()).double()
    module = in_precision_of(rows, module)
    with environment(module, min(len(rows), _ROWS)):
        first = function(module, rows[:_ROWS])
        if len(first) == len(rows):
            return first
        # Results kept one by one would lie between the batches' own memory, which then
        # cannot be used again.
        results = first.new_empty(len(rows), *first.shape[1:])
        results[:_ROWS] = first
        for start in range(_ROWS, len(rows), _ROWS):
            some = function(module, rows[start : start + _ROWS])
            results[start : start + _ROWS] = some
    return results


@torch.no_grad()
def code_moments(module: AutoencoderModule, x: Tensor) -> Moments:
    """Return the moments of the codes of `x`, none of which is kept."""
    with environment(module, min(len(x), _ROWS)):
        return moments_of(module.encode(rows) for rows in x.split(_ROWS))


def noise_variance(
    module: AutoencoderModule, x: Rows, seed: int, axes: Sequence[int] = ()
) -> float:
    """Return the mean squared error of one feature, over x and the posterior.

    Parameters
    ----------
    module : AutoencoderModule
    x : Rows
        Read in batches: a copy of all would be a tenth of the data.
    seed : int
        Of the draws of the posterior.
    axes : sequence of int
        Latent axes, the most relevant first.
    """

    def root_mean_square(module: AutoencoderModule, rows: Tensor) -> Tensor:
        means = (module.decode(z) for z in _draw_codes(module, rows, seed, axes))
        return torch.stack([_root_mean_square(mean - rows) for mean in means], dim=1)

    total = 0.0
    for index in x.index.split(_ROWS):
        errors = in_batches(module, root_mean_square, x.data[index])
        # Squared on the host, in float64, which not every device has.
        total += errors.cpu().double().square().mean(1).sum().item()
    return max(total / len(x), _SMALLEST_NOISE_VARIANCE)


def _draw_codes(
    module: AutoencoderModule, rows: Tensor, seed: int, axes: Sequence[int]
) -> Iterator[Tensor]:
    """Yield draws of the posterior, or the code where there is none."""
    if not isinstance(module, VariationalModule):
        yield module.encode(rows)
        return
    q = module.posterior(rows)
    for noise in _score_noise(module, seed, rows, axes):
        yield q.sample(noise)


def _score_noise(
    module: VariationalModule, seed: int, rows: Tensor, axes: Sequence[int]
) -> list[Tensor]:
    generator = derived_generator(seed, device=rows.device)
    draws = module.draw_score_noise(_DRAWS, generator, axes)
    return [noise.to(rows.dtype) for noise in draws]


def _root_mean_square(errors: Tensor) -> Tensor:
    """Return that of each row; the squares of errors of 1e20 would overflow float32."""
    largest = errors.abs().amax(1).clamp_min(_SMALLEST_ERROR)
    return largest * (errors / largest[:, None]).square().mean(1).sqrt()


def evidence(
    module: VariationalModule,
    x: Tensor,
    noise_variance: float,
    seed: int,
    axes: Sequence[int] = (),
) -> Tensor:
    """Return a lower bound on log p(x) in nats for each row, shape (n_rows,).

    The expectation over the posterior is a mean over the same draws for every row,
    so that a row's score does not depend on the others.

    Parameters
    ----------
    module : VariationalModule
    x : Tensor of shape (n_rows, n_features)
    noise_variance : float
        Of the Gaussian likelihood.
    seed : int
        Of the draws.
    axes : sequence of int
        Latent axes, the most relevant first: expectations over the first 16 are exact
        up to third degree, so that a linear decoder of these has its exact bound.
    """

    def bound(module: Any, rows: Tensor) -> Tensor:
        draws = _score_noise(module, seed, rows, axes)
        total = rows.new_zeros(len(rows))
        q = module.posterior(rows)
        log_likelihood = module.log_likelihood_of(rows, noise_variance)
        for noise in draws:
            reconstruction, kl = module.bound_terms(rows, q, noise)
            total += log_likelihood(reconstruction) - kl
        return total / len(draws)

    return in_batches(module, bound, x)
