"""The gradient steps of several nets of one kind as one batched computation.

What small networks cost is not arithmetic but the calling of operations. Modules of one
kind, which differ by their tensors and the weight of the KL, need not be called one by
one: ``torch.func.vmap`` runs one of them over the stacked tensors of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat, zip_longest
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ..nn.module import AutoencoderModule, LossTerms, Noise
from ..nn.trials import Shelf
from .batches import TensorBatches

if TYPE_CHECKING:
    from .net import AutoencoderNet

__all__ = ["Member", "StackedNets"]

# Floating point operations of a batch from which stacks save nothing: timed alone,
# steps of ten took 0.4 of the time at 2e6, 0.6 at 2e7, 0.8 at 8e7 and 0.93 at 1.5e8. Of
# whole fits there is benchmarks/performance/together.py.
_WORTH_APART = 1e8
# Those that work on each number by itself, so that parameters may be strung together.
_ELEMENTWISE = (torch.optim.Adam, torch.optim.AdamW)
# Layers whose state a batch changes, or that are no faster stacked.
_APART = (nn.modules.batchnorm._BatchNorm, nn.modules.conv._ConvNd)
# Plain values of a module, of which stacked ones may differ by one.
_PLAIN, _FREE = (bool, int, float, str), "beta"


class Member:
    """A net that may step together with others, while it trains.

    Parameters
    ----------
    net : AutoencoderNet
        About to make its first steps.

    Attributes
    ----------
    parameters, buffers : dict of str to Tensor
        Those that the loss may use, by name.
    """

    def __init__(self, net: AutoencoderNet) -> None:
        module = net.module_
        self.net, self.module = net, module
        self.parameters = dict(module.named_parameters())
        self.buffers = {
            name: buffer
            for place, part in module.named_modules()
            if not isinstance(part, Shelf)
            for name, buffer in part.named_buffers(place, recurse=False)
        }
        tensors = {**self.parameters, **self.buffers}.items()
        self._structure = (
            [(name, t.shape, t.dtype, t.device) for name, t in tensors],
            [type(module), type(module.likelihood), type(net.optimizer_)],
            repr((module.encoder, module.decoder)),
            net.batch_size,
        )
        self._may_be_stacked = not (
            not vars(type(module)).get("is_stackable", False)
            or net.phases_[0].loss != module.loss
            or module.has_foreign_networks
            or net.batch_hooks_
            or not net.team.is_alone
            or net.iterator_train is not TensorBatches
            or type(net.optimizer_) not in _ELEMENTWISE
            or len(net.optimizer_.param_groups) > 1
            or net.batch_size == -1
            or module.flops_per_row * net.batch_size > _WORTH_APART
            or any(isinstance(part, _APART) for part in module.modules())
        )

    @property
    def kind(self) -> tuple | None:
        """What stacked nets must have in common; None: this one cannot be stacked."""
        if not self._may_be_stacked:
            return None
        module, optimizer = self.module, self.net.optimizer_
        settings = {
            name: value
            for name, value in optimizer.param_groups[0].items()
            if name not in ("params", "lr")
        }
        values = {
            name: value
            for name, value in vars(module).items()
            if type(value) in _PLAIN and name != _FREE
        }
        return self._structure, vars(module.likelihood), settings, values

    @property
    def learning_rate(self) -> float:
        return self.net.optimizer_.param_groups[0]["lr"]

    @property
    def states(self) -> list[dict[str, Tensor]]:
        """What the optimiser remembers of each parameter."""
        return [self.net.optimizer_.state[p] for p in self.parameters.values()]


class StackedNets:
    """Nets of one kind, for the steps of an epoch.

    Their parameters become the rows of one matrix, which an optimiser of the nets' own
    class updates, each row at its net's learning rate.

    Parameters
    ----------
    members : sequence of Member
        Of the same `kind`.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self.shapes = {name: p.shape for name, p in members[0].parameters.items()}
        self.sizes = [shape.numel() for shape in self.shapes.values()]
        matrix = torch.stack([_strung(m.parameters.values()) for m in members])
        self.rows = [nn.Parameter(row) for row in matrix]
        self.gradients = torch.zeros_like(matrix)
        self.tensors = self._parts(matrix)
        self.of_gradients = self._parts(self.gradients)
        self.buffers = {
            name: torch.stack([member.buffers[name] for member in members])
            for name in members[0].buffers
        }
        self.betas = _differing_betas(members, like=matrix)
        self.loss = _Loss(members[0].module)
        self.optimizer = self._make_optimizer()

    def _parts(self, strung: Tensor) -> dict[str, Tensor]:
        """Return the parameters in the last axis of what is strung together."""
        parts = strung.split(self.sizes, dim=-1)
        return {
            name: part.view(*strung.shape[:-1], *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def _make_optimizer(self) -> torch.optim.Optimizer:
        by_rate: dict[float, list[nn.Parameter]] = {}
        for member, row in zip(self.members, self.rows, strict=True):
            by_rate.setdefault(member.learning_rate, []).append(row)
        known = self.members[0].net.optimizer_
        optimizer = type(known)(
            [
                {**known.param_groups[0], "params": rows, "lr": rate}
                for rate, rows in by_rate.items()
            ]
        )
        for member, row in zip(self.members, self.rows, strict=True):
            states = member.states
            if all(states):
                optimizer.state[row] = {
                    name: _strung(state[name] for state in states)
                    if value.ndim
                    else value.clone()
                    for name, value in states[0].items()
                }
        return optimizer

    def run(self, iterators: Sequence[TensorBatches]) -> list[int]:
        """Make the steps of an epoch of each net; return how many."""
        n_batches = [0] * len(self.members)
        for batches in zip_longest(*iterators):
            # Folds may differ by a row, and with them the last batches.
            by_size: dict[int, list[int]] = {}
            for place, batch in enumerate(batches):
                if batch is not None:
                    by_size.setdefault(len(batch[0]), []).append(place)
                    n_batches[place] += 1
            for places in by_size.values():
                self._step(places, [batches[place][0] for place in places])
        self._put_back()
        return n_batches

    def _step(self, places: list[int], batches: list[Tensor]) -> None:
        """Make a step of some of the nets."""
        n_rows = len(batches[0])
        nets = [self.members[place].net for place in places]
        noise = _stacked([n.module_.draw_noise(n_rows, n.generator_) for n in nets])
        everything = len(places) == len(self.members)
        pick = slice(None) if everything else torch.tensor(places)
        leaves = {
            name: values[pick].detach().requires_grad_()
            for name, values in self.tensors.items()
        }
        buffers = {name: values[pick] for name, values in self.buffers.items()}
        betas = None if self.betas is None else self.betas[pick]
        terms = self.loss.of_all(
            {**leaves, **buffers}, torch.stack(batches), noise, betas
        )
        gradients = torch.autograd.grad(terms.total.sum(), [*leaves.values()])
        for of_all, gradient in zip(self.of_gradients.values(), gradients, strict=True):
            of_all[pick] = gradient
        for place, row in enumerate(self.rows):
            row.grad = self.gradients[place] if place in places else None
        self.optimizer.step()
        totals = terms.total.detach().unbind()
        parts = {name: values.detach().unbind() for name, values in terms.parts.items()}
        for i, net in enumerate(nets):
            own = {name: values[i] for name, values in parts.items()}
            net.phases_[0].sums.add(LossTerms(totals[i], own), n_rows)

    @torch.no_grad()
    def _put_back(self) -> None:
        """Give the nets their parameters, and their optimisers' moments."""
        for member, row in zip(self.members, self.rows, strict=True):
            for name, values in self._parts(row).items():
                member.parameters[name].copy_(values)
            states = member.states
            for name, value in self.optimizer.state[row].items():
                parts = self._parts(value).values() if value.ndim else repeat(value)
                for state, part in zip(states, parts, strict=False):
                    state[name] = part.clone()


class _Loss(nn.Module):
    """The loss of a module, given its tensors and the weight of the KL."""

    def __init__(self, module: AutoencoderModule) -> None:
        super().__init__()
        self.module = module

    def of_all(
        self, tensors: dict[str, Tensor], x: Tensor, noise: Noise, betas: Tensor | None
    ) -> LossTerms:
        """Return that of each of some stacked modules, terms of shape (n_modules,)."""
        tensors = {f"module.{name}": values for name, values in tensors.items()}
        in_dims = (0, 0, *(None if some is None else 0 for some in (noise, betas)))
        return LossTerms(*vmap(self._of_one, in_dims)(tensors, x, noise, betas))

    def _of_one(
        self, tensors: dict[str, Tensor], x: Tensor, noise: Noise, beta: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        known = getattr(self.module, _FREE, None)
        try:
            if beta is not None:
                setattr(self.module, _FREE, beta)
            terms = functional_call(self, tensors, (x, noise))
        finally:
            if beta is not None:
                setattr(self.module, _FREE, known)
        return terms.total, dict(terms.parts)

    def forward(self, x: Tensor, noise: Noise) -> LossTerms:
        return self.module.loss(x, noise)


def _strung(tensors: Iterable[Tensor]) -> Tensor:
    """Return a copy of tensors as one row of numbers."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def _stacked(values: list[Noise]) -> Noise:
    """Return the noise of several modules as that of one that is stacked."""
    first = values[0]
    if isinstance(first, Tensor):
        return torch.stack(values)
    if isinstance(first, tuple | list):
        return type(first)(_stacked([*some]) for some in zip(*values, strict=True))
    return None


def _differing_betas(members: Sequence[Member], like: Tensor) -> Tensor | None:
    """Return the weights of the KL, (n_members,), unless all are the same."""
    betas = [getattr(member.module, _FREE, None) for member in members]
    return None if len(set(betas)) == 1 else like.new_tensor(betas)
