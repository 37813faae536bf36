"""Autoencoders that tell how many latent dimensions your data need."""

from .base import all_estimators
from .methods.ard_vae import ARDVAE
from .methods.dip_vae import DIPVAE
from .methods.tc_vae import BetaTCVAE
from .methods.vae import VAE, BetaVAE
from .relevance import Relevance, decoder_relevance

__all__ = [
    "ARDVAE",
    "DIPVAE",
    "VAE",
    "BetaTCVAE",
    "BetaVAE",
    "Relevance",
    "all_estimators",
    "decoder_relevance",
]

__version__ = "0.1.0.dev0"
