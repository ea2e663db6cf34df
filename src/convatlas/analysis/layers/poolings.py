"""Pooling and unpooling: what is kept of each window, where it goes back, and what is lost."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from convatlas import ops
from convatlas.analysis.layers.result import Findings
from convatlas.analysis.layers.sizes import each, output_sizes
from convatlas.analysis.layers.spec import Layer


def max_pooling(layer: Layer, x: Tensor) -> Findings:
    """The greatest of each window; with its indices, also what unpooling makes of it."""
    if not layer.options["return_indices"]:
        y = _computed(layer, x)
        return Findings({"input": x, "output": y})
    y, indices = _computed(layer, x, return_indices=True)
    windows = zip(each(layer, "kernel"), each(layer, "dilation"), strict=True)
    back = getattr(ops, f"max_unpool{layer.kind.axes}d")(
        y,
        indices,
        [d * (k - 1) + 1 for k, d in windows],
        each(layer, "stride"),
        each(layer, "padding"),
        tuple(x.shape[1:]),
    )
    kept = sum(channel.unique().numel() for channel in indices)
    note = (
        f"{kept} of {x.numel()} numbers come back, each to its place; the other {x.numel() - kept} "
        "are lost, and zeros stand where they were"
    )
    numbers = {
        "input": x,
        "output": y,
        "indices": indices,
        "unpooled: what comes back": back,
        "what is lost": x - back,
    }
    return Findings(numbers, notes=(note,))


def average_pooling(layer: Layer, x: Tensor) -> Findings:
    """The mean of each window."""
    y = _computed(layer, x)
    return Findings({"input": x, "output": y})


def adaptive_average_pooling(layer: Layer, x: Tensor) -> Findings:
    """The mean of windows that are made to give the size that is asked for."""
    y = getattr(ops, layer.kind.name)(x, each(layer, "output_size"))
    note = "window i of m covers the cells ⌊i·n/m⌋ to ⌈(i+1)·n/m⌉−1 of n, so windows may overlap"
    return Findings({"input": x, "output": y}, notes=(note,))


def max_unpooling(layer: Layer, x: Tensor) -> Findings:
    """Each number goes to the last cell of its window, where a ramp had its maximum."""
    sizes = [int(size) for size in output_sizes(layer, x.shape[1:])]
    kernel, stride, padding = (each(layer, name) for name in ("kernel", "stride", "padding"))
    places = torch.zeros((), dtype=torch.int64)
    for axis, (side, size) in enumerate(zip(x.shape[1:], sizes, strict=True)):
        last = torch.arange(side) * stride[axis] - padding[axis] + kernel[axis] - 1
        places = places.unsqueeze(-1) * size + last.clamp(max=size - 1)
    indices = places.expand(x.shape)
    y = getattr(ops, layer.kind.name)(x, indices, kernel, stride, padding, sizes)
    note = "the indices are those of the last cell of each window, where a ramp has its maximum"
    return Findings({"input": x, "indices": indices, "output": y}, notes=(note,))


def _computed(layer: Layer, x: Tensor, **more: Any) -> Any:
    """The layer's function, called with its options."""
    options = {n: v for n, v in layer.options.items() if n not in ("kernel", "return_indices")}
    function = getattr(ops, layer.kind.name)
    return function(x, kernel_size=layer.options["kernel"], **options, **more)
