"""Choosing beta by cross-validated evidence, as `LassoCV` chooses its penalty.

The counts along the path say, too, at which scales of the noise they stay the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import KW_ONLY, field
from itertools import chain
from numbers import Integral
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import KFold, check_cv
from sklearn.utils.parallel import Parallel, delayed
from torch import Tensor

from .._sklearn_compat import Interval, with_callbacks
from .._warnings import warn
from ..estimator.checkpoints import CheckpointFolder, identity_of
from ..estimator.validation import ValidRows, validate_rows
from ..methods.ard_vae import ARDVAE
from ..randomness import draw_seed
from ..training.log import PathLog
from ..training.team import LAUNCHED
from .candidates import FoldResult, Search, _Candidate, fit_and_score, folder_inside
from .ensemble import fits_together
from .path import (
    Floats,
    Plateau,
    best_candidate,
    checked_betas,
    checked_sizes,
    noise_grid,
    simplest_within_one_error,
    widest_plateau,
)

__all__ = ["ARDVAECV"]

# A grid for binary data, where beta = 1 is the bound itself.
_AROUND_ONE = (10.0, 0.1)
_FOLDS = 5

Sizes = Annotated[
    int | ArrayLike, "array-like", Interval(Integral, 1, None, closed="left")
]
GridOfBetas = Annotated[
    int | ArrayLike, "array-like", Interval(Integral, 2, None, closed="left")
]
Model = TypeVar("Model", bound="ARDVAECV")


class ARDVAECV(ARDVAE):
    r"""`ARDVAE` at the beta, and the latent size, of the best cross-validated evidence.

    For each beta of a grid, and each fold, ``ARDVAE(beta=beta)`` is fitted to the other
    folds, and what it says of the fold is kept: `evidence_path_`, and
    `n_active_path_`, the number of active components. The model is then ``ARDVAE(
    beta=beta_)`` of all rows, with the same random state. `LassoCV` is to `Lasso` what
    this is to `ARDVAE` with a beta of your own. ``ARDVAE()``, which estimates beta with
    the rest, takes a small part of the time: docs/ardvae.md says when that will do.

    .. math::
        \text{evidence}(\beta) = \frac1n \sum_{i=1}^n \left[ -\tfrac D2 \log 2\pi
        s_\beta^2 - \frac{\mathrm E_q\|x_i - \hat x_i\|^2}{2 s_\beta^2} - \mathrm{KL}_i
        \right]

    over the rows of a fold that the fit has not seen: a lower bound on their mean log
    density in nats, as `score` has it. The noise variance :math:`s_\beta^2` is what the
    fit's own validation rows show, its `noise_variance_`, and not :math:`\beta / 2`: so
    betas are compared as densities of the same rows.

    Good for: the curve of counts over the level of noise (`n_active_path_`,
    `plateau_`), and the paper's model where no beta is known.

    Known to fail: on tables, where PCA explains rows better than a network of any fixed
    beta; only ``ARDVAE()`` falls back on it.

    Parameters
    ----------
    n_components : int or array-like of int, default=128
        The initial latent size L, >= 1, as for `ARDVAE`; of several, each is tried
        with each beta.
    betas : int or array-like of float, default=10
        Candidates for beta, > 0. A number >= 2 is how many: a geometric sequence down
        from twice the mean variance of a feature, which is the noise that PCA without
        any component leaves, to a tenth of twice the least variance along any principal
        axis, since noise is in all directions; but to no less than a thousandth of the
        first. X times c has these times c ** 2. With the Bernoulli likelihood it goes
        from 10 to 0.1.
    cv : int, cross-validation generator or iterable, default=5
        How rows are split, see :term:`cv`. A number of folds, and None, which is 5,
        shuffle the rows by `random_state`.
    rule : {"best", "one_standard_error"}, default="best"
        The candidate of the highest mean evidence, or a parsimonious one: of those
        whose mean evidence is below the highest by no more than one standard error of
        it over the folds, the one of the fewest active components (mean over the
        folds), and among equals that of the highest evidence. The rule needs two folds.
    n_jobs : int or None, default=None
        Processes at the same time, see :term:`n_jobs`. Each takes up to ten fits of
        small networks together, as `fit_together` does, unless there is a `checkpoint`.
        Results depend on it by rounding alone.
    architecture : "auto", str or pair, default="auto"
        The networks. ``"auto"`` is ``"mlp"``. With ``"linear_mlp"`` rows are
        standardised inside, so that the scale of X matters to nothing but the units of
        beta.
    count_by : {"auto", "evidence", "relevance"}, default="auto"
        What decides how many components are active, as for `ARDVAE` at a fixed beta.
        ``"auto"`` is ``"relevance"``; with ``"evidence"`` there are also the attributes
        `axis_evidence_` and `axis_evidence_std_`.
    %(ard_prior)s
    %(shared_parameters)s

    Attributes
    ----------
    beta_ : float
        The beta that was chosen.
    n_components_ : int
        The latent size that was chosen.
    betas_ : ndarray of shape (n_betas,)
        The candidates, in descending order.
    evidence_path_ : ndarray of shape (n_betas, n_folds) or (n_betas, n_sizes, n_folds)
        Mean evidence of the rows of each fold, in nats a row; nan where a fit has
        diverged. The axis of sizes is there if `n_components` is an array.
    n_active_path_ : ndarray of the same shape
        Number of active components of each fit; nan where it has diverged.
    plateau_ : Plateau
        The widest range of betas, by the logarithm, over which the count does not
        change: the median over folds (of two in the middle, the smaller), at the latent
        size that was chosen. Ranges without any active component count only if there
        are no others: there is no end to betas that are too large.
    prior_variance_ : ndarray of shape (`n_components_`,)
        Variance b/a of the learned prior of each axis. It is arbitrary for inactive
        axes: do not threshold it, look at `relevance_`.
    prior_shape_ : float
        Shape a of the Gamma posterior of the axes' precisions, as `ARDVAE` has it.
    %(shared_attributes)s

    Warns
    -----
    FitFailedWarning
        If fits of the path have diverged. Their betas are not chosen.
    ConvergenceWarning
        If fits of the path have used up `max_iter`, and for the reasons that `ARDVAE`
        has.

    See Also
    --------
    ARDVAE : A beta of your own, or one that is estimated with the rest.
    sklearn.linear_model.LassoCV : The same for a linear model's penalty.

    Notes
    -----
    `partial_fit` chooses beta by the first piece of a stream, and goes on with it; so
    does `fit` with ``warm_start=True``, by the first call. Ctrl-C ends a search
    with KeyboardInterrupt; while the chosen model is trained it does what
    `on_interrupt` says. `callbacks` are copied for each fit of the path. Each fit
    starts anew: see docs/decisions.md on warm starts along the path. With `verbose` a
    line is printed for each candidate, and the chosen model prints as others do;
    callbacks of scikit-learn, such as ``ProgressBar``, see the fits of the path as
    tasks ``"candidate-fold"``.

    References
    ----------
    Saha, Joshi, Whitaker: ARD-VAE, arXiv 2501.10901. The rule of one standard error:
    Breiman, Friedman, Olshen, Stone: Classification and Regression Trees, 1984.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ardvae import ARDVAECV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 6))
    >>> X += 0.1 * rng.normal(size=X.shape)
    >>> search = ARDVAECV(4, betas=[5.0, 0.05], cv=2, max_iter=30, random_state=0)
    >>> search.fit(X).beta_
    0.05
    >>> search.evidence_path_.shape
    (2, 2)
    """

    _built_by: ClassVar[type[Any] | None] = ARDVAE

    n_components: Sizes = 128  # type: ignore[assignment]
    beta: Any = field(init=False, default=None)
    betas: GridOfBetas = 10
    _: KW_ONLY
    cv: Annotated[Any, "cv_object"] = _FOLDS
    rule: Literal["best", "one_standard_error"] = "best"
    n_jobs: Annotated[int | None, Integral, None] = None

    betas_: Floats = field(init=False)
    evidence_path_: Floats = field(init=False)
    n_active_path_: Floats = field(init=False)

    @property
    def n_components_(self) -> int:
        return len(self.relevance_)

    @property
    def plateau_(self) -> Plateau:
        return widest_plateau(self.betas_, self._counts)

    # --- fitting ----------------------------------------------------------------

    @with_callbacks
    def fit(self: Model, X: ArrayLike, y: Any = None) -> Model:
        """Choose beta by the evidence of rows left out, and train with all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data; also (n_samples, ``*input_shape``), also a tensor.
        y : array-like of shape (n_samples,), default=None
            Only for a `cv` that needs it.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or X is unusable, if no candidate could be trained in every
            fold, or the chosen model diverges.
        """
        self._validate_params()
        resume = self.warm_start and self.__sklearn_is_fitted__()
        rows = self._checked(X, resume)
        search = None if resume else self._planned(rows, y)
        hook_arguments = {"estimator": self, "X": X, "y": X if y is None else y}
        context = self._init_callback_context(
            max_subtasks=1 if search is None else len(search.tasks) + 1
        )
        context.call_on_fit_task_begin(**hook_arguments)
        if search is not None:
            self._choose(search, context)
        model = self._chosen_model(resume)
        refit = context.subcontext(task_name="refit")
        with refit.propagate_callback_context(model):
            refit.call_on_fit_task_begin(**hook_arguments)
            try:
                model.fit(X, y)
            finally:
                self._adopt_fit(model)
        refit.call_on_fit_task_end(**hook_arguments)
        context.call_on_fit_task_end(
            **hook_arguments, reconstruction_attributes=lambda: vars(self).copy()
        )
        return self

    def partial_fit(self: Model, X: ArrayLike, y: Any = None) -> Model:
        """Make one pass over X; of the first piece, choose beta by it before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A piece of the training data.
        y : array-like of shape (n_samples,), default=None
            Only for a `cv` that needs it.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._validate_params()
        resume = self.__sklearn_is_fitted__()
        rows = self._checked(X, resume)
        if not resume:
            search = self._planned(rows, y, streaming=True)
            self._choose(search, None)
        model = self._chosen_model(resume)
        try:
            model.partial_fit(X)
        finally:
            self._adopt_fit(model)
        return self

    def _checked(self, X: Any, resume: bool) -> ValidRows:
        precision = self._model(beta=1.0)._precision_of_fit(X)
        rows = validate_rows(self, X, reset=not resume, dtype=precision)
        if isinstance(rows, Tensor) and rows.device.type == "cpu":
            return rows.numpy()  # which workers share
        return rows

    def _model(self, cls: type[ARDVAE] = ARDVAE, **changes: Any) -> ARDVAE:
        """Return an estimator with the parameters of this one, but for `changes`."""
        params = self.get_params(deep=False)
        shared = {
            name: params[name] for name in cls._get_param_names() if name in params
        }
        return cls(**{**shared, **changes})

    def _planned(self, rows: ValidRows, y: Any, *, streaming: bool = False) -> Search:
        """Return the fits that are to be made."""
        self.__dict__.pop("_module", None)  # of an earlier fit
        # One seed for all fits: candidates do not differ by their draws.
        state = self.random_state
        seed = int(state) if isinstance(state, int | np.integer) else draw_seed(state)
        if self.checkpoint is not None and not streaming:
            params = self.get_params(deep=False)
            identity = identity_of(type(self).__name__, params, rows)
            seed = CheckpointFolder(self.checkpoint, identity).seed_or(seed)
        if self.cv is None or isinstance(self.cv, Integral):
            cv = KFold(self.cv or _FOLDS, shuffle=True, random_state=seed)
        else:
            cv = check_cv(self.cv, y)
        folds = list(cv.split(rows, y))
        try:
            sizes = [(len(rows[train]), len(rows[test])) for train, test in folds]
        except IndexError as error:
            raise ValueError(
                f"cv={self.cv!r} names rows that X, of {len(rows)}, has not: {error}."
            ) from error
        trained, judged = map(min, zip(*sizes or [(0, 0)], strict=True))
        if trained < 2 or judged < 1:
            raise ValueError(
                f"cv={self.cv!r} leaves {trained} rows of {len(rows)} to train on and "
                f"{judged} to judge by, but 2 and 1 are the least: give more rows, or "
                "other folds."
            )
        if self.rule == "one_standard_error" and len(folds) < 2:
            raise ValueError(
                f"rule='one_standard_error' needs two folds, but cv={self.cv!r} makes "
                f"{len(folds)}: set cv to 2 or more, or rule='best'."
            )
        if isinstance(self.betas, Integral):
            betas = self._grid(rows, int(self.betas))
        else:
            betas = checked_betas(self.betas)
        sizes = checked_sizes(self.n_components)
        folder = None if streaming else self.checkpoint
        # A fit that is taken up again must find the company that it had, and processes
        # that share a fit must make all of them in one order.
        is_alone = folder is not None or self.device == LAUNCHED
        n_together = 1 if is_alone else fits_together(rows)
        return Search(rows, betas, sizes, folds, seed, folder, n_together)

    def _grid(self, rows: ValidRows, n_betas: int) -> Floats:
        if self.likelihood == "bernoulli":
            return np.geomspace(*_AROUND_ONE, n_betas)
        return noise_grid(rows, n_betas)

    def _choose(self, search: Search, context: Any) -> None:
        """Fit all candidates, and note the path and what is chosen of it."""
        evidence = np.full(search.shape, np.nan)
        counts = evidence.copy()
        reasons, n_unfinished = [], 0
        log = PathLog() if self.verbose else None
        results = self._path(search, context)
        for index, found in zip(search.tasks, results, strict=True):
            evidence[index], counts[index] = found.evidence, found.n_active
            n_unfinished += found.is_unfinished
            if np.isnan(found.evidence):
                reasons.append(f"beta={search.betas[index[0]]:.4g}: {found.reason}")
            *place, fold = index
            if log is not None and fold == len(search.folds) - 1:
                beta, size = float(search.betas[place[0]]), search.sizes[place[1]]
                log.add(beta, size, evidence[*place], counts[*place])
        self._warn_of_path(reasons, n_unfinished, evidence)
        if self.rule == "best":
            chosen = best_candidate(evidence)
        else:
            chosen = simplest_within_one_error(evidence, counts)
        self._chosen: dict[str, Any] = {
            "beta": float(search.betas[chosen[0]]),
            "n_components": search.sizes[chosen[1]],
            "random_state": search.seed,
        }
        self._counts = np.quantile(counts[:, chosen[1]], 0.5, axis=1, method="lower")
        several = np.ndim(self.n_components) > 0
        self.betas_ = search.betas
        self.evidence_path_ = evidence if several else evidence[:, 0]
        self.n_active_path_ = counts if several else counts[:, 0]

    def _path(self, search: Search, context: Any) -> Iterator[FoldResult]:
        """Yield what comes of each fit, in order."""
        together = Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(fit_and_score)(
                [self._candidate(search, *task) for task in tasks],
                search.rows,
                [search.folds[fold] for *_, fold in tasks],
            )
            for tasks in search.shared_out(effective_n_jobs(self.n_jobs))
        )
        results = chain.from_iterable(together)
        for _ in search.tasks:
            if context is None:
                yield next(results)
                continue
            task = context.subcontext(task_name="candidate-fold")
            task.call_on_fit_task_begin(estimator=self)
            yield next(results)
            task.call_on_fit_task_end(estimator=self)

    def _candidate(self, search: Search, beta: int, size: int, fold: int) -> ARDVAE:
        return self._model(
            _Candidate,
            beta=float(search.betas[beta]),
            n_components=search.sizes[size],
            random_state=search.seed,
            checkpoint=search.folder_of(beta, size, fold),
            callbacks=deepcopy(self.callbacks),
            warm_start=False,
            on_interrupt="raise",
            verbose=0,
        )

    def _warn_of_path(
        self, reasons: list[str], n_unfinished: int, evidence: Floats
    ) -> None:
        if np.isnan(evidence).any(axis=-1).all():
            raise ValueError(
                f"No candidate of {type(self).__name__} could be trained in every "
                f"fold. The first that failed, {reasons[0]}"
            )
        if reasons:
            warn(
                f"{len(reasons)} of {evidence.size} fits of the path have failed; "
                "their evidence is nan, and their betas are not chosen. The first, "
                f"{reasons[0]}",
                FitFailedWarning,
            )
        if n_unfinished:
            warn(
                f"{n_unfinished} of {evidence.size} fits of the path have used up "
                f"max_iter={self.max_iter} epochs: their evidence may be too low, and "
                "their counts too high. Increase max_iter.",
                ConvergenceWarning,
            )

    def _chosen_model(self, resume: bool) -> ARDVAE:
        """Return the model that was chosen: as it is now, or not fitted."""
        folder = folder_inside(self.checkpoint, "model")
        if not resume:
            return self._model(**self._chosen, checkpoint=folder)
        # Another latent size, set since, is an error that the fit explains.
        now = {} if np.ndim(self.n_components) else {"n_components": self.n_components}
        model = self._model(**{**self._chosen, **now}, checkpoint=folder)
        model.__dict__.update(_fitted_state(self))
        return model

    def _adopt_fit(self, model: ARDVAE) -> None:
        self.__dict__.update(_fitted_state(model))


def _fitted_state(model: ARDVAE) -> dict[str, Any]:
    """Return the attributes of `model` that are no parameters, nor callbacks."""
    params = model.get_params(deep=False)
    return {
        name: value
        for name, value in vars(model).items()
        if name not in params and "callback" not in name
    }
