"""Variational modules whose axes can be weighed by evidence and switched off."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..randomness import derived_generator
from ..relevance import count_active, jacobian_weights
from .blocks import rows_of_block
from .elimination import AXIS_PRICE, Elimination
from .module import FitStart, Networks
from .posteriors import GaussianPosterior
from .principal import PrincipalBasis, WidthCurves
from .variational import VariationalModule

__all__ = ["AxisWorth", "EvidenceModule"]

# Draws of the posterior behind the evidence of an epoch: in pairs.
_DRAWS = 4
# At least this share of the error of unseen rows is taken for noise.
_LEAST_OF_UNSEEN = 0.87
# Rows at which the Jacobian is taken while training goes on.
_AT = 64


@dataclass(frozen=True, slots=True)
class AxisWorth:
    """What axes are worth to unseen rows, in nats a row.

    Parameters
    ----------
    evidence, evidence_error : float
        Of the whole model: mean and standard error.
    worth, error : Tensor of shape (n_components,)
        What the evidence loses without each axis, and the standard error of that.
    of_halves : Tensor of shape (2, n_components)
        The same in either half of the rows.
    squared_error : float
        Of a feature, reconstructed from the mean code.
    """

    evidence: float
    evidence_error: float
    worth: Tensor
    error: Tensor
    of_halves: Tensor
    squared_error: float

    @classmethod
    def of(cls, losses: Tensor, evidence: Tensor, error: float) -> AxisWorth:
        """Sum up the losses of rows, shape (n_rows, n_components)."""
        n = max(1.0, len(evidence) - 1.0) ** 0.5
        halves = (losses[::2].mean(0), losses[1::2].mean(0))
        return cls(
            evidence.mean().item(),
            evidence.std(correction=0).item() / n,
            losses.mean(0),
            losses.std(0, correction=0) / n,
            torch.stack(halves),
            error,
        )


@dataclass(frozen=True, slots=True)
class FitRows:
    """What a module knows of its rows while a fit goes on.

    Parameters
    ----------
    seen, unseen : Tensor of shape (n_rows, n_features)
        Some that the steps see, and those that they do not.
    principal : PrincipalBasis
        Of all that the steps see.
    curves : WidthCurves
        How well it explains the others.
    """

    seen: Tensor
    unseen: Tensor
    principal: PrincipalBasis
    curves: WidthCurves

    @classmethod
    def of(cls, start: FitStart, n_axes: int) -> FitRows:
        """Take what is needed of what a module is told."""
        seen = start.rows[start.seen[: len(start.unseen)]]
        principal = PrincipalBasis.of(start.rows, n_axes, start.seen)
        curves = WidthCurves.of(principal, start.unseen)
        return cls(seen, start.unseen, principal, curves)


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
        #: What the axes that were found are worth; None before the end of a fit.
        self.worth: AxisWorth | None = None
        self._fit: FitRows | None = None
        self.recent: list[float] = []

    def make_search(self) -> Any:
        """Return what decides which axes go, or None."""
        return Elimination(self.n_features) if self.count_by == "evidence" else None

    # --- axes that are switched off ---------------------------------------------

    def posterior(self, x: Tensor) -> GaussianPosterior:
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        if self.search is not None:
            mean, log_variance = mean * self.kept, log_variance * self.kept
        return GaussianPosterior.of(mean, log_variance)

    def output(self, z: Tensor) -> Tensor:
        return self.decoder(z if self.search is None else z * self.kept)

    def is_active(self) -> Tensor | None:
        if self.count_by == "relevance" or not self.search.is_over:
            return None
        return self.kept > 0.0

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

    def believe_prior(self, n_rows: int) -> None:
        """Take the prior of all axes for N(0, 1), as `n_rows` rows would show it."""
        self.prior_variance.fill_(1.0)

    def n_kept(self) -> int:
        """Return how many axes are not switched off."""
        return int(self.kept.sum())

    def state(self) -> list[Tensor]:
        """Return what makes up the model, to be kept and put back."""
        named = (*self.named_parameters(), *self.named_buffers())
        return [tensor for name, tensor in named if not name.startswith("search.")]

    # --- while a fit goes on ----------------------------------------------------

    @property
    def fit_rows(self) -> FitRows:
        """The rows of the fit that goes on."""
        if self._fit is None:
            raise RuntimeError("No fit goes on.")
        return self._fit

    @property
    def unseen(self) -> Tensor:
        """Rows that the steps do not see."""
        return self.fit_rows.unseen

    @property
    def principal(self) -> PrincipalBasis:
        """PCA of the rows that the steps see."""
        return self.fit_rows.principal

    # --- what axes are worth ----------------------------------------------------

    @torch.no_grad()
    def unseen_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstruction loss and the KL of rows, means over fixed draws."""
        generator = derived_generator(0, device=x.device)
        noise = torch.stack(self.draw_score_noise(_DRAWS, generator), dim=1)
        losses, divergences = [], []
        for rows in x.split(rows_of_block(_DRAWS * self.n_features)):
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
    def settle_noise(self) -> None:
        r"""Set the noise variance to what seen and unseen rows say together.

        The error of unseen rows is as much above the noise as that of the rows that
        the steps see is below it, if the networks have few weights for the numbers they
        were fitted to. Where they have many, it is that of unseen rows, less what costs
        the evidence a hundredth of a nat a feature.
        """
        seen, _ = self.unseen_terms(self.fit_rows.seen)
        unseen, _ = self.unseen_terms(self.unseen)
        seen, unseen = seen.mean() / self.n_features, unseen.mean() / self.n_features
        noise = torch.maximum((seen + unseen) / 2.0, _LEAST_OF_UNSEEN * unseen)
        self.noise.copy_(noise.clamp_min(self.principal.smallest_noise))

    @torch.no_grad()
    def weigh_axes(self) -> AxisWorth:
        """Return what each axis is worth, by the unseen rows without it.

        Of probabilistic PCA, exactly; otherwise with all else as it is.
        """
        noise, variance = self.noise.clone(), self.prior_variance.clone()
        evidence, kept = self.profile_noise(self.unseen), self.kept.clone()
        losses = evidence.new_zeros(len(evidence), self.n_components)
        for axis in kept.nonzero().flatten().tolist():
            self.kept[axis] = 0.0
            self.prior_variance[axis] = 1.0
            losses[:, axis] = evidence - self.profile_noise(self.unseen)
            self.kept.copy_(kept)
            self.prior_variance.copy_(variance)
        if self.is_linear:
            width = self.n_kept()
            principal = self.of_all_directions(self.principal, unseen=True)
            exact = WidthCurves.losses(principal, self.unseen, width)
            losses[:, :width] = exact.to(losses)
        self.noise.copy_(noise)
        return AxisWorth.of(losses, evidence, self.squared_error(self.unseen))

    @torch.no_grad()
    def squared_error(self, x: Tensor) -> float:
        """Return that of a feature of rows x, reconstructed from the mean codes."""
        return (self(x) - x).square().mean().item()

    @torch.no_grad()
    def relevance(self, rows: Tensor) -> Tensor:
        """Return that of each axis, given some rows."""
        codes = self.encode(rows)
        variance = self.component_variance(codes.var(0, correction=0))
        return jacobian_weights(self.decode, codes[:_AT], variance) * variance

    @property
    def is_linear(self) -> bool:
        """Whether what was found is probabilistic PCA itself."""
        return getattr(self.search, "is_linear", False)

    @property
    def feature_variance(self) -> float:
        """The mean variance of a feature in the rows that the steps see."""
        return self.principal.feature_variance

    @property
    def price_of_an_axis(self) -> float:
        """What an axis has to be worth in nats a row."""
        return AXIS_PRICE * self.n_features

    def ranking(self, rows: Tensor) -> list[int]:
        """Return the axes, the most relevant first."""
        return self.relevance(rows).argsort(descending=True).tolist()

    def count_relevant(self, rows: Tensor, share: float) -> int:
        """Return how many axes explain more than a share of the output."""
        return int(count_active(self.relevance(rows), share))

    # --- training ---------------------------------------------------------------

    @property
    def watches_unseen(self) -> bool:
        return self.search is not None

    def begin(self, start: FitStart) -> None:
        super().begin(start)
        if self.search is None:
            return
        most = min(self.n_components, len(start.seen) - 1, self.n_features)
        self._fit = FitRows.of(start, most)
        if isinstance(self.search, Elimination):
            self.search.forget()
        if start.is_new:
            n_axes = min(self.n_components, self.n_features, len(start.seen) - 1)
            self.keep_axes(range(n_axes))

    def finish(self, x: Tensor, generator: torch.Generator, streaming: bool) -> None:
        """Put back the last model that held, if training ended in a trial."""
        if isinstance(self.search, Elimination) and not streaming:
            self.search.settle(self)
            self.worth = self.weigh_axes()

    def forget_rows(self) -> None:
        if self.search is not None:
            self.search.forget_log()
        self._fit = self.worth = None
        self.recent = []

    @property
    def is_searching(self) -> bool:
        return self.search is not None and self.search.is_on

    @property
    def learning_rate_factor(self) -> float | None:
        return self.search.learning_rate_factor() if self.is_searching else None

    def converged(self, rows: Tensor) -> bool:
        if self.search is None or self.search.is_over:
            return True
        self.search.begin(self, rows, self.profile_noise(self.unseen))
        self.begins_anew = True
        return self.search.is_over

    @property
    def is_finished(self) -> bool:
        return self.search is not None and self.search.is_over

    def judge(self, rows: Tensor) -> Mapping[str, float]:
        n_active = self.n_kept()
        of_rows = self.profile_noise(self.unseen)
        evidence = of_rows.mean().item()
        self.begins_anew = False
        if self.is_searching:
            self.begins_anew = self.search.judge(self, rows, of_rows, self.recent)
        self.recent = [] if self.begins_anew else [*self.recent, evidence][-10:]
        in_users_units = evidence + self.evidence_of_units
        return {"evidence": in_users_units, "n_active": n_active}


def _repeated(rows: Tensor) -> Tensor:
    """Return each row once for each draw."""
    return rows.repeat_interleave(_DRAWS, dim=0)
