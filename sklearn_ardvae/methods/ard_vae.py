"""ARD-VAE: a VAE whose prior learns which latent axes the data need.

Saha, Joshi, Whitaker: "ARD-VAE: A Statistical Formulation to Find the Relevant Latent
Dimensions of Variational Autoencoders", arXiv 2501.10901.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY
from inspect import signature
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.utils.validation import check_is_fitted, check_scalar
from torch import Tensor

from .._warnings import warn
from ..estimator.base import BaseAutoencoder
from ..estimator.parameters import (
    Architecture,
    Count,
    NonNegative,
    OpenShare,
    ProperShare,
    Share,
)
from ..nn.course import Course
from ..nn.divergences import normal_entropy, student_t_log_density
from ..nn.elimination import Elimination
from ..nn.evidence import EvidenceModule
from ..nn.module import EpochStart, FitStart, HeldOut, Networks
from ..nn.posteriors import GaussianPosterior
from ..nn.signal import Signal

__all__ = ["ARDVAE"]

# An axis that collapses would send b to 0 and the KL to infinity.
_VARIANCE_FLOOR = 1e-8
# Without any error a density would be infinite.
_NOISE_FLOOR = 1e-30
_PAPER_PRIOR_SAMPLES = 10_000
# Codes that a stream remembers: enough for 3 % on a variance, and soon outdated.
_STREAM_MEMORY = 2_000
_ENCODE_ROWS = 1024
# Earlier pieces of a stream that its noise variance remembers.
_STREAM_PIECES = 5
# How much the log of a posterior's variance may exceed that of the prior's.
_WIDER_THAN_PRIOR = 1.0
# What only the schedule of a fixed beta looks at.
_OF_A_FIXED_BETA = ("lr_patience", "n_iter_no_change", "tol")
# How far codes are stretched, in shares of what a linear decoder asks for.
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_MOST_STRETCH = 1e4


class ARDVAEModule(EvidenceModule):
    r"""The loss of ARD-VAE (eqs. 16, 17) and its prior (eqs. 8, 9; Algorithms 1, 2).

    The precision of axis l is :math:`\alpha_l \sim \mathrm{Gamma}(a, b_l)`; given
    sampled codes :math:`z'_i` of held-out rows,

    .. math:: a = a^0 + n/2, \qquad b_l = b_l^0 + \tfrac12 \sum_i z_{il}'^2,
        \qquad \hat\sigma_l^2 = b_l / a .

    Parameters
    ----------
    networks, beta
        As for `VariationalModule`.
    prior : {"gaussian", "student_t"}
        N(0, b/a), or the marginal over the precision, Student's t with 2a degrees
        of freedom and scale (b/a) ** 0.5 (eqs. 11 to 14).
    held_out : HeldOut
        How many rows estimate the prior, and how often they are drawn.
    """

    is_stackable = True

    beta: float | None
    prior: str
    held_out: HeldOut

    def __init__(self, networks: Networks, **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.register_buffer("prior_shape", torch.tensor(0.5))
        if self.finds_noise:
            self.register_buffer("stretch", torch.ones(self.n_components))
            self.register_buffer("centre", torch.zeros(self.n_components))

    @property
    def finds_noise(self) -> bool:
        """Whether the weight of the KL is that of the noise that unseen rows have."""
        return self.beta is None

    @property
    def is_scale_free(self) -> bool:
        return self.finds_noise

    def make_search(self) -> Course | Elimination | None:
        if not self.finds_noise:
            return super().make_search()
        eliminates = self.count_by == "evidence"
        return Course(self.n_features, eliminates)

    def begin(self, start: FitStart) -> None:
        super().begin(start)
        if self.finds_noise:
            self.search.start(self, start)

    def believe_prior(self, n_rows: int) -> None:
        super().believe_prior(n_rows)
        self.prior_shape.fill_(n_rows / 2)

    def judge(self, rows: Tensor) -> Mapping[str, float]:
        record = super().judge(rows)
        if not self.finds_noise:
            return record
        return {**record, "beta": 2.0 * self.noise.item() * self.unit**2}

    def posterior(self, x: Tensor) -> GaussianPosterior:
        """Return q(z|x); where the noise is estimated, hardly wider than the prior.

        A network that meets a row far from all others may put out any variance, and
        rows that training does not see would then decide nothing else.
        """
        q = super().posterior(x)
        if not self.finds_noise:
            return q
        widest = self.prior_variance.log() + _WIDER_THAN_PRIOR
        return GaussianPosterior(q.mean, torch.minimum(q.log_variance, widest))

    def posterior_mean(self, x: Tensor) -> Tensor:
        return self.posterior(x).mean

    def encode(self, x: Tensor) -> Tensor:
        r"""Return means of codes, stretched where the noise is estimated.

        A posterior mean is shrunk towards that of the prior, which rows that are to be
        reconstructed have no use for. With a linear decoder, stretched by the variance
        of the prior over that of the means, codes are those of least squares.
        """
        mean = self.posterior_mean(x)
        if not self.finds_noise:
            return mean
        return self.centre + (mean - self.centre) * self.stretch

    def known_noise_variance(self) -> float | None:
        return self.noise.item() if self.finds_noise else None

    def weighted_sum(self, reconstruction: Tensor, kl: Tensor) -> Tensor:
        if not self.finds_noise:
            return super().weighted_sum(reconstruction, kl)
        return torch.addcmul(reconstruction, kl, self.noise, value=2.0)

    def start_epoch(self, epoch: EpochStart) -> None:
        if epoch.held_out is None:
            return
        if epoch.index == 0:
            # The codes of an untrained encoder say nothing: the variances stay at 1.
            self.prior_shape.fill_(len(epoch.held_out) / 2)
            return
        if epoch.streaming and self.finds_noise:
            self.update_noise(epoch.held_out, epoch.index)
        remembered = torch.zeros_like(self.prior_shape)
        if epoch.streaming and epoch.index > 1:
            remembered = self.prior_shape.clamp(max=_STREAM_MEMORY / 2)
        self.update_prior(epoch.held_out, epoch.generator, remembered)

    def update_prior(
        self, x: Tensor, generator: torch.Generator, shape_0: Tensor
    ) -> None:
        """Update the Gamma posterior by codes of `x` from Gamma(shape_0, rate_0).

        The mean of the codes is 0 (section 3.3), so that the variance is a second
        moment about zero.
        """
        rate_0 = shape_0 * self.prior_variance
        sum_of_squares = torch.zeros_like(self.prior_variance)
        for rows in x.split(_ENCODE_ROWS):
            z = self.posterior(rows).sample(self.posterior_noise(len(rows), generator))
            sum_of_squares += z.square().sum(0)
        shape = shape_0 + len(x) / 2
        rate = rate_0 + sum_of_squares / 2
        self.prior_shape.copy_(shape)
        variance = (rate / shape).clamp_min(_VARIANCE_FLOOR)
        if self.search is not None:
            variance = torch.where(self.kept > 0.0, variance, 1.0)
        self.prior_variance.copy_(variance)

    def update_noise(self, x: Tensor, n_pieces: int) -> None:
        """Update the noise variance of a stream by rows that no step has seen yet."""
        loss, _ = self.unseen_terms(x)
        memory = min(n_pieces - 1, _STREAM_PIECES)
        found = (loss.mean() / self.n_features).clamp_min(_NOISE_FLOOR)
        self.noise.copy_((memory * self.noise + found) / (memory + 1.0))

    def finish(self, x: Tensor, generator: torch.Generator, streaming: bool) -> None:
        """Bring the prior up to the weights that training ended with.

        Nothing is trained on it any more: all rows may help, up to the paper's 10 000.
        In a stream it remembers earlier pieces, and stays.
        """
        super().finish(x, generator, streaming)
        if streaming:
            return
        if self.finds_noise:
            self.search.settle(self, x)
        order = torch.randperm(len(x), generator=generator, device=x.device)
        rows = x[order[:_PAPER_PRIOR_SAMPLES]]
        if self.finds_noise and self.search.is_linear:
            self.prior_shape.fill_(len(rows) / 2)
        else:
            self.update_prior(rows, generator, torch.zeros_like(self.prior_shape))
        if self.finds_noise:
            self.stretch_codes(rows)
            if not self.search.is_linear:
                self.settle_noise()

    def stretch_codes(self, x: Tensor) -> None:
        """Stretch the codes of rows as far as it lowers their error."""
        blocks = x.split(_ENCODE_ROWS)
        mean = torch.cat([self.posterior(rows).mean for rows in blocks])
        self.centre.copy_(mean.mean(0))
        variance = mean.var(0, correction=0)
        whole = self.prior_variance / variance.clamp_min(_VARIANCE_FLOOR)
        whole = torch.where(self.kept > 0.0, whole.clamp(1.0, _MOST_STRETCH), 1.0)
        errors = []
        for share in _SHARES:
            self.stretch.copy_(1.0 + share * (whole - 1.0))
            squares = [(self(rows) - rows).square().sum() for rows in blocks]
            errors.append(torch.stack(squares).sum().item())
        share = _SHARES[errors.index(min(errors))]
        self.stretch.copy_(1.0 + share * (whole - 1.0))

    def kl(self, q: GaussianPosterior, z: Tensor) -> Tensor:
        """Eq. 17 with log variances; for Student's t, one sample of eq. 16's KL."""
        if self.prior == "gaussian":
            return q.kl(self.prior_variance)
        log_prior = student_t_log_density(z, 2 * self.prior_shape, self.prior_variance)
        return -(normal_entropy(q.log_variance) + log_prior).sum(1)

    def component_variance(self, of_codes: Tensor) -> Tensor:
        return self.prior_variance

    def draw_prior(self, n_rows: int, generator: torch.Generator) -> Tensor:
        z = self.standard_normal(n_rows, generator) * self.prior_variance.sqrt()
        if self.prior == "gaussian":
            return z
        shape = self.prior_shape.expand_as(z)
        return z * (shape / torch._standard_gamma(shape, generator=generator)).sqrt()


class ARDVAE(BaseAutoencoder, max_iter=1000):
    r"""Variational autoencoder that finds how many latent dimensions the data need.

    ``ARDVAE().fit(X)`` answers by itself. The noise variance is estimated with the
    rest, the prior variance of each latent axis is learned, and axes that are not worth
    their price to rows which training does not see go: `n_active_components_` is what
    is left. It is to `PCA(0.99)` what an autoencoder is to a linear map, and it
    generates.

    .. math::
        \text{loss} = \frac1B \sum_{i=1}^B \left[ \|x_i - \hat x_i\|^2 + \beta
        \sum_{l=1}^L \tfrac12 \left( \log\hat\sigma_l^2 - \log\sigma_{il}^2
        + \frac{\mu_{il}^2 + \sigma_{il}^2}{\hat\sigma_l^2} - 1 \right) \right]

    %(squared_error_and_kl)s
    :math:`\hat\sigma_l^2` is the mean square of sampled codes of rows that are kept
    from the steps of an epoch. The guide is docs/ardvae.md.

    Good for: an answer with nothing set, where the noise is not known, with log
    densities and samples beside it; and to see whether PCA is enough.

    Known to fail: a closed manifold such as a sphere needs one axis more than its
    dimension; strongly curved data of many dimensions and few rows may be explained
    better by many linear axes than by few curved ones, and then those are counted;
    beside features that hardly vary nearly all axes are; a fixed `beta` too large for
    the scale of X prunes real dimensions, or all of them (a warning says so), and one
    too small, or a budget that ends early, counts too many.

    Parameters
    ----------
    n_components : int, default=128
        The initial latent size L: an upper bound on what may be found. No more than
        the features, or the rows less one, are trained.
    beta : "auto" or float, default="auto"
        Weight of the KL term, >= 0 (0 switches the prior off). With squared error
        **beta is twice the noise variance of one feature**: details of variance below
        beta / 2 are treated as noise. ``"auto"``: twice the error of a feature in the
        validation rows, updated every epoch; the scale of X does not matter then. A
        number is relative to the scale of X: for standardised features 0.05 asks for
        97.5 % of the variance; `ARDVAECV` chooses it by `score`, which does not
        contain it. With the Bernoulli likelihood there is no noise to estimate, and
        ``"auto"`` is 1.
    architecture : "auto", str or pair, default="auto"
        ``"auto"``: ``"linear_mlp"`` if the noise is estimated, otherwise ``"mlp"``. The
        rest is as other methods say: ``"mlp"``, ``"linear_mlp"``, the name of a
        paper's network, or a pair of your own.
    count_by : {"auto", "evidence", "relevance"}, default="auto"
        What decides how many components are active. ``"evidence"``: axes go, the least
        relevant first, as long as the evidence of the validation rows falls by less
        than 0.007 nats a feature at a step. ``"relevance"``: the paper's rule, the
        fewest axes whose relevances exceed `relevance_threshold` of the total.
        ``"auto"``: by evidence if beta is ``"auto"``, by relevance at a fixed beta.
    %(ard_prior)s
    %(shared_parameters)s

    Attributes
    ----------
    beta_ : float
        The weight of the KL term: what was found, or given. What was found is twice
        the noise variance of what the networks see: where that is the axes of the
        signal only (see Notes), `noise_variance_` is the mean of all directions.
    prior_variance_ : ndarray of shape (n_components,)
        Variance b/a of the learned prior of each axis. It is arbitrary for inactive
        axes: do not threshold it, look at `relevance_`.
    prior_shape_ : float
        Shape a of the Gamma posterior of the axes' precisions: half the number of
        codes that `prior_variance_` was estimated from, which after `fit` are those
        of all rows, at most 10 000.
    %(evidence_attributes)s
    %(shared_attributes)s

    See Also
    --------
    ARDVAECV : The beta of the best cross-validated evidence.
    sklearn.decomposition.PCA : Its linear cousin, with ``n_components=0.99``.
    decoder_relevance : The same question to an autoencoder of your own.

    Notes
    -----
    Paper: objective (eq. 16), Gaussian KL (eq. 17), conjugate update (eqs. 8, 9) by
    Algorithms 1 and 2, relevance (eqs. 19, 20), the 99 % rule; all of it with
    ``beta=0.05`` or another number.

    Differences from the published code: the KL has log variances where the code has
    variances (same gradients; the validation loss that drives the learning rate is
    then a true bound); the Jacobian is squared before it is averaged, as eq. 19 has
    it, and taken at the mean code; the variances are 1 until the first update, after
    `prior_update_every` epochs; the prior is brought up to date once more after
    training.

    Ours: beta from the noise. Where there are no more than 50 rows for each feature,
    and principal axes outside which the squared lengths of rows vary as those of normal
    noise, the networks see rows along these, and `score` takes the noise outside for
    what it is. They are trained from random weights, with the noise held up until the
    count is stable, and from probabilistic PCA; surplus axes go from both; the better
    one by evidence stays, or probabilistic PCA itself, fitted to all rows, unless the
    networks are better by three standard errors.
    ``history_["evidence"]`` and ``history_["beta"]`` show it. Codes are then stretched
    against the shrinkage of posterior means, as far as it lowers the error of training
    rows; `code_posterior` has the means as they are. These stages have a schedule of
    their own: `lr_patience`, `n_iter_no_change` and `tol` are for a fixed beta, and a
    warning says so if they are set. Also ours: the default network, learning rate and
    stopping rule (`benchmarks/first_answer.py`, `benchmarks/dimension_recovery.py`).

    References
    ----------
    Saha, Joshi, Whitaker: ARD-VAE, arXiv 2501.10901.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import ARDVAE
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 10))
    >>> X += 0.1 * rng.normal(size=X.shape)
    >>> vae = ARDVAE(n_components=8, random_state=0).fit(X)
    >>> vae.n_active_components_
    2
    >>> vae.transform(X).shape
    (100, 2)
    """

    _module_class = ARDVAEModule

    beta: Literal["auto"] | NonNegative = "auto"
    _: KW_ONLY
    architecture: Literal["auto"] | Architecture = "auto"
    count_by: Literal["auto", "evidence", "relevance"] = "auto"
    prior: Literal["gaussian", "student_t"] = "gaussian"
    prior_update_every: Count = 1
    prior_samples: Literal["auto", "all"] | Count | OpenShare = "auto"
    relevance_threshold: Share = 0.99
    relevance_samples: Count = 100
    validation_fraction: Literal["auto"] | ProperShare = "auto"

    @property
    def _finds_noise(self) -> bool:
        """Whether the noise variance, and with it beta, is estimated."""
        return self.beta == "auto" and self.likelihood == "gaussian"

    def _validation_share(self, n_rows: int) -> float:
        if self.validation_fraction != "auto":
            return self.validation_fraction
        return min(max(0.1 * n_rows, 40.0), 0.25 * n_rows, 2000.0) / n_rows

    def _architecture(self) -> str | tuple:
        if self.architecture != "auto":
            return self.architecture
        return "linear_mlp" if self._finds_noise else "mlp"

    def _find_signal(self, x: Tensor) -> Signal | None:
        is_for_networks = self._architecture() == "linear_mlp" and self._finds_noise
        # Rows of a later fit may lie in other directions.
        if not is_for_networks or self.warm_start or self.input_shape is not None:
            return None
        return Signal.of(x, self.n_components, self._seed)

    def _module_settings(self) -> dict[str, Any]:
        by_evidence = self.count_by == "evidence" or (
            self.count_by == "auto" and self.beta == "auto"
        )
        of_bernoulli = 1.0 if self.beta == "auto" else self.beta
        return super()._module_settings() | {
            "beta": None if self._finds_noise else of_bernoulli,
            "count_by": "evidence" if by_evidence else "relevance",
            "held_out": self._held_out(),
        }

    def _held_out(self) -> HeldOut:
        drawn = {"every": self.prior_update_every, "parameter": "prior_samples"}
        if self.prior_samples == "auto":
            return HeldOut(share=0.2, most=_PAPER_PRIOR_SAMPLES, **drawn)
        if self.prior_samples == "all":
            return HeldOut(withheld=False, **drawn)
        if isinstance(self.prior_samples, Integral):
            return HeldOut(most=self.prior_samples, **drawn)
        return HeldOut(share=self.prior_samples, **drawn)

    def _warn_of_parameters(self) -> None:
        idle = [name for name in _OF_A_FIXED_BETA if not self._is_default(name)]
        if self._finds_noise and idle:
            given = ", ".join(f"{name}={getattr(self, name)!r}" for name in idle)
            warn(
                f"{given} of {type(self).__name__} has no effect with beta='auto', "
                "whose stages have a schedule of their own. Leave it at its default, "
                "or set beta to a number.",
            )

    def _is_default(self, name: str) -> bool:
        return getattr(self, name) == signature(type(self)).parameters[name].default

    def _relevance_rule(self) -> tuple[float, int]:
        return self.relevance_threshold, self.relevance_samples

    @property
    def prior_variance_(self) -> NDArray[np.float32]:
        return self._module.prior_variance.cpu().numpy().copy()

    @property
    def beta_(self) -> float:
        if self._module.finds_noise:
            return 2.0 * self._module.noise_of_axes(self.noise_variance_)
        return float(self._module.beta)

    @property
    def prior_shape_(self) -> float:
        return self._module.prior_shape.item()

    def prior_variance_interval(self, confidence: float = 0.95) -> NDArray:
        r"""Return a central posterior interval of each axis' prior variance.

        The precision is :math:`\mathrm{Gamma}(a, b_l)` a posteriori (eqs. 8, 9), so
        that the variance lies between :math:`b_l / q_{(1+c)/2}` and
        :math:`b_l / q_{(1-c)/2}` with probability c, q the quantiles of Gamma(a, 1).

        Parameters
        ----------
        confidence : float, default=0.95
            Probability c in (0, 1).

        Returns
        -------
        ndarray of shape (n_components, 2)
            Lower and upper ends.
        """
        check_is_fitted(self)
        check_scalar(
            confidence,
            "confidence",
            Real,
            min_val=0.0,
            max_val=1.0,
            include_boundaries="neither",
        )
        tails = np.array([1.0 + confidence, 1.0 - confidence]) / 2.0
        quantiles = stats.gamma.ppf(tails, self.prior_shape_)
        rate = self.prior_shape_ * self.prior_variance_.astype(np.float64)
        return rate[:, np.newaxis] / quantiles
