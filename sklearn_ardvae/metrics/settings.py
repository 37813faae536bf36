"""All disentanglement scores at once, with the settings of one publication."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..randomness import draw_seed
from .disentanglement import beta_vae_score, factor_vae_score
from .information import mutual_info_gap
from .informativeness import dci_scores, modularity_explicitness
from .robustness import interventional_robustness
from .separability import sap_score

__all__ = ["disentanglement_scores", "metric_settings"]

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "factor_vae_score": factor_vae_score,
    "beta_vae_score": beta_vae_score,
    "mutual_info_gap": mutual_info_gap,
    "dci_scores": dci_scores,
    "sap_score": sap_score,
    "modularity_explicitness": modularity_explicitness,
    "interventional_robustness": interventional_robustness,
}


class _Score(NamedTuple):
    """Where a score comes from; functions without fields take ``per_factor``."""

    function: str
    field: str | None = None
    field_per_factor: str | None = None


_SCORES = {
    "factor_vae_score": _Score("factor_vae_score"),
    "beta_vae_score": _Score("beta_vae_score"),
    "mutual_info_gap": _Score("mutual_info_gap"),
    "dci_disentanglement": _Score("dci_scores", "disentanglement"),
    "dci_completeness": _Score("dci_scores", "completeness", "completeness_per_factor"),
    "dci_informativeness": _Score(
        "dci_scores", "informativeness", "informativeness_per_factor"
    ),
    "sap_score": _Score("sap_score"),
    "modularity": _Score("modularity_explicitness", "modularity"),
    "explicitness": _Score(
        "modularity_explicitness", "explicitness", "explicitness_per_factor"
    ),
    "interventional_robustness": _Score("interventional_robustness", "score"),
}

_ROWS = {"n_train": 10_000, "n_test": 5_000}
_FAST_ROWS = {"n_train": 1_000, "n_test": 500}
_LOCATELLO: dict[str, dict[str, Any]] = {
    "factor_vae_score": {
        **_ROWS,
        "batch_size": 64,
        "n_variance": 10_000,
        "prune": "absolute",
        "prune_threshold": 0.05,
    },
    "beta_vae_score": {**_ROWS, "batch_size": 64, "standardize": False},
    "mutual_info_gap": {"method": "binned", "n_bins": 20, "n_samples": 10_000},
    "dci_scores": {**_ROWS, "estimator": "gradient_boosting"},
    "sap_score": {**_ROWS, "continuous_factors": False, "standardize": False},
    "modularity_explicitness": {**_ROWS, "n_bins": 20},
    "interventional_robustness": {
        "quantile": 0.99,
        "n_bins": 20,
        "n_samples": 10_000,
    },
}
_SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "default": {name: {} for name in _FUNCTIONS},
    "fast": {
        "factor_vae_score": _FAST_ROWS,
        "beta_vae_score": _FAST_ROWS,
        "mutual_info_gap": {"n_samples": 2_000},
        "dci_scores": {**_FAST_ROWS, "estimator": "random_forest"},
        "sap_score": _FAST_ROWS,
        "modularity_explicitness": _FAST_ROWS,
        "interventional_robustness": {"n_samples": 2_000},
    },
    "disentanglement_lib": _LOCATELLO,
    "disent": {
        # It prunes no axis.
        "factor_vae_score": {**_LOCATELLO["factor_vae_score"], "prune_threshold": 0.0},
        **{n: _LOCATELLO[n] for n in ("mutual_info_gap", "dci_scores", "sap_score")},
    },
    "beta_tcvae": {
        "mutual_info_gap": {"method": "gaussian_mixture", "n_samples": 10_000}
    },
}


def metric_settings(name: str = "default") -> dict[str, dict[str, Any]]:
    """Return the settings that a publication has for its disentanglement scores.

    Parameters
    ----------
    name : {"default", "fast", "disentanglement_lib", "disent", "beta_tcvae"}, \
            default="default"
        ``"default"``: none, so that each function's own defaults hold. ``"fast"``:
        the fast ones of each docstring. ``"disentanglement_lib"``: those of the code
        and the studies of Locatello et al. ``"disent"``: the defaults of the package
        of Michlo, which has four of the scores. ``"beta_tcvae"``: those of Chen et
        al., for the mutual information gap only.

    Returns
    -------
    dict of {str: dict}
        Keyword arguments by the name of the function, to be passed to it or, changed
        as you like, to :func:`disentanglement_scores`. A function that is not in it
        has no setting there. What settings cannot say: these publications draw rows
        with replacement and count constant factors.

    References
    ----------
    Locatello et al.: Challenging common assumptions in the unsupervised learning of
    disentangled representations, ICML 2019, appendix C, and the configurations in
    google-research/disentanglement_lib. Michlo: disent, a modular disentangled
    representation learning framework, 2021. Chen et al.: Isolating sources of
    disentanglement in variational autoencoders, NeurIPS 2018.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import metric_settings, sap_score
    >>> published = metric_settings("disentanglement_lib")["sap_score"]
    >>> published["standardize"]
    False
    >>> factors = [[i, j] for i in range(2) for j in range(2)] * 50
    >>> score = sap_score(factors, factors, **published, random_state=0)
    """
    if not isinstance(name, str) or name not in _SETTINGS:
        raise ValueError(f"name must be one of {sorted(_SETTINGS)}; got {name!r}.")
    return copy.deepcopy(_SETTINGS[name])


@overload
def disentanglement_scores(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    scores: str | Sequence[str] | None = ...,
    settings: str | Mapping[str, Mapping[str, Any]] = ...,
    log_variance: ArrayLike | None = ...,
    per_factor: Literal[False] = ...,
    random_state: int | np.random.RandomState | None = ...,
) -> dict[str, float]: ...


@overload
def disentanglement_scores(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    scores: str | Sequence[str] | None = ...,
    settings: str | Mapping[str, Mapping[str, Any]] = ...,
    log_variance: ArrayLike | None = ...,
    per_factor: Literal[True],
    random_state: int | np.random.RandomState | None = ...,
) -> dict[str, NDArray[np.float64]]: ...


def disentanglement_scores(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    scores: str | Sequence[str] | None = None,
    settings: str | Mapping[str, Mapping[str, Any]] = "default",
    log_variance: ArrayLike | None = None,
    per_factor: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> dict[str, float] | dict[str, NDArray[np.float64]]:
    """Score a representation by all disentanglement metrics, or by some.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_codes)
        Codes, finite. A table is the only form here; `factor_vae_score` and
        `beta_vae_score` by themselves also take a function.
    factors : array-like of shape (n_samples, n_factors)
        Discrete factors; constant ones are left out, with a warning.
    scores : str or sequence of str, default=None
        ``"factor_vae_score"``, ``"beta_vae_score"``, ``"mutual_info_gap"``,
        ``"dci_disentanglement"``, ``"dci_completeness"``, ``"dci_informativeness"``,
        ``"sap_score"``, ``"modularity"``, ``"explicitness"``,
        ``"interventional_robustness"``; None takes all for which there are settings.
        Functions that several scores come from are called once.
    settings : str or dict of {str: dict}, default="default"
        See :func:`metric_settings`: a name, or keyword arguments by function.
    log_variance : array-like of shape (n_samples, n_codes), default=None
        Logarithms of the posterior variances, for settings with
        ``method="gaussian_mixture"`` only.
    per_factor : bool, default=False
        Whether to return one number for each column of `factors`, NaN for constant
        ones. Scores of axes ("dci_disentanglement", "modularity",
        "interventional_robustness") have none; if `scores` is None they are left out.
    random_state : int, RandomState instance or None, default=None
        Seeds each function, so that its scores do not depend on the others.

    Returns
    -------
    dict of {str: float} or of {str: ndarray of shape (n_factors,)}
        By the name of the score.

    Examples
    --------
    >>> from sklearn_ardvae.metrics import disentanglement_scores
    >>> factors = [[i, j] for i in range(2) for j in range(2)] * 50
    >>> disentanglement_scores(
    ...     factors, factors, scores=("mutual_info_gap", "factor_vae_score"),
    ...     settings="fast", random_state=0)
    {'mutual_info_gap': 1.0, 'factor_vae_score': 1.0}
    """
    if not isinstance(settings, Mapping):
        settings = metric_settings(settings)
    names = _chosen(scores, settings, per_factor)
    if log_variance is not None and "mutual_info_gap" not in names:
        raise ValueError(
            "log_variance is for the score 'mutual_info_gap'; leave it out."
        )
    # A number goes to each function as it is, so that each gives what it gives alone.
    seed = (
        random_state if isinstance(random_state, Integral) else draw_seed(random_state)
    )
    results: dict[str, Any] = {}
    found = {}
    for name in names:
        function, field, field_per_factor = _SCORES[name]
        if function not in results:
            options = dict(settings[function])
            if field is None:
                options["per_factor"] = per_factor
            if function == "mutual_info_gap":
                options["log_variance"] = log_variance
            call = _FUNCTIONS[function]
            results[function] = call(codes, factors, **options, random_state=seed)
        wanted = field_per_factor if per_factor else field
        result = results[function]
        found[name] = result if wanted is None else getattr(result, wanted)
    return found


def _chosen(
    scores: str | Sequence[str] | None,
    settings: Mapping[str, Mapping[str, Any]],
    per_factor: bool,
) -> list[str]:
    """Return names of scores; raise if one is unknown or cannot be had."""
    unknown = sorted(set(settings) - set(_FUNCTIONS))
    if unknown:
        raise ValueError(
            f"settings has {unknown}; its keys must be among {sorted(_FUNCTIONS)}."
        )
    of_axes = {n for n, s in _SCORES.items() if s.field and not s.field_per_factor}
    if scores is None:
        without = of_axes if per_factor else set()
        return [
            n for n, s in _SCORES.items() if s.function in settings and n not in without
        ]
    names = [scores] if isinstance(scores, str) else list(scores)
    for name in names:
        if name not in _SCORES:
            raise ValueError(f"scores must be among {list(_SCORES)}; got {name!r}.")
        if _SCORES[name].function not in settings:
            raise ValueError(
                f"settings say nothing of {_SCORES[name].function!r}, where the score "
                f"{name!r} comes from; they have {sorted(settings)}."
            )
        if per_factor and name in of_axes:
            raise ValueError(
                f"scores={name!r} is a mean over axes, not over factors; leave it out "
                "or set per_factor=False."
            )
    return names
