"""What pixel values may be: bytes, or float from black at 0 to white at 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from convatlas.errors import ArgumentTypeError, ShapeError

_CACHED = 2**18  # values whose float32 stays in a core's own cache, 1 MiB


def white(x: Tensor) -> float:
    """The brightest value: 255 of uint8, 1 of float.

    Raises:
        ArgumentTypeError: of another type.
    """
    if x.dtype == torch.uint8:
        return 255.0
    if x.dtype.is_floating_point:
        return 1.0
    raise ArgumentTypeError(f"pixels are {x.dtype}, but they must be uint8, or float in [0, 1]")


def restored(values: Tensor, x: Tensor) -> Tensor:
    """``values`` in the type of ``x``, rounded and within 0…255 where that is uint8."""
    if x.dtype == torch.uint8:
        values = values.round_().clamp_(0, 255)
    return values.to(x.dtype)


def check_channels(x: Tensor, channels: tuple[int, ...], what: str) -> None:
    """Refuse what is not ``(N, C, H, W)`` with one of these ``C``.

    Raises:
        ShapeError: it is not.
    """
    if x.dim() != 4 or x.shape[1] not in channels:
        kinds = " or ".join({1: "grey (N, 1, H, W)", 3: "RGB (N, 3, H, W)"}[c] for c in channels)
        raise ShapeError(f"{what} takes {kinds}, but the pictures are {tuple(x.shape)}")


def blocks(x: Tensor) -> Iterator[slice]:
    """Runs of the pictures ``x``, for a chain of steps to work on one run after another.

    On a CPU a run fits a core's cache, which makes the chain several times faster on large
    pictures; elsewhere it is all of them.
    """
    count = max(1, _CACHED // x.shape[1:].numel()) if x.device.type == "cpu" else len(x)
    return (slice(start, start + count) for start in range(0, len(x), count))


def by_kind(x: Tensor, kind: Tensor, change: Callable[[int, Tensor, Tensor], Tensor]) -> Tensor:
    """Pictures of a kind changed together, and all put back in their order.

    Args:
        x: pictures ``(N, C, H, W)``.
        kind: a number for each, int64 ``(N,)``.
        change: from a kind, its pictures and their numbers ``(n,)`` to as many pictures.
    """
    order = kind.argsort()
    pictures = x.index_select(0, order)
    start = 0
    for number, count in enumerate(kind.bincount().tolist()):
        group, members = pictures[start : start + count], order[start : start + count]
        for block in blocks(group):
            group[block] = change(number, group[block], members[block])
        start += count
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=x.device)
    return pictures.index_select(0, back)
