"""A VAE on codes: the second stage of the two-stage VAE, and an ex-post density.

Dai, Wipf: "Diagnosing and Enhancing VAE Models", arXiv 1903.05789, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .likelihoods import GaussianLikelihood
from .module import LossTerms
from .networks import multilayer_perceptron
from .vae import VAEModule

__all__ = ["SecondStageModule"]

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
    n_components : int
        Width L of z and of u.
    hidden : sequence of int
        Hidden layers of the encoder; the decoder has them in reverse.
    activation : callable
        Makes the module between layers.
    noise_variance : float
        g^2 at the start.
    """

    def __init__(
        self,
        n_components: int,
        hidden: Sequence[int],
        activation: Callable[[], nn.Module],
        noise_variance: float,
    ) -> None:
        hidden = list(hidden)
        super().__init__(
            SkipPerceptron(n_components, 2 * n_components, hidden, activation),
            SkipPerceptron(n_components, n_components, hidden[::-1], activation),
            GaussianLikelihood(),
            n_components,
            noise="learned",
            noise_variance=noise_variance,
        )
        self.register_buffer("trained", torch.tensor(False))
        self.register_buffer("code_mean", torch.zeros(n_components))
        self.register_buffer("code_scale", torch.ones(n_components))

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
        shape = (n_rows, 2 * self.n_components)
        return torch.randn(shape, generator=generator, device=generator.device)

    def draw_score_noise(
        self, n_draws: int, generator: torch.Generator
    ) -> list[Tensor]:
        """Draw noise for u alone: a code that is scored is given."""
        both = super().draw_score_noise(n_draws, generator)
        return [noise.chunk(2, 1)[1] for noise in both]

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
