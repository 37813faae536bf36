"""
All methods that count, on one manifold
=======================================

Eight methods of four papers and their rivals, with the same networks, rows and budget,
on a manifold of four dimensions. They have one face, so that a comparison is a loop.
What is shown is one seed; the benchmarks have more (``benchmarks/rivals.py``).
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import sklearn_ardvae
from sklearn_ardvae.datasets import make_manifold
from sklearn_ardvae.inspection import RelevanceDisplay

# %%
# A random network maps four numbers to thirty features, with noise. Each method may
# take up to sixteen axes. ``ARDVAE`` is told the weight of the KL term, as the others
# are told theirs by their defaults. ``MaskAAE`` is left out for its time: it trains
# critics beside its networks, takes as long as several of these, and after so few
# epochs it still has ten of the sixteen axes.

X = make_manifold(
    "network", 2000, n_dimensions=4, n_features=30, noise=0.1, random_state=0
).data.astype(np.float32)
SETTINGS = {
    "ARDVAE": {"beta": 0.2},
    "L0ARMVAE": {},
    "NGVAE": {},
    "VRRAE": {},
    "RRAE": {},
    "IRMAE": {},
    "LoRAE": {},
    "LeastVolumeAE": {},
}

models = {}
for name, settings in SETTINGS.items():
    method = getattr(sklearn_ardvae, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of budgets that are short here
        models[name] = method(16, max_iter=60, random_state=0, **settings).fit(X)

print("               axes found  error of a feature (noise: 0.01)")
for name, model in models.items():
    error = np.mean((model.reconstruct(X) - X) ** 2)
    print(f"{name:15}{model.n_active_components_:10d}  {error:.4f}")

# %%
# Relevance is measured in the same way for all of them: how much of the output an axis
# moves. A gap after the fourth axis is a clear answer; a slope is none.

figure, axes = plt.subplots(2, 4, figsize=(15, 6), layout="constrained", sharey=True)
for ax, (name, model) in zip(axes.flat, models.items(), strict=True):
    share = np.sort(model.relevance_ratio_)[::-1]
    colours = np.where(np.arange(16) < model.n_active_components_, "#0072B2", "#BBBBBB")
    ax.bar(range(16), share, color=colours)
    ax.set(title=f"{name}: {model.n_active_components_}", xlabel="axis")
axes[0, 0].set_ylabel("share of the relevance")

# %%
# One of them closer, with the intervals that its prior has.

RelevanceDisplay.from_estimator(models["ARDVAE"]).plot()
plt.show()
