"""Pictures ``(n, C, H, W)`` turned, sheared and moved by the nearest pixel, zeros moving in.

Each takes an amount a picture, float ``(n,)``, and moves as torchvision's ``affine`` and
``rotate`` do.
"""

from __future__ import annotations

import torch
from torch import Tensor


def turn(x: Tensor, degrees: Tensor) -> Tensor:
    """Turned about the centre, against the clock."""
    row, column = _middles(x)
    cos, sin = _each(degrees.deg2rad().cos()), _each(degrees.deg2rad().sin())
    return _from(x, cos * row + sin * column, cos * column - sin * row)


def shear_x(x: Tensor, slope: Tensor) -> Tensor:
    """Moved ``slope`` pixels to the left for each pixel further down; the upper edge stays."""
    row, column = _middles(x)
    return _from(x, row, column + _each(slope) * (row + x.shape[-2] / 2))


def shear_y(x: Tensor, slope: Tensor) -> Tensor:
    """Moved ``slope`` pixels up for each pixel further right; the left edge stays."""
    row, column = _middles(x)
    return _from(x, row + _each(slope) * (column + x.shape[-1] / 2), column)


def move_x(x: Tensor, pixels: Tensor) -> Tensor:
    """Moved to the right by whole pixels."""
    row, column = _middles(x)
    return _from(x, row, column - _each(pixels.trunc()))


def move_y(x: Tensor, pixels: Tensor) -> Tensor:
    """Moved down by whole pixels."""
    row, column = _middles(x)
    return _from(x, row - _each(pixels.trunc()), column)


def _middles(x: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row ``(H, 1)`` and column ``(W,)`` of pixels the middle, counted from the centre."""
    row, column = (torch.arange(side, device=x.device) - (side - 1) / 2 for side in x.shape[-2:])
    return row[:, None], column


def _from(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Each pixel from its place ``(n, H, W)``, counted from the centre."""
    n, c, height, width = x.shape
    i = (row + (height - 1) / 2).round().long()
    j = (column + (width - 1) / 2).round().long()
    inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
    source = (i * width + j).mul(inside).view(n, 1, height * width)
    moved = x.reshape(n, c, -1).gather(2, source.expand(n, c, -1)).view_as(x)
    return moved.mul_(inside[:, None])


def _each(amount: Tensor) -> Tensor:
    return amount.view(-1, 1, 1)
