"""Momentum as AlexNet was trained with it: the learning rate is inside the velocity."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer


class AlexNetSGD(Optimizer):
    """``v ← μ v − λ ε w − ε ∇``, ``w ← w + v``: momentum μ, weight decay λ, learning rate ε.

    PyTorch's SGD keeps ``b ← μ b + λ w + ∇`` and goes ``w ← w − ε b``, which is the same while ε
    stays the same (``v = −ε b``). When ε drops, SGD slows all that it remembers at once, and this
    only what is added: at that step it goes ``μ (ε − ε') b`` further.

    Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
    Networks" (2012), section 5.

    Args:
        params: parameters, or groups of them.
        lr, momentum, weight_decay: ε, μ and λ, where a group has none of its own.
    """

    def __init__(
        self, params: Any, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of each parameter that has a gradient."""
        for group in self.param_groups:
            rate = group["lr"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p not in self.state:
                    self.state[p]["velocity"] = torch.zeros_like(p)
                velocity = self.state[p]["velocity"]
                velocity.mul_(group["momentum"])
                velocity.add_(p, alpha=-rate * group["weight_decay"]).add_(p.grad, alpha=-rate)
                p.add_(velocity)
