"""A layer put under the glass."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from convatlas.analysis.layers import convolutions, cost, examples, functions, poolings
from convatlas.analysis.layers.normalisations import normalisation
from convatlas.analysis.layers.result import Findings, Look
from convatlas.analysis.layers.sizes import AXES, each, feeds, output_shape, output_sizes
from convatlas.analysis.layers.spec import Layer
from convatlas.errors import ConfigError, UnknownNameError

_LARGEST = 20_000_000  # numbers that an example may hold, or multiply

_BY_WEIGHT: dict[str, Callable[[Layer, Tensor, Tensor], Findings]] = {
    "conv": convolutions.convolution,
    "conv_transpose": convolutions.transposed_convolution,
    "linear": convolutions.dense,
}
_PLAIN: dict[str, Callable[[Layer, Tensor], Findings]] = {
    "max_pool": poolings.max_pooling,
    "avg_pool": poolings.average_pooling,
    "adaptive_avg_pool": poolings.adaptive_average_pooling,
    "max_unpool": poolings.max_unpooling,
    "norm": normalisation,
    "lrn": functions.local_response_norm,
    "dropout": functions.dropout,
    "activation": functions.activation,
    "softmax": functions.softmax,
    "cross_entropy": functions.cross_entropy,
}


def look(
    layer: Layer,
    shape: tuple[int, ...] | None = None,
    weights: str | None = None,
    image: Path | None = None,
) -> Look:
    """Everything there is to see of a layer, for one input.

    Args:
        layer: as `spec.read_layer` reads it.
        shape: of the input without the batch; by default the kind's example, or 64 pixels a side
            for an image. The input is a ramp: 1, 2, 3, …
        weights: a name of `examples.WEIGHTS`; by default the ramp, and rows for a dense layer.
        image: a picture file to take as the input.

    Raises:
        ConvAtlasError: sizes or options that cannot be, with the arithmetic; a name that nobody
            knows; a picture that cannot be read.
    """
    if layer.repeat > 1:
        raise ConfigError(f"x{layer.repeat} repeats the layer: that is for compare; look at one")
    if weights is not None and weights not in examples.WEIGHTS:
        raise UnknownNameError("weights", weights, examples.WEIGHTS)
    shape = shape or (layer.example() if image is None else (layer.options.get("in") or 1, 64, 64))
    layer = layer.settled(shape)
    sides = shape[1:] if layer.kind.axes else ()
    sizes = output_sizes(layer, sides)
    output = output_shape(layer, shape)
    macs = cost.macs(layer, shape, output)
    small = max(macs.value, *_held(layer, shape, output)) <= _LARGEST
    found = _example(layer, _input(layer, shape, image), shape, weights) if small else None
    return Look(
        layer,
        shape,
        output,
        {axis: size.arithmetic for axis, size in zip(AXES[len(sizes)], sizes, strict=True)},
        cost.parameters(layer, shape),
        macs,
        feeds(layer, sides),
        found,
        image is not None,
    )


def _held(layer: Layer, shape: tuple[int, ...], output: tuple[int, ...]) -> list[int]:
    """Numbers that computing the layer may have to hold at once."""
    options = layer.options
    held = [math.prod(shape), math.prod(output), math.prod(cost.weight_shape(layer))]
    if "kernel" in options:
        around = 0 if isinstance(options["padding"], str) else max(each(layer, "padding"))
        sides = map(max, shape[1:], output[1:])
        held.append(shape[0] * math.prod(side + 2 * around for side in sides))
        held.append(math.prod(output) * math.prod(each(layer, "kernel")))
    return [*held, shape[0] * options.get("size", 1)]


def _input(layer: Layer, shape: tuple[int, ...], image: Path | None) -> Tensor:
    batch = layer.kind.family == "norm"  # which is measured over a batch, the others over one
    if image is not None:
        x = examples.picture(image, shape)
        return x.unsqueeze(0) if batch else x
    if layer.kind.family == "activation":
        return torch.linspace(-3, 3, math.prod(shape), dtype=torch.float64).view(shape)
    return examples.ramp((2, *shape) if batch else shape)


def _example(layer: Layer, x: Tensor, shape: tuple[int, ...], weights: str | None) -> Findings:
    family = layer.kind.family
    if family in _BY_WEIGHT:
        name = weights or ("rows" if family == "linear" else "ramp")
        return _BY_WEIGHT[family](layer, x, examples.WEIGHTS[name](cost.weight_shape(layer)))
    if weights is not None:
        raise ConfigError(f"weights is {weights!r}, but {layer.kind.name} has no kernel")
    return _PLAIN[family](layer, x)
