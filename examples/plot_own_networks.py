"""
Networks of your own
====================

Any pair of torch modules can take the place of the perceptrons: here small convolutions
on digits of 8 x 8 pixels. Noise, prior, counts and pictures stay the method's.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from torch import nn

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.inspection import LatentTraversalDisplay, TrainingDisplay

# %%
# Functions or classes that make them: the encoder puts out means and log variances.


def make_encoder(input_shape, n_outputs):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 16, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(32 * 2 * 2, n_outputs),
    )


def make_decoder(n_components, input_shape):
    return nn.Sequential(
        nn.Linear(n_components, 32 * 2 * 2),
        nn.SiLU(),
        nn.Unflatten(1, (32, 2, 2)),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
        nn.SiLU(),
        nn.ConvTranspose2d(16, input_shape[0], 4, stride=2, padding=1),
    )


# %%
# The scale of the pixels is 0 to 1; beta is twice the noise variance of a pixel that
# one is ready to lose.

X = load_digits().data.astype("float32") / 16
model = ARDVAE(
    16,
    beta=0.05,
    architecture=(make_encoder, make_decoder),
    input_shape=(1, 8, 8),
    max_iter=40,
    random_state=0,
).fit(X)
print(model.n_active_components_, "of 16 axes")

# %%
# What training looked like, and what the axes do.

TrainingDisplay.from_estimator(model)
LatentTraversalDisplay.from_estimator(model, X, around=0)
plt.show()
