"""Variational modules whose axes can be weighed by evidence and switched off."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..randomness import derived_generator
from ..relevance import count_active, jacobian_weights
from .elimination import Elimination
from .module import FitStart, Networks
from .posteriors import GaussianPosterior
from .principal import PrincipalBasis, WidthCurves
from .units import Units
from .variational import VariationalModule

__all__ = ["EvidenceModule"]

# Draws of the posterior behind the evidence of an epoch: in pairs.
_DRAWS = 4
_ROWS = 4096
# Rows at which the Jacobian is taken while training goes on.
_AT = 64


class EvidenceModule(VariationalModule):
    r"""A VAE that may give up axes which are not worth their price.

    The code of an axis that is switched off is 0, its posterior the prior. The evidence
    is the bound at the noise variance which maximises it over rows that the steps do
    not see,

    .. math:: -\tfrac D2 \log 2 \pi \hat\sigma^2
        - \frac{\mathrm E_q\|x - \hat x\|^2}{2 \hat\sigma^2} - \mathrm{KL}, \qquad
        \hat\sigma^2 = \frac1{ND} \sum_i \mathrm E_q \|x_i - \hat x_i\|^2,

    or, of binary data, that with the cross entropy.

    Parameters
    ----------
    networks, beta
        As for `VariationalModule`.
    count_by : {"relevance", "evidence"}
        Whether axes go after the loss has converged.
    """

    limits_axes = True

    count_by: str = "relevance"

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.search = self.make_search()
        if self.search is not None:
            self.register_buffer("kept", torch.ones(self.n_components))
            self.register_buffer("noise", torch.tensor(1.0))
        self.unseen: Tensor | None = None
        #: PCA of the rows that the steps see, and how well it explains the others.
        self.principal: PrincipalBasis | None = None
        self.curves: WidthCurves | None = None
        self.recent: list[float] = []

    def make_search(self) -> Any:
        """Return what decides which axes go, or None."""
        return Elimination(self.n_features) if self.count_by == "evidence" else None

    # --- axes that are switched off -------------------------------------------------

    def posterior(self, x: Tensor) -> GaussianPosterior:
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        if self.search is not None:
            mean, log_variance = mean * self.kept, log_variance * self.kept
        return GaussianPosterior.of(mean, log_variance)

    def output(self, z: Tensor) -> Tensor:
        return self.decoder(z if self.search is None else z * self.kept)

    def is_active(self) -> Tensor | None:
        return self.kept > 0.0 if self.count_by == "evidence" else None

    def component_variance(self, of_codes: Tensor) -> Tensor:
        return of_codes if self.search is None else of_codes * self.kept

    @torch.no_grad()
    def keep_axes(self, axes: Iterable[int]) -> None:
        """Switch off all axes but these."""
        kept = torch.zeros_like(self.kept)
        kept[torch.as_tensor(list(axes), dtype=torch.long, device=kept.device)] = 1.0
        # The posterior of an axis that is off is N(0, 1), at no price.
        self.prior_variance.copy_(torch.where(kept > 0.0, self.prior_variance, 1.0))
        self.kept.copy_(kept)

    def n_kept(self) -> int:
        """Return how many axes are not switched off."""
        return int(self.kept.sum())

    def state(self) -> list[Tensor]:
        """Return what makes up the model, to be kept and put back."""
        named = (*self.named_parameters(), *self.named_buffers())
        return [tensor for name, tensor in named if not name.startswith("search.")]

    # --- units ------------------------------------------------------------------------

    def standardise(self, units: Units) -> None:
        super().standardise(units)
        if self.search is not None and self.is_scale_free:
            self.noise /= units.scale**2

    def adopt(self, units: Units) -> None:
        super().adopt(units)
        if self.search is not None and self.is_scale_free:
            self.noise *= units.scale**2

    # --- what axes are worth ----------------------------------------------------------

    @torch.no_grad()
    def unseen_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstruction loss and the KL of rows, means over fixed draws."""
        generator = derived_generator(0, device=x.device)
        noise = torch.stack(self.draw_score_noise(_DRAWS, generator), dim=1)
        losses, divergences = [], []
        for rows in x.split(_ROWS):
            q = self.posterior(rows)
            # All draws of all rows at once.
            wide = GaussianPosterior(*(_repeated(t) for t in (q.mean, q.log_variance)))
            draws = noise.expand(len(rows), -1, -1).flatten(0, 1)
            loss, kl = self.bound_terms(_repeated(rows), wide, draws)
            losses.append(loss.view(-1, _DRAWS).mean(1))
            divergences.append(kl.view(-1, _DRAWS).mean(1))
        return torch.cat(losses), torch.cat(divergences)

    @torch.no_grad()
    def profile_noise(self, x: Tensor) -> Tensor:
        """Set the noise variance that fits rows x best; return their evidence."""
        loss, kl = self.unseen_terms(x)
        if self.likelihood.logits:
            return -loss - kl
        smallest = self.principal.smallest_noise
        noise = (loss.mean() / self.n_features).clamp_min(smallest)
        self.noise.copy_(noise)
        constant = 0.5 * self.n_features * (2.0 * math.pi * noise).log()
        return -constant - loss / (2.0 * noise) - kl

    @torch.no_grad()
    def relevance(self, rows: Tensor) -> Tensor:
        """Return that of each axis, given some rows."""
        codes = self.encode(rows)
        variance = self.component_variance(codes.var(0, correction=0))
        return jacobian_weights(self.decode, codes[:_AT], variance) * variance

    def ranking(self, rows: Tensor) -> list[int]:
        """Return the axes, the most relevant first."""
        return self.relevance(rows).argsort(descending=True).tolist()

    def count_relevant(self, rows: Tensor, share: float) -> int:
        """Return how many axes explain more than a share of the output."""
        return int(count_active(self.relevance(rows), share))

    # --- training -----------------------------------------------------------------------

    @property
    def watches_unseen(self) -> bool:
        return self.search is not None

    def begin(self, start: FitStart) -> None:
        if not self.is_scale_free:
            super().begin(start)
        if self.search is None:
            return
        self.unseen = start.unseen
        most = min(self.n_components, len(start.seen) - 1, self.n_features - 1)
        self.principal = PrincipalBasis.of(start.rows, most, start.seen)
        self.curves = WidthCurves.of(self.principal, start.unseen)

    @property
    def is_searching(self) -> bool:
        return self.search is not None and self.search.is_on

    @property
    def settled(self) -> bool:
        return not self.is_searching

    @property
    def learning_rate_factor(self) -> float | None:
        return self.search.learning_rate_factor() if self.is_searching else None

    def converged(self, rows: Tensor) -> bool:
        if self.search is None or self.search.is_over:
            return True
        evidence = self.profile_noise(self.unseen).mean().item()
        self.search.begin(self, rows, evidence)
        self.begins_anew = True
        return self.search.is_over

    @property
    def is_finished(self) -> bool:
        return self.search is not None and self.search.is_over

    def judge(self, rows: Tensor) -> Mapping[str, float]:
        n_active = self.n_kept()
        evidence = self.profile_noise(self.unseen).mean().item()
        self.begins_anew = False
        if self.is_searching:
            self.begins_anew = self.search.judge(self, rows, evidence, self.recent)
        self.recent = [] if self.begins_anew else [*self.recent, evidence][-10:]
        in_users_units = evidence - self.n_features * math.log(self.unit)
        return {"evidence": in_users_units, "n_active": n_active}


def _repeated(rows: Tensor) -> Tensor:
    """Return each row once for each draw."""
    return rows.repeat_interleave(_DRAWS, dim=0)
