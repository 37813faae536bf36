"""AdaBelief as optax has it, which RRAE's and VRRAE's code trains with."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


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
            beta_1, beta_2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state |= {
                        "step": 0,
                        "m": torch.zeros_like(p),
                        "s": torch.zeros_like(p),
                    }
                state["step"] += 1
                m, s = state["m"], state["s"]
                error = p.grad - m
                m.add_(error, alpha=1.0 - beta_1)
                s.mul_(beta_2).addcmul_(error, error, value=1.0 - beta_2)
                s.add_(group["eps"])
                s_hat = s / (1.0 - beta_2 ** state["step"])
                step_size = group["lr"] / (1.0 - beta_1 ** state["step"])
                p.addcdiv_(m, s_hat.sqrt_().add_(group["eps"]), value=-step_size)
