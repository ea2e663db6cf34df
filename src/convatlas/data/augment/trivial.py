"""TrivialAugment: one operation at one strength for each picture, both drawn evenly, no tuning.

Müller and Hutter 2021, "TrivialAugment: tuning-free yet state-of-the-art data augmentation", table
1: the wide space, with 31 strengths, as torchvision's TrivialAugmentWide has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from convatlas.data.augment import colour, draws, tones, warp
from convatlas.data.augment.pixels import by_kind, check_channels, restored
from convatlas.errors import ArgumentTypeError

_STRENGTHS = 31


class Operation(NamedTuple):
    """A row of the table: its strengths are equal steps, in both directions where ``signed``.

    Attributes:
        name: what it is called.
        apply: from pictures and their strengths ``(n,)`` to the changed pictures.
        weakest, strongest, signed: of the strengths.
    """

    name: str
    apply: Callable[[Tensor, Tensor], Tensor]
    weakest: float = 0.0
    strongest: float = 0.0
    signed: bool = False


def _adjust(how: Callable[[Tensor, Tensor, float], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """An adjustment of float pixels by a factor, for uint8 and what is added to 1."""
    return lambda x, change: restored(how(x.float(), 1 + change, 255.0), x)


OPERATIONS = (
    Operation("identity", lambda x, _: x),
    Operation("turn", warp.turn, 0, 135, signed=True),
    Operation("shear x", warp.shear_x, 0, 0.99, signed=True),
    Operation("shear y", warp.shear_y, 0, 0.99, signed=True),
    Operation("move x", warp.move_x, 0, 32, signed=True),
    Operation("move y", warp.move_y, 0, 32, signed=True),
    Operation("brightness", _adjust(colour.adjust_brightness), 0, 0.99, signed=True),
    Operation("colour", _adjust(colour.adjust_saturation), 0, 0.99, signed=True),
    Operation("contrast", _adjust(colour.adjust_contrast), 0, 0.99, signed=True),
    Operation("sharpness", lambda x, change: tones.sharpen(x, 1 + change), 0, 0.99, signed=True),
    Operation("posterise", tones.posterise, 8, 2),
    Operation("solarise", tones.solarise, 255, 0),
    Operation("autocontrast", lambda x, _: tones.stretch(x)),
    Operation("equalise", lambda x, _: tones.equalise(x)),
)


class Drawn(NamedTuple):
    """For each picture its row of `OPERATIONS`, int64 ``(n,)``, and strength, float ``(n,)``."""

    operation: Tensor
    strength: Tensor


def trivial_augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """One of 14 operations on each picture; nearest pixels are taken, black ones from outside.

    The strengths are the paper's whatever the pictures' size: they are moved by up to 32 pixels,
    which is all of a picture of CIFAR's.

    Args:
        x: RGB ``(N, 3, H, W)`` or grey ``(N, 1, H, W)``, uint8.
        generator: where the numbers come from.

    Raises:
        ShapeError: neither RGB nor grey.
        ArgumentTypeError: not uint8.
    """
    check_channels(x, (1, 3), "TrivialAugment")
    if x.dtype != torch.uint8:
        raise ArgumentTypeError(f"TrivialAugment takes uint8, but the pictures are {x.dtype}")
    return apply_trivial(x, draw_trivial(x, generator))


def draw_trivial(x: Tensor, generator: torch.Generator) -> Drawn:
    """Operation and strength for each picture of ``x``."""
    operation = draws.integers(len(OPERATIONS), len(x), generator, x.device)
    step = draws.integers(_STRENGTHS, len(x), generator, x.device)
    negative = draws.chance(0.5, len(x), generator, x.device)
    table = torch.tensor([row[2:] for row in OPERATIONS], device=x.device)[operation]
    weakest, strongest, signed = table.unbind(1)
    strength = weakest + (strongest - weakest) * step / (_STRENGTHS - 1)
    return Drawn(operation, torch.where(negative & (signed > 0), -strength, strength))


def apply_trivial(x: Tensor, drawn: Drawn) -> Tensor:
    """``x`` with the operations that were drawn."""

    def change(number: int, pictures: Tensor, members: Tensor) -> Tensor:
        return OPERATIONS[number].apply(pictures, drawn.strength[members])

    return by_kind(x, drawn.operation, change)
