"""A convolution as one matrix: a row for each output cell, a column for each input cell.

Sharing and locality become visible: a dense layer of the same sizes whose entries are mostly zero
and otherwise the same few weights again and again. (Dumoulin and Visin 2016, section 4.1.)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.errors import ArgumentTypeError, ShapeError
from convatlas.ops.arguments import AXES
from convatlas.ops.sliding import (
    Slide,
    check_channels,
    conv_slide,
    conv_transpose_slide,
    kernel_axes,
)


def conv_matrix(
    weight: Tensor,
    input_shape: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """The matrix C with ``conv(x, weight).flatten() == C @ x.flatten()``, for one picture x.

    Args:
        weight: ``(O, C/groups, *kernel)`` of 1, 2 or 3 axes; C is differentiable in it.
        input_shape: ``(C, *size)``.
        stride, padding, dilation, groups: as for `conv2d`.

    Returns:
        ``(O·H_out·W_out, C·H·W)`` for two axes; with a 3×3 kernel on 4×4 cells it is 4×16.

    Raises:
        ShapeError, ConfigError, ArgumentTypeError: as `conv2d`.
    """
    channels, size = _read(weight, input_shape)
    check_channels(channels, weight, groups, len(size))
    slide = conv_slide(size, weight, stride, padding, dilation)
    return _matrix(weight, groups, slide, small=slide.output_size, large=size)


def conv_transpose_matrix(
    weight: Tensor,
    input_shape: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """The matrix of a transposed convolution: that of a convolution the other way, transposed.

    It has the convolution's shape transposed and, given the same weights, its entries; but a
    transposed layer is trained to weights of its own, and not even the same ones undo a
    convolution: ``Cᵀ C`` is not the identity.

    Args:
        weight: ``(C, O/groups, *kernel)`` of 1, 2 or 3 axes.
        input_shape: ``(C, *size)``.
        stride, padding, output_padding, groups, dilation: as for `conv_transpose2d`.

    Returns:
        ``(O·H_out·W_out, C·H·W)`` for two axes. The rows of cells that only ``output_padding``
        adds may be all zeros.

    Raises:
        ShapeError, ArgumentTypeError: as `conv_transpose2d`.
    """
    channels, size = _read(weight, input_shape)
    check_channels(channels, weight, groups, len(size), transposed=True)
    slide = conv_transpose_slide(size, weight, stride, padding, output_padding, dilation)
    return _matrix(weight, groups, slide, small=size, large=slide.output_size).T


def _matrix(
    weight: Tensor, groups: int, slide: Slide, small: Sequence[int], large: Sequence[int]
) -> Tensor:
    """From a ``large`` picture to a ``small`` one: each axis of the weight becomes row × column."""

    def arange(n: int) -> Tensor:
        return torch.arange(n, device=weight.device)

    kernels, per_group = weight.shape[:2]
    kernel = arange(kernels)[:, None]
    group = kernel // (kernels // groups)
    channel = _within(arange(groups * per_group) - group * per_group, per_group)
    matrix = F.pad(weight.movedim(1, -1), (0, 1))[kernel, ..., channel]  # (O, C, *kernel)

    for n, m, k, s, d, (p, _) in zip(
        small, large, slide.kernel, slide.stride, slide.dilation, slide.padding, strict=True
    ):
        # the kernel at row r begins at column s·r − p, and its cells lie d columns apart
        distance = arange(m) - (s * arange(n)[:, None] - p)
        cell = torch.where(distance % d == 0, _within(distance // d, k), -1)
        matrix = F.pad(matrix.movedim(2, -1), (0, 1))[..., cell]  # (O, C, …, n, m)

    rows, columns = range(0, matrix.dim(), 2), range(1, matrix.dim(), 2)
    height, width = matrix.shape[0::2].numel(), matrix.shape[1::2].numel()
    return matrix.permute(*rows, *columns).reshape(height, width)


def _within(index: Tensor, length: int) -> Tensor:
    """The index, or −1 where it is outside: that of the zero which is put after the weights."""
    return torch.where((index >= 0) & (index < length), index, -1)


def _read(weight: Tensor, input_shape: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """Channels and size of one picture whose axes the weight slides along."""
    axes = kernel_axes(weight)
    if not isinstance(input_shape, Sequence) or not all(isinstance(n, int) for n in input_shape):
        raise ArgumentTypeError(f"input_shape is {input_shape!r}, but it must be integers")
    if len(input_shape) != axes + 1:
        raise ShapeError(
            f"input_shape is {tuple(input_shape)}, but with a weight of shape "
            f"{tuple(weight.shape)} it must be (C, {AXES[axes]}), without a batch"
        )
    channels, *size = input_shape
    return channels, tuple(size)
