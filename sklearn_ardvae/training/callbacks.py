"""What happens between epochs: learning rate, best weights, stopping, reporting."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from skorch.history import History
from torch import Tensor

from .._warnings import warn
from .net import AutoencoderNet

__all__ = ["ConvergenceMonitor", "SklearnBridge", "check_callbacks", "join_histories"]


class ConvergenceMonitor(Callback):
    """Anneal the learning rate and stop by the loss on the validation rows.

    A loss has improved when it is below the best one by `tol` of its size (torch's
    and skorch's relative thresholds move the wrong way for negative losses). After
    `lr_patience` epochs without improvement all learning rates are halved; after
    `n_iter_no_change` training stops and the best weights are restored.

    Without validation rows the training loss is monitored.

    Parameters
    ----------
    lr_patience : int or None
        None keeps the learning rate.
    early_stopping : bool
        Whether to stop, and to restore the best weights at the end.
    n_iter_no_change : int
    tol : float
    """

    def __init__(
        self,
        lr_patience: int | None,
        early_stopping: bool,
        n_iter_no_change: int,
        tol: float,
    ) -> None:
        self.lr_patience = lr_patience
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol

    def on_train_begin(self, net: AutoencoderNet, **kwargs: Any) -> None:
        self._start_anew()

    def _start_anew(self) -> None:
        self.best_loss_ = self.lowest_loss_ = float("inf")
        self.best_state_: dict[str, Tensor] | None = None
        self.epochs_since_best_ = self.epochs_since_cut_ = 0

    def on_epoch_end(self, net: AutoencoderNet, **kwargs: Any) -> None:
        if net.module_.is_searching or not net.module_.settled:
            self._start_anew()
            return
        record = net.history[-1]
        loss = record.get("valid_loss", record["train_loss"])
        if loss < self.lowest_loss_:
            self.lowest_loss_ = loss
            self._keep_weights(net)
        if loss < self.best_loss_ - self.tol * min(abs(self.best_loss_), 1e30):
            self.best_loss_ = loss
            self.epochs_since_best_ = self.epochs_since_cut_ = 0
            return
        self.epochs_since_best_ += 1
        self.epochs_since_cut_ += 1
        if self.early_stopping and self.epochs_since_best_ >= self.n_iter_no_change:
            self._end_or_go_on(net)
            return
        if self.lr_patience is not None and self.epochs_since_cut_ >= self.lr_patience:
            self.epochs_since_cut_ = 0
            for optimizer in net.optimizers_:
                for group in optimizer.param_groups:
                    group["lr"] *= 0.5

    def _end_or_go_on(self, net: AutoencoderNet) -> None:
        """Stop, unless the module goes on from the best weights."""
        net.module_.load_state_dict(self.best_state_)
        with torch.no_grad():
            is_over = net.module_.converged(net.probe_)
        if is_over:
            net.request_stop()
            return
        for optimizer in net.optimizers_:
            optimizer.state.clear()
        self._start_anew()

    def on_train_end(self, net: AutoencoderNet, **kwargs: Any) -> None:
        if self.best_state_ is not None and (self.early_stopping or net.interrupted_):
            net.module_.load_state_dict(self.best_state_)
        self.best_state_ = None

    def warn_of(
        self,
        net: AutoencoderNet,
        name: str,
        consequence: str = "n_active_components_ may be too high",
    ) -> None:
        """Warn if training was interrupted, or ended before it converged."""
        n_active = [row["n_active"] for row in net.history]
        if net.interrupted_:
            warn("Training interrupted by user.")
            return
        recent = n_active[-self.n_iter_no_change :]
        falling = []
        if self.epochs_since_best_ < self.n_iter_no_change:
            falling.append("the loss")
        if recent[-1] < recent[0]:
            falling.append("the number of active components")
        if falling and not net.stop_requested_:
            warn(
                f"{name}: max_iter={len(n_active)} epochs are over while "
                f"{' and '.join(falling)} still fell; {consequence}. Increase "
                "max_iter, or learning_rate.",
                ConvergenceWarning,
            )

    def _keep_weights(self, net: AutoencoderNet) -> None:
        state = net.module_.state_dict()
        if self.best_state_ is None:
            self.best_state_ = {name: value.clone() for name, value in state.items()}
            return
        for name, value in state.items():
            self.best_state_[name].copy_(value)


class SklearnBridge(Callback):
    """Report each epoch to scikit-learn's callbacks and stop when one says so.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        Of the fit.
    hook_arguments : dict
        The arguments ``estimator``, ``X`` and ``y`` of every hook.
    snapshot : callable
        ``snapshot(net) -> dict``: fitted attributes as of now; only called if a
        callback asks for a fitted estimator.
    """

    def __init__(
        self,
        context: Any,
        hook_arguments: dict[str, Any],
        snapshot: Callable[[AutoencoderNet], dict[str, Any]],
    ) -> None:
        self.context = context
        self.hook_arguments = hook_arguments
        self.snapshot = snapshot

    def on_epoch_begin(self, net: AutoencoderNet, **kwargs: Any) -> None:
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(**self.hook_arguments)

    def on_epoch_end(self, net: AutoencoderNet, **kwargs: Any) -> None:
        stop = self.epoch_.call_on_fit_task_end(
            **self.hook_arguments, reconstruction_attributes=lambda: self.snapshot(net)
        )
        if stop:
            net.request_stop()


def join_histories(earlier: dict[str, list], history: History) -> dict[str, list]:
    """Return columns of equal length, with NaN where an epoch lacks a value.

    Parameters
    ----------
    earlier : dict of str to list
        Of the epochs before.
    history : skorch.history.History
        Of a net; book-keeping of skorch's own and durations are left out.
    """
    internal = ("epoch", "dur", "batches")
    names = dict.fromkeys(("train_loss", *earlier))
    for row in history:
        names |= dict.fromkeys(row)
    n_before = len(next(iter(earlier.values()), []))
    return {
        name: [
            *earlier.get(name, [math.nan] * n_before),
            *(row.get(name, math.nan) for row in history),
        ]
        for name in names
        if name not in internal and not name.endswith(("_best", "_batch_count"))
    }


def check_callbacks(callbacks: list | None) -> list:
    """Return callbacks of skorch, or pairs of a name and one, if they are such.

    Raises
    ------
    ValueError
        If something else is among them.
    """
    for given in callbacks or []:
        is_pair = isinstance(given, tuple | list)
        if is_pair and len(given) == 2 and isinstance(given[0], str):
            callback = given[1]
        else:
            callback = None if is_pair else given
        # skorch asks no more of them than that.
        if not callable(getattr(callback, "initialize", None)):
            raise ValueError(
                f"callbacks holds {given!r}, which is neither a callback of skorch nor "
                "a pair of a name and one. Those of scikit-learn go through "
                "set_callbacks()."
            )
    return callbacks or []
