"""Which side a network's input gets."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from convatlas.data import Dataset
from convatlas.errors import ShapeError
from convatlas.nets import sizes
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.train.config import Config


def input_side(net: nn.Module, channels: int, own: int, config: Config) -> int:
    """The side of a given network's input, in pixels.

    ``"own"`` falls back on the one side that a dense head takes; a network that is not of the
    atlas has no paper's side, so ``"paper"`` is its pictures' own.

    Args:
        net: the network that is to be trained.
        channels, own: channels and side of the pictures.
        config: whose ``size`` decides.
    """
    built_for: int = getattr(net, "input_size", own)
    if isinstance(config.size, int):
        return config.size
    if config.size == "paper":
        return built_for
    try:
        sizes.meta_call(net, (2, channels, own, own))
    except (RuntimeError, ValueError):
        return built_for
    return own


def build_for(name: str, data: Dataset, config: Config, **options: Any) -> Net:
    """A network of the catalogue for a data set: its classes, its channels, the configured side.

    ``"own"`` is the pictures' side, or the smallest larger one that the network survives.

    Args:
        name: as ``convatlas nets`` lists it.
        data: what it is going to learn.
        config: whose ``size`` decides.
        options: the family's own.

    Raises:
        UnknownNameError, ConfigError, ShapeError: as `build`.
    """
    _, channels, _, own = data.train.images.shape
    fitting = {"num_classes": len(data.train.classes), "in_channels": channels, **options}
    with torch.device("meta"):
        draft = build(name, **fitting)
    side = draft.input_size
    if isinstance(config.size, int):
        side = config.size
    elif config.size == "own":
        side = max(own, _smallest_side(draft))
    return build(name, input_size=side, **fitting)


def _smallest_side(net: Net) -> int:
    try:
        return sizes.smallest_side(net, net.in_channels)
    except ShapeError:  # a dense head takes one side only, but can be built for another
        return sizes.smallest_side(nn.Sequential(net.stem, net.stages), net.in_channels)
