"""Autoencoders that tell how many latent dimensions your data need."""

from .base import all_estimators
from .methods.ard_vae import ARDVAE
from .methods.autoencoder import Autoencoder, ContractiveAE, SparseAE
from .methods.dip_vae import DIPVAE
from .methods.rae import RAE
from .methods.tc_vae import BetaTCVAE
from .methods.vae import VAE, BetaVAE
from .relevance import Relevance, decoder_relevance

__all__ = [
    "ARDVAE",
    "DIPVAE",
    "RAE",
    "VAE",
    "Autoencoder",
    "BetaTCVAE",
    "BetaVAE",
    "ContractiveAE",
    "Relevance",
    "SparseAE",
    "all_estimators",
    "decoder_relevance",
]

__version__ = "0.1.0.dev0"
