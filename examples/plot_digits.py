"""
How many latent dimensions do handwritten digits need?
======================================================

1797 images of 8 x 8 pixels: one fit with nothing set, and what can be seen of it. The
picture below is that of the README::

    python examples/plot_digits.py docs/digits.png
"""

# sphinx_gallery_thumbnail_path = "digits.png"

import sys

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

# %%
# One noise variance serves all features, so that the pixels at the margin, which hardly
# vary, are left out. Pictures are drawn of the whole pipeline, and have them again.

X, y = load_digits(return_X_y=True)
X = X / 16
pipeline = make_pipeline(VarianceThreshold(0.01), ARDVAE(random_state=0)).fit(X)
print(pipeline[-1].summary())

# %%
# The bars are what each axis adds to the reconstruction; grey ones do not count. The
# colours of the codes are the digits, of which the model has not been told. Each row of
# the third picture moves one image along one axis.

figure, axes = plt.subplots(
    2, 2, figsize=(12, 9.5), layout="constrained", height_ratios=[1, 1.15]
)
(relevance, codes), (traversals, rebuilt) = axes
RelevanceDisplay.from_estimator(pipeline, ax=relevance)
LatentSpaceDisplay.from_estimator(pipeline, X, y, ax=codes, max_ellipses=0)
codes.set_title("Codes on the two most relevant axes")
of_images = {"image_shape": (8, 8), "cmap": "gray_r"}
LatentTraversalDisplay.from_estimator(
    pipeline, X, n_axes=6, around=3, **of_images, ax=traversals
)
traversals.set_title("What the axes do to one image")
ReconstructionDisplay.from_estimator(
    pipeline, X[:24], n_columns=8, **of_images, ax=rebuilt
)
rebuilt.set_title("Images and their reconstructions")
if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=90)
