"""A plain training step, as PyTorch's own examples have it: for networks with one exit."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def stepper(
    net: nn.Module, labels: Tensor, dtype: torch.dtype, layout: torch.memory_format
) -> Callable[[Tensor], float]:
    """A function that makes one step on a batch and returns the seconds it took.

    Args:
        net: from pixels ``(N, C, H, W)`` to logits ``(N, K)``, on its device.
        labels: of every batch, ``(N,)``.
        dtype: float32, or what autocast computes in where it can.
        layout: of the weights; the batches should have it, too.
    """
    net = net.to(memory_format=layout).train()  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        net.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    device = labels.device.type

    def step(pixels: Tensor) -> float:
        started = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
            loss = F.cross_entropy(net(pixels), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if device != "cpu":
            torch.accelerator.synchronize()
        return time.perf_counter() - started

    return step
