"""Autoencoders that tell how many latent dimensions your data need."""

from importlib import import_module
from typing import TYPE_CHECKING

from .estimator.base import all_estimators
from .estimator.fitted import CodePosterior
from .estimator.summary import Summary
from .estimator.verdict import CountWarning
from .methods.aae import AAE
from .methods.ard_vae import ARDVAE
from .methods.autoencoder import Autoencoder, ContractiveAE, SparseAE
from .methods.dip_vae import DIPVAE
from .methods.factor_vae import FactorVAE
from .methods.flow_vae import FlowVAE
from .methods.irmae import IRMAE, LoRAE
from .methods.l0_arm_vae import L0ARMVAE
from .methods.least_volume import LeastVolumeAE
from .methods.mask_aae import MaskAAE
from .methods.ng_vae import NGVAE
from .methods.rae import RAE
from .methods.rank_reduction import RRAE, VRRAE
from .methods.second_stage import SecondStageVAE
from .methods.tc_vae import BetaTCVAE
from .methods.two_stage_vae import TwoStageVAE
from .methods.vae import VAE, BetaVAE
from .methods.wae import WAE
from .model_selection.ard_vae_cv import ARDVAECV
from .model_selection.ensemble import fit_together
from .model_selection.path import Plateau
from .relevance import Relevance, decoder_relevance
from .storage.rows import StoredRows
from .storage.store import store_rows

__all__ = [
    "AAE",
    "ARDVAE",
    "ARDVAECV",
    "DIPVAE",
    "IRMAE",
    "L0ARMVAE",
    "NGVAE",
    "RAE",
    "RRAE",
    "VAE",
    "VRRAE",
    "WAE",
    "Autoencoder",
    "BetaTCVAE",
    "BetaVAE",
    "CodePosterior",
    "ContractiveAE",
    "CountWarning",
    "FactorVAE",
    "FlowVAE",
    "LeastVolumeAE",
    "LoRAE",
    "MaskAAE",
    "Plateau",
    "Relevance",
    "SecondStageVAE",
    "SparseAE",
    "StoredRows",
    "Summary",
    "TwoStageVAE",
    "all_estimators",
    "decoder_relevance",
    "fit_together",
    "store_rows",
]

__version__ = "0.1.0.dev0"

# Rooms that are imported when they are first looked at.
if TYPE_CHECKING:
    from . import datasets as datasets
    from . import inspection as inspection
    from . import metrics as metrics
else:

    def __getattr__(name):
        if name in _ROOMS:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_ROOMS = ("datasets", "inspection", "metrics")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
