"""
New rows of a table, in its own units
=====================================

A model of a table can make rows that were never measured: to share in place of private
ones, or to try code with. Scaling belongs to the model, and is undone with it.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.inspection import SampleDisplay

wine = load_wine(as_frame=True).data
pipeline = make_pipeline(StandardScaler(), ARDVAE(random_state=0)).fit(wine)

# %%
# ``sample`` is a method of the last step, which knows standardised wines; the steps
# before bring rows back into units of measurement.

scaler, model = pipeline[:-1], pipeline[-1]
new = pd.DataFrame(
    scaler.inverse_transform(model.sample(1000, random_state=0)), columns=wine.columns
)
print(new.head().round(2))

# %%
# How like the wines are they?
# ----------------------------
#
# The display does the same with a pipeline, beside the wines that there are.

SampleDisplay.from_estimator(pipeline, wine, random_state=0)

# %%
# Means stay; deviations are smaller by the noise, which samples do not have: they are
# wines as the model understands them, and not as they are measured.

table = pd.DataFrame(
    {
        "mean": wine.mean(),
        "of samples": new.mean(),
        "deviation": wine.std(),
        "of samples ": new.std(),
    }
)
print(table.round(2))
plt.show()
