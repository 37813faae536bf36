"""Networks in bfloat16 while they take gradient steps; all else in float32.

Weights, losses, gradients of weights and optimisers stay in float32, and so does all
that is read off between the steps: validation, relevance, the search for beta.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..nn.module import AutoencoderModule, LossTerms, Noise

__all__ = ["in_mixed_precision"]

# By the names that Accelerate has for them. (float16 would need losses that are scaled,
# and loses axes whose gradients are small.)
_PRECISIONS = {"bf16": torch.bfloat16}

Loss = Callable[[Tensor, Noise], LossTerms]


def in_mixed_precision(loss: Loss, module: AutoencoderModule, name: str | None) -> Loss:
    """Return a loss in which encoder and decoder multiply in lower precision.

    Parameters
    ----------
    loss : callable
        Of a phase of the module.
    module : AutoencoderModule
    name : str or None
        "bf16"; None for the precision of the weights.

    Raises
    ------
    ValueError
        If there is no such precision.
    """
    if name is None:
        return loss
    if name not in tuple(_PRECISIONS):
        raise ValueError(
            f"mixed_precision={name!r} in skorch_params is not known; use "
            f"{' or '.join(map(repr, [*_PRECISIONS, None]))}."
        )
    device = next(module.parameters()).device.type
    networks = [module.encoder, module.decoder]
    rounded = [_rounded(n.forward, device, _PRECISIONS[name]) for n in networks]
    own = [vars(n).get("forward") for n in networks]

    # Only while the loss is computed: in between, copies are made of the module.
    def loss_in_mixed_precision(x: Tensor, noise: Noise) -> LossTerms:
        for network, forward in zip(networks, rounded, strict=True):
            vars(network)["forward"] = forward
        try:
            return loss(x, noise)
        finally:
            for network, forward in zip(networks, own, strict=True):
                vars(network).pop("forward", None)
                if forward is not None:
                    vars(network)["forward"] = forward

    return loss_in_mixed_precision


def _rounded(
    forward: Callable[..., Any], device: str, dtype: torch.dtype
) -> Callable[..., Any]:
    def forward_in_lower_precision(x: Tensor) -> Tensor:
        with torch.autocast(device, dtype):
            return forward(x).float()

    return forward_in_lower_precision
