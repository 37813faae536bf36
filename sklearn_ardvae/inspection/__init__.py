"""Pictures of fitted estimators, in scikit-learn's convention.

Each display holds what it draws, `from_estimator` takes it from a fitted estimator or
from a pipeline that ends in one, and `plot` draws it. Needs matplotlib:
``pip install "sklearn_ardvae[plot]"``, which only `plot` imports.
"""

from .relevance import RelevanceDisplay

__all__ = ["RelevanceDisplay"]
