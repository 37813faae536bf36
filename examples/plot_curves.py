"""
Curves: what moves a signal?
============================

A thousand damped oscillations of sixty points each, with some noise. They differ in
frequency, damping and phase, and nobody tells the model so. How many numbers does a
curve need, and what does each of them do?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.inspection import (
    LatentTraversalDisplay,
    ReconstructionDisplay,
    RelevanceDisplay,
)

# %%
# Frequency and damping bend the set of curves: no few principal components hold it.

N_ROWS, NOISE = 1000, 0.05
rng = np.random.default_rng(0)
time = np.linspace(0, 1, 60)
frequency = rng.uniform(1.0, 2.0, (N_ROWS, 1))
damping = rng.uniform(0.5, 3.0, (N_ROWS, 1))
phase = rng.uniform(-0.5, 0.5, (N_ROWS, 1))
clean = np.exp(-damping * time) * np.cos(2 * np.pi * (frequency * time - phase))
X = clean + NOISE * rng.standard_normal(clean.shape)
print("components for 99 % of the variance:", PCA(0.99).fit(clean).n_components_)

# %%
# One fit. It takes the noise from the data, too.

model = ARDVAE(max_iter=200, random_state=0).fit(X)
print(model.summary())

# %%
# Which axes count, and what they do
# ----------------------------------

RelevanceDisplay.from_estimator(model)
LatentTraversalDisplay.from_estimator(model, X, kind="curve")

# %%
# Without the noise
# -----------------
#
# A reconstruction knows of the curve alone.

ReconstructionDisplay.from_estimator(model, X[:4], kind="curve")
error = np.sqrt(np.mean((model.reconstruct(X) - clean) ** 2))
print(f"deviation from the clean curves: {error:.3f}; of the noise: {NOISE}")
plt.show()
