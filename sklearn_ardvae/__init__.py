"""Autoencoders that tell how many latent dimensions your data need."""

from .base import all_estimators
from .methods.ard_vae import ARDVAE
from .methods.irmae import IRMAE, LoRAE
from .methods.rank_reduction import RRAE, VRRAE
from .relevance import Relevance, decoder_relevance

__all__ = [
    "ARDVAE",
    "IRMAE",
    "RRAE",
    "VRRAE",
    "LoRAE",
    "Relevance",
    "all_estimators",
    "decoder_relevance",
]

__version__ = "0.1.0.dev0"
