"""AdaBelief as optax has it, which RRAE's and VRRAE's code trains with."""

from __future__ import annotations

import torch
from torch.optim import Optimizer

_PIECE = 2**17


class AdaBelief(Optimizer):
    r"""Adam that divides by how far a gradient is from its moving average.

    .. math:: m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
        s_t = \beta_2 s_{t-1} + (1 - \beta_2)(g_t - m_{t-1})^2 + \epsilon, \qquad
        \theta_t = \theta_{t-1}
        - \eta \frac{\hat m_t}{\sqrt{\hat s_t} + \epsilon}

    Steady gradients take far larger steps than Adam's. (Zhuang et al., 2020, take m_t
    in place of m_{t-1}.)
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-16) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["m"], state["s"] = torch.zeros_like(p), torch.zeros_like(p)
                    state["step"] = 0
                state["step"] += 1
                # In pieces that stay in the processor's cache: half the time.
                pieces = (t.view(-1).split(_PIECE) for t in (p, state["m"], state["s"]))
                for piece in zip(
                    p.grad.reshape(-1).split(_PIECE), *pieces, strict=True
                ):
                    update(*piece, step=state["step"], **group)


def update(grad, p, m, s, *, step, lr, betas, eps, **_) -> None:
    error = grad - m
    m.add_(error, alpha=1.0 - betas[0])
    s.mul_(betas[1]).addcmul_(error, error, value=1.0 - betas[1]).add_(eps)
    deviation = (s / (1.0 - betas[1] ** step)).sqrt_().add_(eps)
    p.addcdiv_(m, deviation, value=-lr / (1.0 - betas[0] ** step))
