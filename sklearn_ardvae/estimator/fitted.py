"""What a fitted estimator does: codes, reconstructions, scores and samples."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted, check_scalar
from torch import Tensor

from ..density import check_density, draw_from_density
from ..nn.gaussian import covariance_root, draw_gaussian
from ..nn.module import AutoencoderModule
from ..nn.variational import VariationalModule
from ..randomness import derived_generator, draw_seed
from ..training.devices import resolve_device
from ..training.inference import evidence, in_batches
from .validation import as_tensor, check_codes, validate_rows

__all__ = ["FittedAutoencoderMixin"]


class FittedAutoencoderMixin(TransformerMixin):
    """Uses the module that `BaseAutoencoder` trained, and what it says of its codes."""

    n_active_components_: int
    active_components_: NDArray[np.intp]
    relevance_: NDArray[np.float32]
    relevance_ratio_: NDArray[np.float32]
    noise_variance_: float
    n_iter_: int
    history_: dict[str, list[float]]
    loss_curve_: list[float]
    device_: str
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _module: AutoencoderModule
    _code_mean: NDArray[np.float64]
    _code_covariance: NDArray[np.float64]
    _seed: int

    #: What `sample` draws codes from where a user does not say.
    _default_density: ClassVar[str] = "prior"

    # --- codes and reconstructions ----------------------------------------------

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the codes of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_components_out)
            Posterior means where there is a posterior: of the active components,
            most relevant first, or of all if ``output_components="all"``.
        """
        return self._encode(self._rows(X))

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the mean of the data given codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components_in)
            Codes as `transform` returns them: of the active components, or of all.
            Components that are missing are put at their mean over the training data.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Data, in the range and units of the training data.
        """
        check_is_fitted(self)
        out, active = self._columns_out, self.active_components_
        n_all = len(self.relevance_)
        codes = check_codes(self, X, {len(active), n_all})
        if codes.shape[1] == len(out):
            return self._decode(codes, out)
        return self._decode(codes, active if len(out) == n_all else np.arange(n_all))

    def reconstruct(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return ``inverse_transform(transform(X))``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Reconstructions from what `transform` returns.
        """
        return self._decode(self._encode(self._rows(X)), self._columns_out)

    @property
    def _columns_out(self) -> NDArray[np.intp]:
        """The components that `transform` returns, in order."""
        if self.output_components == "all":
            return np.arange(len(self.relevance_))
        return self.active_components_

    @property
    def _n_features_out(self) -> int:
        return len(self._columns_out)

    @property
    def _device(self) -> torch.device:
        return torch.device(self.device_)

    def _move_to(self, device: str | torch.device | None) -> None:
        self.device_ = str(resolve_device(device))
        self._module.to(self.device_)

    def _rows(self, X: ArrayLike) -> Tensor:
        """Return checked rows where the module is."""
        check_is_fitted(self)
        return as_tensor(validate_rows(self, X, reset=False), self._device)

    def _encode(self, x: Tensor) -> NDArray[np.float32]:
        codes = in_batches(self._module.encode, x)
        return codes.cpu().numpy()[:, self._columns_out]

    def _decode(self, codes: NDArray, columns: NDArray) -> NDArray[np.float32]:
        """Decode codes of some components, the others at their training mean."""
        filled = np.tile(self._code_mean.astype(np.float32), (len(codes), 1))
        filled[:, columns] = codes
        z = torch.from_numpy(filled).to(self._device)
        return in_batches(self._module.decode, z).cpu().numpy()

    # --- scores and samples -----------------------------------------------------

    def score_samples(self, X: ArrayLike) -> NDArray[np.float32]:
        r"""Return how well the model explains each sample; higher is better.

        Probabilistic models: the evidence, a lower bound on log p(x) in nats,

        .. math:: -\tfrac D2 \log 2\pi s^2 - \frac{\mathrm E_q\|x - \hat x\|^2}{2 s^2}
            - \mathrm{KL}(q(z|x) \,\|\, p(z)),

        with :math:`s^2` the `noise_variance_`. It does not contain the weight of the KL
        term, so that scores compare across weights, latent sizes and methods. `NGVAE`
        pays for the precision of each code as well: its bound is looser.

        With the Bernoulli likelihood minus the cross entropy takes the place of the
        first two terms. That is a log probability of binary X; for grey X it bounds
        that of random black and white versions, loosely, and a search over the weight
        by it ends near 1. It does not compare with Gaussian scores.

        Models without a posterior: minus the mean squared error of one feature, which
        does not price codes and so does not tell how many axes are needed.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)
            Scores; the same sample has the same score in any company.
        """
        x = self._rows(X)
        if isinstance(self._module, VariationalModule):
            bounds = evidence(self._module, x, self.noise_variance_, self._seed)
            return bounds.cpu().numpy()
        reconstructed = self._decode(self._encode(x), self._columns_out)
        return -np.square(reconstructed - x.cpu().numpy()).mean(axis=1)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Return the mean of `score_samples`, for model selection.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        float
            Mean score, higher is better.
        """
        return float(self.score_samples(X).mean(dtype=np.float64))

    def sample(
        self,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = None,
        *,
        density: Any = None,
        X: ArrayLike | None = None,
    ) -> NDArray[np.float32]:
        """Generate data: draw codes and return the mean of the data given them.

        Parameters
        ----------
        n_samples : int, default=1
            How many, >= 1.
        random_state : int, RandomState instance or None, default=None
            Pass an int for reproducible results across multiple function calls.
        density : {"prior", "gaussian", "gmm", "second_stage"} or estimator, \
                default=None
            What codes are drawn from; None is ``"prior"``, but ``"gaussian"`` for
            `L0ARMVAE`, whose codes need not match its prior. ``"prior"``: the method's
            own prior, on the components that `transform` returns. ``"gaussian"``: a
            Gaussian with the mean and covariance of the training codes. ``"gmm"``: a
            mixture of 10
            Gaussians fitted to the codes of `X`. ``"second_stage"``: a
            `SecondStageVAE` fitted to the codes of `X` and, where the method has a
            posterior, to its noise. An estimator with a ``sample`` method, such as
            `GaussianMixture` or `KernelDensity`: fitted to codes that `transform`
            returned, or else fitted here, on a copy, to the codes of `X`.
        X : array-like of shape (n_rows, n_features), default=None
            What a density is fitted to, since training data and codes are not kept.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Data without observation noise; inactive components are at their mean.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        density = self._default_density if density is None else density
        check_density(density)
        seed = draw_seed(random_state)
        columns = self._columns_out
        if isinstance(density, str) and density == "prior":
            generator = derived_generator(seed, device=self._device)
            with torch.no_grad():
                z = self._module.draw_prior(n_samples, generator)
            return self._decode(z.cpu().numpy()[:, columns], columns)
        if isinstance(density, str) and density == "gaussian":
            mean = torch.from_numpy(self._code_mean[columns])
            covariance = self._code_covariance[np.ix_(columns, columns)]
            root = covariance_root(torch.from_numpy(covariance))
            z = draw_gaussian(mean, root, n_samples, derived_generator(seed))
            return self._decode(z.numpy(), columns)
        codes = std = None
        if X is not None:
            x = self._rows(X)
            codes = self._encode(x)
            std = in_batches(self._module.code_std, x).cpu().numpy()[:, columns]
        z = draw_from_density(density, n_samples, seed, codes, std)
        return self.inverse_transform(z)
