"""
All methods on one manifold
===========================

Twenty-two methods with the same networks, rows and budget, on a manifold of four
dimensions. They have one face, so that a comparison is a loop. What is shown is one
seed and few epochs; the benchmarks have more (``benchmarks/rivals.py`` and
``benchmarks/dimension/run.py``).
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ardvae import all_estimators
from sklearn_ardvae.datasets import make_manifold
from sklearn_ardvae.inspection import RelevanceDisplay

# %%
# A random network maps four numbers to thirty features, with noise. Each method may
# take up to sixteen axes. ``ARDVAE`` is told the weight of the KL term, as the others
# are told theirs by their defaults, and ``ARDVAECV``, which would look for it, is left
# out.

X = make_manifold(
    "network", 1000, n_dimensions=4, n_features=30, noise=0.1, random_state=0
).data.astype(np.float32)

BUDGET = {"max_iter": 60, "batch_size": 128, "learning_rate": 5e-3, "random_state": 0}
models = {}
for name, method in all_estimators():
    if name == "ARDVAECV":
        continue
    settings = {"beta": 0.2} if name == "ARDVAE" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of budgets that are short here
        models[name] = method(16, **BUDGET, **settings).fit(X)

print("               axes found  error of a feature (noise: 0.01)")
for name, model in models.items():
    error = np.mean((model.reconstruct(X) - X) ** 2)
    print(f"{name:15}{model.n_active_components_:10d}  {error:.4f}")

# %%
# Most variational methods switch axes off that the data do not need, and find four
# here, or one or two more. A plain autoencoder and those that only shape its codes use
# nearly all that they are given. Gates and masks (``L0ARMVAE``, ``MaskAAE``) need more
# epochs to close, learned precisions (``NGVAE``) more to settle, and the search for a
# rank (``RRAE``, ``VRRAE``) more to get anywhere.
#
# Relevance is measured in the same way for all of them: how much of the output an axis
# moves. A gap after the fourth axis is a clear answer; a slope is none. Of the methods
# whose purpose is to count:

COUNTING = ["ARDVAE", "IRMAE", "L0ARMVAE", "LeastVolumeAE", "LoRAE", "MaskAAE"]
COUNTING += ["NGVAE", "RRAE", "VRRAE"]

figure, axes = plt.subplots(3, 3, figsize=(12, 9), layout="constrained", sharey=True)
for ax, name in zip(axes.flat, COUNTING, strict=True):
    share = np.sort(models[name].relevance_ratio_)[::-1]
    count = models[name].n_active_components_
    colours = np.where(np.arange(16) < count, "#0072B2", "#BBBBBB")
    ax.bar(range(16), share, color=colours)
    ax.set(title=f"{name}: {count}", xlabel="axis")
for ax in axes[:, 0]:
    ax.set_ylabel("share of the relevance")

# %%
# One of them closer, with the intervals that its prior has.

RelevanceDisplay.from_estimator(models["ARDVAE"])
plt.show()
