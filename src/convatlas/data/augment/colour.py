"""Colour jitter: brightness, contrast, saturation and hue, each by its own amount a picture.

The adjustments have torchvision's definitions. Each takes float ``(n, C, H, W)`` from 0 to
``white``, may change it in place, and keeps it there; ``(n,)`` amounts, one a picture.
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

from convatlas.data.augment import draws
from convatlas.data.augment.pixels import by_kind, check_channels, restored, white
from convatlas.errors import ConfigError

_LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601, with torchvision's digits


class Jitter(NamedTuple):
    """What was drawn for each picture.

    Attributes:
        amounts: float32 ``(n, 4)``, in the order of `ADJUSTMENTS`.
        orders: the orders there are: indices into `ADJUSTMENTS`.
        order: int64 ``(n,)``, which of them a picture has.
    """

    amounts: Tensor
    orders: tuple[tuple[int, ...], ...]
    order: Tensor


def jitter(
    x: Tensor,
    generator: torch.Generator,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
) -> Tensor:
    """Colours changed by random amounts in a random order, as torchvision's ColorJitter.

    uint8 is computed in float32 from the first adjustment to the last, and rounded once.

    Args:
        x: uint8, or float in [0, 1]: RGB ``(N, 3, H, W)``, or grey ``(N, 1, H, W)``, to which
            saturation and hue do nothing.
        generator: where the numbers come from.
        brightness, contrast, saturation: a factor evenly from ``1 − b`` (at least 0) to ``1 + b``.
        hue: a turn of the colour circle, evenly from ``−h`` to ``h``; 0.5 at most, half a circle.

    Raises:
        ConfigError: an amount cannot be.
        ShapeError: neither RGB nor grey.
        ArgumentTypeError: neither uint8 nor float.
    """
    check_channels(x, (1, 3), "jitter")
    ranges = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
    return apply_jitter(x, draw_jitter(x, generator, ranges))


def draw_jitter(x: Tensor, generator: torch.Generator, ranges: dict[str, float]) -> Jitter:
    """Amounts and an order for each picture of ``x``; what has range 0 is in no order."""
    for name, value in ranges.items():
        most = 0.5 if name == "hue" else math.inf
        if not 0 <= value <= most or math.isinf(value):
            bound = "finite" if math.isinf(most) else f"at most {most}"
            raise ConfigError(f"{name} is {value}, but it must be at least 0 and {bound}")
    amounts = []
    for name in ADJUSTMENTS:
        spread = ranges[name]
        low, high = (-spread, spread) if name == "hue" else (max(1 - spread, 0), 1 + spread)
        amounts.append(draws.uniform(low, high, (len(x),), generator, x.device))
    orders = tuple(permutations(i for i, name in enumerate(ADJUSTMENTS) if ranges[name]))
    order = draws.integers(len(orders), len(x), generator, x.device)
    return Jitter(torch.stack(amounts, dim=1), orders, order)


def apply_jitter(x: Tensor, drawn: Jitter) -> Tensor:
    """``x`` with the adjustments that were drawn."""
    top, adjustments = white(x), tuple(ADJUSTMENTS.values())

    def change(number: int, pictures: Tensor, members: Tensor) -> Tensor:
        values = pictures.float()
        for which in drawn.orders[number]:
            values = adjustments[which](values, drawn.amounts[members, which], top)
        return restored(values, x)

    return by_kind(x, drawn.order, change)


def adjust_brightness(x: Tensor, factor: Tensor, white: float) -> Tensor:
    """Each value times ``factor``."""
    return x.mul_(_each(factor)).clamp_(0, white)


def adjust_contrast(x: Tensor, factor: Tensor, white: float) -> Tensor:
    """The distance of each value from the picture's mean grey times ``factor``."""
    mean = _grey(x.mean((2, 3), keepdim=True))
    return x.mul_(_each(factor)).add_(mean * _each(1 - factor)).clamp_(0, white)


def adjust_saturation(x: Tensor, factor: Tensor, white: float) -> Tensor:
    """The distance of each pixel from its own grey times ``factor``; grey stays."""
    if x.shape[1] == 1:
        return x
    grey = _grey(x)
    return x.mul_(_each(factor)).add_(grey.mul_(_each(1 - factor))).clamp_(0, white)


def adjust_hue(x: Tensor, turn: Tensor, white: float) -> Tensor:
    """Each pixel's hue moved around the circle by ``turn``, a whole circle being 1; grey stays."""
    if x.shape[1] == 1:
        return x
    red, green, blue = x.unbind(1)
    high = red.maximum(green).maximum(blue)
    chroma = high - red.minimum(green).minimum(blue)
    sixths = torch.where(
        high == red,
        green - blue,
        torch.where(high == green, blue - red + 2 * chroma, red - green + 4 * chroma),
    )
    sixths = (sixths / chroma.where(chroma > 0, 1)).add_(6 * turn.view(-1, 1, 1))
    # each channel falls short of the brightest by a trapezium around the circle
    circle = sixths[:, None] + x.new_tensor([5, 3, 1]).view(1, 3, 1, 1)
    circle -= (circle / 6).floor_().mul_(6)  # six times as fast as remainder
    short = circle.sub_(2).abs_().neg_().add_(2).clamp_(0, 1).mul_(chroma[:, None])
    return short.neg_().add_(high[:, None])


ADJUSTMENTS = {
    "brightness": adjust_brightness,
    "contrast": adjust_contrast,
    "saturation": adjust_saturation,
    "hue": adjust_hue,
}


def _each(amount: Tensor) -> Tensor:
    return amount.view(-1, 1, 1, 1)


def _grey(x: Tensor) -> Tensor:
    """A new ``(n, 1, …)``."""
    if x.shape[1] == 1:
        return x.clone()
    red, green, blue = (x[:, i : i + 1] for i in range(3))
    return (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])
