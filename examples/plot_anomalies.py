"""
Anomalies, by the evidence of each row
======================================

``score_samples`` is a lower bound on the log density of a row, in nats. A model of
the digits 0 to 8 finds a 9 less likely, and images that are no digits far less.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from sklearn_ardvae import ARDVAE

# %%
# The noise is given here (half of beta is its variance), which makes the fit quick.

X, y = load_digits(return_X_y=True)
X = X / 16
train, test = train_test_split(X[y < 9], random_state=0)
model = ARDVAE(16, beta=0.05, random_state=0).fit(train)

# %%
# Scores
# ------

rng = np.random.default_rng(0)
rows = {
    "digits 0 to 8, not seen": test,
    "nines": X[y == 9],
    "upside down": test[:, ::-1],
    "pixels in disorder": rng.permuted(test, axis=1),
}
scores = {name: model.score_samples(some) for name, some in rows.items()}
usual = scores["digits 0 to 8, not seen"]
print("area under the ROC curve, beside digits 0 to 8")
for name, nats in scores.items():
    if nats is not usual:
        truth = np.repeat([1, 0], [len(usual), len(nats)])
        area = roc_auc_score(truth, np.concatenate([usual, nats]))
        print(f"  {name:20} {area:.3f}")

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
low, high = np.quantile(np.concatenate(list(scores.values())), [0.005, 1])
for (name, nats), style in zip(scores.items(), ("-", "--", "-.", ":"), strict=True):
    density, edges = np.histogram(
        nats.clip(low), bins=np.linspace(low, high, 60), density=True
    )
    axes.stairs(density, edges, label=name, linestyle=style, linewidth=2)
axes.set(xlabel="evidence of an image, in nats", ylabel="density")
axes.legend()

# %%
# The least likely of the digits
# ------------------------------
#
# Above, the images of lowest evidence among digits that were not seen; below, what the
# model makes of them.

worst = test[np.argsort(usual)[:10]]
images = np.concatenate([worst, model.reconstruct(worst)]).reshape(2, 10, 8, 8)
figure, grid = plt.subplots(2, 10, figsize=(10, 2.4), layout="constrained")
for axes, image in zip(grid.flat, images.reshape(-1, 8, 8), strict=True):
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    axes.set_axis_off()
plt.show()
