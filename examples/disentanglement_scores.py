"""Three representations of the same factors, and all disentanglement metrics
===========================================================================

::

    python examples/disentanglement_scores.py

The data are a complete grid of four factors. A perfect representation has one axis for
each factor; a rotated one holds the same information, but every axis mixes all
factors; a random one knows nothing. No model is fitted: metrics take plain arrays.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ortho_group

from sklearn_ardvae.metrics import (
    beta_vae_score,
    dci_scores,
    factor_vae_score,
    modularity_explicitness,
    mutual_info_gap,
    sap_score,
)

SIZES = (6, 5, 4, 8)


def representations(factors):
    """Return codes of the rows of `factors`, by name."""
    rng = np.random.default_rng(0)
    perfect = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    return {
        "perfect": perfect,
        "rotated": perfect @ ortho_group.rvs(len(SIZES), random_state=0),
        "random": rng.standard_normal(perfect.shape),
    }


def scores(codes, factors):
    """Return all scores, by name; fast settings for votes and classifiers."""
    fast = {"n_train": 1000, "n_test": 500, "random_state": 0}
    dci = dci_scores(codes, factors, estimator="random_forest", **fast)
    modular = modularity_explicitness(codes, factors, **fast)
    return {
        "FactorVAE score": factor_vae_score(codes, factors, **fast),
        "beta-VAE score": beta_vae_score(codes, factors, **fast),
        "MIG": mutual_info_gap(codes, factors, random_state=0),
        "DCI disentanglement": dci.disentanglement,
        "DCI completeness": dci.completeness,
        "DCI informativeness": dci.informativeness,
        "SAP (discrete)": sap_score(codes, factors, **fast),
        "SAP (continuous)": sap_score(codes, factors, continuous_factors=True, **fast),
        "modularity": modular.modularity,
        "explicitness": modular.explicitness,
    }


def main():
    grid = np.stack(np.unravel_index(np.arange(np.prod(SIZES)), SIZES), axis=1)
    factors = np.repeat(grid, 2, axis=0)
    columns = {
        name: scores(codes, factors) for name, codes in representations(factors).items()
    }
    print(f"{'':22}" + "".join(f"{name:>9}" for name in columns))
    for metric in columns["perfect"]:
        values = "".join(f"{column[metric]:9.3f}" for column in columns.values())
        print(f"{metric:22}{values}")
    draw(columns)


def draw(columns):
    """Draw the table."""
    figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    table = np.array([list(column.values()) for column in columns.values()]).T
    shown = axes.imshow(table, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(table)), columns["perfect"])
    figure.colorbar(shown, label="score")
    plt.show()


if __name__ == "__main__":
    main()
