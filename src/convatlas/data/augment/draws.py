"""Numbers drawn for each picture, by a generator that may live on another device than they."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from convatlas.errors import ConfigError

_TRIES = 10  # as torchvision's: after so many boxes that do not fit, none is drawn


class Share(torch.Generator):
    """The generator of one of several processes that have a batch between them.

    All of them draw the same numbers, for the whole batch, and each takes those of its pictures:
    what a picture gets does not depend on how many processes there are.

    Args:
        device: where it draws.
        rank, world: which process this is, and of how many.
    """

    rank: int
    world: int

    def __new__(cls, device: torch.device, rank: int, world: int) -> Share:
        """A ``torch.Generator`` takes no more than its device."""
        share = super().__new__(cls, device)  # type: ignore[call-arg]
        share.rank, share.world = rank, world
        return share


def each(draw: Callable[[int], Tensor], count: int, generator: torch.Generator) -> Tensor:
    """A row for each of ``count`` pictures: ``draw(count)``, or this process's share of more."""
    if not isinstance(generator, Share):
        return draw(count)
    first = generator.rank * count
    return draw(generator.world * count)[first : first + count]


def integers(end: int, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """int64 ``(count,)``, each of ``0 … end − 1`` equally likely."""

    def draw(n: int) -> Tensor:
        return torch.randint(end, (n,), generator=generator, device=generator.device)

    return each(draw, count, generator).to(device)


def uniform(
    low: float,
    high: float,
    shape: tuple[int, ...],
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    """float32 of ``shape``, a row for each picture, evenly from ``low`` to ``high``."""
    count, *rest = shape

    def draw(n: int) -> Tensor:
        return torch.rand((n, *rest), generator=generator, device=generator.device)

    return low + (high - low) * each(draw, count, generator).to(device)


def chance(p: float, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Bool ``(count,)``, each true with probability ``p``.

    Raises:
        ConfigError: ``p`` is not a probability.
    """
    if not 0 <= p <= 1:
        raise ConfigError(f"p is {p}, but a probability lies between 0 and 1")
    return uniform(0, 1, (count,), generator, device) < p


def boxes(
    sizes: Tensor,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """A box in each picture: the first of ten drawn that fits, placed anywhere it does.

    Args:
        sizes: height and width of each picture, int ``(n, 2)``.
        scale: least and greatest area as a share of the picture's, drawn evenly.
        ratio: least and greatest width over height, its logarithm drawn evenly.
        generator: draws the same number of numbers whatever fits.

    Returns:
        Top, left, height and width, int64 ``(n, 4)``, and whether one did fit, bool ``(n,)``, on
        the device of ``sizes``.

    Raises:
        ConfigError: a range is none, or not of positive numbers, or an area is above 1.
    """
    for name, (low, high), limit in (("scale", scale, 1.0), ("ratio", ratio, math.inf)):
        if not 0 < low <= high <= limit or math.isinf(high):
            bound = "finite" if math.isinf(limit) else "at most 1"
            raise ConfigError(
                f"{name} is ({low}, {high}), but it must run upwards from above 0 and be {bound}"
            )
    n, device = len(sizes), sizes.device
    room = sizes[:, None].float()  # (n, 1, 2)
    area = uniform(*scale, (n, _TRIES), generator, device) * room.prod(2)
    aspect = uniform(math.log(ratio[0]), math.log(ratio[1]), (n, _TRIES), generator, device).exp()
    extent = torch.stack([(area / aspect).sqrt(), (area * aspect).sqrt()], dim=2).round()
    fits = ((extent >= 1) & (extent <= room)).all(2)
    first = fits.byte().argmax(1)  # of equal ones the first
    extent = extent[torch.arange(n, device=device), first]
    places = sizes - extent + 1
    # the product can round up to a whole number of places
    corner = (uniform(0, 1, (n, 2), generator, device) * places).floor().minimum(places - 1)
    return torch.cat([corner, extent], dim=1).long(), fits.any(1)
