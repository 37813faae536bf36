"""What a fit has come to between two epochs, for another process to go on from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from skorch.callbacks import Callback
from skorch.history import History
from torch import Tensor, nn

if TYPE_CHECKING:
    from .net import AutoencoderNet

__all__ = ["Checkpoints", "progress_of", "put_back"]

_PLAIN = (type(None), bool, int, float, str, Tensor, np.ndarray)
_STATE = "state_dict"
# What every torch module has.
_OF_TORCH = frozenset(vars(nn.Module()))


class Checkpoints(Protocol):
    """Where a net keeps what it has come to."""

    def put_back(self, net: AutoencoderNet) -> None:
        """Let the net go on from what was kept before."""

    def keep(self, net: AutoencoderNet) -> None:
        """Keep what the net has come to after an epoch."""


def progress_of(net: AutoencoderNet) -> dict[str, Any]:
    """Return all that later epochs depend on, as numbers, strings and tensors.

    Parameters
    ----------
    net : AutoencoderNet
        Between two epochs.
    """
    return {
        "module": dict(net.module_.state_dict()),
        "numbers": {name: _numbers(part) for name, part in net.module_.named_modules()},
        "optimizers": net.optimizer_states(),
        "generators": [generator.get_state() for generator in _generators(net)],
        "draws": [] if net.draws_ is None else net.draws_.get_state(),
        "callbacks": {name: _remembered(c) for name, c in net.callbacks_},
        "active_count": _remembered(net.active_count_),
        "lowest": net.lowest_,
        "held_out_drawn": net.held_out_drawn_,
        "rows": net.train_rows_.index,
        "epochs_run": net.epochs_run_,
        "is_over": net.stop_requested_,
        "history": _columns(net.history),
    }


def put_back(net: AutoencoderNet, progress: dict[str, Any]) -> None:
    """Give a net that is about to begin its epochs what `progress_of` returned.

    Parameters
    ----------
    net : AutoencoderNet
        Of the same rows and settings.
    progress : dict
    """
    device = net.train_rows_.index.device
    net.module_.load_state_dict(progress["module"])
    for name, part in net.module_.named_modules():
        vars(part).update(progress["numbers"][name])
    for optimizer, state in zip(net.optimizers_, progress["optimizers"], strict=True):
        optimizer.load_state_dict(state)
    for generator, state in zip(_generators(net), progress["generators"], strict=True):
        generator.set_state(state)
    if net.draws_ is not None:
        net.draws_.set_state(progress["draws"])
    for name, callback in net.callbacks_:
        _remember(callback, progress["callbacks"].get(name, {}))
    _remember(net.active_count_, progress["active_count"])
    net.lowest_ = progress["lowest"]
    net.held_out_drawn_ = progress["held_out_drawn"]
    net.train_rows_.index = progress["rows"].to(device)
    net.epochs_run_ = progress["epochs_run"]
    net.stop_requested_ = progress["is_over"]
    net.history = _history(progress["history"])


def _generators(net: AutoencoderNet) -> list[torch.Generator]:
    return [net.generator_, net.shuffler_]


def _numbers(part: nn.Module) -> dict[str, Any]:
    """Return the plain numbers that a part of a module holds beside its state."""

    def is_number(value: Any) -> bool:
        return type(value) in (bool, int, float)

    return {
        name: value
        for name, value in vars(part).items()
        if name not in _OF_TORCH
        and (is_number(value) or (type(value) is list and all(map(is_number, value))))
    }


def _remembered(thing: Any) -> dict[str, Any]:
    """Return what a callback has learned: plain values, and states of schedulers."""
    known = {}
    for name, value in vars(thing).items():
        if not _is_learned(thing, name):
            continue
        if hasattr(value, "load_state_dict") and not isinstance(value, type):
            value = {_STATE: dict(value.state_dict())}
        if _is_plain(value):
            known[name] = value
    return known


def _is_learned(thing: Any, name: str) -> bool:
    """Whether an attribute is none of a callback's settings."""
    return name.endswith("_") or not isinstance(thing, Callback)


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return type(value) in _PLAIN


def _remember(thing: Any, known: dict[str, Any]) -> None:
    for name, value in known.items():
        if isinstance(value, dict) and value.keys() == {_STATE}:
            getattr(thing, name).load_state_dict(value[_STATE])
        else:
            setattr(thing, name, value)


def _columns(history: History) -> dict[str, tuple[list[int], list[Any]]]:
    """Return the epochs that have a value of each name, and these values."""
    columns: dict[str, tuple[list[int], list[Any]]] = {}
    for i, row in enumerate(history):
        for name, value in row.items():
            if name != "batches" and _is_plain(value):
                epochs, values = columns.setdefault(name, ([], []))
                epochs.append(i)
                values.append(value)
    return columns


def _history(columns: dict[str, tuple[list[int], list[Any]]]) -> History:
    history = History()
    for _ in columns["epoch"][0]:
        history.new_epoch()
        history.new_batch()
    for name, (epochs, values) in columns.items():
        for i, value in zip(epochs, values, strict=True):
            history[i][name] = value
    return history
