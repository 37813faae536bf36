"""Ways to look at fitted estimators: pictures, and a page to explore.

Displays follow scikit-learn's convention: each holds what it draws, `from_estimator`
takes it from a fitted estimator or from a pipeline that ends in one and draws it, and
`plot` draws it again. Needs matplotlib: ``pip install "sklearn_ardvae[plot]"``, which
is imported where something is drawn.
"""

from .beta_path import BetaPathDisplay
from .dimension import DimensionDisplay
from .explorer.report import report
from .latent_space import LatentSpaceDisplay
from .reconstruction import ReconstructionDisplay
from .relevance import RelevanceDisplay
from .sample import SampleDisplay
from .training import TrainingDisplay
from .traversal import LatentTraversalDisplay

__all__ = [
    "BetaPathDisplay",
    "DimensionDisplay",
    "LatentSpaceDisplay",
    "LatentTraversalDisplay",
    "ReconstructionDisplay",
    "RelevanceDisplay",
    "SampleDisplay",
    "TrainingDisplay",
    "report",
]
