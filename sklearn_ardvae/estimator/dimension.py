"""The intrinsic dimension of what a fitted estimator reconstructs."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..metrics.log_ratios import calibrated_dimension, log_ratios, nearest
from ..nn.module import AutoencoderModule
from ..randomness import Stream, derived_generator
from ..training.inference import in_batches
from .fitted import FittedAutoencoderMixin

__all__ = ["DimensionMixin", "Neighborhoods", "some_codes"]

# Codes that are kept: neighbours are found in time of the square of their number.
_KEPT = 2500
# The first and the last neighbour whose ratio of distances counts, where there is no
# noise; where there is, pairs that are twice as far each time.
_NEIGHBORS, _FARTHEST = 5, 160
# What squared distances have to exceed, as a multiple of the noise's own.
_CLEAR = 4.0
# Rows that share a local estimate, and the least part of all that this, or the farthest
# neighbour, may be.
_SMOOTHED, _SHARE = 40, 0.1
_FEWEST = 4


@dataclass(frozen=True, eq=False)
class Neighborhoods:
    """How fast the number of neighbours grows around each of some rows.

    Parameters
    ----------
    ratios : ndarray of shape (n_rows,)
        Mean log ratio of the distances of neighbours.
    first, last : int
        Which neighbours these are, counted from 1.
    n_axes : int
        Active axes: no row has more dimensions.
    """

    ratios: NDArray[np.float64]
    first: int
    last: int
    n_axes: int

    @classmethod
    def of(cls, rows: NDArray, n_axes: int, noise: float) -> Neighborhoods:
        """Look at neighbours so far away that noise does not matter.

        What reconstructions hold of the noise lies along the axes. Neighbours that are
        as near have all of the axes' dimensions, and the estimate falls with their
        distance. It rises again, or stays, where noise matters no more.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            All different, centred, at least 4.
        n_axes : int
        noise : float
            Variance of a feature.
        """
        first, last = 1, min(_NEIGHBORS, len(rows) - 1)
        best: Neighborhoods | None = None
        while True:
            distances, _ = nearest(rows, last)
            ratios = log_ratios(distances, first, last) / (last - first)
            found = cls(ratios, first, last, n_axes)
            if best is not None and found.unbounded >= best.unbounded:
                return best
            best = found
            if np.mean(distances[:, first - 1] ** 2) >= _CLEAR * 2.0 * n_axes * noise:
                return best
            first, last = last, 2 * last
            if last > min(_FARTHEST, _SHARE * len(rows)):
                return best

    @property
    def unbounded(self) -> float:
        """The dimension of all rows, whatever the number of axes."""
        return float(self._calibrated(self.ratios.mean()))

    @property
    def dimension(self) -> float:
        """The dimension of all rows."""
        return min(self.unbounded, float(self.n_axes))

    def around(self, rows: NDArray, others: NDArray) -> NDArray[np.float64]:
        """Return the dimension around each of some other rows, (n_others,)."""
        n = len(rows)
        n_near = min(n, max(self.last, _SMOOTHED), max(_FEWEST, int(_SHARE * n)))
        search = NearestNeighbors(n_neighbors=n_near).fit(rows)
        near = search.kneighbors(others, return_distance=False)
        found = self._calibrated(self.ratios[near].mean(axis=1))
        return np.minimum(found, float(self.n_axes))

    def _calibrated(self, means: ArrayLike) -> NDArray[np.float64]:
        return calibrated_dimension(means, len(self.ratios), self.first, self.last)


# What was found of a module. Another fit makes another module.
_known: WeakKeyDictionary[AutoencoderModule, Neighborhoods] = WeakKeyDictionary()


class DimensionMixin(FittedAutoencoderMixin):
    """Says how many dimensions the data have, of those of a flat space that holds them.

    `BaseAutoencoder` keeps the codes of some rows for it in ``_training_codes``.
    """

    _training_codes: NDArray[np.float32]

    @property
    def intrinsic_dimension_(self) -> float:
        """The dimension of the training rows, without noise; see `local_dimension`."""
        check_is_fitted(self)
        if not self.n_active_components_:
            return 0.0
        if self._module not in _known:
            rows = self._training_rows()
            if len(rows) < _FEWEST:
                return float("nan")
            _known[self._module] = Neighborhoods.of(
                rows - rows.mean(axis=0), self.n_active_components_, self.noise_variance_
            )
        return _known[self._module].dimension

    def local_dimension(self, X: ArrayLike) -> NDArray[np.float64]:
        r"""Return the intrinsic dimension of the data around each row.

        `n_active_components_` is the number of axes of a flat space that holds the
        data; the data may have fewer dimensions: a sphere in three axes has two, and
        each part of a mixture has its own.

        Where rows are spread over m dimensions, the number of neighbours within a
        distance grows as its m-th power. That shows in ratios of distances, between
        reconstructions, in which the noise outside the axes is gone: the m is taken of
        which an evenly covered sphere would show the mean logarithm that is found of
        :math:`r_5 / r_j`, j < 5, about the 40 training rows nearest to a row (less, if
        there are fewer than 400 rows; see `sklearn_ardvae.metrics.local_dimension`,
        ``method="calibrated"``). Where the noise along the axes, :math:`2 n s^2` of n
        active ones, is more than a quarter of the mean of :math:`r_1^2`, it is the
        ratios from the 5th to the 10th neighbour, or from the 10th to the 20th, and so
        on to the 160th, as long as the estimate of all rows becomes smaller.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)
            Dimensions from 0, where no axis is active, to `n_active_components_`; NaN
            if the training rows had fewer than 4 different codes. A row has the same
            in any company. They scatter by about a tenth; averaging over rows, that
            of :math:`1 / m` gives `intrinsic_dimension_`.

        Raises
        ------
        AttributeError
            If the estimator was saved by a version without this method.

        Notes
        -----
        Training rows are represented by the codes of 2500 of them, drawn at random,
        which the estimator keeps.

        References
        ----------
        Levina, Bickel: Maximum likelihood estimation of intrinsic dimension, NeurIPS
        2004; the calibration, the choice of neighbours and the use of reconstructions
        are ours.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_ardvae import ARDVAE
        >>> rng = np.random.default_rng(0)
        >>> angle = rng.uniform(0.0, 2.0 * np.pi, 1000)
        >>> X = np.column_stack([np.cos(angle), np.sin(angle)])
        >>> X = X @ rng.normal(size=(2, 10)) + 0.1 * rng.normal(size=(1000, 10))
        >>> model = ARDVAE(random_state=0).fit(X)
        >>> model.n_active_components_, round(model.intrinsic_dimension_, 1)
        (2, 1.0)
        """
        x, whole = self._rows(X), self.intrinsic_dimension_
        if self._module not in _known:
            return np.full(len(x), whole)
        codes = _active_codes(self._module, x, self.active_components_)
        rows = self._training_rows()
        centre = rows.mean(axis=0)
        others = self._reconstructed(codes) - centre
        return _known[self._module].around(rows - centre, others)

    def _training_rows(self) -> NDArray[np.float64]:
        """Return different reconstructions of rows of the fit."""
        if "_training_codes" not in self.__dict__:
            raise AttributeError(
                f"This {type(self).__name__} was saved without the codes that a "
                "dimension is found from; fit it anew."
            )
        codes = torch.from_numpy(self._training_codes)
        return np.unique(self._reconstructed(codes), axis=0)

    def _reconstructed(self, codes: Tensor) -> NDArray[np.float64]:
        """Decode codes of the active components, with all digits there are."""
        codes = codes.to(self._device)
        if codes.device.type == "cpu":
            codes = codes.double()
        return self._decode(codes, self.active_components_).cpu().double().numpy()


def some_codes(
    module: AutoencoderModule, x: Tensor, active: NDArray, seed: int
) -> NDArray[np.float32]:
    """Return the codes of some of the rows x, on the active axes.

    Parameters
    ----------
    module : AutoencoderModule
    x : Tensor of shape (n_rows, n_features)
    active : ndarray of int
        Axes.
    seed : int
        Of the choice.

    Returns
    -------
    ndarray of shape (min(n_rows, 2500), n_active)
    """
    if len(x) > _KEPT:
        generator = derived_generator(seed, Stream.KEPT_ROWS)
        chosen = torch.randperm(len(x), generator=generator)[:_KEPT]
        x = x[chosen.to(x.device)]
    return _active_codes(module, x, active).cpu().float().numpy()


def _active_codes(module: AutoencoderModule, x: Tensor, active: NDArray) -> Tensor:
    columns = torch.as_tensor(active, device=x.device)
    return in_batches(module, lambda m, rows: m.encode(rows)[:, columns], x)
