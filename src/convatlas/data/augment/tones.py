"""Tones of uint8 pictures ``(n, C, H, W)``, with Pillow's and torchvision's definitions.

What takes an amount takes one a picture, ``(n,)``. Results are rounded where those two cut off.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.data.augment.pixels import restored


def sharpen(x: Tensor, factor: Tensor) -> Tensor:
    """The distance of each pixel from its blurred self times ``factor``; the border stays.

    Blurred by Pillow's SMOOTH filter: the 3×3 neighbourhood, the middle counting five times.
    """
    if min(x.shape[-2:]) < 3:
        return x
    kernel = x.new_ones(3, 3, dtype=torch.float32)
    kernel[1, 1] = 5
    values = x.float()
    blurred = F.conv2d(values.flatten(0, 1)[:, None], kernel.div_(13)[None, None])
    inner = values[..., 1:-1, 1:-1]
    inner.lerp_(blurred.view_as(inner), 1 - factor.view(-1, 1, 1, 1))
    return restored(values, x)


def posterise(x: Tensor, bits: Tensor) -> Tensor:
    """Only the upper ``bits`` (0 to 8, rounded) of each value."""
    return x & (256 - 2 ** (8 - bits.round().long())).byte().view(-1, 1, 1, 1)


def solarise(x: Tensor, threshold: Tensor) -> Tensor:
    """Values from ``threshold`` up inverted."""
    least = threshold.ceil().byte().view(-1, 1, 1, 1)
    return x ^ (x >= least).byte().mul_(255)


def stretch(x: Tensor) -> Tensor:
    """Each channel of each picture from black to white, if it has two values: autocontrast."""
    low, high = (extreme((2, 3), keepdim=True).float() for extreme in (x.amin, x.amax))
    scale = 255 / (high - low)
    values = (x - low).mul_(scale.where(high > low, 1)).add_(low.where(high == low, 0))
    return restored(values, x)


def equalise(x: Tensor) -> Tensor:
    """Each channel's values spread so that all are about equally frequent, by Pillow's table."""
    planes = x.flatten(0, 1).flatten(1).long()
    offset = torch.arange(len(planes), device=x.device)[:, None] * 256
    counts = (planes + offset).flatten().bincount(minlength=256 * len(planes)).view(-1, 256)
    below = counts.cumsum(1) - counts
    brightest = planes.amax(1, keepdim=True)
    step = below.gather(1, brightest) // 255
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255)
    table = table.where(step > 0, torch.arange(256, device=x.device))
    return table.gather(1, planes).view_as(x).to(x.dtype)
