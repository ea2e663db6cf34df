"""Max unpooling: each maximum goes back to the place it came from, among zeros.

::

    y[n, c].flat[indices[n, c, i]] = x[n, c, i]

What max pooling did not choose is lost, so that this undoes it only in part. Source: Zeiler and
Fergus, "Visualizing and understanding convolutional networks" (2014), section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convatlas.arithmetic import unpool_output_size
from convatlas.errors import ArgumentTypeError, ShapeError
from convatlas.ops.arguments import per_axis, real_floating, tensors
from convatlas.ops.pooling import maps


def max_unpool1d(
    input: Tensor,  # noqa: A002
    indices: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The maxima of a line in their places.

    Args:
        input: ``(N, C, L)`` or ``(C, L)``.
        indices: of the same shape, int64: the place of each, as `max_pool1d` returns it.
        kernel_size, stride, padding: of the pooling that is to be undone, in cells.
        output_size: ``(L',)``, or the whole shape ``(N, C, L')``: which of the sizes that pool to
            L it was; by default ``(L−1)·stride − 2·padding + kernel_size``.

    Returns:
        ``(N, C, L')`` or ``(C, L')``. Where two maxima go to one place, one of them stays.

    Raises:
        ShapeError: ``indices`` has another shape than the input or points beyond the result,
            ``output_size`` is out of reach, or an argument is out of range.
        ArgumentTypeError: the input is not floating point, ``indices`` is not int64, or an argument
            is not made of integers.
    """
    return _max_unpool(input, indices, 1, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,  # noqa: A002
    indices: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The maxima of a map in their places.

    Args:
        input: ``(N, C, H, W)`` or ``(C, H, W)``.
        indices, kernel_size, stride, padding, output_size: as in `max_unpool1d`; places are
            counted row by row.

    Returns:
        ``(N, C, H', W')`` or ``(C, H', W')``.

    Raises:
        ShapeError, ArgumentTypeError: as `max_unpool1d`.
    """
    return _max_unpool(input, indices, 2, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,  # noqa: A002
    indices: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The maxima of a volume in their places.

    Args:
        input: ``(N, C, D, H, W)`` or ``(C, D, H, W)``.
        indices, kernel_size, stride, padding, output_size: as in `max_unpool1d`; places are
            counted plane by plane, row by row.

    Returns:
        ``(N, C, D', H', W')`` or ``(C, D', H', W')``.

    Raises:
        ShapeError, ArgumentTypeError: as `max_unpool1d`.
    """
    return _max_unpool(input, indices, 3, kernel_size, stride, padding, output_size)


def _max_unpool(
    x: Tensor,
    indices: Tensor,
    axes: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
    output_size: Sequence[int] | None,
) -> Tensor:
    kernel = per_axis("kernel_size", kernel_size, axes)
    step = kernel if stride is None else per_axis("stride", stride, axes)
    around = per_axis("padding", padding, axes)
    wanted = (None,) * axes if output_size is None else _last(output_size, axes)
    _check_pairs(x, indices)
    x, single = maps(x, axes)
    size = torch.Size(map(unpool_output_size, x.shape[2:], kernel, step, around, wanted))
    _check_places(indices, size)

    places = indices.view(x.shape).flatten(2)
    y = x.new_zeros(*x.shape[:2], size.numel()).scatter(-1, places, x.flatten(2))
    y = y.view(*x.shape[:2], *size)
    return y.squeeze(0) if single else y


def _last(output_size: Sequence[int], axes: int) -> tuple[int, ...]:
    """The axes of the map, where the whole shape may be given."""
    if not isinstance(output_size, Sequence):
        raise ArgumentTypeError(f"output_size is {output_size!r}, but it must be a sequence")
    if len(output_size) not in (axes, axes + 2):
        raise ShapeError(
            f"output_size is {output_size!r}, but it must have {axes} or {axes + 2} numbers"
        )
    return per_axis("output_size", output_size[-axes:], axes)


def _check_pairs(x: Tensor, indices: Tensor) -> None:
    real_floating(x)
    tensors(indices=indices)
    if indices.dtype != torch.int64:
        raise ArgumentTypeError(f"indices is {indices.dtype}, but it must be torch.int64")
    if indices.shape != x.shape:
        raise ShapeError(
            f"indices has shape {tuple(indices.shape)}, but it must be {tuple(x.shape)} "
            "as the input is"
        )


def _check_places(indices: Tensor, size: torch.Size) -> None:
    if indices.is_meta or indices.numel() == 0:
        return
    for place in map(int, indices.aminmax()):
        if not 0 <= place < size.numel():
            raise ShapeError(
                f"indices holds {place}, but each must be at least 0 and less than "
                f"{'·'.join(map(str, size))} = {size.numel()}, the cells of a map"
            )
