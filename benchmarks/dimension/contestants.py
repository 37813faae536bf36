"""Who estimates dimensions: each a function of rows, with all that is set in it.

All are given the rows as they are. A scale for each feature would bend a sphere into an
ellipsoid and turn noise that is equal in all directions into noise that is not; ARDVAE
and PCA need none, neighbours neither. The other methods of this package suppose data of
unit variance, so their rows are divided by one number.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from problems import Drawn, skdim
from sklearn.decomposition import PCA

sys.path.append(str(Path(__file__).parents[1]))
import rivals


class Answer(NamedTuple):
    """The intrinsic dimension and the axes of a global chart, or one of them."""

    dimension: float | None = None
    flat_dimension: int | None = None


class Contestant(NamedTuple):
    """How an answer is found, who is run together, and what is set."""

    answer: Callable[[Drawn], Answer]
    group: str
    setting: str


# --- controls -------------------------------------------------------------------------


def oracle(drawn: Drawn) -> Answer:
    return Answer(drawn.dimension, drawn.flat_dimension)


def at_random(drawn: Drawn) -> Answer:
    n_features = drawn.x.shape[1]
    # Of one seed alone it would be the same share of the features in every set.
    rng = np.random.default_rng([drawn.seed, zlib.crc32(drawn.x.tobytes())])
    guess = int(rng.integers(1, n_features + 1))
    return Answer(guess, guess)


# --- classical ------------------------------------------------------------------------


def pca(drawn: Drawn) -> Answer:
    return Answer(flat_dimension=int(PCA(0.99).fit(drawn.x).n_components_))


def parallel_analysis(drawn: Drawn) -> Answer:
    found = skdim().id.lPCA(ver="parallel", random_state=drawn.seed).fit(drawn.x)
    return Answer(flat_dimension=int(found.dimension_))


def estimator(
    name: str, *, seeded: bool = False, most_rows: int | None = None, **settings: Any
) -> Callable[[Drawn], Answer]:
    """Return an estimator of scikit-dimension."""

    def answer(drawn: Drawn) -> Answer:
        seed = {"random_state": drawn.seed} if seeded else {}
        model = getattr(skdim().id, name)(**settings, **seed)
        return Answer(float(model.fit(drawn.x[:most_rows]).dimension_))

    return answer


def local_pca(drawn: Drawn) -> Answer:
    found = skdim().id.lPCA().fit_pw(drawn.x, n_neighbors=100)
    return Answer(float(np.median(found.dimension_pw_)))


def levina_bickel(drawn: Drawn) -> Answer:
    mle = skdim().id.MLE()
    found = [
        mle.fit(drawn.x, n_neighbors=k, comb="mean").dimension_ for k in range(10, 21)
    ]
    return Answer(float(np.mean(found)))


# --- this package ---------------------------------------------------------------------


def ardvae(drawn: Drawn) -> Answer:
    from sklearn_ardvae import ARDVAE

    model = ARDVAE(random_state=drawn.seed).fit(drawn.x)
    return Answer(
        float(model.intrinsic_dimension_), flat_dimension=model.n_active_components_
    )


def rival(name: str) -> Callable[[Drawn], Answer]:
    """Return a method with the settings of benchmarks/rivals.py."""

    def answer(drawn: Drawn) -> Answer:
        import sklearn_ardvae

        x = drawn.x - drawn.x.mean(axis=0)
        model = getattr(sklearn_ardvae, name)(
            min(128, x.shape[1]),
            hidden_layer_sizes=(128, 128),
            max_iter=200,
            random_state=drawn.seed,
            **rivals.METHODS[name],
        ).fit((x / x.std()).astype(np.float32))
        return Answer(flat_dimension=model.n_active_components_)

    return answer


# --- all of them ----------------------------------------------------------------------

DEFAULT = "scikit-dimension's defaults"

CONTESTANTS = {
    "oracle": Contestant(oracle, "controls", "knows the truth"),
    "random": Contestant(at_random, "controls", "uniform from 1 to the features"),
    "PCA-99": Contestant(pca, "classical", "components of 99 % of the variance"),
    "parallel": Contestant(
        parallel_analysis,
        "classical",
        "Horn's parallel analysis: eigenvalues above the 95 % quantile of those of "
        "100 permutations of the columns",
    ),
    **{
        name: Contestant(estimator(name), "classical", DEFAULT)
        for name in (
            "CorrInt",
            "FisherS",
            "GRIDE",
            "MADA",
            "MLE",
            "MOM",
            "MiND_ML",
            "TLE",
            "TwoNN",
            "lPCA",
        )
    },
    "KNN": Contestant(estimator("KNN", seeded=True), "classical", DEFAULT),
    "DANCoFit": Contestant(
        # Its table ends at 5000 rows.
        estimator("DANCo", seeded=True, most_rows=5000, ver="DANCoFit", k=10, D=100),
        "classical",
        "k = 10, D = 100 (Ceruti et al. 2014), calibrated by the table; the first 5000 "
        "rows",
    ),
    "MiND_ML-100": Contestant(
        estimator("MiND_ML", k=10, D=100),
        "classical",
        "k = 10, D = 100 (Rozza et al. 2012)",
    ),
    "MLE-10-20": Contestant(
        levina_bickel,
        "classical",
        "means over all rows and over k = 10 to 20 (Levina and Bickel 2004)",
    ),
    "TwoNN-mle": Contestant(
        estimator("TwoNN", method="mle"),
        "classical",
        "maximum likelihood (Denti et al. 2022)",
    ),
    "lPCA-local": Contestant(
        local_pca,
        "classical",
        "median over rows of the eigenvalues above 5 % of the largest, of 100 "
        "neighbours (Fukunaga and Olsen 1971)",
    ),
    "DANCo": Contestant(
        estimator("DANCo", seeded=True), "slow", f"{DEFAULT}: calibrated by simulation"
    ),
    "ESS": Contestant(estimator("ESS", seeded=True), "slow", DEFAULT),
    "PH": Contestant(estimator("PH", seeded=True), "slow", DEFAULT),
    "ARDVAE": Contestant(
        ardvae, "ardvae", "`ARDVAE(random_state=seed).fit(X)`, nothing else set"
    ),
    **{
        name: Contestant(
            rival(name), "rivals", "as in benchmarks/rivals.py; at most 128 axes"
        )
        for name in rivals.METHODS
        if name != "ARDVAE"
    },
}
