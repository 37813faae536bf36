"""How many latent dimensions do handwritten digits need?

    python examples/quickstart.py

The 1797 digits of 8 x 8 pixels that come with scikit-learn. ARD-VAE starts with 32
latent axes and says how many it needs; then it takes the place of PCA in a pipeline,
and a grid search chooses beta and the initial number of axes by evidence.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import numpy as np
from reporting import draw_report, print_report
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_ardvae import ARDVAE

OUTPUT = Path(__file__).parent / "output"
N_COMPONENTS, BETA = 32, 0.05


def find_dimensions(train: np.ndarray, test: np.ndarray) -> ARDVAE:
    print(f"ARDVAE(n_components={N_COMPONENTS}, beta={BETA}) on {train.shape} ...")
    start = time.perf_counter()
    model = ARDVAE(N_COMPONENTS, BETA, random_state=0).fit(train)
    print_report(model, test, time.perf_counter() - start)
    return model


def classify(train: np.ndarray, test: np.ndarray, y, y_test, width: int) -> None:
    print(f"As features of a classifier, {width} columns each:")
    for name, reducer in {
        "ARDVAE": ARDVAE(N_COMPONENTS, BETA, random_state=0),
        "PCA": PCA(width),
    }.items():
        model = make_pipeline(reducer, LogisticRegression(max_iter=1000))
        print(f"  {name:7s} accuracy {model.fit(train, y).score(test, y_test):.3f}")


def search(train: np.ndarray, test: np.ndarray) -> None:
    grid = {"beta": [0.005, 0.02, 0.08], "n_components": [16, 32]}
    print("\nGridSearchCV by evidence, two folds, at most 60 epochs a fit:")
    model = ARDVAE(max_iter=60, random_state=0)
    with warnings.catch_warnings():
        # 60 epochs rank the candidates; they are too few to count axes with.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = GridSearchCV(model, grid, cv=2, refit=False, verbose=2).fit(train)
    best = ARDVAE(**found.best_params_, random_state=0).fit(train)
    scores = found.cv_results_["mean_test_score"]
    for params, score in zip(found.cv_results_["params"], scores, strict=True):
        mark = "  <- best" if params == found.best_params_ else ""
        print(
            f"  beta {params['beta']:<5} n_components {params['n_components']}  "
            f"evidence {score:6.1f}{mark}"
        )
    print(
        f"Trained to the end, the best has {best.n_active_components_} active axes and "
        f"an evidence of {best.score(test):.1f} nats on images not seen."
    )


def main() -> None:
    X, y = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    model = find_dimensions(train, test)
    classify(train, test, y_train, y_test, model.n_active_components_)
    search(train, test)
    path = draw_report(model, test, (8, 8), OUTPUT / "quickstart.png")
    print(f"\nRelevance, reconstructions, samples and traversals: {path}")


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"{time.perf_counter() - start:.0f} seconds in all")
