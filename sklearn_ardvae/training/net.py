"""The engine: a skorch net that trains any ``AutoencoderModule``.

One training step serves one phase or many; rows stay on the device; the host waits
for the device once per epoch, when the sums of the epoch are read back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer
from torch import Tensor, nn

from .._warnings import warn
from ..nn.module import AutoencoderModule, EpochStart, FitStart, LossTerms, Phase
from ..randomness import Stream, derived_generator, derived_seed
from .batches import Rows, TensorBatches
from .books import ActiveCount, Sums, check_finite
from .environment import environment
from .interrupts import Interrupts
from .lockstep import steps_with_others
from .log import EpochLog
from .optimizers import take_moments
from .phases import TrainedPhase, optimizer_prefix, trained_phases
from .resuming import Checkpoints
from .team import ALONE, Team, part_of

__all__ = ["AutoencoderNet"]

# Training rows that the module and the books look at between two epochs.
_PROBE_ROWS = 256

# Rows that the module judges an epoch by: enough for 2 % of the deviation of a row.
_UNSEEN_ROWS = 2_000

# Rows behind an error estimate where there are no validation rows.
_ERROR_ROWS = 10_000

# What skorch tells callbacks of every batch, mostly for nothing: 3 % of the time.
_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")

# Told before and after the loop that Ctrl-C may leave.
_OUTSIDE_THE_LOOP = ("on_train_begin", "on_train_end")

# What a step costs in passes of the rows through the networks.
_PASSES = 3

# Validation needs no gradients, so that larger batches fit.
_VALIDATION_BATCH = 1024

# What has no meaning outside the fit that is going on, or cannot be pickled.
_OF_ONE_FIT = frozenset(
    {
        "checkpoints_",
        "data_",
        "draws_",
        "error_rows_",
        "fresh_batches_",
        "interrupts_",
        "probe_",
        "team",
        "train_index_",
        "train_rows_",
    }
)


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
    team : Team
        The processes that share the batches.
    mixed_precision : str or None
        "bf16": the networks multiply in bfloat16 in the gradient steps.
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
        team: Team = ALONE,
        mixed_precision: str | None = None,
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
        self.team = team
        self.mixed_precision = mixed_precision

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        print_log = [("print_log", EpochLog(self.verbose))] if self.verbose else []
        return [("epoch_timer", EpochTimer()), *print_log]

    # --- set-up -----------------------------------------------------------------

    def initialize(self) -> AutoencoderNet:
        started = self.epochs_before
        self.generator_ = derived_generator(
            self.seed, Stream.NOISE, started, device=self.device
        )
        # On the CPU, so that every device sees the rows of an epoch in the same order
        # (but not those of the batches that phases draw for themselves).
        self.shuffler_ = derived_generator(self.seed, Stream.SHUFFLE, started)
        self.active_count_ = ActiveCount(self.active_threshold)
        self.checkpoints_: Checkpoints | None = None
        self.shareable_: set[str] = set()
        return super().initialize()

    def torch_compile(self, module: nn.Module, name: str) -> nn.Module:
        """Leave the module alone: what is compiled is the loss of each phase."""
        return module

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> NeuralNet:
        """Make one optimiser for each phase: ``optimizer_``, ``<name>_optimizer_``."""
        self.phases_ = trained_phases(self)
        for i, trained in enumerate(self.phases_):
            setattr(self, f"{optimizer_prefix(trained.phase, i)}_", trained.optimizer)
        return self

    @property
    def rates_(self) -> list[list[float]]:
        """The learning rate that each optimiser began with, by group."""
        return [trained.rates for trained in self.phases_]

    @property
    def optimizers_(self) -> list[torch.optim.Optimizer]:
        """The optimiser of each phase."""
        return [trained.optimizer for trained in self.phases_]

    def get_split_datasets(
        self, X: Tensor, y: Any = None, **fit_params: Any
    ) -> tuple[Rows, Rows | None]:
        self.data_ = X
        self.held_out_drawn_ = False
        order = torch.randperm(len(X), generator=self.shuffler_).to(X.device)
        n_valid = 0
        if self.validation_fraction > 0:
            n_valid = max(1, round(self.validation_fraction * len(X)))
            n_valid = min(n_valid, len(X) - 1)
        self.train_index_ = order[n_valid:]
        self.probe_ = X[order[:_PROBE_ROWS]]
        valid = Rows(X, order[:n_valid])
        # What errors are measured on: the validation rows, or some of all rows.
        self.error_rows_ = valid if n_valid else Rows(X, order[:_ERROR_ROWS])
        if not self.streaming:
            self._begin()
        self.train_rows_ = Rows(X, self.train_index_)
        if self.checkpoints_ is not None:
            self.checkpoints_.put_back(self)
        return self.train_rows_, valid if n_valid else None

    @property
    def _is_judged(self) -> bool:
        """Whether the module looks at each epoch: not at the pieces of a stream."""
        return self.module_.watches_unseen and not self.streaming

    def _begin(self) -> None:
        n_unseen = _UNSEEN_ROWS if self.module_.watches_unseen else 0
        start = FitStart(
            rows=self.data_,
            seen=self.train_index_,
            unseen=self.data_[self.error_rows_.index[:n_unseen]],
            n_epochs=self.max_epochs,
            is_new=self.epochs_before == 0,
        )
        self.module_.eval().begin(start)

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

    def _endless_batches(self, dataset: Rows) -> Iterator[Tensor]:
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

    def train(self, x: Tensor, interrupts: Interrupts | None = None) -> AutoencoderNet:
        """Train the module on rows `x`, for `max_epochs` epochs or until told to stop.

        Parameters
        ----------
        x : Tensor of shape (n_rows, n_features)
            On the net's device.
        interrupts : Interrupts or None
            Of a block that goes on after training; by default that of training alone.
        """
        if interrupts is None:
            with Interrupts() as interrupts:
                return self.train(x, interrupts)
        self.interrupts_ = interrupts
        size = len(x) if self.batch_size == -1 else self.batch_size
        seed = derived_seed(self.seed, Stream.NETWORKS, self.epochs_before)
        # A step goes there and back, and back again for the gradients.
        n_passes = _PASSES * min(size, len(x))
        with environment(self.module_, n_passes, seed) as self.draws_:
            self.partial_fit(x)
        self.interrupted_ |= interrupts.seen
        # It refers back to the net, which would wait for the cyclic collector.
        self.__dict__.pop("fresh_batches_", None)
        return self

    def fit_loop(
        self, X: Tensor, y: Any = None, epochs: int | None = None, **kwargs: Any
    ) -> AutoencoderNet:
        self.stop_requested_ = self.interrupted_ = False
        self.epochs_run_ = 0
        self.lowest_: dict[str, float] = {}
        self.n_epochs_ = self.epochs_before + self.max_epochs
        try:
            super().fit_loop(X, y, epochs=epochs, **kwargs)
        except _StopTraining:
            pass
        except KeyboardInterrupt:
            self.interrupted_ = True
        self.interrupted_ |= self.interrupts_.seen
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
        if method_name in _BATCH_HOOKS and method_name not in self.batch_hooks_:
            return
        getattr(self, method_name)(self, **cb_kwargs)
        # With half of them told, best weights might not come back: Ctrl-C waits.
        with self.interrupts_.deferred():
            for _, callback in self.callbacks_:
                try:
                    getattr(callback, method_name)(self, **cb_kwargs)
                except KeyboardInterrupt:
                    # So do skorch's callbacks end training; a second Ctrl-C as well.
                    self.request_stop()
            if method_name == "on_epoch_end" and self.checkpoints_ is not None:
                self.checkpoints_.keep(self)
        if self.interrupts_.seen and method_name not in _OUTSIDE_THE_LOOP:
            raise KeyboardInterrupt

    def request_stop(self) -> None:
        """End training before the next epoch; every callback still sees this one."""
        self.stop_requested_ = True

    @property
    def is_last_epoch_(self) -> bool:
        """Whether training ends after this epoch."""
        return self.stop_requested_ or self.epochs_run_ >= self.max_epochs

    def on_epoch_begin(
        self, net: NeuralNet, dataset_train: Any = None, **kwargs: Any
    ) -> None:
        # Another process may have run some of the epochs, or all.
        if self.is_last_epoch_ or self.interrupts_.seen:
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
        self._set_mode(training=False)
        with torch.no_grad():
            self.module_.start_epoch(epoch)
        factor = self.module_.learning_rate_factor
        if factor is not None:
            for optimizer, rates in zip(self.optimizers_, self.rates_, strict=True):
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = factor * rate

    def _set_mode(self, training: bool) -> None:
        """Change the mode of all layers, which takes a while, where it is another."""
        if self.module_.training != training:
            self.module_.train(training)

    @property
    def epoch_(self) -> int:
        """Index of the epoch that is being run, over all nets of this module."""
        return self.epochs_before + len(self.history) - 1

    def _draw_held_out(self, train: Rows) -> Tensor | None:
        """Draw the rows that the module asks for, if it is time."""
        rule = self.module_.held_out
        if rule is None or (self.epoch_ % rule.every and self.held_out_drawn_):
            return None
        n_rows = len(self.train_index_)
        wanted = rule.size(n_rows)
        size = min(wanted, n_rows // 2) if rule.withheld else wanted
        if 0 < size < wanted and not self.held_out_drawn_:
            warn(
                f"{rule.parameter} asks for {wanted} of the {n_rows} training rows; "
                f"{size} are withheld, to leave as many for the gradient steps. "
                f"Decrease {rule.parameter}, or pass more rows.",
            )
        self.held_out_drawn_ = True
        order = torch.randperm(n_rows, generator=self.shuffler_)
        order = self.train_index_[order.to(self.train_index_.device)]
        if rule.withheld:
            train.index = order[size:]
        return train.data.index_select(0, order[:size]) if size > 0 else None

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **kw: Any
    ) -> None:
        if iterator is None:
            return
        self._set_mode(training)
        if not training:
            self.valid_sums_ = Sums()
            # The same noise in each epoch: the monitored loss is less noisy.
            self.valid_generator_ = derived_generator(
                self.seed, Stream.VALIDATION, device=self.device
            )
        n_batches = steps_with_others(self, iterator) if training else None
        if n_batches is None:
            n_batches = 0
            for batch in iterator:
                self.notify("on_batch_begin", batch=batch, training=training)
                step = step_fn(batch)
                self.notify("on_batch_end", batch=batch, training=training, **step)
                n_batches += 1
        self.history.record(f"{prefix}_batch_count", n_batches)
        if training:
            self._set_mode(training=False)
            with torch.no_grad():
                self.module_.end_epoch(self.probe_)

    def on_batch_begin(self, net: NeuralNet, *args: Any, **kwargs: Any) -> None:
        """Do not open a history row for each batch."""

    def train_step(self, batch: tuple[Tensor, Any], **fit_params: Any) -> dict:
        """Update each phase in turn, on its own parameters only."""
        rows = batch[0].to(self.device)
        first: LossTerms | None = None
        for trained in self.phases_:
            for _ in range(trained.phase.repeats):
                terms = self._update(trained, rows, batch)
                first = first or terms
        assert first is not None
        return {"loss": first.total.detach(), "y_pred": None}

    def _update(
        self, trained: TrainedPhase, rows: Tensor, batch: tuple[Tensor, Any]
    ) -> LossTerms:
        """Make one step of one phase."""
        phase = trained.phase
        x = next(self.fresh_batches_) if phase.fresh_batch else rows
        noise, n_rows = phase.draw_noise(len(x), self.generator_), len(x)
        if not self.team.is_alone:
            if phase.name not in self.shareable_:
                self.team.check_loss(self.module_, phase.name, x, noise)
                self.shareable_.add(phase.name)
            part = self.team.part(n_rows)
            x, noise = x[part], part_of(noise, n_rows, part)
        terms = trained.loss(x, noise)
        for parameter in trained.parameters:
            parameter.grad = None
        # Sparing other phases' parameters their gradients takes autograd time.
        inputs = trained.parameters if len(self.phases_) > 1 else None
        terms.total.backward(inputs=inputs)
        self.team.add_gradients(trained.parameters, self.team.weight(n_rows))
        if "on_grad_computed" in self.batch_hooks_:
            self._notify_gradients(phase, batch)
        trained.optimizer.step()
        trained.sums.add(terms, n_rows * self.team.weight(n_rows))
        return terms

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

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Read the sums of the epoch back, in one transfer, and record their means."""
        self.epochs_run_ += 1
        self._set_mode(training=False)
        columns: dict[str, Tensor] = {}
        for i, trained in enumerate(self.phases_):
            name = trained.phase.name if i else "loss"
            columns |= trained.sums.means("train", name, self.team)
        if self.validation_fraction > 0:
            columns |= self.valid_sums_.means("valid", "loss")
        judged = self.module_.judge(self.probe_) if self._is_judged else {}
        if not judged:
            columns["n_active"] = self.active_count_.of(self.module_, self.probe_)
        like = columns["train_loss"]
        values = torch.stack([value.to(like) for value in columns.values()]).tolist()
        record = dict(zip(columns, values, strict=True)) | judged
        check_finite(record, self.epoch_, self.probe_, self.lr)
        for name, value in record.items():
            if name in ("train_loss", "valid_loss"):
                is_best = value <= self.lowest_.get(name, math.inf)
                self.lowest_[name] = min(value, self.lowest_.get(name, math.inf))
                self.history.record(f"{name}_best", is_best)
            self.history.record(name, int(value) if name == "n_active" else value)
        self.history.record("learning_rate", self.optimizer_.param_groups[0]["lr"])
        if self.module_.begins_anew:
            for optimizer in self.optimizers_:
                optimizer.state.clear()
        if self._is_judged and self.module_.is_finished:
            self.request_stop()

    # --- after the loop ---------------------------------------------------------

    @torch.no_grad()
    def finish(self, x: Tensor, module: AutoencoderModule | None = None) -> None:
        """Let the trained module, or a copy of it, take what it needs from all rows.

        Parameters
        ----------
        x : Tensor of shape (n_rows, n_features)
        module : AutoencoderModule or None
            A copy of the module that was trained; None for itself.
        """
        n_epochs = self.epochs_before + len(self.history)
        generator = derived_generator(
            self.seed, Stream.FINISH, n_epochs, device=self.device
        )
        module = self.module_ if module is None else module
        with environment(module, min(len(x), _VALIDATION_BATCH)):
            module.eval().finish(x, generator, self.streaming)

    def optimizer_states(self) -> list[dict[str, Any]]:
        """Return what `resume_optimizers` of a later net takes."""
        return [optimizer.state_dict() for optimizer in self.optimizers_]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to the fit that is going on, its data first of all."""
        state = super().__getstate__()
        return {name: state[name] for name in state if name not in _OF_ONE_FIT}

    def resume_optimizers(self, states: list[dict[str, Any]]) -> None:
        """Take over the moments of an earlier net's optimisers, not their settings.

        An optimiser of another kind than before begins anew.
        """
        for optimizer, state in zip(self.optimizers_, states, strict=True):
            take_moments(optimizer, state)
