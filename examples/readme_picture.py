"""The picture of the README: digits, their axes, and what the axes do.

    python examples/readme_picture.py

One fit with nothing set to the 1797 digits of 8 x 8 pixels that come with scikit-learn,
and four displays of it.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.feature_selection import VarianceThreshold
from sklearn.pipeline import make_pipeline

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.inspection import (
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    ReconstructionDisplay,
    RelevanceDisplay,
)

PICTURE = Path(__file__).parent.parent / "docs" / "digits.png"
SHAPE = (8, 8)


def main() -> None:
    X, y = load_digits(return_X_y=True)
    X = X / 16
    # Without the pixels at the margin that hardly vary.
    pipeline = make_pipeline(VarianceThreshold(0.01), ARDVAE(random_state=0)).fit(X)
    print(pipeline[-1].summary())

    figure, axes = plt.subplots(
        2, 2, figsize=(12, 9.5), layout="constrained", height_ratios=[1, 1.15]
    )
    (relevance, codes), (traversals, rebuilt) = axes
    RelevanceDisplay.from_estimator(pipeline).plot(ax=relevance)
    LatentSpaceDisplay.from_estimator(pipeline, X, y).plot(ax=codes, max_ellipses=0)
    codes.set_title("Codes on the two most relevant axes")
    LatentTraversalDisplay.from_estimator(
        pipeline, X, image_shape=SHAPE, around=3
    ).plot(ax=traversals, cmap="gray_r")
    traversals.set_title("What the axes do to one image")
    ReconstructionDisplay.from_estimator(pipeline, X[:24], image_shape=SHAPE).plot(
        ax=rebuilt, n_columns=8, cmap="gray_r"
    )
    rebuilt.set_title("Images and their reconstructions")
    figure.savefig(PICTURE, dpi=90)
    print(f"\n{PICTURE}")


if __name__ == "__main__":
    main()
