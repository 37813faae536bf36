"""What a fitted estimator does: codes, reconstructions, scores and samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, check_scalar
from torch import Tensor

from ..density import check_density, draw_from_density
from ..nn.gaussian import covariance_root, draw_gaussian
from ..nn.module import AutoencoderModule
from ..nn.variational import VariationalModule
from ..randomness import derived_generator, draw_seed
from ..training.devices import resolve_device
from ..training.environment import environment
from ..training.inference import evidence, in_batches
from .validation import as_tensor, check_codes, validate_rows

__all__ = ["CodePosterior", "FittedAutoencoderMixin"]


@dataclass(frozen=True, slots=True)
class CodePosterior:
    """Mean and standard deviation of the codes of each row.

    Parameters
    ----------
    mean : ndarray of shape (n_samples, n_components_out)
        Of the posterior, where there is one; else what `transform` returns.
    std : ndarray of shape (n_samples, n_components_out)
        Deviations of the posterior q(z|x) in the same columns; zeros where the method
        has no posterior.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]


class FittedAutoencoderMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Uses the module that `BaseAutoencoder` trained, and what it says of its codes."""

    n_active_components_: int
    active_components_: NDArray[np.intp]
    relevance_: NDArray[np.float32]
    relevance_ratio_: NDArray[np.float32]
    noise_variance_: float
    n_iter_: int
    axis_evidence_: NDArray[np.float32]
    axis_evidence_std_: NDArray[np.float32]
    history_: dict[str, list[float]]
    loss_curve_: list[float]
    device_: str
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _module: AutoencoderModule
    _code_mean: NDArray[np.float64]
    _code_covariance: NDArray[np.float64]
    _seed: int

    if TYPE_CHECKING:  # scikit-learn's own does not say what it returns

        def fit_transform(
            self, X: ArrayLike, y: Any = None, **fit_params: Any
        ) -> NDArray[np.float32]: ...

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
        return _host(self._encode(self._rows(X)))

    def code_posterior(self, X: ArrayLike) -> CodePosterior:
        """Return mean and standard deviation of the codes of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        CodePosterior
            Arrays `mean` and `std` of shape (n_samples, n_components_out), in the
            columns of `transform`. The deviations are zeros where the method has no
            posterior, and the means are what `transform` returns; which `ARDVAE`
            stretches where it estimates the noise.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_ardvae import VAE
        >>> X = load_digits().data / 16
        >>> model = VAE(8, max_iter=2, random_state=0).fit(X)
        >>> model.code_posterior(X).std.shape
        (1797, 8)
        """
        return self._code_posterior(self._rows(X))

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the mean of the data given codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components_in)
            Codes as `transform` returns them, or of the active components, or of all.
            Components that are missing are put at their mean over the training data.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Data, in the range and units of the training data.
        """
        check_is_fitted(self)
        n_all = len(self.relevance_)
        widths = {
            n_all: np.arange(n_all),
            len(self.active_components_): self.active_components_,
            len(self._columns_out): self._columns_out,
        }
        codes = check_codes(self, X, set(widths), self._precision(X))
        columns = widths[codes.shape[1]]
        return _host(self._decode(as_tensor(codes, self._device), columns))

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
        codes = self._encode(self._rows(X)).float()
        return _host(self._decode(codes, self._columns_out))

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> NDArray[np.object_]:
        """Return a name for each column that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only used to validate feature names with the names seen in `fit`.

        Returns
        -------
        ndarray of str of shape (n_components_out,)
            The class in lower case and the index of the component, as in
            `active_components_`: a component has one name whichever others are
            returned.
        """
        check_is_fitted(self)
        super().get_feature_names_out(input_features)  # which numbers the columns
        prefix = type(self).__name__.lower()
        names = [f"{prefix}{component}" for component in self._columns_out]
        return np.array(names, dtype=object)

    @property
    def module_(self) -> AutoencoderModule:
        """The trained torch module, in evaluation mode; shared, not a copy."""
        return self._module

    @property
    def _n_features_out(self) -> int:
        return len(self._columns_out)

    @property
    def _columns_out(self) -> NDArray[np.intp]:
        """The components that `transform` returns, in order."""
        if self.output_components == "all":
            return np.arange(len(self.relevance_))
        active = self.active_components_
        n_more = max(0, self.min_output_components - len(active))
        others = np.setdiff1d(np.arange(len(self.relevance_)), active)
        ranked = others[np.argsort(-self.relevance_[others], kind="stable")]
        return np.concatenate((active, ranked[:n_more]))

    @property
    def _device(self) -> torch.device:
        return torch.device(self.device_)

    def _move_to(self, device: str | torch.device | None) -> None:
        self.device_ = str(resolve_device(device))
        self._module.to(self.device_)

    def _precision(self, X: Any) -> type[np.floating]:
        """Return what X is computed in: float64 if it is that, and on the CPU.

        Other devices have no float64, or a slow one.
        """
        is_double = str(getattr(X, "dtype", "")).removeprefix("torch.") == "float64"
        return np.float64 if is_double and self._device.type == "cpu" else np.float32

    def _rows(self, X: ArrayLike) -> Tensor:
        """Return checked rows where the module is."""
        check_is_fitted(self)
        precision = self._precision(X)
        rows = validate_rows(self, X, reset=False, dtype=precision)
        return as_tensor(rows, self._device, precision)

    def _encode(self, x: Tensor) -> Tensor:
        """Return the codes of the components that `transform` returns."""
        columns = torch.as_tensor(self._columns_out, device=x.device)
        return in_batches(self._module, lambda m, rows: m.encode(rows)[:, columns], x)

    def _code_posterior(self, x: Tensor) -> CodePosterior:
        columns = torch.as_tensor(self._columns_out, device=x.device)
        mean = in_batches(self._module, lambda m, x: m.posterior_mean(x)[:, columns], x)
        std = in_batches(self._module, lambda m, x: m.code_std(x)[:, columns], x)
        return CodePosterior(_host(mean), _host(std))

    def _decode(self, codes: Tensor, columns: NDArray) -> Tensor:
        """Decode codes of some components, the others at their training mean."""
        whole = self._completion(codes, columns)
        return in_batches(self._module, lambda m, z: m.decode(whole(z)), codes)

    def _completion(self, like: Tensor, columns: NDArray) -> Callable[[Tensor], Tensor]:
        """Return what makes codes of all components from those of `columns`."""
        means = torch.from_numpy(self._code_mean).to(like.device, like.dtype)
        places = torch.as_tensor(columns, device=like.device)

        def whole(codes: Tensor) -> Tensor:
            rows = means.to(codes.dtype).repeat(len(codes), 1)
            return rows.index_copy(1, places, codes)

        return whole

    # --- scores and samples -----------------------------------------------------

    def score_samples(self, X: ArrayLike) -> NDArray[np.float32]:
        r"""Return how well the model explains each sample; higher is better.

        Probabilistic models: the evidence, a lower bound on log p(x) in nats,

        .. math:: -\tfrac D2 \log 2\pi s^2 - \frac{\mathrm E_q\|x - \hat x\|^2}{2 s^2}
            - \mathrm{KL}(q(z|x) \,\|\, p(z)),

        with :math:`s^2` the `noise_variance_` (of `ARDVAE` with ``beta="auto"``, the
        density may have one variance along the axes of the signal and another outside;
        `noise_variance_` is their mean). It does not contain the weight of the KL
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
        x, columns = self._rows(X), self._columns_out
        if isinstance(self._module, VariationalModule):
            axes = self.active_components_.tolist()
            noise = self.noise_variance_
            return _host(evidence(self._module, x, noise, self._seed, axes))
        whole = self._completion(x, columns)
        places = torch.as_tensor(columns, device=x.device)

        def score(module: AutoencoderModule, rows: Tensor) -> Tensor:
            reconstructed = module.decode(whole(module.encode(rows)[:, places]))
            return -(reconstructed - rows).square().mean(1)

        return _host(in_batches(self._module, score, x))

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
            What a density is fitted to, since training data are not kept.

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
            with environment(self._module, n_samples), torch.no_grad():
                z = self._module.draw_prior(n_samples, generator)
            return _host(self._decode(z[:, torch.as_tensor(columns)], columns))
        if isinstance(density, str) and density == "gaussian":
            mean = torch.from_numpy(self._code_mean[columns])
            covariance = self._code_covariance[np.ix_(columns, columns)]
            root = covariance_root(torch.from_numpy(covariance))
            z = draw_gaussian(mean, root, n_samples, derived_generator(seed))
            return _host(self._decode(z.to(self._device, torch.float32), columns))
        q = None if X is None else self._code_posterior(self._rows(X))
        codes, std = (None, None) if q is None else (q.mean, q.std)
        z = draw_from_density(density, n_samples, seed, codes, std)
        return self.inverse_transform(z)


def _host(x: Tensor) -> NDArray[np.float32]:
    """Return what users get: an array of float32."""
    return x.float().cpu().numpy()
