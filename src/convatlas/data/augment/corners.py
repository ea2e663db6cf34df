"""The five crops of a picture and their mirrors, ten from one.

Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks", section
4.1: the network's answers are averaged over them. As a training set they are ten for one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convatlas.errors import ShapeError


def five_crops(x: Tensor, size: int) -> Tensor:
    """The four corners and the centre, ``(N, 5, C, size, size)``.

    In the order top left, top right, bottom left, bottom right, centre; the centre's corner is
    rounded as `Preprocess` and torchvision do.

    Args:
        x: uint8 or float ``(N, C, H, W)``.
        size: side of each crop.

    Raises:
        ShapeError: the pictures are smaller.
    """
    height, width = x.shape[-2:]
    if not 1 <= size <= min(height, width):
        raise ShapeError(
            f"crops of {size} do not fit into {height}×{width}: they must be between 1 and "
            f"{min(height, width)}"
        )
    down, right = height - size, width - size
    corners = [(0, 0), (0, right), (down, 0), (down, right), (round(down / 2), round(right / 2))]
    crops = [x[..., top : top + size, left : left + size] for top, left in corners]
    return torch.stack(crops, dim=1)


def ten_crops(x: Tensor, size: int) -> Tensor:
    """`five_crops`, and the mirror of each in the same order: ``(N, 10, C, size, size)``.

    Raises:
        ShapeError: the pictures are smaller.
    """
    crops = five_crops(x, size)
    return torch.cat([crops, crops.flip(-1)], dim=1)


def one_of_ten(x: Tensor, size: int, which: Tensor) -> Tensor:
    """For each picture one of its `ten_crops`, ``(N, C, size, size)``.

    Args:
        x: uint8 or float ``(N, C, H, W)``.
        size: side of each crop.
        which: int64 ``(N,)``, from 0 to 9.

    Raises:
        ShapeError: the pictures are smaller.
    """
    out = x.new_empty(*x.shape[:2], size, size)
    for number in range(10):
        members = (which == number).nonzero().squeeze(1)
        crops = five_crops(x.index_select(0, members), size)[:, number % 5]
        out.index_copy_(0, members, crops.flip(-1) if number >= 5 else crops)
    return out
