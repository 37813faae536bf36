"""How many latent dimensions do handwritten digits need?

    python examples/quickstart.py
    python examples/quickstart.py --search    # as well, by fits at a given beta

The 1797 digits of 8 x 8 pixels that come with scikit-learn, without the pixels at the
margin that hardly vary (one noise variance serves all features): one fit with nothing
set, what it says of itself, and PCA beside it.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import numpy as np
from reporting import draw_report
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE

OUTPUT = Path(__file__).parent / "output"


def compare(model: ARDVAE, train, test, y_train, y_test) -> None:
    """Print what codes of `model` and of PCA are good for, by images not seen."""
    width = model.n_active_components_
    print("On images not seen    columns     error  accuracy of a linear classifier")
    for name, coder in {
        "ARDVAE()": model,
        f"PCA({width})": PCA(width).fit(train),
        "PCA(0.99)": PCA(0.99).fit(train),
    }.items():
        codes, codes_test = coder.transform(train), coder.transform(test)
        error = np.square(coder.inverse_transform(codes_test) - test).mean()
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        accuracy = classifier.fit(codes, y_train).score(codes_test, y_test)
        print(f"  {name:18s}  {codes.shape[1]:7d}  {error:8.5f}  {accuracy:8.3f}")


def search(train: np.ndarray, test: np.ndarray) -> None:
    """Choose a beta, and the number of axes to start from, as any parameter."""
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--search", action="store_true", help="also search for a beta")
    args = parser.parse_args()
    start = time.perf_counter()
    X, y = load_digits(return_X_y=True)
    train, images, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    inked = VarianceThreshold(0.01).fit(train)
    train, test = inked.transform(train), inked.transform(images)

    model = ARDVAE(random_state=0).fit(train)
    print(model.summary())
    print(f"{time.perf_counter() - start:.0f} seconds, {model.n_iter_} epochs\n")
    compare(model, train, test, y_train, y_test)
    if args.search:
        search(train, test)
    pipeline = make_pipeline(inked, model)
    path = draw_report(pipeline, images, (8, 8), OUTPUT / "quickstart.png")
    print(f"\nRelevance, reconstructions, samples and traversals: {path}")
    print(f"{time.perf_counter() - start:.0f} seconds in all")


if __name__ == "__main__":
    main()
