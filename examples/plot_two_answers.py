"""
Two answers: a sphere, a roll and a mixture
===========================================

A sphere has two dimensions, and fits into no fewer than three flat axes. Which number
is "the dimension of the data"? Both are: the number of axes is what a model of the data
needs, the intrinsic dimension is how many numbers describe a row.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.datasets import make_manifold

# %%
# Three sets of rows in ten features, with a little noise: a sphere, a Swiss roll, and a
# mixture of a line and a block that do not touch.

N_ROWS, N_FEATURES, NOISE = 1000, 10, 0.02
settings = {"n_dimensions": 2, "n_features": N_FEATURES, "noise": NOISE}

rng = np.random.default_rng(0)
half = N_ROWS // 2
mixture = np.zeros((N_ROWS, 3))
mixture[:half, 0] = rng.uniform(-2, 2, half)
mixture[half:] = rng.uniform(-1, 1, (half, 3))
mixture[half:, 2] += 3
rotation = np.linalg.qr(rng.standard_normal((N_FEATURES, 3)))[0]
mixture = mixture @ rotation.T

sets = {
    "sphere": make_manifold("sphere", N_ROWS, **settings, random_state=0).data,
    "Swiss roll": make_manifold("swiss_roll", N_ROWS, **settings, random_state=0).data,
    "mixture": mixture + NOISE * rng.standard_normal(mixture.shape),
}

# %%
# Axes and dimensions
# -------------------
#
# A budget below 500 epochs makes each stage of a fit shorter.

models = {
    name: ARDVAE(max_iter=200, random_state=0).fit(rows) for name, rows in sets.items()
}
print("            axes  intrinsic dimension")
for name, model in models.items():
    print(f"{name:12}{model.n_active_components_:4d}  {model.intrinsic_dimension_:.2f}")

# %%
# The sphere closes on itself and needs an axis more than it has dimensions; the roll is
# taken as it is, bent, in three axes. Three axes hold the mixture, too; its intrinsic
# dimension, a mean over the rows, describes neither part. ``local_dimension`` does: one
# number for each row.

local = models["mixture"].local_dimension(sets["mixture"])
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
codes = models["mixture"].transform(sets["mixture"])
shown = left.scatter(codes[:, 0], codes[:, 1], c=local, s=6, cmap="viridis")
left.set(xlabel="first axis", ylabel="second axis", title="Codes of the mixture")
figure.colorbar(shown, label="dimension around the row")
for part, name in ((local[:half], "line"), (local[half:], "block")):
    right.hist(part, bins=np.linspace(0.5, 3.5, 31), alpha=0.7, label=name)
right.set(xlabel="dimension around the row", ylabel="rows", title="Each part its own")
right.legend()
plt.show()
