"""Average pooling: the mean of each window.

::

    y[n, c, i, j] = 1/m · sum over p, q of x[n, c, i·s + p, j·s + q]

with zeros as padding. The divisor ``m`` is ``divisor_override`` or the number of cells that count:
those of the map and, with ``count_include_pad``, those of the padding, never those beyond it.
Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998), section II.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convatlas.errors import ArgumentTypeError, ConfigError, ShapeError
from convatlas.ops.arguments import switches, tensors
from convatlas.ops.pooling import Pool, maps


def avg_pool1d(
    input: Tensor,  # noqa: A002
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window along a line.

    Args:
        input: ``(N, C, L)`` or ``(C, L)``, floating point or int64 (whose means are cut off).
        kernel_size: k, cells of a window.
        stride: s, cells from a window to the next; by default k.
        padding: p, zeros at each end, at most k/2.
        ceil_mode: whether a last window may hang over the end.
        count_include_pad: whether the zeros of the padding are counted.

    Returns:
        ``(N, C, L')`` or ``(C, L')`` with ``L'`` from `pool_output_size`.

    Raises:
        ShapeError: the input has the wrong dimensions or is too small, or an argument is out of
            range.
        ArgumentTypeError: an argument is not made of integers, or the input of other numbers.
    """
    pool = Pool.read(1, kernel_size, stride, padding, ceil_mode)
    return _avg_pool(input, pool, count_include_pad)


def avg_pool2d(
    input: Tensor,  # noqa: A002
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window in a map.

    Args:
        input: ``(N, C, H, W)`` or ``(C, H, W)``.
        kernel_size, stride, padding, ceil_mode, count_include_pad: as in `avg_pool1d`, one number
            for both axes or two.
        divisor_override: what to divide each sum by, in place of the number of cells.

    Returns:
        ``(N, C, H', W')`` or ``(C, H', W')``.

    Raises:
        ShapeError, ArgumentTypeError: as `avg_pool1d`.
        ConfigError: ``divisor_override`` is 0.
    """
    pool = Pool.read(2, kernel_size, stride, padding, ceil_mode)
    return _avg_pool(input, pool, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,  # noqa: A002
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window in a volume.

    Args:
        input: ``(N, C, D, H, W)`` or ``(C, D, H, W)``.
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as in
            `avg_pool2d`, one number for all axes or three.

    Returns:
        ``(N, C, D', H', W')`` or ``(C, D', H', W')``.

    Raises:
        ShapeError, ArgumentTypeError, ConfigError: as `avg_pool2d`; here PyTorch also refuses a
            kernel that is greater than the input, even where padding or ``ceil_mode`` make it fit.
    """
    pool = Pool.read(3, kernel_size, stride, padding, ceil_mode)
    tensors(input=input)
    for n, k in zip(input.shape[-3:], pool.kernel, strict=False):
        if k > n:
            raise ShapeError(
                f"kernel_size is {k}, but it must be at most the input's {n}, unpadded"
            )
    return _avg_pool(input, pool, count_include_pad, divisor_override)


def _avg_pool(
    x: Tensor, pool: Pool, count_include_pad: bool, divisor_override: int | None = None
) -> Tensor:
    tensors(input=x)
    switches(count_include_pad=count_include_pad)
    if not (x.is_floating_point() or x.dtype == torch.int64):
        raise ArgumentTypeError(f"input is {x.dtype}, but it must be floating point or torch.int64")
    if divisor_override is not None and type(divisor_override) is not int:
        raise ArgumentTypeError(f"divisor_override is {divisor_override!r}, but it must be an int")
    if divisor_override == 0:
        raise ConfigError("divisor_override is 0, but nothing can be divided by it")
    x, single = maps(x, len(pool.kernel))
    total = pool.windows(x, padding=0, beyond=0).sum(-1)
    counted = pool.windows(x.new_ones(x.shape[2:]), padding=float(count_include_pad), beyond=0)
    divisor = counted.sum(-1) if divisor_override is None else divisor_override
    mean = torch.div(total, divisor, rounding_mode=None if x.is_floating_point() else "trunc")
    return mean.squeeze(0) if single else mean
