"""What a fit has found: from a trained module to the attributes of an estimator."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from .._warnings import warn
from ..nn.blocks import feature_moments
from ..nn.evidence import EvidenceModule
from ..nn.gaussian import Moments
from ..nn.module import AutoencoderModule
from ..randomness import Stream, derived_generator
from ..relevance import jacobian_weights, rank_axes, select_active
from ..training.callbacks import join_histories
from ..training.environment import environment
from ..training.inference import code_moments, noise_variance
from ..training.net import AutoencoderNet
from .dimension import what_tells_dimensions
from .verdict import judged

__all__ = ["OutcomeMixin"]


class OutcomeMixin:
    """Describes the module that `BaseAutoencoder` has trained."""

    if TYPE_CHECKING:
        _seed: int
        _warns: ClassVar[bool]
        n_active_components_: int
        history_: dict[str, list[float]]

    def _relevance_rule(self) -> tuple[float, int]:
        """Return the share that active axes exceed, and the rows it is taken at."""
        return 0.99, 100

    def _fitted_state(
        self, module: AutoencoderModule, net: AutoencoderNet, x: Tensor
    ) -> dict[str, Any]:
        """Return the fitted attributes of `module`, trained by `net` on rows `x`."""
        codes = code_moments(module, x)
        relevance = self._relevance(module, x, codes)
        total = relevance.sum()
        ranked = np.argsort(-relevance, kind="stable").tolist()
        noise = module.known_noise_variance()
        if noise is None:
            noise = noise_variance(module, net.error_rows_, self._seed, ranked)
        if _is_collapsed(total, noise * x.shape[1], x):
            active = np.empty(0, dtype=np.intp)
        else:
            active = self._active_axes(module, relevance)
        history = join_histories(self.history_, net.history)
        dimensions = what_tells_dimensions(module, x, active, noise, self._seed)
        return {
            "_module": module,
            "_optimizer_states": net.optimizer_states(),
            "_code_mean": codes.mean.numpy(),
            "_code_covariance": codes.covariance.numpy(),
            "active_components_": active,
            "n_active_components_": len(active),
            "relevance_": (relevance * module.unit**2).astype(np.float32),
            "relevance_ratio_": (relevance / (total or 1.0)).astype(np.float32),
            "noise_variance_": module.in_users_units(noise),
            "history_": history,
            "loss_curve_": history["train_loss"],
            "n_iter_": len(history["train_loss"]),
            "device_": str(x.device),
            **dimensions,
            **self._evidence_state(module, x, active, dimensions["_dimension_of_rows"]),
        }

    def _evidence_state(
        self,
        module: AutoencoderModule,
        x: Tensor,
        active: NDArray,
        dimension_of_rows: float | None,
    ) -> dict[str, Any]:
        """Return what is known of the worth of axes, where a fit weighed them."""
        names = ("axis_evidence_", "axis_evidence_std_", "_verdict")
        if not isinstance(module, EvidenceModule) or module.worth is None:
            for name in names:  # of an earlier fit
                self.__dict__.pop(name, None)
            return {}
        state: dict[str, Any] = {
            "axis_evidence_": module.worth.worth.cpu().numpy(),
            "axis_evidence_std_": module.worth.error.cpu().numpy(),
        }
        if not module.likelihood.logits:  # whose evidence no PCA has
            generator = derived_generator(self._seed, Stream.FOLDS)
            verdict = judged(module, x, active.tolist(), generator, dimension_of_rows)
            state["_verdict"] = verdict.as_dict()
        return state

    def _relevance(
        self, module: AutoencoderModule, x: Tensor, codes: Moments
    ) -> NDArray:
        """Return the relevance of each axis."""
        generator = derived_generator(self._seed, Stream.JACOBIAN_ROWS, device=x.device)
        order = torch.randperm(len(x), generator=generator, device=x.device)
        rows = x[order[: self._relevance_rule()[1]]]
        of_codes = codes.covariance.diagonal().float()
        with environment(module, len(rows)), torch.no_grad():
            variance = module.component_variance(of_codes.to(x.device))
            weights = jacobian_weights(module.decode, module.encode(rows), variance)
        return (weights * variance).cpu().double().numpy()

    def _active_axes(self, module: AutoencoderModule, relevance: NDArray) -> NDArray:
        """Return the axes that the method or their relevance keeps, best first."""
        kept = module.is_active()
        if kept is None:
            return select_active(relevance, self._relevance_rule()[0])
        return rank_axes(relevance, kept.cpu().numpy())

    def _snapshot(self, net: AutoencoderNet) -> dict[str, Any]:
        """Return the fitted state as if training ended now; it goes on meanwhile."""
        module = copy.deepcopy(net.module_)
        net.finish(net.data_, module)
        state = self._fitted_state(module, net, net.data_)
        module.restore_units()
        return state

    def _warn_of_collapse(self) -> None:
        if self.n_active_components_ or not self._warns:
            return
        if "_verdict" in self.__dict__:
            reason = (
                "no axis is worth its price to rows that training does not see: to the "
                "model, X is noise."
            )
        else:
            reason = (
                "the decoder ignores its codes. X has too little variance for the "
                "weight of the prior or penalty; decrease that weight, or put a "
                "StandardScaler in front."
            )
        warn(
            f"{type(self).__name__} has no active component: {reason} With "
            "min_output_components=1 transform returns a column all the same.",
            ConvergenceWarning,
        )


def _is_collapsed(total_relevance: float, error: float, x: Tensor) -> bool:
    """Whether the decoder ignores its codes, or X has no variance to be explained.

    Then the output hardly varies with the codes and the squared `error` is that of
    the mean. (Perfectly reconstructed clusters have small Jacobians too.)
    """
    mean, variances = feature_moments(x)
    variance = variances.sum().item()
    rounding = 1e-12 * (mean.square().sum().item() + variance)
    ignored = total_relevance <= 1e-2 * variance and error >= 0.95 * variance
    return variance <= rounding or ignored
