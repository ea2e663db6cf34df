"""Pictures of plain shapes, made on the spot in any size: RGB, balanced, seeded.

Place, size, angle, colours and which of the two is the darker one are drawn anew for each picture,
and noise is added, so that no pixel by itself says anything: a network has to learn the outline.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from convatlas.data.imageset import Dataset, ImageSet
from convatlas.errors import ConfigError

CLASSES = ("circle", "cross", "ring", "square", "triangle")
_TRAIN, _TEST = 4000, 1000
_NOISE = 0.08  # standard deviation, of pixels in [0, 1]
_BLOCK = 250  # pictures drawn at once, to bound the memory of large ones
_LEAST = 12  # side below which a cross is a blot


class Shapes:
    """4,000 pictures to learn from and 1,000 others to test on."""

    name = "shapes"

    def download_size(self, data_dir: Path | None) -> int:
        """Nothing."""
        return 0

    def load(self, data_dir: Path | None, side: int | None, seed: int) -> Dataset:
        """Pictures of ``side`` pixels (32 where None).

        Raises:
            ConfigError: ``side`` is below 12.
        """
        side = 32 if side is None else side
        if side < _LEAST:
            raise ConfigError(f"side is {side}, but shapes need at least {_LEAST} pixels")
        generator = torch.Generator().manual_seed(seed)
        halves = []
        for half, count in (("train", _TRAIN), ("test", _TEST)):
            labels = torch.arange(count) % len(CLASSES)
            blocks = (labels[start : start + _BLOCK] for start in range(0, count, _BLOCK))
            images = torch.cat([_draw(block, side, generator) for block in blocks])
            halves.append(ImageSet(f"shapes {half}", images, labels, CLASSES))
        train, test = halves
        return Dataset(self.name, train, test)


def _draw(labels: Tensor, side: int, generator: torch.Generator) -> Tensor:
    n = len(labels)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator)

    radius = uniform(0.45, 0.75, 1, 1)  # of half the side
    angle = uniform(0, 2 * math.pi, 1, 1)
    centre = (uniform(-1, 1, 2, 1, 1) * (1 - radius[:, None])).unbind(1)
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = axis[:, None] - centre[0], axis[None, :] - centre[1]
    u = (x * angle.cos() + y * angle.sin()) / radius
    v = (y * angle.cos() - x * angle.sin()) / radius

    distance = torch.empty(n, side, side)
    for number, name in enumerate(CLASSES):
        members = labels == number
        distance[members] = _distance(name, u[members], v[members])
    # how much of each pixel the shape covers: the distance to the edge, in pixels
    cover = (0.5 - distance * radius * side / 2).clamp_(0, 1)[:, None]

    dark, light = uniform(0, 0.4, 3, 1, 1), uniform(0.6, 1, 3, 1, 1)
    swap = uniform(0, 1, 1, 1, 1) < 0.5
    shape, ground = torch.where(swap, dark, light), torch.where(swap, light, dark)
    picture = ground + (shape - ground) * cover
    picture += _NOISE * torch.randn(picture.shape, generator=generator)
    return picture.mul_(255).round_().clamp_(0, 255).byte()


def _distance(name: str, u: Tensor, v: Tensor) -> Tensor:
    """Signed distance to the outline of a shape that just fits the unit circle; inside, below 0."""
    r = torch.hypot(u, v)
    match name:
        case "circle":
            return r - 1
        case "ring":
            return (r - 0.75).abs() - 0.25
        case "square":
            return torch.maximum(u.abs(), v.abs()) - math.sqrt(0.5)
        case "cross":
            a, b = torch.maximum(u.abs(), v.abs()), torch.minimum(u.abs(), v.abs())
            return torch.maximum(a - 0.95, b - 0.3)
        case _:  # triangle: the three edges lie half a radius from its middle
            slant = math.sqrt(0.75) * u.abs() - 0.5 * v
            return torch.maximum(v, slant) - 0.5
