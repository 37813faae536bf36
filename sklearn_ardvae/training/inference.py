"""A trained module at work: codes, reconstructions, errors and evidence, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..nn.module import AutoencoderModule
from ..nn.variational import VariationalModule
from ..randomness import derived_generator

__all__ = ["evidence", "in_batches", "noise_variance"]

# Rows that go through a network at once.
_ROWS = 1024
# Draws of posterior noise behind a score.
_DRAWS = 16
# The evidence divides by the noise variance; a perfect reconstruction would make it 0.
_SMALLEST_NOISE_VARIANCE = 1e-30
_SMALLEST_ERROR = 1e-30


@torch.no_grad()
def in_batches(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """Return ``function(rows)``, a batch at a time."""
    return torch.cat([function(batch) for batch in rows.split(_ROWS)])


def noise_variance(module: AutoencoderModule, x: Tensor, seed: int) -> float:
    """Return the mean squared error of one feature, over x and the posterior."""

    def root_mean_square(rows: Tensor) -> Tensor:
        means = (module.decode(z) for z in _draw_codes(module, rows, seed))
        return torch.stack([_root_mean_square(mean - rows) for mean in means], dim=1)

    # Squared on the host, in float64, which not every device has.
    error = in_batches(root_mean_square, x).cpu().double().square().mean().item()
    return max(error, _SMALLEST_NOISE_VARIANCE)


def _draw_codes(module: AutoencoderModule, rows: Tensor, seed: int) -> Iterator[Tensor]:
    """Yield draws of the posterior, or the code where there is none."""
    if not isinstance(module, VariationalModule):
        yield module.encode(rows)
        return
    q = module.posterior(rows)
    for noise in _score_noise(module, seed, rows.device):
        yield q.sample(noise)


def _score_noise(
    module: VariationalModule, seed: int, device: torch.device
) -> list[Tensor]:
    return module.draw_score_noise(_DRAWS, derived_generator(seed, device=device))


def _root_mean_square(errors: Tensor) -> Tensor:
    """Return that of each row; the squares of errors of 1e20 would overflow float32."""
    largest = errors.abs().amax(1).clamp_min(_SMALLEST_ERROR)
    return largest * (errors / largest[:, None]).square().mean(1).sqrt()


def evidence(
    module: VariationalModule, x: Tensor, noise_variance: float, seed: int
) -> Tensor:
    """Return a lower bound on log p(x) in nats for each row, shape (n_rows,).

    The expectation over the posterior is a mean over the same draws for every row,
    so that a row's score does not depend on the others.
    """

    def bound(rows: Tensor) -> Tensor:
        draws = _score_noise(module, seed, rows.device)
        total = torch.zeros(len(rows), device=rows.device)
        q = module.posterior(rows)
        for noise in draws:
            reconstruction, kl = module.bound_terms(rows, q, noise)
            log_likelihood = module.likelihood.log_likelihood(
                reconstruction, rows.shape[1], noise_variance
            )
            total += log_likelihood - kl
        return total / len(draws)

    return in_batches(bound, x)
