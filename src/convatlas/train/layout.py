"""Gradients of global average pools, in the memory layout of the maps that they belong to.

PyTorch spreads the gradient of such a mean over a map of its own, (N, C, H, W) in memory whatever
the layout of the map is, and every layer back to the next convolution then reads one of each kind,
many times slower than two of a kind (docs/notes/layout.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def average_pools(nets: Iterable[nn.Module]) -> list[nn.Module]:
    """The adaptive average pools of networks."""
    layers = (layer for net in nets for layer in net.modules())
    return [layer for layer in layers if isinstance(layer, nn.AdaptiveAvgPool2d)]


@contextmanager
def laid_out(pools: Sequence[nn.Module]) -> Iterator[None]:
    """Inside, the gradient of what these layers are given lies in memory as that does."""
    hooks = [pool.register_forward_pre_hook(_follow) for pool in pools]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _follow(_: nn.Module, inputs: tuple[Any, ...]) -> None:
    for maps in inputs:  # none where the caller gave them by name
        if maps.requires_grad and _is_channels_last(maps):
            maps.register_hook(_channels_last)


def _is_channels_last(maps: Tensor) -> bool:
    last = maps.dim() == 4 and maps.is_contiguous(memory_format=torch.channels_last)
    return last and not maps.is_contiguous()


def _channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)
