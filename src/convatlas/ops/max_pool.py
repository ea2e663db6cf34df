"""Max pooling: the greatest cell of each window.

::

    y[n, c, i, j] = max over p, q of x[n, c, i·s + p·d, j·s + q·d]

Padding never wins: it counts as −∞. Of equal cells the first wins, and it alone gets the gradient;
a NaN wins over every number. Source: Ranzato et al., "Unsupervised learning of invariant feature
hierarchies" (2007); overlapping windows: Krizhevsky et al. (2012), section 3.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.errors import ArgumentTypeError
from convatlas.ops.arguments import tensors
from convatlas.ops.pooling import Pool, maps


def max_pool1d(
    input: Tensor,  # noqa: A002
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The greatest cell of each window along a line.

    Args:
        input: ``(N, C, L)`` or ``(C, L)``, numbers of any kind that has an order.
        kernel_size: k, cells of a window.
        stride: s, cells from a window to the next; by default k.
        padding: p, cells of −∞ at each end, at most k/2.
        dilation: d, cells from one that a window sees to the next.
        ceil_mode: whether a last window may hang over the end.
        return_indices: whether to tell where the greatest cells are.

    Returns:
        ``(N, C, L')`` or ``(C, L')`` with ``L'`` from `pool_output_size`; with ``return_indices``
        also, in int64 and the same shape, the number of the cell in its line, from 0.

    Raises:
        ShapeError: the input has the wrong dimensions or is too small, or an argument is out of
            range.
        ArgumentTypeError: an argument is not made of integers, or the input has no order.
    """
    pool = Pool.read(1, kernel_size, stride, padding, ceil_mode, dilation)
    return _max_pool(input, pool, return_indices)


def max_pool2d(
    input: Tensor,  # noqa: A002
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The greatest cell of each window in a map.

    Args:
        input: ``(N, C, H, W)`` or ``(C, H, W)``.
        kernel_size, stride, padding, dilation, ceil_mode, return_indices: as in `max_pool1d`, one
            number for both axes or two.

    Returns:
        ``(N, C, H', W')`` or ``(C, H', W')``; with ``return_indices`` also the number of the cell
        in its map, counted row by row: ``h·W + w``.

    Raises:
        ShapeError, ArgumentTypeError: as `max_pool1d`.
    """
    pool = Pool.read(2, kernel_size, stride, padding, ceil_mode, dilation)
    return _max_pool(input, pool, return_indices)


def max_pool3d(
    input: Tensor,  # noqa: A002
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The greatest cell of each window in a volume.

    Args:
        input: ``(N, C, D, H, W)`` or ``(C, D, H, W)``.
        kernel_size, stride, padding, dilation, ceil_mode, return_indices: as in `max_pool1d`, one
            number for all axes or three.

    Returns:
        ``(N, C, D', H', W')`` or ``(C, D', H', W')``; with ``return_indices`` also the number of
        the cell in its volume: ``(d·H + h)·W + w``.

    Raises:
        ShapeError, ArgumentTypeError: as `max_pool1d`.
    """
    pool = Pool.read(3, kernel_size, stride, padding, ceil_mode, dilation)
    return _max_pool(input, pool, return_indices)


def _max_pool(x: Tensor, pool: Pool, return_indices: bool) -> Tensor | tuple[Tensor, Tensor]:
    tensors(input=x)
    if x.dtype == torch.bool or x.is_complex():
        raise ArgumentTypeError(f"input is {x.dtype}, but it must be of numbers that have an order")
    x, single = maps(x, len(pool.kernel))
    size = x.shape[2:]
    lowest = -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min

    # cells are numbered row by row; the number after the last is the padding's
    nowhere = size.numel()
    numbers = torch.arange(nowhere, device=x.device).view(size)
    places = pool.windows(numbers, padding=nowhere, beyond=nowhere)  # (*output_size, K)
    cells = F.pad(x.flatten(2), (0, 1), value=lowest)  # (N, C, nowhere + 1)

    # the first cell of a window within the map leads, until a greater one comes
    first, seen = places.amin(-1), cells.detach()
    greatest = seen[..., first]  # (N, C, *output_size)
    indices = first.expand_as(greatest)
    for place in places.unbind(-1):
        cell = seen[..., place]
        wins = (cell > greatest) | cell.isnan()
        greatest = torch.where(wins, cell, greatest)
        indices = torch.where(wins, place, indices)

    values = cells.gather(-1, indices.flatten(2)).view_as(indices)  # gradients go this way
    if single:
        values, indices = values.squeeze(0), indices.squeeze(0)
    return (values, indices) if return_indices else values
