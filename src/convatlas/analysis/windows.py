"""What slides: the window of a convolution or a pooling layer along one axis.

One window answers both questions of the analysis, so that they cannot disagree: how many cells it
leaves (with the arithmetic) and which input cells an output cell is computed from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from convatlas.analysis.receptive_field import Cells
from convatlas.arithmetic import (
    Size,
    conv_output_size,
    conv_transpose_output_size,
    pool_output_size,
)


@dataclass(frozen=True)
class Window:
    """A kernel along one axis, in cells: k, s, p (each side) and d."""

    kind: Literal["convolution", "pooling", "transposed"]
    kernel: int
    stride: int
    padding: int
    dilation: int = 1
    output_padding: int = 0
    ceil_mode: bool = False

    def output_size(self, size: int) -> Size:
        """Cells that it leaves of ``size``, and the line that gives them."""
        k, s, p, d = self.kernel, self.stride, self.padding, self.dilation
        if self.kind == "transposed":
            return conv_transpose_output_size(size, k, s, p, self.output_padding, d)
        if self.kind == "pooling":
            return pool_output_size(size, k, s, p, d, self.ceil_mode)
        return conv_output_size(size, k, s, p, d)

    def slide(self, cells: Cells) -> Cells:
        """What the cells that it leaves see."""
        k, s, p, d = self.kernel, self.stride, self.padding, self.dilation
        if self.kind == "transposed":  # input cell i writes to the cells i·s − p + d·t
            return cells.gather(
                lambda o: [(o + p - d * t) // s for t in range(k) if (o + p - d * t) % s == 0],
                every=s,
            )
        return cells.gather(lambda o: [o * s - p + d * t for t in range(k)], step=s)


def windows(name: str, args: dict[str, Any]) -> dict[int, Window]:
    """The windows of an operation by dimension, counted from the last (−1 is the width).

    Args:
        name: of the operation in PyTorch's core.
        args: its arguments by name.
    """
    if name == "convolution":
        k = tuple(args["weight"].shape[2:])
    elif "kernel_size" in args and "pool" in name:
        k = _each(args["kernel_size"], rank(name))
    else:
        return {}
    n = len(k)
    stride, padding = _each(args["stride"] or k, n), _each(args["padding"], n)
    dilation = _each(args.get("dilation", 1), n)
    extra = _each(args.get("output_padding", 0), n)
    kind: Literal["convolution", "pooling", "transposed"] = (
        "pooling" if "pool" in name else "transposed" if args["transposed"] else "convolution"
    )
    ceil = bool(args.get("ceil_mode", False))
    return {
        i - n: Window(kind, k[i], stride[i], padding[i], dilation[i], extra[i], ceil)
        for i in range(n)
    }


def rank(name: str) -> int:
    """Axes that an operation works on, which its name tells: 1d, 2d or 3d."""
    return int(re.findall(r"([123])d", name)[0])


def _each(value: Any, axes: int) -> tuple[int, ...]:
    """A number for each axis, where PyTorch takes one number for them all."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * axes if len(values) == 1 else values
