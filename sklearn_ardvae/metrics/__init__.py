"""Scores of representations, of generated data and of reconstructions.

Functions on plain arrays: no model, no ground-truth object. Defaults are those of the
papers; each docstring says which paper and what is faster.
"""

from .dimension import compare_dimensions, count_components
from .disentanglement import beta_vae_score, factor_vae_score
from .features import (
    ClassifierFeatures,
    extract_features,
    train_classifier_features,
)
from .generation import (
    frechet_distance,
    frechet_distance_from_moments,
    interpolated_samples,
    random_samples,
)
from .information import mutual_info_gap, mutual_information_matrix
from .informativeness import (
    DCIScores,
    ModularityExplicitness,
    dci_scores,
    modularity_explicitness,
)
from .intrinsic import intrinsic_dimension, local_dimension
from .kernel_distance import KernelDistance, kernel_inception_distance
from .latent import (
    active_units,
    average_off_diagonal_covariance,
    axis_kl,
    latent_decorrelation,
    latent_entropy,
)
from .neighbors import (
    DensityCoverage,
    ImprovedPrecisionRecall,
    density_coverage,
    improved_precision_recall,
)
from .prd import PrecisionRecall, precision_recall_distribution
from .ranking import (
    DisentanglementRanking,
    unsupervised_disentanglement_ranking,
)
from .reconstruction import (
    gaussian_bump_error,
    reconstruction_error,
    relative_reconstruction_error,
)
from .robustness import InterventionalRobustness, interventional_robustness
from .scorers import (
    DisentanglementScorer,
    FrechetScorer,
    active_components_scorer,
    evidence_scorer,
    frechet_scorer,
    reconstruction_scorer,
)
from .separability import sap_score
from .settings import disentanglement_scores, metric_settings

__all__ = [
    "ClassifierFeatures",
    "DCIScores",
    "DensityCoverage",
    "DisentanglementRanking",
    "DisentanglementScorer",
    "FrechetScorer",
    "ImprovedPrecisionRecall",
    "InterventionalRobustness",
    "KernelDistance",
    "ModularityExplicitness",
    "PrecisionRecall",
    "active_components_scorer",
    "active_units",
    "average_off_diagonal_covariance",
    "axis_kl",
    "beta_vae_score",
    "compare_dimensions",
    "count_components",
    "dci_scores",
    "density_coverage",
    "disentanglement_scores",
    "evidence_scorer",
    "extract_features",
    "factor_vae_score",
    "frechet_distance",
    "frechet_distance_from_moments",
    "frechet_scorer",
    "gaussian_bump_error",
    "improved_precision_recall",
    "interpolated_samples",
    "interventional_robustness",
    "intrinsic_dimension",
    "kernel_inception_distance",
    "latent_decorrelation",
    "latent_entropy",
    "local_dimension",
    "metric_settings",
    "modularity_explicitness",
    "mutual_info_gap",
    "mutual_information_matrix",
    "precision_recall_distribution",
    "random_samples",
    "reconstruction_error",
    "reconstruction_scorer",
    "relative_reconstruction_error",
    "sap_score",
    "train_classifier_features",
    "unsupervised_disentanglement_ranking",
]
