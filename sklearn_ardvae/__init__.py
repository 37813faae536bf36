"""Autoencoders that tell how many latent dimensions your data need."""

from .base import all_estimators
from .methods.ard_vae import ARDVAE
from .methods.irmae import IRMAE, LoRAE
from .methods.l0_arm_vae import L0ARMVAE
from .methods.mask_aae import MaskAAE
from .methods.ng_vae import NGVAE
from .methods.rank_reduction import RRAE, VRRAE
from .relevance import Relevance, decoder_relevance

__all__ = [
    "ARDVAE",
    "IRMAE",
    "L0ARMVAE",
    "NGVAE",
    "RRAE",
    "VRRAE",
    "LoRAE",
    "MaskAAE",
    "Relevance",
    "all_estimators",
    "decoder_relevance",
]

__version__ = "0.1.0.dev0"
