"""What an optimiser remembers of each parameter, by the parameter's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def optimizer_state(net: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """The learning rate of each group, and the tensors of each parameter (momentum, moments).

    Args:
        net: whose parameters the optimiser moves.
        optimizer: any of ``torch.optim``.
    """
    names: dict[Tensor, str] = {p: name for name, p in net.named_parameters()}
    return {
        "lr": [float(group["lr"]) for group in optimizer.param_groups],
        "remembered": {names[p]: dict(known) for p, known in optimizer.state.items()},
    }


def load_optimizer_state(net: nn.Module, optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Go on where `optimizer_state` was taken.

    Args:
        net, optimizer: as they were then, the parameters in any memory layout.
        state: what it returned, its tensors on any device.
    """
    packed = optimizer.state_dict()
    for group, lr in zip(packed["param_groups"], state["lr"], strict=True):
        group["lr"] = lr
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    names: dict[Tensor, str] = {p: name for name, p in net.named_parameters()}
    packed["state"] = {
        i: {key: _like(p, value) for key, value in state["remembered"][names[p]].items()}
        for i, p in enumerate(parameters)
        if names[p] in state["remembered"]
    }
    optimizer.load_state_dict(packed)


def _like(parameter: Tensor, value: Any) -> Any:
    """In the parameter's own memory layout, as fused optimisers walk through both side by side."""
    if isinstance(value, Tensor) and value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    return value
