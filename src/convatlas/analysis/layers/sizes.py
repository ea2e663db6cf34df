"""Output sizes of a layer with their arithmetic, and which input cells feed which output cell.

Both are read off the same window, axis by axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from convatlas.analysis.layers.spec import Layer
from convatlas.analysis.windows import Window
from convatlas.arithmetic import (
    Size,
    adaptive_window,
    conv_output_size,
    same_padding,
    unpool_output_size,
)
from convatlas.errors import ConfigError, ShapeError
from convatlas.ops.arguments import per_axis

#: the axes that a window slides along, by their number
AXES = {0: (), 1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}

_KINDS: dict[str, Literal["convolution", "transposed"]] = {
    "conv": "convolution",
    "conv_transpose": "transposed",
}

_MOST_FEEDS = 100_000

#: input cells of each output cell along one axis; those below 0 or beyond the last are padding
Feeds = tuple[tuple[int, ...], ...]


def output_sizes(layer: Layer, sides: Sequence[int]) -> tuple[Size, ...]:
    """What is left along each axis that the layer slides along, with the line that gives it.

    Raises:
        ShapeError, ConfigError, ArgumentTypeError: an option cannot be, or nothing is left.
    """
    return tuple(_size(layer, axis, side) for axis, side in enumerate(sides))


def output_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    """What a layer with settled channels makes of an input of ``shape``, both without the batch.

    Raises:
        ShapeError, ConfigError, ArgumentTypeError: as `output_sizes`.
    """
    channels: int = layer.options.get("out", shape[0])
    match layer.kind.family:
        case "linear":
            return (channels,)
        case "softmax":
            return (math.prod(shape),)
        case "cross_entropy":
            return ()
    if not layer.kind.axes:
        return shape
    return (channels, *map(int, output_sizes(layer, shape[1:])))


def feeds(layer: Layer, sides: Sequence[int]) -> dict[str, Feeds]:
    """By axis; empty where it depends on the numbers, as in unpooling, or is too much to list."""
    if layer.kind.family == "max_unpool":
        return {}
    sizes = output_sizes(layer, sides)
    windows = each(layer, "kernel") if "kernel" in layer.options else sides
    if sum(size * cells for size, cells in zip(sizes, windows, strict=False)) > _MOST_FEEDS:
        return {}
    return {
        name: tuple(_taps(layer, axis, sides[axis], cell) for cell in range(sizes[axis]))
        for axis, name in enumerate(AXES[layer.kind.axes])
    }


def each(layer: Layer, name: str) -> tuple[int, ...]:
    """An option of a settled layer as a number for each axis."""
    return per_axis(name, layer.options[name], layer.kind.axes)


def _size(layer: Layer, axis: int, side: int) -> Size:
    match layer.kind.family:
        case "adaptive_avg_pool":
            cells = each(layer, "output_size")[axis]
            if cells < 1:
                raise ShapeError(f"output_size is {cells}, but it must be at least 1")
            return Size(cells, f"{side}→{cells}, as asked for")
        case "max_unpool":
            options = ("kernel", "stride", "padding", "output_size")
            given = [
                name for name in options if layer.options[name] is not None or name == "stride"
            ]
            return unpool_output_size(side, *(each(layer, name)[axis] for name in given))
        case "conv" if layer.options["padding"] == "same":
            return _same(layer, axis, side)
    return _window(layer, axis).output_size(side)


def _same(layer: Layer, axis: int, side: int) -> Size:
    """PyTorch's ``'same'``: as many cells before and after as keep the size."""
    if set(each(layer, "stride")) != {1}:
        raise ConfigError(
            f"padding is 'same', but stride is {layer.options['stride']}: it must be 1 to keep n"
        )
    kernel, dilation = each(layer, "kernel")[axis], each(layer, "dilation")[axis]
    before, after = same_padding(kernel, dilation)
    return conv_output_size(side + after - before, kernel, 1, before, dilation)


def _window(layer: Layer, axis: int) -> Window:
    """The window of a layer along one axis, with the padding that lies before the first cell."""
    family, options = layer.kind.family, layer.options
    kernel = each(layer, "kernel")[axis]
    dilation = each(layer, "dilation")[axis] if "dilation" in options else 1
    if family == "conv" and isinstance(options["padding"], str):
        padding = same_padding(kernel, dilation)[0] if options["padding"] == "same" else 0
    else:
        padding = each(layer, "padding")[axis]
    extra = each(layer, "output_padding")[axis] if "output_padding" in options else 0
    return Window(
        _KINDS.get(family, "pooling"),
        kernel,
        each(layer, "stride")[axis],
        padding,
        dilation,
        extra,
        bool(options.get("ceil_mode")),
    )


def _taps(layer: Layer, axis: int, side: int, cell: int) -> tuple[int, ...]:
    """The input cells that one output cell is computed from."""
    if layer.kind.family == "adaptive_avg_pool":
        return tuple(range(*adaptive_window(cell, side, each(layer, "output_size")[axis])))
    window = _window(layer, axis)
    taps = [window.dilation * tap for tap in range(window.kernel)]
    if window.kind == "transposed":
        # input cell i writes to the cells i·s − p + d·t; a cell between two strides gets nothing
        gaps = [cell + window.padding - tap for tap in taps]
        cells = sorted(gap // window.stride for gap in gaps if gap % window.stride == 0)
        return tuple(i for i in cells if 0 <= i < side)
    return tuple(cell * window.stride - window.padding + tap for tap in taps)
