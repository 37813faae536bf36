"""The engine: a skorch net that trains any ``AutoencoderModule``.

One training step serves one phase or many; rows stay on the device; the host waits
for the device once per epoch, when the sums of the epoch are read back.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, PrintLog
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from ..nn.module import AutoencoderModule, EpochStart, LossTerms, Phase
from ..randomness import derived_generator, seeded_global_rng
from ..relevance import count_active, jacobian_weights
from .batches import Rows, TensorBatches

__all__ = ["AutoencoderNet"]

# Streams of the fit's seed. Rows are shuffled by a generator on the CPU, so that
# every device sees them in the same order.
_NOISE, _SHUFFLE, _VALIDATION, _FINISH = range(4)

# The estimate of the active count in the history: rows it looks at, rows at which it
# takes the Jacobian, epochs between two estimates. Under 1 % of the time.
_PROBE_ROWS, _PROBE_JACOBIANS, _PROBE_EVERY = 256, 16, 5

# Rows behind an error estimate where there are no validation rows.
_TEST_ROWS = 10_000

# What skorch tells callbacks of every batch, mostly for nothing: 3 % of the time.
_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")

# Validation needs no gradients, so that larger batches fit.
_VALIDATION_BATCH = 1024


class _StopTraining(Exception):
    """Leaves skorch's loop between two epochs."""


class AutoencoderNet(NeuralNet):
    """Trains an autoencoder module on a tensor of rows.

    Parameters
    ----------
    module : AutoencoderModule
        Built and initialised; trained in place.
    seed : int
        Of every random number that training draws.
    validation_fraction : float
        Share of the rows on which ``valid_loss`` is computed, with the same noise in
        each epoch; 0 for none.
    active_threshold : float
        Share of the relevance that the axes counted in ``n_active`` exceed.
    epochs_before : int
        Epochs that the module was trained for before this net.
    streaming : bool
        Whether the rows are one piece of a stream.
    **kwargs
        Of ``skorch.NeuralNet``.
    """

    def __init__(
        self,
        module: AutoencoderModule,
        *,
        seed: int,
        criterion: type[nn.Module] = nn.Identity,
        optimizer: type[torch.optim.Optimizer] = torch.optim.Adam,
        validation_fraction: float = 0.1,
        active_threshold: float = 0.99,
        epochs_before: int = 0,
        streaming: bool = False,
        iterator_train: Callable = TensorBatches,
        iterator_valid: Callable = TensorBatches,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            module,
            criterion,
            optimizer,
            iterator_train=iterator_train,
            iterator_valid=iterator_valid,
            train_split=None,
            **kwargs,
        )
        self.seed = seed
        self.validation_fraction = validation_fraction
        self.active_threshold = active_threshold
        self.epochs_before = epochs_before
        self.streaming = streaming

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        print_log = [("print_log", PrintLog())] if self.verbose else []
        return [("epoch_timer", EpochTimer()), *print_log]

    # --- set-up -----------------------------------------------------------------

    def initialize(self) -> AutoencoderNet:
        started = self.epochs_before
        self.generator_ = derived_generator(
            self.seed, _NOISE, started, device=self.device
        )
        self.shuffler_ = derived_generator(self.seed, _SHUFFLE, started)
        return super().initialize()

    def torch_compile(self, module: nn.Module, name: str) -> nn.Module:
        """Leave the module alone: what is compiled is the loss of each phase."""
        return module

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> NeuralNet:
        """Make one optimiser for each phase: ``optimizer_``, ``<name>_optimizer_``."""
        names = {id(p): name for name, p in self.module_.named_parameters()}
        compiled = self.get_params_for("compile")
        self.phases_ = []
        for i, phase in enumerate(self.module_.phases()):
            prefix = "optimizer" if i == 0 else f"{phase.name}_optimizer"
            parameters = list(phase.parameters)
            named = [(names.get(id(p), str(j)), p) for j, p in enumerate(parameters)]
            args, kwargs = self.get_params_for_optimizer("optimizer", named)
            kwargs["lr"] *= phase.learning_rate_factor
            if i > 0:
                kwargs |= self.get_params_for(prefix)
            if "fused" in inspect.signature(self.optimizer).parameters:
                kwargs.setdefault("fused", _fused_runs_on(self.device))
            setattr(self, f"{prefix}_", self.optimizer(*args, **kwargs))
            loss = torch.compile(phase.loss, **compiled) if self.compile else phase.loss
            self.phases_.append(
                (phase, parameters, loss, getattr(self, f"{prefix}_"), _Sums())
            )
        return self

    def _source_of_dropout(self) -> AbstractContextManager:
        """Give dropout, which draws from the global generator, a seeded one."""
        if any(isinstance(m, _DropoutNd) for m in self.module_.modules()):
            return seeded_global_rng(self.seed + self.epochs_before, self.device)
        return nullcontext()

    @property
    def optimizers_(self) -> list[torch.optim.Optimizer]:
        """The optimiser of each phase."""
        return [optimizer for _, _, _, optimizer, _ in self.phases_]

    def get_split_datasets(
        self, X: Tensor, y: Any = None, **fit_params: Any
    ) -> tuple[Rows, Rows | None]:
        self.data_ = X
        order = torch.randperm(len(X), generator=self.shuffler_).to(X.device)
        n_valid = 0
        if self.validation_fraction > 0:
            n_valid = max(1, round(self.validation_fraction * len(X)))
            n_valid = min(n_valid, len(X) - 1)
        self.train_index_ = order[n_valid:]
        self.probe_ = X[order[:_PROBE_ROWS]]
        valid = Rows(X, order[:n_valid])
        # What errors are measured on: the validation rows, or some of all rows.
        self.test_rows_ = (valid if n_valid else Rows(X, order[:_TEST_ROWS])).tensor()
        return Rows(X, self.train_index_), valid if n_valid else None

    def get_iterator(self, dataset: Rows, training: bool = False) -> Any:
        if not training:
            size = max(self.batch_size, _VALIDATION_BATCH)
            kwargs = {"batch_size": size} | self.get_params_for("iterator_valid")
            return self.iterator_valid(dataset, **kwargs)
        self.fresh_batches_ = self._endless_batches(dataset)
        kwargs = {
            "batch_size": self.batch_size,
            "shuffle": True,
            "generator": self.shuffler_,
        }
        kwargs |= self.get_params_for("iterator_train")
        return self.iterator_train(dataset, **kwargs)

    def _endless_batches(self, dataset: Rows) -> Any:
        """Yield batches drawn uniformly with replacement, for phases that ask."""
        while True:
            size = min(self.batch_size, len(dataset)) if self.batch_size > 0 else None
            pick = torch.randint(
                len(dataset),
                (size or len(dataset),),
                generator=self.generator_,
                device=dataset.data.device,
            )
            yield dataset.data.index_select(0, dataset.index[pick])

    # --- the loop ---------------------------------------------------------------

    def fit_loop(
        self, X: Tensor, y: Any = None, epochs: int | None = None, **kwargs: Any
    ) -> AutoencoderNet:
        self.stop_requested_ = self.interrupted_ = False
        self.n_epochs_ = self.epochs_before + self.max_epochs
        try:
            with self._source_of_dropout():
                super().fit_loop(X, y, epochs=epochs, **kwargs)
        except _StopTraining:
            pass
        except KeyboardInterrupt as interrupt:
            self.stop_requested_ |= _raised_by_callback(interrupt)
            self.interrupted_ = not self.stop_requested_
        if self.history and "train_loss" not in self.history[-1]:
            self.history.pop()
        return self

    def on_train_begin(self, net: NeuralNet, *args: Any, **kwargs: Any) -> None:
        super().on_train_begin(net, *args, **kwargs)
        self.batch_hooks_ = {
            hook
            for hook in _BATCH_HOOKS
            for _, callback in self.callbacks_
            if getattr(getattr(callback, hook), "__func__", None)
            is not getattr(Callback, hook)
        }

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Tell callbacks; of a batch, only if one of them wants to know."""
        if method_name not in _BATCH_HOOKS or method_name in self.batch_hooks_:
            super().notify(method_name, **cb_kwargs)

    def request_stop(self) -> None:
        """End training before the next epoch; every callback still sees this one."""
        self.stop_requested_ = True

    def on_epoch_begin(
        self, net: NeuralNet, dataset_train: Rows | None = None, **kwargs: Any
    ) -> None:
        if self.stop_requested_:
            raise _StopTraining
        super().on_epoch_begin(net, dataset_train, **kwargs)
        # skorch's callbacks look for a row of batches; one per epoch is enough, and
        # does not grow by 200 bytes a batch.
        self.history.new_batch()
        epoch = EpochStart(
            index=self.epoch_,
            n_epochs=self.n_epochs_,
            n_rows=len(self.train_index_),
            held_out=self._draw_held_out(dataset_train),
            generator=self.generator_,
            streaming=self.streaming,
        )
        self.module_.eval()
        with torch.no_grad():
            self.module_.start_epoch(epoch)

    @property
    def epoch_(self) -> int:
        """Index of the epoch that is being run, over all nets of this module."""
        return self.epochs_before + len(self.history) - 1

    def _draw_held_out(self, train: Rows) -> Tensor | None:
        """Draw the rows withheld from now on, if the module asks and it is time."""
        rule = self.module_.held_out
        never_drawn = train.index is self.train_index_
        if rule is None or (self.epoch_ % rule.every and not never_drawn):
            return None
        n_rows = len(self.train_index_)
        size = min(rule.size(n_rows), n_rows if rule.shared else n_rows - 1)
        order = torch.randperm(n_rows, generator=self.shuffler_)
        order = self.train_index_[order.to(self.train_index_.device)]
        if not rule.shared:
            train.index = order[size:]
        return train.data.index_select(0, order[:size]) if size > 0 else None

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **kw: Any
    ) -> None:
        if iterator is None:
            return
        self.module_.train(training)
        if not training:
            self.valid_sums_ = _Sums()
            # The same noise in each epoch: the monitored loss is less noisy.
            self.valid_generator_ = derived_generator(
                self.seed, _VALIDATION, device=self.device
            )
        n_batches = 0
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            self.notify("on_batch_end", batch=batch, training=training, **step)
            n_batches += 1
        self.history.record(f"{prefix}_batch_count", n_batches)

    def on_batch_begin(self, net: NeuralNet, *args: Any, **kwargs: Any) -> None:
        """Do not open a history row for each batch."""

    def train_step(self, batch: tuple[Tensor, Any], **fit_params: Any) -> dict:
        """Update each phase in turn, on its own parameters only."""
        rows = batch[0].to(self.device)
        single = len(self.phases_) == 1
        result: LossTerms | None = None
        for phase, parameters, loss, optimizer, sums in self.phases_:
            # Sparing other phases' parameters their gradients takes autograd time.
            inputs = None if single else parameters
            for _ in range(phase.repeats):
                x = next(self.fresh_batches_) if phase.fresh_batch else rows
                terms = loss(x, phase.draw_noise(len(x), self.generator_))
                for parameter in parameters:
                    parameter.grad = None
                terms.total.backward(inputs=inputs)
                if "on_grad_computed" in self.batch_hooks_:
                    self._notify_gradients(phase, batch)
                optimizer.step()
                sums.add(terms, len(x))
                result = result or terms
        return {"loss": result.total.detach(), "y_pred": None}

    def _notify_gradients(self, phase: Phase, batch: tuple[Tensor, Any]) -> None:
        named = [(str(i), p) for i, p in enumerate(phase.parameters)]
        self.notify(
            "on_grad_computed", named_parameters=named, batch=batch, training=True
        )

    def validation_step(self, batch: tuple[Tensor, Any], **fit_params: Any) -> dict:
        x = batch[0].to(self.device)
        with torch.no_grad():
            noise = self.module_.draw_noise(len(x), self.valid_generator_)
            terms = self.module_.loss(x, noise)
        self.valid_sums_.add(terms, len(x))
        return {"loss": terms.total, "y_pred": None}

    # --- the books --------------------------------------------------------------

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Read the sums of the epoch back, in one transfer, and record their means."""
        self.module_.eval()
        columns: dict[str, Tensor] = {}
        for i, (phase, _, _, _, sums) in enumerate(self.phases_):
            columns |= sums.means("train", "loss" if i == 0 else phase.name)
        if self.validation_fraction > 0:
            columns |= self.valid_sums_.means("valid", "loss")
        columns["n_active"] = self._estimate_n_active()
        like = columns["train_loss"]
        values = torch.stack([value.to(like) for value in columns.values()]).tolist()
        record = dict(zip(columns, values, strict=True))
        self._check_finite(record)
        for name, value in record.items():
            if name in ("train_loss", "valid_loss"):
                earlier = self.history[:-1, name] if len(self.history) > 1 else []
                best = all(value <= other for other in earlier)
                self.history.record(f"{name}_best", best)
            self.history.record(name, int(value) if name == "n_active" else value)
        self.history.record("learning_rate", self.optimizer_.param_groups[0]["lr"])

    def _estimate_n_active(self) -> Tensor:
        """Return the module's own count, or an estimate of every few epochs."""
        own = self.module_.count_active()
        if own is not None:
            return own
        if (len(self.history) - 1) % _PROBE_EVERY == 0:
            with torch.no_grad():
                codes = self.module_.encode(self.probe_)
                variance = self.module_.component_variance(codes)
                weights = jacobian_weights(
                    self.module_.decode, codes[:_PROBE_JACOBIANS], variance
                )
            self.n_active_ = count_active(weights * variance, self.active_threshold)
        return self.n_active_

    def _check_finite(self, record: dict[str, float]) -> None:
        bad = [name for name, value in record.items() if not math.isfinite(value)]
        if not bad:
            return
        largest = self.probe_.abs().max().item()
        raise ValueError(
            f"Training diverged: {', '.join(bad)} not finite in epoch "
            f"{self.epoch_ + 1}. Likely causes: features on a large scale (the "
            f"largest |X| seen is {largest:.3g}; use StandardScaler), or a learning "
            f"rate that is too high (learning_rate={self.lr}; divide it by 10)."
        )

    def finish(self, x: Tensor) -> None:
        """Let the trained module compute what it needs from all rows."""
        n_epochs = self.epochs_before + len(self.history)
        generator = derived_generator(self.seed, _FINISH, n_epochs, device=self.device)
        self.module_.eval()
        if not self.streaming:
            with torch.no_grad():
                self.module_.finish(x, generator)

    def optimizer_states(self) -> list[dict[str, Any]]:
        """Return what `resume_optimizers` of a later net takes."""
        return [optimizer.state_dict() for optimizer in self.optimizers_]

    def resume_optimizers(self, states: list[dict[str, Any]]) -> None:
        """Take over the moments of an earlier net's optimisers, not their rates."""
        for optimizer, state in zip(self.optimizers_, states, strict=True):
            rates = [group["lr"] for group in optimizer.param_groups]
            optimizer.load_state_dict(state)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate


class _Sums:
    """Sums of loss terms over the rows of an epoch, kept on the device."""

    #: Values that are collected before they are added up: cheaper than one by one.
    _CHUNK = 256

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.sums: dict[str, Tensor | float] = {}
        self.values: dict[str, list[Tensor]] = {}
        self.weights: list[int] = []
        self.n_rows = 0

    def add(self, terms: LossTerms, n_rows: int) -> None:
        self.values.setdefault("", []).append(terms.total.detach())
        for name, value in terms.parts.items():
            self.values.setdefault(name, []).append(value.detach())
        self.weights.append(n_rows)
        if len(self.weights) == self._CHUNK:
            self._add_up()

    def _add_up(self) -> None:
        for name, values in self.values.items():
            stacked = torch.stack(values)
            weighted = stacked @ stacked.new_tensor(self.weights)
            self.sums[name] = self.sums.get(name, 0.0) + weighted
        self.n_rows += sum(self.weights)
        self.values, self.weights = {}, []

    def means(self, prefix: str, total: str) -> dict[str, Tensor]:
        """Return the means by column name and start anew."""
        self._add_up()
        means = {
            f"{prefix}_{name or total}": value / self.n_rows
            for name, value in self.sums.items()
        }
        self._start()
        return means


def _fused_runs_on(device: str | torch.device) -> bool:
    """Whether the fused kernel (a third of Adam's time on a CPU) exists there."""
    try:
        torch.optim.Adam([torch.zeros(1, device=device)], fused=True)
    except RuntimeError:
        return False
    return True


def _raised_by_callback(interrupt: KeyboardInterrupt) -> bool:
    """Tell skorch's own early stopping, which raises this, from the user's Ctrl-C."""
    traceback = interrupt.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = traceback.tb_frame.f_globals.get("__name__", "") if traceback else ""
    return module.startswith("skorch.callbacks")
