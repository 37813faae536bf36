"""The scikit-learn face of every method: its hooks, and how it is fitted."""

from __future__ import annotations

from typing import Any, ClassVar, Self, TypeVar

import torch
from numpy.typing import ArrayLike
from sklearn.utils import Tags
from skorch.callbacks import Callback
from torch import Tensor

from .._sklearn_compat import CallbackSupportMixin, with_callbacks
from .._warnings import warn
from ..nn.likelihoods import LIKELIHOODS
from ..nn.module import AutoencoderModule
from ..nn.networks import build_networks, check_layer_sizes
from ..randomness import SeededDraws, draw_seed
from ..training.batches import batch_rows
from ..training.callbacks import (
    ConvergenceMonitor,
    SklearnBridge,
    check_callbacks,
)
from ..training.devices import resolve_device
from ..training.environment import count_flops
from ..training.interrupts import Interrupts
from ..training.log import closing_line
from ..training.net import AutoencoderNet
from ..training.team import ALONE, LAUNCHED, Team, launched_team
from .checkpoints import CheckpointFolder, SharedCheckpoints, hash_of, identity_of
from .onnx import OnnxMixin
from .outcome import OutcomeMixin
from .parameters import AutoencoderParameters
from .persistence import PersistenceMixin, defined_classes
from .standardising import StandardisingMixin
from .summary import SummaryMixin
from .validation import (
    ValidRows,
    as_tensor,
    batch_size_named,
    check_range,
    validate_rows,
    warn_of_scale,
)
from .verdict import CountWarning, Verdict

__all__ = ["BaseAutoencoder", "all_estimators"]

# Jedi, which completes in IPython and editors, knows this, and not typing.Self.
Model = TypeVar("Model", bound="BaseAutoencoder")


class BaseAutoencoder(
    CallbackSupportMixin,
    OutcomeMixin,
    StandardisingMixin,
    SummaryMixin,
    OnnxMixin,
    PersistenceMixin,
    AutoencoderParameters,
):
    """Base of all estimators.

    A method states its ``_module_class`` and its parameters; those that its module
    declares as settings are passed on. It overrides the other hooks where it differs.
    """

    _module_class: ClassVar[type[AutoencoderModule]]
    #: Whether a fit warns of its data and its outcome; of many fits, one may do it.
    _warns: ClassVar[bool] = True

    # --- hooks for a method -----------------------------------------------------

    def _module_settings(self) -> dict[str, Any]:
        """Return the settings of `_module_class`: by default parameters, by name."""
        params = self.get_params(deep=False)
        declared = self._module_class.declared_settings()
        return {name: params[name] for name in declared if name in params}

    def _outputs_per_component(self) -> int:
        """Return how many numbers the encoder puts out for each component."""
        return self._module_class.outputs_per_component

    def _architecture(self) -> str | tuple:
        """Return the networks that the parameter `architecture` means."""
        return self.architecture

    def _validation_share(self, n_rows: int) -> float:
        """Return the share of `n_rows` that are set aside for validation."""
        return self.validation_fraction

    def _count_axes(self, x: Tensor, *, streaming: bool) -> int:
        """Return how many components x, standardised if it is to be, can have."""
        if not self._module_class.limits_axes or self.input_shape is not None:
            return int(self.n_components)
        n_features = x.shape[1]
        most = n_features if streaming else min(n_features, len(x) - 1)
        return int(min(self.n_components, most))

    def _callbacks(self) -> list[tuple[str, Callback]]:
        """Return what a method adds to the engine in `fit`."""
        return []

    def _train_further(
        self, module: AutoencoderModule, net: AutoencoderNet, x: Tensor
    ) -> None:
        """Train what a method trains after the rest; `net` has trained `module`."""

    def _warn_of_parameters(self) -> None:
        """Warn, before `fit`, of parameters that others leave without effect."""

    def _warn_of_outcome(self) -> None:
        """Warn, after `fit`, of what the fitted state shows to be wrong."""
        verdict = self.__dict__.get("_verdict")
        doubts = Verdict.of_dict(verdict).doubts() if verdict else []
        if doubts and self.n_active_components_:
            warn(
                f"{type(self).__name__} finds {self.n_active_components_} active "
                f"components, a number not to rely on. {' '.join(doubts)} See "
                "summary().",
                CountWarning,
            )

    def _layer_sizes(self, name: str) -> list[int]:
        """Return the layers in parameter `name`; None is `hidden_layer_sizes`."""
        if getattr(self, name) is None:
            name = "hidden_layer_sizes"
        return check_layer_sizes(getattr(self, name), name)

    # --- fitting ----------------------------------------------------------------

    @with_callbacks
    def fit(self: Model, X: ArrayLike, y: Any = None) -> Model:
        """Train the autoencoder and find the active components.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data; also (n_samples, ``*input_shape``), also a tensor, or what
            `store_rows` returns, which may be larger than memory.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or X is unusable, or the loss becomes infinite or NaN.
        """
        self._validate_params()
        if self._warns:
            self._warn_of_parameters()
        resume = self.warm_start and self.__sklearn_is_fitted__()
        rows = validate_rows(self, X, reset=not resume, dtype=self._precision_of_fit(X))
        # scikit-learn's callbacks score on (X, y): an autoencoder's target is X.
        hook_arguments = {"estimator": self, "X": X, "y": X if y is None else y}
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(**hook_arguments)
        monitor = ConvergenceMonitor(
            lr_patience=self.lr_patience,
            early_stopping=self.early_stopping,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
        )
        bridge = SklearnBridge(context, hook_arguments, self._snapshot)
        net = self._train(
            rows,
            resume=resume,
            callbacks=[
                *self._callbacks(),
                ("report", bridge),
                ("convergence", monitor),
            ],
            max_epochs=self.max_iter,
            validation_fraction=self._validation_share(len(rows)),
        )
        if net.verbose:
            print(closing_line(net, self.n_active_components_, len(self.relevance_)))
        if self._warns:
            monitor.warn_of(net, type(self).__name__)
            if not net.interrupted_:
                self._warn_of_outcome()
        context.call_on_fit_task_end(
            **hook_arguments, reconstruction_attributes=lambda: vars(self).copy()
        )
        return self

    def partial_fit(self: Model, X: ArrayLike, y: Any = None) -> Model:
        """Make one pass over X from the present weights and state.

        No rows are set aside for validation, the learning rate stays as it is, and
        the fitted attributes that describe codes and errors are those of this X. A
        learned prior remembers earlier pieces.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A piece of the training data.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._validate_params()
        resume = self.__sklearn_is_fitted__()
        rows = validate_rows(self, X, reset=not resume, dtype=self._precision_of_fit(X))
        self._train(
            rows,
            resume=resume,
            callbacks=[],
            max_epochs=1,
            validation_fraction=0.0,
            streaming=True,
        )
        return self

    def _train(
        self,
        rows: ValidRows,
        *,
        resume: bool,
        callbacks: list[tuple[str, Callback]],
        **settings: Any,
    ) -> AutoencoderNet:
        """Train a new module, or the present one further, and describe the result."""
        data_device = rows.device if isinstance(rows, Tensor) else None
        device = resolve_device(self.device, data_device)
        team = launched_team()[0] if self.device == LAUNCHED else ALONE
        precision = self._precision_of_fit(rows)
        x = as_tensor(rows, data_device or torch.device("cpu"), precision)
        if not resume:
            self.__dict__.pop("_module", None)
            self._seed = team.from_first(draw_seed(self.random_state))
            self.history_, self.n_iter_ = {}, 0
        streaming = bool(settings.get("streaming"))
        if not team.is_alone:
            team.check_same(hash_of(x), "X")
        checkpoints = None if streaming else self._checkpoints(x, resume, device, team)
        if checkpoints is not None:
            self._seed = checkpoints.seed_or(self._seed)
        x, units, signal = self._standardised(x, resume, streaming)
        x = x.to(device)
        if not resume:
            self._n_axes = self._count_axes(x, streaming=streaming)
            self._n_coordinates = x.shape[1] if signal is not None else None
        self._built_from = self.get_params(deep=False)
        module = self._build_module()
        if resume:
            self._continue(module)
        if units is None:
            check_range(x, self.likelihood, module.decoder)
            if self._warns:
                warn_of_scale(x)
        else:
            module.standardise(units, signal)
        if not team.is_first:
            settings["verbose"] = 0
        settings["team"] = team
        net = self._make_net(module, x, callbacks, settings).initialize()
        if resume and self._optimizer_states is not None:
            net.resume_optimizers(self._optimizer_states)
        net.checkpoints_ = checkpoints
        # The stages of a fit. What comes after training uses the weights it ended with.
        with Interrupts() as interrupts:
            with batch_size_named(self.batch_size):
                net.train(x, interrupts)
            with interrupts.deferred():
                net.finish(x)
                self._train_further(module, net, x)
                self.__dict__.update(self._fitted_state(module, net, x))
                module.forget_rows()
                module.restore_units()
        if net.interrupted_ and self.on_interrupt == "raise":
            raise KeyboardInterrupt
        self._warn_of_collapse()
        return net

    def _checkpoints(
        self, x: Tensor, resume: bool, device: torch.device, team: Team
    ) -> CheckpointFolder | SharedCheckpoints | None:
        """Return where `fit` keeps what it has come to, if it does."""
        if self.checkpoint is None:
            return None
        # Generators of one kind of device cannot go on from those of another.
        more: dict[str, Any] = {"kind of device": device.type}
        if resume:
            more |= {"seed": self._seed, "n_iter_": self.n_iter_}
        params = self.get_params(deep=False)
        identity = identity_of(type(self).__name__, params, x, **more)
        if team.is_alone:
            return CheckpointFolder(self.checkpoint, identity)
        return SharedCheckpoints(self.checkpoint, identity, team)

    def _make_net(
        self,
        module: AutoencoderModule,
        x: Tensor,
        callbacks: list[tuple[str, Callback]],
        settings: dict[str, Any],
    ) -> AutoencoderNet:
        """Return the engine; what the user says of it comes last, and so counts."""
        defaults = {
            "seed": self._seed,
            "epochs_before": self.n_iter_,
            "active_threshold": self._relevance_rule()[0],
            "batch_size": batch_rows(self.batch_size, len(x)),
            "lr": self.learning_rate,
            "device": str(x.device),
            "verbose": self.verbose,
            "callbacks": [*check_callbacks(self.callbacks), *callbacks],
        }
        chosen = self.skorch_params or {}
        return AutoencoderNet(module, **{**defaults, **settings, **chosen})

    def _continue(self, module: AutoencoderModule) -> None:
        """Give a new module the weights and state of the present one."""
        try:
            module.load_state_dict(self._module.state_dict())
        except RuntimeError as error:
            raise ValueError(
                "The networks do not fit those that were trained before; undo the "
                "change of n_components, architecture, hidden_layer_sizes, likelihood "
                f"or input_shape, or set warm_start=False. Torch says: {error}"
            ) from error

    def _build_module(self) -> AutoencoderModule:
        """Return a module of initial weights that fits the data."""
        with SeededDraws(self._seed):
            networks = build_networks(
                self._architecture(),
                shape=tuple(self.input_shape or (self.n_features_in_,)),
                n_components=self.n_components,
                n_outputs=self._outputs_per_component() * self.n_components,
                likelihood=LIKELIHOODS[self.likelihood](),
                hidden_layer_sizes=self.hidden_layer_sizes,
                activation=self.activation,
                # A model of before 0.2 does not say.
                n_axes=max(1, self.__dict__.get("_n_axes", self.n_components)),
                n_coordinates=self.__dict__.get("_n_coordinates"),
            )
            module = self._module_class(networks, **self._module_settings())
            module.flops_per_row = count_flops(module)
        if module.watches_unseen and not self.early_stopping:
            raise ValueError(
                f"{type(self).__name__} decides by evidence when training ends: with "
                "early_stopping=False set count_by='relevance', and beta to a number "
                "where there is one."
            )
        return module

    # --- scikit-learn -----------------------------------------------------------

    def __copy__(self) -> Self:
        """Return a shallow copy, which shares the module."""
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_module")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def all_estimators() -> list[tuple[str, type[BaseAutoencoder]]]:
    """Return the estimators of this package.

    Returns
    -------
    list of (str, type)
        Names and classes, sorted by name.

    Examples
    --------
    >>> from sklearn_ardvae import all_estimators
    >>> "ARDVAE" in dict(all_estimators())
    True
    """
    package = __name__.partition(".")[0]
    return sorted(
        (found.__name__, found)
        for found in defined_classes(BaseAutoencoder)
        if found.__module__.startswith(f"{package}.")
        and found is not BaseAutoencoder
        and not found.__name__.startswith("_")
    )
