"""The intrinsic dimension of the data that an estimator was fitted to."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..nn.module import AutoencoderModule
from ..randomness import Stream, derived_generator
from ..training.inference import in_batches
from .dimensions_of_rows import (
    FEWEST,
    Dimensions,
    dimensions_as_they_are,
    dimensions_of,
)
from .fitted import FittedAutoencoderMixin

__all__ = ["DimensionMixin", "what_tells_dimensions"]

# Rows whose codes are kept: neighbours are found in time of the square of their number.
_KEPT = 2500

# What was found of a module's training rows. Another fit makes another module.
_known: WeakKeyDictionary[AutoencoderModule, Dimensions] = WeakKeyDictionary()


class DimensionMixin(FittedAutoencoderMixin):
    """Says how many dimensions the data have, of those of a flat space that holds them.

    `BaseAutoencoder` keeps for it what `what_tells_dimensions` returns.
    """

    _training_codes: NDArray[np.float32]
    # None where reconstructions are asked; files of before have neither.
    _dimension_of_rows: float | None
    _local_dimensions: NDArray[np.float32] | None

    @property
    def intrinsic_dimension_(self) -> float:
        """The dimension of the training rows, without noise; see `local_dimension`."""
        check_is_fitted(self)
        of_rows = self.__dict__.get("_dimension_of_rows")
        if of_rows is not None:
            return min(of_rows, float(self.n_features_in_))
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
        on to the 640th or three tenths of the rows, as long as the rows of which that
        is true have fewer dimensions by it. A new row has what the nearest training
        row has.

        Noise that is not there needs no taking out. If it were, rows at a distance r
        would fill about :math:`D - r^2 / 2 s^2` of D features. Where the training rows
        fill fewer at their nearest neighbours, and none less by the ratios from the
        10th to the 20th neighbour than by the first five, and where no axis is active,
        they are taken as they are: what the axes leave is no noise then, but what the
        networks could not follow.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)
            Dimensions up to `n_active_components_`, or to `n_features_in_` of rows as
            they are, and the same for all where no axis is active; NaN if the training
            rows had fewer than 4 different reconstructions. A row has the same in any
            company. They scatter by about a tenth; the harmonic mean over the training
            rows is `intrinsic_dimension_`.

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
        >>> angle = rng.uniform(0.0, 2.0 * np.pi, 300)
        >>> X = np.column_stack([np.cos(angle), np.sin(angle)])
        >>> X = X @ rng.normal(size=(2, 10)) + 0.1 * rng.normal(size=(300, 10))
        >>> model = ARDVAE(random_state=0).fit(X)
        >>> model.n_active_components_, round(model.intrinsic_dimension_)
        (2, 1)
        """
        x, n_axes = self._rows(X), self.n_active_components_
        if not n_axes:
            return np.full(len(x), self.intrinsic_dimension_)
        of_rows = self.__dict__.get("_local_dimensions")
        if of_rows is not None:
            known = self._reconstructed(torch.from_numpy(self._training_codes))
            local, most = of_rows.astype(np.float64), self.n_features_in_
        else:
            found = self._dimensions()
            if found is None:
                return np.full(len(x), np.nan)
            known, local, most = self._training_rows(), found.local, n_axes
        rows = self._reconstructed(
            _active_codes(self._module, x, self.active_components_)
        )
        centre = known.mean(axis=0)  # of which distances have most digits
        search = NearestNeighbors(n_neighbors=1).fit(known - centre)
        of_rows = search.kneighbors(rows - centre, return_distance=False).ravel()
        return np.minimum(local[of_rows], float(most))

    def _dimensions(self) -> Dimensions | None:
        """Return those of `_training_rows`; None of too few."""
        module = self._module
        if module not in _known:
            rows = self._training_rows()
            if len(rows) < FEWEST:
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


def what_tells_dimensions(
    module: AutoencoderModule, x: Tensor, active: NDArray, noise: float, seed: int
) -> dict[str, Any]:
    """Return what `DimensionMixin` keeps of a fit.

    Parameters
    ----------
    module : AutoencoderModule
    x : Tensor of shape (n_rows, n_features)
        In the module's units.
    active : ndarray of int
        Axes.
    noise : float
        Variance of a feature, in the module's units.
    seed : int
        Of the choice of rows.

    Returns
    -------
    dict
        The codes of at most 2500 different rows on the active axes, and the dimensions
        of these rows, if they are to be taken as they are.
    """
    chosen: slice | Tensor = slice(None)
    if len(x) > _KEPT:
        generator = derived_generator(seed, Stream.KEPT_ROWS)
        chosen = torch.randperm(len(x), generator=generator)[:_KEPT].to(x.device)
    # Equal rows in one batch may have codes of other last bits, and so a distance.
    distinct = torch.unique(x[chosen], dim=0)
    codes = _active_codes(module, distinct, active).cpu().float().numpy()
    found = None
    # Outside the axes of a signal, noise is normal and known.
    if module.signal is None and not module.likelihood.logits:
        rows = distinct.cpu().double().numpy()
        rows -= rows.mean(axis=0)
        if len(active):
            found = dimensions_as_they_are(rows, noise)
        elif len(rows) > FEWEST:
            found = dimensions_of(rows, 0, 0.0)
    return {
        "_training_codes": codes,
        "_dimension_of_rows": None if found is None else float(found.whole),
        "_local_dimensions": None if found is None else found.local.astype(np.float32),
    }


def _active_codes(module: AutoencoderModule, x: Tensor, active: NDArray) -> Tensor:
    columns = torch.as_tensor(active, device=x.device)
    return in_batches(module, lambda m, rows: m.encode(rows)[:, columns], x)
