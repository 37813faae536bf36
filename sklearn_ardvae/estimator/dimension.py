"""The intrinsic dimension of what a fitted estimator reconstructs."""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..log_ratios import calibrated_dimension, log_ratios, nearest
from ..nn.module import AutoencoderModule
from ..randomness import Stream, derived_generator
from ..training.inference import in_batches
from .fitted import FittedAutoencoderMixin

__all__ = ["DimensionMixin", "Dimensions", "dimensions_of", "some_codes"]

# Codes that are kept: neighbours are found in time of the square of their number.
_KEPT = 2500
# The last neighbour whose ratios of distances count where there is no noise; elsewhere
# it is one twice as far each time.
_NEIGHBORS, _FARTHEST = 5, 160
# What squared distances have to exceed, as a multiple of the noise's own.
_CLEAR = 4.0
# Rows that share an estimate, and the most of all rows that these, or the neighbours,
# may be.
_SMOOTHED, _SHARE = 40, 0.1
_FEWEST = 4


class Dimensions(NamedTuple):
    """What is found of some rows; it may exceed the number of axes.

    Parameters
    ----------
    whole : float
        The harmonic mean over all rows.
    local : ndarray of shape (n_rows,)
        Around each row.
    """

    whole: float
    local: NDArray[np.float64]


def dimensions_of(rows: NDArray, n_axes: int, noise: float) -> Dimensions:
    """Estimate dimensions by neighbours that are beyond the reach of noise.

    What reconstructions hold of the noise lies along the axes. Neighbours that are as
    near have all of the axes' dimensions, and the estimate falls with their distance.
    It rises again, or stays, where noise matters no more.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Reconstructions, all different, centred, at least 4.
    n_axes : int
        Active axes.
    noise : float
        Variance of a feature.
    """
    n = len(rows)
    n_near = min(_SMOOTHED, max(_FEWEST, int(_SHARE * n)))
    span = (1, min(_NEIGHBORS, n - 1))
    distances, neighbors = nearest(rows, max(span[1], n_near - 1))
    near = np.column_stack([np.arange(n), neighbors[:, : n_near - 1]])
    reach = _CLEAR * 2.0 * n_axes * noise

    def is_reached() -> NDArray[np.bool_]:
        return (distances[near, span[0] - 1] ** 2).mean(axis=1) < reach

    ratios = _mean_log_ratios(distances, span)
    local = calibrated_dimension(ratios[near].mean(axis=1), n, *span)
    chosen, spans, of_span = ratios, [span], np.zeros(n, dtype=np.intp)
    noisy = is_reached()
    while noisy.any() and 2 * span[1] <= min(_FARTHEST, _SHARE * n):
        span = (span[1], 2 * span[1])
        distances, _ = nearest(rows, span[1])
        ratios = _mean_log_ratios(distances, span)
        farther = calibrated_dimension(ratios[near].mean(axis=1), n, *span)
        if np.mean(1.0 / farther[noisy]) <= np.mean(1.0 / local[noisy]):
            break
        local[noisy], chosen[noisy] = farther[noisy], ratios[noisy]
        of_span[noisy] = len(spans)
        spans.append(span)
        noisy &= is_reached()
    # All rows of a span at once: many are more precise than the mean of local ones.
    inverse = np.zeros(n)
    for i in np.unique(of_span):
        rows_of_span = of_span == i
        mean = chosen[rows_of_span].mean()
        inverse[rows_of_span] = 1.0 / calibrated_dimension(mean, n, *spans[i])
    mean = inverse.mean()
    return Dimensions(1.0 / mean if mean > 0.0 else np.inf, local)


def _mean_log_ratios(distances: NDArray, span: tuple[int, int]) -> NDArray[np.float64]:
    first, last = span
    return log_ratios(distances, first, last) / (last - first)


# What was found of a module's training rows. Another fit makes another module.
_known: WeakKeyDictionary[AutoencoderModule, Dimensions] = WeakKeyDictionary()


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
        found = self._dimensions()
        if found is None:
            return float("nan")
        return min(float(found.whole), float(self.n_active_components_))

    def local_dimension(self, X: ArrayLike) -> NDArray[np.float64]:
        r"""Return the intrinsic dimension of the data around each row.

        `n_active_components_` is the number of axes of a flat space that holds the
        data; the data may have fewer dimensions: a sphere in three axes has two, and
        each part of a mixture has its own.

        Where rows are spread over m dimensions, the number of neighbours within a
        distance grows as its m-th power. That shows in ratios of distances, between
        reconstructions, in which the noise outside the axes is gone: the m is taken of
        which an evenly covered sphere would show the mean logarithm that is found of
        :math:`r_5 / r_j`, j < 5, of the 40 training rows about one (a tenth, if there
        are fewer than 400; see `sklearn_ardvae.metrics.local_dimension`,
        ``method="calibrated"``). Where the mean of their :math:`r_1^2` is less than 4
        times the noise along the axes, :math:`2 n s^2` of n active ones, these are the
        ratios from the 5th to the 10th neighbour, or from the 10th to the 20th, and so
        on to the 160th, as long as the rows of which that is true have fewer
        dimensions by it. A new row has what the nearest training row has.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)
            Dimensions from 0, where no axis is active, to `n_active_components_`; NaN
            if the training rows had fewer than 4 different reconstructions. A row has
            the same in any company. They scatter by about a tenth; the harmonic mean
            over the training rows is `intrinsic_dimension_`.

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
        x, n_axes = self._rows(X), self.n_active_components_
        if not n_axes:
            return np.zeros(len(x))
        found = self._dimensions()
        if found is None:
            return np.full(len(x), np.nan)
        rows = self._reconstructed(
            _active_codes(self._module, x, self.active_components_)
        )
        known = self._training_rows()
        centre = known.mean(axis=0)  # of which distances have most digits
        search = NearestNeighbors(n_neighbors=1).fit(known - centre)
        of_rows = search.kneighbors(rows - centre, return_distance=False).ravel()
        return np.minimum(found.local[of_rows], float(n_axes))

    def _dimensions(self) -> Dimensions | None:
        """Return those of `_training_rows`; None of too few."""
        module = self._module
        if module not in _known:
            rows = self._training_rows()
            if len(rows) < _FEWEST:
                return None
            rows -= rows.mean(axis=0)
            _known[module] = dimensions_of(
                rows, self.n_active_components_, self.noise_variance_
            )
        return _known[module]

    def _training_rows(self) -> NDArray[np.float64]:
        """Return different reconstructions of rows of the fit, in their order."""
        if "_training_codes" not in self.__dict__:
            raise AttributeError(
                f"This {type(self).__name__} was saved without the codes that a "
                "dimension is found from; fit it anew."
            )
        rows = self._reconstructed(torch.from_numpy(self._training_codes))
        _, first = np.unique(rows, axis=0, return_index=True)
        return rows[np.sort(first)]

    def _reconstructed(self, codes: Tensor) -> NDArray[np.float64]:
        """Decode codes of the active components, with all digits there are."""
        codes = codes.to(self._device)
        if codes.device.type == "cpu":
            codes = codes.double()
        return self._decode(codes, self.active_components_).cpu().double().numpy()


def some_codes(
    module: AutoencoderModule, x: Tensor, active: NDArray, seed: int
) -> NDArray[np.float32]:
    """Return the codes of some of the different rows x, on the active axes.

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
    ndarray of shape (n_kept, n_active)
        Of at most 2500 rows.
    """
    if len(x) > _KEPT:
        generator = derived_generator(seed, Stream.KEPT_ROWS)
        chosen = torch.randperm(len(x), generator=generator)[:_KEPT]
        x = x[chosen.to(x.device)]
    # Equal rows in one batch may have codes of other last bits, and so a distance.
    distinct = torch.unique(x, dim=0)
    return _active_codes(module, distinct, active).cpu().float().numpy()


def _active_codes(module: AutoencoderModule, x: Tensor, active: NDArray) -> Tensor:
    columns = torch.as_tensor(active, device=x.device)
    return in_batches(module, lambda m, rows: m.encode(rows)[:, columns], x)
