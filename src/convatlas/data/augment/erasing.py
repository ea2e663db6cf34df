"""A rectangle of each picture wiped out, so that no one part of it is relied upon."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from convatlas.data.augment import draws
from convatlas.errors import ConfigError

Fill = Literal["zeros", "noise"]


def erase(x: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """A square of zeros in each picture, its middle anywhere in it (DeVries and Taylor 2017).

    A square near the edge lies partly outside, as in the paper's Cutout, so that the pixels of the
    border are erased too.

    Raises:
        ConfigError: ``side`` is negative.
    """
    if side < 0:
        raise ConfigError(f"side is {side}, but it must be at least 0")
    top, left = (
        draws.integers(length, len(x), generator, x.device) - side // 2 for length in x.shape[-2:]
    )
    # a product: masked_fill and where take twice as long on uint8
    return x * ~inside(x, top, left, top + side, left + side)


def random_erase(
    x: Tensor,
    generator: torch.Generator,
    p: float = 0.5,
    scale: tuple[float, float] = (0.02, 0.33),
    ratio: tuple[float, float] = (0.3, 3.3),
    fill: Fill = "zeros",
) -> Tensor:
    """A rectangle of each picture erased with probability ``p``.

    Zhong et al. 2017, "Random erasing data augmentation", algorithm 1, drawn as torchvision's
    RandomErasing does: of ten rectangles the first that fits (and where none does, the picture
    stays), its area even in ``scale``, the logarithm of its aspect ratio in ``ratio``.

    Args:
        x: uint8 or float ``(N, C, H, W)``.
        generator: where the numbers come from.
        p: probability for each picture.
        scale: least and greatest area as a share of the picture's.
        ratio: least and greatest height over width, as in the paper.
        fill: ``"zeros"``, or ``"noise"`` for each value on its own: evenly in 0…255 for uint8
            (the paper's RE-R), standard normal for float, which is taken to be normalised.

    Raises:
        ConfigError: one of these cannot be.
    """
    if fill not in ("zeros", "noise"):
        raise ConfigError(f"fill is {fill!r}, but it must be 'zeros' or 'noise'")
    top, left, height, width = draw_erasing(x, generator, p, scale, ratio).unbind(1)
    gone = inside(x, top, left, top + height, left + width)
    return x * ~gone if fill == "zeros" else x * ~gone + _noise(x, generator) * gone


def draw_erasing(
    x: Tensor,
    generator: torch.Generator,
    p: float,
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> Tensor:
    """Top, left, height and width of what is erased, int64 ``(N, 4)``; of nothing, height 0."""
    chosen = draws.chance(p, len(x), generator, x.device)
    sizes = torch.tensor(x.shape[-2:]).expand(len(x), 2).to(x.device)
    # drawn on its side, for here the ratio is that of height over width
    boxes, found = draws.boxes(sizes.flip(1), scale, ratio, generator)
    left, top, width, height = boxes.unbind(1)
    return torch.stack([top, left, height * (chosen & found), width], dim=1)


def inside(x: Tensor, top: Tensor, left: Tensor, bottom: Tensor, right: Tensor) -> Tensor:
    """Where a rectangle of each picture is, bool ``(N, 1, H, W)``; its edges are ``(N,)`` each."""
    row, column = (torch.arange(length, device=x.device) for length in x.shape[-2:])
    rows = (row >= top[:, None]) & (row < bottom[:, None])
    columns = (column >= left[:, None]) & (column < right[:, None])
    return rows[:, None, :, None] & columns[:, None, None, :]


def _noise(x: Tensor, generator: torch.Generator) -> Tensor:
    each, device = x.shape[1:].numel(), generator.device

    def normal(n: int) -> Tensor:
        return torch.randn(n, *x.shape[1:], generator=generator, device=device)

    def even(n: int) -> Tensor:
        words = torch.empty(-(-n * each // 4), dtype=torch.int32, device=device)
        words.random_(-(2**31), 2**31, generator=generator)
        # four bytes from each draw
        return words.view(torch.uint8)[: n * each].view(n, *x.shape[1:])

    draw = even if x.dtype == torch.uint8 else normal
    return draws.each(draw, len(x), generator).to(x.device, x.dtype)
