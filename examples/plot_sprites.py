"""
Sprites: one factor, one axis?
==============================

White ellipses on black, made from known factors: size and two positions. Does an axis
of the latent space move one of them and nothing else? Eyes say something about it, and
scores the rest.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ardvae import BetaVAE
from sklearn_ardvae.datasets import make_sprites
from sklearn_ardvae.inspection import LatentTraversalDisplay, ReconstructionDisplay
from sklearn_ardvae.metrics import dci_scores, mutual_info_gap

# %%
# ``make_sprites`` has 737 280 images of 64 x 64 pixels and five factors. Those of one
# shape and one orientation, and every second pixel of them, are enough for a minute.

sizes = np.array(make_sprites(1).factor_sizes)
rng = np.random.default_rng(0)
factors = rng.integers(sizes, size=(3000, 5))
factors[:, [0, 2]] = 1, 0  # ellipses, not turned
sprites = make_sprites(np.ravel_multi_index(factors.T, sizes))
X = sprites.data.reshape(-1, 64, 64)[:, ::2, ::2].reshape(len(factors), -1)
model = BetaVAE(
    10,
    beta=2.0,
    likelihood="bernoulli",
    input_shape=(32, 32),
    hidden_layer_sizes=(128, 128),
    output_components="active",
    max_iter=40,
    random_state=0,
).fit(X)
print(model.n_active_components_, "active axes")

# %%
# Along the axes
# --------------

ReconstructionDisplay.from_estimator(model, X[:8])
LatentTraversalDisplay.from_estimator(model, X, n_axes=5)

# %%
# Scores
# ------
#
# The gap of mutual information is that between the best axis of a factor and the second
# best; 1 would be one axis for each factor. It is far from that here: to the loss, two
# axes that mix both positions are as good as one for each.

names = np.array(sprites.factor_names)[[1, 3, 4]]
factors, codes = factors[:, [1, 3, 4]], model.transform(X)
dci = dci_scores(codes, factors, n_train=2000, n_test=1000, random_state=0)
print(f"gap of mutual information {mutual_info_gap(codes, factors):.2f}")
print(f"DCI: disentanglement {dci.disentanglement:.2f}")
print(f"     completeness    {dci.completeness:.2f}")
print(f"     informativeness {dci.informativeness:.2f}")

# %%
# Which axis knows of which factor:

figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
shown = ax.imshow(dci.importance.T, cmap="viridis", aspect="auto")
ax.set_yticks(range(len(names)), names)
ax.set_xticks(range(codes.shape[1]), model.active_components_)
ax.set(xlabel="axis", title="Importance for each factor")
figure.colorbar(shown)
plt.show()
