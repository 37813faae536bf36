"""Data sets: published ones, rendered ones, known manifolds and chaotic systems.

``fetch_*`` read published files, downloading them if need be; ``make_*`` draw their
data here. All return a :class:`sklearn.utils.Bunch`.
"""

from .celeba import fetch_celeba
from .digits import fetch_fashion_mnist, fetch_mnist
from .dynamical_systems import make_kuramoto_sivashinsky, make_lorenz96
from .factor_files import fetch_3dshapes, fetch_dsprites
from .irmae_shapes import make_irmae_shapes
from .manifolds import make_manifold, make_network_manifold
from .photographs import fetch_cifar10, fetch_imagenet32
from .shapes3d import make_shapes3d
from .sprites import make_color_sprites, make_sprites
from .synthetic import make_gaussian_bumps, make_shift

__all__ = [
    "fetch_3dshapes",
    "fetch_celeba",
    "fetch_cifar10",
    "fetch_dsprites",
    "fetch_fashion_mnist",
    "fetch_imagenet32",
    "fetch_mnist",
    "make_color_sprites",
    "make_gaussian_bumps",
    "make_irmae_shapes",
    "make_kuramoto_sivashinsky",
    "make_lorenz96",
    "make_manifold",
    "make_network_manifold",
    "make_shapes3d",
    "make_shift",
    "make_sprites",
]
