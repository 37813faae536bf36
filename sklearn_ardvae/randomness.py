"""Local randomness: every draw comes from one seed, the global streams stay put."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from ._warnings import warn

__all__ = ["SeededDraws", "Stream", "derived_generator", "derived_seed", "draw_seed"]


# What fills an empty tensor as these functions do.
_FILLS: dict[Any, Any] = {
    torch.ops.aten.rand_like: Tensor.uniform_,
    torch.ops.aten.randn_like: Tensor.normal_,
    torch.ops.aten.randint_like: Tensor.random_,
}


class Stream(IntEnum):
    """The independent streams of random numbers that one seed is split into.

    Initial weights, draws for scores and samples are those of the seed itself.
    """

    NOISE = 0
    SHUFFLE = 1
    VALIDATION = 2
    FINISH = 3
    NETWORKS = 4
    JACOBIAN_ROWS = 10
    SECOND_STAGE = 11
    FOLDS = 12
    KEPT_ROWS = 13


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Return the seed of one fit or one sample, advancing `random_state`."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def derived_seed(seed: int, *streams: int) -> int:
    """Return the seed of the stream of `seed` that is named so."""
    return int(np.random.SeedSequence(seed, spawn_key=streams).generate_state(1)[0])


def derived_generator(
    seed: int, *streams: int, device: str | torch.device = "cpu"
) -> torch.Generator:
    """Return a generator on `device` for the stream of `seed` that is named so."""
    return torch.Generator(device).manual_seed(derived_seed(seed, *streams))


class SeededDraws(TorchDispatchMode):
    """Inside, torch draws from generators of one seed, in this thread alone.

    For code that names no generator: initial weights, and whatever a user's networks
    draw. The global generators are neither seeded nor drawn from, so that no other
    thread can change the numbers or have its own changed.

    Parameters
    ----------
    seed : int
        The numbers are those that ``torch.manual_seed(seed)`` would give.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.generators: dict[torch.device, torch.Generator] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare the import of torch's compiler, which takes as long as torch's own."""
        return False

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        generator = self._generator_on(_device_of(args, kwargs))
        if func is torch.ops.aten.native_dropout.default:
            return _dropout(*args, generator=generator)
        drawing, place = _overload_with_generator(func)
        if drawing is None and func.overloadpacket in _FILLS:
            return _drawn_like(func.overloadpacket, args, kwargs, generator)
        if drawing is None:
            warn(
                f"{func} takes no generator: it draws from torch's global one, which "
                "random_state does not seed."
            )
            return func(*args, **kwargs)
        if place is not None and place < len(args):
            args = (*args[:place], args[place] or generator, *args[place + 1 :])
        elif kwargs.get("generator") is None:
            kwargs = {**kwargs, "generator": generator}
        return drawing(*args, **kwargs)

    def get_state(self) -> list[tuple[str, Tensor]]:
        """Return the state of the generator on each device."""
        return [(str(d), g.get_state()) for d, g in self.generators.items()]

    def set_state(self, state: list[tuple[str, Tensor]]) -> None:
        """Go on from what `get_state` returned."""
        for device, numbers in state:
            self._generator_on(torch.device(device)).set_state(numbers)

    def _generator_on(self, device: torch.device) -> torch.Generator:
        if device not in self.generators:
            generator = torch.Generator(device).manual_seed(self.seed)
            self.generators[device] = generator
        return self.generators[device]


def _device_of(args: tuple, kwargs: dict[str, Any]) -> torch.device:
    """Return where an operation draws: where it puts its result, or its tensors are."""
    if kwargs.get("device") is not None:
        return torch.device(kwargs["device"])
    tensors = (arg for arg in args if isinstance(arg, Tensor))
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


@cache
def _overload_with_generator(func: OpOverload) -> tuple[OpOverload | None, int | None]:
    """Return the form of an operation that takes a generator, and its place there."""
    names = [argument.name for argument in func._schema.arguments]
    if "generator" in names:
        return func, names.index("generator")
    packet = func.overloadpacket
    for name in packet.overloads():
        other: Any = getattr(packet, name)
        if sorted(a.name for a in other._schema.arguments) == sorted(
            [*names, "generator"]
        ):
            return other, None
    return None, None


def _drawn_like(
    function: Any, args: tuple, kwargs: dict[str, Any], generator: torch.Generator
) -> Tensor:
    """Return what a function does that takes no generator in torch 2.6."""
    x, *bounds = args
    if len(bounds) == 1:
        bounds = [0, *bounds]
    return _FILLS[function](torch.empty_like(x, **kwargs), *bounds, generator=generator)


def _dropout(
    x: Tensor, p: float, train: bool | None, *, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return what ``native_dropout`` does: the rows, and what was kept of them."""
    if train is False or p == 0.0:
        return x, torch.ones_like(x, dtype=torch.bool)
    share = torch.rand(x.shape, generator=generator, device=x.device)
    kept = share >= p
    return x * kept / max(1.0 - p, 1e-30), kept
