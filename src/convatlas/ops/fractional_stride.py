"""Transposed convolution seen as an ordinary convolution whose stride is a fraction.

With s − 1 zeros between its cells, a picture is walked through in steps of 1/s of a cell; over that
the kernel slides as ever, only turned round, since gathering looks back along the scattering.
(Dumoulin and Visin 2016, section 4.4.) It multiplies mostly zeros: a view, not a way to compute.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convatlas.errors import ArgumentTypeError, ShapeError
from convatlas.ops.arguments import per_axis, tensors
from convatlas.ops.convolution import conv1d, conv2d, conv3d
from convatlas.ops.sliding import conv_transpose_slide, grouped, kernel_axes, padded


def zeros_between(input: Tensor, stride: Sequence[int]) -> Tensor:  # noqa: A002
    """``stride − 1`` zeros between the cells, along each of the last axes.

    Args:
        input: ``(…, *size)``.
        stride: one number for each axis that is stretched: two for ``(…, H, W)``.

    Returns:
        ``(…, *stretched)``, n cells as ``(n−1)s + 1``.

    Raises:
        ShapeError: a stride below 1, or more strides than axes.
        ArgumentTypeError: something else than integers.
    """
    tensors(input=input)
    if not isinstance(stride, Sequence):
        raise ArgumentTypeError(f"stride is {stride!r}, but it must be integers, one an axis")
    steps = per_axis("stride", stride, len(stride))
    if any(s < 1 for s in steps) or len(steps) > input.dim():
        raise ShapeError(
            f"stride is {stride}, but it must be numbers of at least 1, "
            f"one for each of the last axes of {tuple(input.shape)}"
        )
    x = input
    for axis, s in enumerate(steps, start=input.dim() - len(steps)):
        size = list(x.shape)
        size[axis] = max((size[axis] - 1) * s + 1, 0)
        x = x.new_zeros(size).slice_scatter(x, axis, step=s)
    return x


def fractionally_strided_conv(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """What `conv_transpose1d`, `2d` or `3d` gives (the weight tells which), by a convolution.

    Zeros between the input's cells; ``d(k−1) − p`` cells of zeros around, and ``output_padding``
    more at the end; then the kernel turned round, with its channels in and out exchanged, at
    stride 1. Where ``p > d(k−1)``, cells are cut off instead.

    Args:
        input: ``(N, C, *size)`` or one picture ``(C, *size)``.
        weight: ``(C, O/groups, *kernel)``.
        bias, stride, padding, output_padding, groups, dilation: as for `conv_transpose2d`.

    Returns:
        ``(N, O, *output_size)`` or ``(O, *output_size)``.

    Raises:
        ShapeError, ArgumentTypeError: as `conv_transpose2d`.
    """
    axes = kernel_axes(weight)
    x, kernels = grouped(input, weight, bias, groups, axes, transposed=True)
    slide = conv_transpose_slide(x.shape[3:], weight, stride, padding, output_padding, dilation)
    around = [
        (d * (k - 1) - before, d * (k - 1) - after)
        for k, d, (before, after) in zip(slide.kernel, slide.dilation, slide.padding, strict=True)
    ]
    turned = kernels.transpose(1, 2).flatten(0, 1).flip(tuple(range(2, 2 + axes)))
    conv = {1: conv1d, 2: conv2d, 3: conv3d}[axes]
    return conv(
        padded(zeros_between(input, slide.stride), around), turned, bias, 1, 0, dilation, groups
    )
