"""Transposed convolution: each input cell stamps the kernel, in its own strength, on the output.

A convolution gathers what lies under the kernel into one cell; its transpose scatters one cell to
all that lay under the kernel, and where stamps overlap they add up. With the same weights it is the
gradient of the convolution with respect to its input, and its matrix is the transpose of the
convolution's (`conv_matrix`). It is not the inverse: sizes come back, pictures do not, which is why
"deconvolution" misleads. (Dumoulin and Visin 2016, chapter 4.)
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import EllipsisType

import torch
from torch import Tensor

from convatlas.ops.sliding import Slide, conv_transpose_slide, grouped, joined, padded
from convatlas.ops.windows import windows


def conv_transpose1d(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """``y[o, s·l + d·k − p] += weight[c, o, k] · x[c, l]`` for all c, l and k, from ``y = b``.

    Args:
        input: ``(N, C, L)`` or one picture ``(C, L)``.
        weight: ``(C, O/groups, K)``, as of a convolution from O channels to C.
        bias: ``(O,)``.
        stride: s, cells of the output from one stamp to the next.
        padding: p, cells cut off each end of the output.
        output_padding: cells fewer that are cut off the last end. Several sizes shrink to one in
            a convolution with a stride; this says which of them to make.
        groups: parts that the channels fall into, which do not see each other.
        dilation: d, cells from one cell of the kernel to the next.

    Returns:
        ``(N, O, L_out)`` or ``(O, L_out)``, ``L_out = (L−1)s − 2p + d(K−1) + output_padding + 1``.

    Raises:
        ShapeError: sizes or channels that do not fit, or a number out of range.
        ArgumentTypeError: types that do not go together.
    """
    x, kernels = grouped(input, weight, bias, groups, axes=1, transposed=True)
    slide = conv_transpose_slide(x.shape[3:], weight, stride, padding, output_padding, dilation)
    stamps = torch.einsum("ngcl,gcok->ngolk", x, kernels)
    return joined(_stamped(stamps, slide), bias, input)


def conv_transpose2d(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """``y[o, s·h + d·i − p, s·w + d·j − p] += weight[c, o, i, j] · x[c, h, w]``, from ``y = b``.

    Args:
        input: ``(N, C, H, W)`` or one picture ``(C, H, W)``.
        weight: ``(C, O/groups, kH, kW)``.
        bias: ``(O,)``.
        stride, padding, output_padding, dilation: one number or two, as for `conv_transpose1d`.
        groups: parts that the channels fall into.

    Returns:
        ``(N, O, H_out, W_out)`` or ``(O, H_out, W_out)``; each axis as in `conv_transpose1d`.

    Raises:
        ShapeError, ArgumentTypeError: as `conv_transpose1d`.
    """
    x, kernels = grouped(input, weight, bias, groups, axes=2, transposed=True)
    slide = conv_transpose_slide(x.shape[3:], weight, stride, padding, output_padding, dilation)
    stamps = torch.einsum("ngchw,gcoij->ngohwij", x, kernels)
    return joined(_stamped(stamps, slide), bias, input)


def conv_transpose3d(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """As `conv_transpose2d`, with a third axis along which the stamps lie: ``s·t + d·m − p``.

    Args:
        input: ``(N, C, D, H, W)`` or one volume ``(C, D, H, W)``.
        weight: ``(C, O/groups, kD, kH, kW)``.
        bias: ``(O,)``.
        stride, padding, output_padding, dilation: one number or three, as for `conv_transpose1d`.
        groups: parts that the channels fall into.

    Returns:
        ``(N, O, D_out, H_out, W_out)`` or without N; each axis as in `conv_transpose1d`.

    Raises:
        ShapeError, ArgumentTypeError: as `conv_transpose1d`.
    """
    x, kernels = grouped(input, weight, bias, groups, axes=3, transposed=True)
    slide = conv_transpose_slide(x.shape[3:], weight, stride, padding, output_padding, dilation)
    stamps = torch.einsum("ngcthw,gcomij->ngothwmij", x, kernels)
    return joined(_stamped(stamps, slide), bias, input)


def _stamped(stamps: Tensor, slide: Slide) -> Tensor:
    """Every stamp added to where its window lies.

    Args:
        stamps: ``(N, G, O/G, *size, *kernel)``.

    Returns:
        ``(N, G, O/G, *output_size)``.
    """
    k, s, d = slide.kernel, slide.stride, slide.dilation
    size = stamps.shape[3 : -len(k)]
    reached = [
        (n - 1) * s_ + d_ * (k_ - 1) + 1 for n, k_, s_, d_ in zip(size, k, s, d, strict=True)
    ]
    y = stamps.new_zeros(*stamps.shape[:3], *reached)
    places = windows(y, k, s, d)  # a view: what is added to it is added to y
    for cell in itertools.product(*map(range, k)):  # one cell of all kernels at once: no overlap
        here: tuple[int | EllipsisType, ...] = (..., *cell)
        places[here] += stamps[here]
    return padded(y, [(-before, -after) for before, after in slide.padding])
