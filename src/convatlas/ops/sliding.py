"""How the kernel of a convolution slides: channels, groups, padding; read, and refused.

A convolution and its transpose slide alike and only go opposite ways, so both read it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.arithmetic import Size, conv_output_size, conv_transpose_output_size, same_padding
from convatlas.errors import ArgumentTypeError, ConfigError, ShapeError
from convatlas.ops.arguments import AXES, at_least_one, batched, per_axis, same_dtype, tensors


@dataclass(frozen=True)
class Slide:
    """One number for each axis that the kernel slides along.

    Attributes:
        kernel, stride, dilation: k, s and d, in cells.
        padding: cells of zeros before and after the larger picture (a convolution's input, a
            transposed convolution's output).
        output_size: cells that come out.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    output_size: tuple[Size, ...]


def conv_slide(
    size: Sequence[int],
    weight: Tensor,
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
) -> Slide:
    """The slide of a convolution over ``size`` cells.

    Raises:
        ShapeError: a number is out of range, or the kernel does not fit once.
        ConfigError: ``padding`` is another word than ``'valid'`` or ``'same'``, or ``'same'`` with
            a stride.
        ArgumentTypeError: something else than integers.
    """
    axes = len(size)
    k, s = tuple(weight.shape[2:]), per_axis("stride", stride, axes)
    d = per_axis("dilation", dilation, axes)
    if padding == "same":
        if set(s) != {1}:
            raise ConfigError(f"padding is 'same', but stride is {stride}: it must be 1 to keep n")
        p = tuple(map(same_padding, k, d))
    elif isinstance(padding, str):
        if padding != "valid":
            raise ConfigError(f"padding is {padding!r}, but the words for it are 'valid' or 'same'")
        p = ((0, 0),) * axes
    else:
        p = tuple((cells, cells) for cells in per_axis("padding", padding, axes))
    made = (  # the one cell more that 'same' may put at the end counts as a cell of the input
        conv_output_size(n + after - before, k_, s_, before, d_)
        for n, k_, s_, d_, (before, after) in zip(size, k, s, d, p, strict=True)
    )
    return Slide(k, s, d, p, tuple(made))


def conv_transpose_slide(
    size: Sequence[int],
    weight: Tensor,
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    output_padding: int | Sequence[int],
    dilation: int | Sequence[int],
) -> Slide:
    """The slide of a transposed convolution of ``size`` cells; its padding is what it cuts off.

    ``output_padding`` cells fewer are cut off at the end, which may leave some that no input
    reaches.

    Raises:
        ShapeError: a number is out of range, or nothing is left.
        ArgumentTypeError: something else than integers.
    """
    axes = len(size)
    k, s = tuple(weight.shape[2:]), per_axis("stride", stride, axes)
    p, d = per_axis("padding", padding, axes), per_axis("dilation", dilation, axes)
    extra = per_axis("output_padding", output_padding, axes)
    made = tuple(map(conv_transpose_output_size, size, k, s, p, extra, d))
    cut = tuple((cells, cells - more) for cells, more in zip(p, extra, strict=True))
    return Slide(k, s, d, cut, made)


def kernel_axes(weight: Tensor) -> int:
    """Axes that the kernels of a weight ``(…, …, *kernel)`` slide along.

    Raises:
        ShapeError: not 1, 2 or 3.
        ArgumentTypeError: it is no tensor.
    """
    tensors(weight=weight)
    axes = weight.dim() - 2
    if axes not in AXES:
        raise ShapeError(
            f"weight has shape {tuple(weight.shape)}, but a convolution's has 3, 4 or 5 axes"
        )
    return axes


def padded(x: Tensor, cells: Sequence[tuple[int, int]]) -> Tensor:
    """Zeros before and after each of the last axes; a negative number cuts cells off instead."""
    flat = [n for pair in reversed(cells) for n in pair]
    # two steps: where more is cut off than there is, the zeros of the other side must stand first
    return F.pad(F.pad(x, [max(n, 0) for n in flat]), [min(n, 0) for n in flat])


def grouped(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None,
    groups: int,
    axes: int,
    transposed: bool = False,
) -> tuple[Tensor, Tensor]:
    """Input and kernels by groups, which do not see each other.

    Returns:
        ``(N, G, C/G, *size)``, and the weight with its first axis in two, ``(G, …/G, …/G, *k)``.

    Raises:
        ShapeError: channels, groups, weight and bias do not go together.
        ArgumentTypeError: number formats do not go together.
    """
    tensors(weight=weight)
    same_dtype(input, weight=weight, bias=bias)
    if input.dtype == torch.bool:
        raise ArgumentTypeError("input is torch.bool, but it must be of a number format")
    x, _ = batched(input, axes)
    out = check_channels(x.shape[1], weight, groups, axes, transposed)
    if bias is not None and bias.shape != (out,):
        raise ShapeError(
            f"bias has shape {tuple(bias.shape)}, but it must be ({out},), "
            "one number for each output channel"
        )
    return torch.unflatten(x, 1, (groups, -1)), torch.unflatten(weight, 0, (groups, -1))


def check_channels(
    channels: int, weight: Tensor, groups: int, axes: int, transposed: bool = False
) -> int:
    """Output channels of a weight that fits the channels of the input.

    Raises:
        ShapeError: it does not.
        ArgumentTypeError: ``groups`` is no integer.
    """
    at_least_one("groups", groups)
    shape = tuple(weight.shape)
    if len(shape) != axes + 2:
        rows, columns = ("C", "O/groups") if transposed else ("O", "C/groups")
        raise ShapeError(
            f"weight has shape {shape}, but it must be ({rows}, {columns}, {AXES[axes]})"
        )
    if shape[0] < groups or shape[0] % groups:
        raise ShapeError(
            f"weight has shape {shape}, but its {shape[0]} kernels must be a multiple of "
            f"groups = {groups}"
        )
    taken = shape[0] if transposed else groups * shape[1]
    if channels != taken:
        sum_ = "" if transposed else f"{groups}·{shape[1]} = "
        raise ShapeError(
            f"input has {channels} channels, but weight {shape} with groups = {groups} takes "
            f"{sum_}{taken}"
        )
    if not transposed:
        return shape[0]
    if shape[1] < 1:
        raise ShapeError(f"weight has shape {shape}, but it must have an output channel")
    return groups * shape[1]


def joined(y: Tensor, bias: Tensor | None, input: Tensor) -> Tensor:  # noqa: A002
    """``(N, G, O/G, *size)`` as ``(N, O, *size)`` with the bias, or ``(O, *size)`` as the input."""
    y = y.flatten(1, 2)
    if bias is not None:
        y = y + bias.view(-1, *[1] * (y.dim() - 2))
    return y.squeeze(0) if input.dim() < y.dim() else y
