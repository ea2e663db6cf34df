"""Adaptive average pooling: the means of as many windows as are asked for, from any input.

::

    y[n, c, i] = mean of x[n, c, a:b]   with a = ⌊i·L/m⌋, b = ⌈(i+1)·L/m⌉

Windows differ in size by one cell at most and overlap where m does not divide L. In two dimensions
a mean of rows is averaged over columns, for a window is a rectangle. With m = 1 it is the global
average pooling of Lin et al., "Network In Network" (2014), section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convatlas.arithmetic import adaptive_window
from convatlas.errors import ShapeError
from convatlas.ops.arguments import batched, per_axis, real_floating


def adaptive_avg_pool1d(input: Tensor, output_size: int | Sequence[int]) -> Tensor:  # noqa: A002
    """The means of ``output_size`` windows along a line.

    Args:
        input: ``(N, C, L)`` or ``(C, L)``, floating point.
        output_size: m, cells to leave.

    Returns:
        ``(N, C, m)`` or ``(C, m)``.

    Raises:
        ShapeError: the input has the wrong dimensions or no cells, or ``output_size`` is negative.
        ArgumentTypeError: ``output_size`` is no integer, or the input is not floating point.
    """
    return _adaptive_avg_pool(input, per_axis("output_size", output_size, 1))


def adaptive_avg_pool2d(
    input: Tensor,  # noqa: A002
    output_size: int | Sequence[int | None],
) -> Tensor:
    """The means of ``output_size`` windows in a map.

    Args:
        input: ``(N, C, H, W)`` or ``(C, H, W)``, floating point.
        output_size: rows and columns to leave, one number for both or two; None keeps the input's.

    Returns:
        ``(N, C, *output_size)`` or ``(C, *output_size)``.

    Raises:
        ShapeError, ArgumentTypeError: as `adaptive_avg_pool1d`.
    """
    return _adaptive_avg_pool(input, _sizes(input, output_size, 2))


def adaptive_avg_pool3d(
    input: Tensor,  # noqa: A002
    output_size: int | Sequence[int | None],
) -> Tensor:
    """The means of ``output_size`` windows in a volume.

    Args:
        input: ``(N, C, D, H, W)`` or ``(C, D, H, W)``, floating point.
        output_size: cells to leave along each axis, one number for all or three; None keeps the
            input's.

    Returns:
        ``(N, C, *output_size)`` or ``(C, *output_size)``.

    Raises:
        ShapeError, ArgumentTypeError: as `adaptive_avg_pool1d`.
    """
    return _adaptive_avg_pool(input, _sizes(input, output_size, 3))


def _adaptive_avg_pool(x: Tensor, output_size: tuple[int, ...]) -> Tensor:
    real_floating(x)
    if 0 in x.shape[-len(output_size) :]:
        raise ShapeError(f"input has shape {tuple(x.shape)}, but there must be cells to average")
    if min(output_size) < 0:
        raise ShapeError(f"output_size is {output_size}, but it must be at least 0")
    x, single = batched(x, len(output_size))
    for axis, m in enumerate(output_size, start=2):
        x = _averaged(x, axis, m)
    return x.squeeze(0) if single else x


def _averaged(x: Tensor, axis: int, m: int) -> Tensor:
    """The means of m windows along one axis."""
    windows = [adaptive_window(i, x.shape[axis], m) for i in range(m)]
    means = [x.narrow(axis, a, b - a).mean(axis, keepdim=True) for a, b in windows]
    return torch.cat([x.narrow(axis, 0, 0), *means], axis)  # nothing is left where m is 0


def _sizes(x: Tensor, output_size: int | Sequence[int | None], axes: int) -> tuple[int, ...]:
    """The size of the result, with the input's in place of None."""
    if isinstance(output_size, Sequence):
        if len(output_size) != axes:
            raise ShapeError(f"output_size is {output_size!r}, but it must be one number or {axes}")
        batched(x, axes)
        size = x.shape[-axes:]
        given = [n if m is None else m for m, n in zip(output_size, size, strict=True)]
        return per_axis("output_size", given, axes)
    return per_axis("output_size", output_size, axes)
