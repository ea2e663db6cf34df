"""Convolution: the same small kernel looks at every place.

The more a place looks like the kernel, the higher the answer. (Strictly this is a
cross-correlation, as everywhere in deep learning: the kernel is not flipped.)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convatlas.ops.sliding import conv_slide, grouped, joined, padded
from convatlas.ops.windows import windows


def conv1d(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """``y[o, l] = b[o] + Σ_c Σ_k weight[o, c, k] · x[c, s·l + d·k]``, x with p zeros on each side.

    Args:
        input: ``(N, C, L)`` or one picture ``(C, L)``.
        weight: ``(O, C/groups, K)``.
        bias: ``(O,)``.
        stride: s, cells from one place of the kernel to the next.
        padding: p; ``'valid'`` is 0, and ``'same'`` keeps the size (at stride 1).
        dilation: d, cells from one cell of the kernel to the next.
        groups: parts that the channels fall into; an output channel sums over those of its own.

    Returns:
        ``(N, O, L_out)`` or ``(O, L_out)``, with ``L_out = ⌊(L + 2p − d(K−1) − 1)/s⌋ + 1``.

    Raises:
        ShapeError: sizes or channels that do not fit, or a number out of range.
        ConfigError: a ``padding`` in words that cannot be.
        ArgumentTypeError: types that do not go together.
    """
    x, kernels = grouped(input, weight, bias, groups, axes=1)
    patches = _patches(x, weight, stride, padding, dilation)  # (N, G, C/G, L_out, K)
    y = torch.einsum("ngclk,gock->ngol", patches, kernels)
    return joined(y, bias, input)


def conv2d(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """``y[o, h, w] = b[o] + Σ_c Σ_i Σ_j weight[o, c, i, j] · x[c, s·h + d·i, s·w + d·j]``.

    Args:
        input: ``(N, C, H, W)`` or one picture ``(C, H, W)``.
        weight: ``(O, C/groups, kH, kW)``.
        bias: ``(O,)``.
        stride, padding, dilation: one number or two, as for `conv1d`.
        groups: parts that the channels fall into; C of them make a depthwise convolution.

    Returns:
        ``(N, O, H_out, W_out)`` or ``(O, H_out, W_out)``; each axis as in `conv1d`.

    Raises:
        ShapeError, ConfigError, ArgumentTypeError: as `conv1d`.
    """
    x, kernels = grouped(input, weight, bias, groups, axes=2)
    patches = _patches(x, weight, stride, padding, dilation)  # (N, G, C/G, H_out, W_out, kH, kW)
    y = torch.einsum("ngchwij,gocij->ngohw", patches, kernels)
    return joined(y, bias, input)


def conv3d(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """As `conv2d`, with a third axis that the kernel slides along: ``s·t + d·m`` in depth.

    An RGB picture has three channels, not a depth of three: its kernel sees all of them at once
    and has nowhere to slide, so it takes a `conv2d`.

    Args:
        input: ``(N, C, D, H, W)`` or one volume ``(C, D, H, W)``.
        weight: ``(O, C/groups, kD, kH, kW)``.
        bias: ``(O,)``.
        stride, padding, dilation: one number or three, as for `conv1d`.
        groups: parts that the channels fall into.

    Returns:
        ``(N, O, D_out, H_out, W_out)`` or ``(O, D_out, H_out, W_out)``; each axis as in `conv1d`.

    Raises:
        ShapeError, ConfigError, ArgumentTypeError: as `conv1d`.
    """
    x, kernels = grouped(input, weight, bias, groups, axes=3)
    patches = _patches(x, weight, stride, padding, dilation)
    y = torch.einsum("ngcthwmij,gocmij->ngothw", patches, kernels)
    return joined(y, bias, input)


def _patches(
    x: Tensor,
    weight: Tensor,
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
) -> Tensor:
    """What the kernel lies on, at every place: ``(N, G, C/G, *output_size, *kernel)``."""
    slide = conv_slide(x.shape[3:], weight, stride, padding, dilation)
    return windows(padded(x, slide.padding), slide.kernel, slide.stride, slide.dilation)
