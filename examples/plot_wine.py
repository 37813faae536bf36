"""
What do the axes of a table mean?
=================================

178 wines, each with 13 chemical measurements. How many numbers does a wine need, and
which measurements does each of them move? Axes may be curved, and then there are no
loadings as PCA has them; the decoder says what a step along an axis does.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE

# %%
# Measurements have units of their own, so that they are standardised first.

wine = load_wine(as_frame=True)
pipeline = make_pipeline(StandardScaler(), ARDVAE(random_state=0)).fit(wine.data)
model = pipeline[-1]
print(model.summary())

# %%
# So few rows are explained best by probabilistic PCA, and that is the model here. The
# lines below do the same for curved axes.
#
# Effects of the axes
# -------------------
#
# From the mean wine, one axis at a time is moved by one standard deviation down and up.
# Half the difference, in standard deviations of the measurement, is the effect.

codes = model.transform(pipeline[:-1].transform(wine.data))
centre, steps = codes.mean(axis=0), np.diag(codes.std(axis=0))
effects = (
    model.inverse_transform(centre + steps) - model.inverse_transform(centre - steps)
) / 2

figure, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
largest = np.abs(effects).max()
shown = axes.imshow(
    effects.T, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto"
)
axes.set_yticks(range(len(wine.feature_names)), wine.feature_names)
axes.set_xticks(range(len(effects)), model.active_components_)
axes.set(xlabel="axis, most relevant first", title="One deviation along each axis")
figure.colorbar(shown, label="effect, in deviations of the measurement")

# %%
# Three cultivars
# ---------------
#
# The model has not seen the labels. Its two most relevant axes tell them apart.

figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
for cultivar, marker in enumerate("os^"):
    of_it = wine.target == cultivar
    axes.scatter(*codes[of_it, :2].T, marker=marker, label=wine.target_names[cultivar])
first, second = model.active_components_[:2]
axes.set(xlabel=f"axis {first}", ylabel=f"axis {second}")
axes.legend()
plt.show()
