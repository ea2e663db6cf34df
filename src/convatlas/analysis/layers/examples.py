"""Numbers to look at a layer with: inputs and kernels that can be followed by eye."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from convatlas.data import Preprocess
from convatlas.errors import ConfigError


def ramp(shape: tuple[int, ...]) -> Tensor:
    """1, 2, 3, … in order: each number tells where it stood."""
    return torch.arange(1.0, math.prod(shape) + 1, dtype=torch.float64).view(shape)


def ones(shape: tuple[int, ...]) -> Tensor:
    """The sum of a window, or of all inputs."""
    return torch.ones(shape, dtype=torch.float64)


def rows(shape: tuple[int, ...]) -> Tensor:
    """All of the first kernel (or row) 1, of the second 2, …: tells the outputs apart."""
    first = ramp((shape[0],))
    return first.view(-1, *[1] * (len(shape) - 1)).expand(shape).clone()


def edge(shape: tuple[int, ...]) -> Tensor:
    """−1 on the left, 1 on the right, 0 in the middle: answers where it grows brighter rightwards.

    Raises:
        ConfigError: the kernel is one cell wide.
    """
    width = shape[-1]
    if width < 2:
        raise ConfigError(f"weights is 'edge', but the kernel is {width} wide: it has no two sides")
    return (ramp((width,)) * 2 - width - 1).sign().expand(shape).clone()


WEIGHTS: dict[str, Callable[[tuple[int, ...]], Tensor]] = {
    "ones": ones,
    "ramp": ramp,
    "rows": rows,
    "edge": edge,
}


def picture(file: Path, shape: tuple[int, ...]) -> Tensor:
    """A picture file as numbers in [0, 1], in the shape ``(C, H, W)`` of an input.

    Raises:
        ConfigError: the shape is not that of a square picture in grey or RGB.
        DataError: the file is missing or unreadable.
    """
    if len(shape) != 3 or shape[0] not in (1, 3) or shape[1] != shape[2]:
        raise ConfigError(
            f"input is {'x'.join(map(str, shape))}, but an image is 1 or 3 channels x side x side: "
            "1x64x64, say"
        )
    channels, side, _ = shape
    path = Preprocess(side, side, channels, (0.0,) * channels, (1.0,) * channels)
    return path(path.decode(file)).double()
