"""Augmentation of a whole batch at once, on the device where it lies.

Each function takes ``(N, C, H, W)`` of uint8 or float and returns a new batch; each picture gets
a draw of its own from ``generator``, which may live on another device than the pictures. Zero is
what lies outside a picture: black in uint8, the mean after normalising.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convatlas.errors import ConfigError, ShapeError


def flip(x: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """Left and right exchanged in each picture with probability ``p``.

    Raises:
        ConfigError: ``p`` is not a probability.
    """
    if not 0 <= p <= 1:
        raise ConfigError(f"p is {p}, but a probability lies between 0 and 1")
    chosen = torch.rand(len(x), generator=generator, device=generator.device) < p
    index = chosen.nonzero().squeeze(1).to(x.device)
    return x.index_copy(0, index, x[index].flip(-1))


def shift(x: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Each picture moved by up to ``pixels`` each way, zeros moving in: pad and crop.

    Raises:
        ConfigError: ``pixels`` is negative.
    """
    if pixels < 0:
        raise ConfigError(f"pixels is {pixels}, but it must be at least 0")
    n, c, h, w = x.shape
    padded = x.new_zeros(n, c, h + 2 * pixels, w + 2 * pixels)
    padded[..., pixels : pixels + h, pixels : pixels + w] = x
    return _windows(padded, h, w, generator)


def crop(x: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A square of side ``size`` from anywhere in each picture.

    Raises:
        ShapeError: the pictures are smaller.
    """
    if not 1 <= size <= min(x.shape[-2:]):
        raise ShapeError(
            f"a crop of {size} does not fit into {x.shape[-2]}×{x.shape[-1]}: it must be between "
            f"1 and {min(x.shape[-2:])}"
        )
    return _windows(x.contiguous(), size, size, generator)


def erase(x: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """A square of zeros in each picture, its middle anywhere in it (DeVries and Taylor 2017).

    A square near the edge lies partly outside, as in the paper's Cutout, so that the pixels of the
    border are erased too.

    Raises:
        ConfigError: ``side`` is negative.
    """
    if side < 0:
        raise ConfigError(f"side is {side}, but it must be at least 0")
    inside = []
    for length in x.shape[-2:]:
        start = _draw(length, len(x), generator).to(x.device) - side // 2
        cells = torch.arange(length, device=x.device)
        inside.append((cells >= start[:, None]) & (cells < start[:, None] + side))
    rows, columns = inside
    # a product: masked_fill and where take twice as long on uint8
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _draw(end: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(end, (count,), generator=generator, device=generator.device)


def _windows(x: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """A window from each picture of a contiguous batch, its corner drawn evenly.

    Each row of each window is a run of ``width`` neighbours in memory, so all windows are one
    ``index_select`` of runs. Measured on two cores: (512, 1, 28, 28) of uint8 in 0.3 ms, against
    0.6 for indexing ``unfold``, 0.9 for ``gather`` and 3 to 4 for loops over offsets or pictures;
    (128, 3, 96, 96) in 0.5 ms against 3.4, 4.1 and 1.6.
    """
    n, c, h, w = x.shape
    top = _draw(h - height + 1, n, generator).to(x.device)
    left = _draw(w - width + 1, n, generator).to(x.device)
    runs = x.as_strided((x.numel() - width + 1, width), (1, 1))
    planes = torch.arange(n * c, device=x.device).view(n, c, 1) * (h * w)
    rows = top[:, None] + torch.arange(height, device=x.device)
    starts = planes + (rows * w + left[:, None])[:, None]
    return runs.index_select(0, starts.flatten()).view(n, c, height, width)
