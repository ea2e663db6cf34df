"""Which side a network's input gets."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from convatlas.data import Dataset, Preprocess
from convatlas.errors import ConfigError, ShapeError
from convatlas.nets import sizes
from convatlas.nets.build import build
from convatlas.nets.catalog import find
from convatlas.nets.parts import Net
from convatlas.train.config import Config

_MEASURED = 400_000_000  # pixels that mean and deviation are measured on, evenly spread


def input_side(net: nn.Module, channels: int, own: int, config: Config) -> int:
    """The side of a given network's input, in pixels.

    ``"own"`` falls back on the one side that a dense head takes; a network that is not of the
    atlas has no paper's side, so it gets its pictures' own.

    Args:
        net: the network that is to be trained.
        channels, own: channels and side of the pictures.
        config: whose ``size`` decides.
    """
    if isinstance(config.size, int):
        return config.size
    if not isinstance(net, Net):
        return own
    if config.size == "own" and config.resize is None and _survives(net, channels, own):
        return own
    return net.input_size


def resized_side(side: int, own: int, config: Config) -> int:
    """What the short side of a picture is resized to before ``side`` is cut out of it.

    Args:
        side: of the network's input.
        own: side of the pictures as they were loaded.
        config: whose ``crop`` and ``resize`` decide.

    Raises:
        ConfigError: a random crop has nowhere to go.
    """
    roams = config.crop in ("random", "ten")
    resize = config.resize or (own if roams else side)
    if resize < side or (roams and resize == side):
        raise ConfigError(
            f"resize is {resize}, but a {config.crop} crop of {side} must be cut out of "
            f"{'more than ' if roams else 'at least '}{side}: set resize, or a smaller size"
        )
    return resize


def measured(net: nn.Module, data: Dataset, config: Config) -> Preprocess:
    """The preprocessing of a network that begins anew, with the training pictures' own colours."""
    channels, height, width = data.train.shape
    side = input_side(net, channels, min(height, width), config)
    pixels, _ = data.train.sample(max(_MEASURED // (channels * height * width), 1))
    return Preprocess.measure(pixels, side, resized_side(side, min(height, width), config))


def loaded_side(config: Config, usual: int | None) -> int | None:
    """The side that picture files are decoded to; None for the source's own choice.

    Args:
        config: whose ``resize`` or ``size`` decides.
        usual: the side of the network's input.
    """
    return config.resize or (config.size if isinstance(config.size, int) else usual)


def early_side(net: nn.Module, channels: int, side: int, config: Config) -> int:
    """The side that the first steps see; ``side`` itself for a network that takes no other."""
    small = max(1, round(config.early_scale * side))
    return small if config.early_share and _survives(net, channels, small) else side


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
    channels, height, width = data.train.shape
    fitting = {"num_classes": len(data.train.classes), "in_channels": channels, **options}
    side = find(name).input_size
    if isinstance(config.size, int):
        side = config.size
    elif config.size == "own" and config.resize is None:
        side = _smallest_side(name, min(height, width), fitting)
    return build(name, **{"input_size": side, **fitting})


def _smallest_side(name: str, own: int, fitting: dict[str, Any]) -> int:
    """By bisection between the pictures' side and the paper's, where the network is at home.

    Each try builds the network anew, because a dense head is made for one side.
    """
    too_small, enough = own - 1, max(own, find(name).input_size)
    side = own
    while enough - too_small > 1:
        try:
            with torch.device("meta"):
                draft = build(name, **{"input_size": side, **fitting})
            fits = _survives(draft, draft.in_channels, side)
        except ShapeError:
            fits = False
        too_small, enough = (too_small, side) if fits else (side, enough)
        side = (too_small + enough) // 2
    return enough


def _survives(net: nn.Module, channels: int, side: int) -> bool:
    try:
        sizes.meta_call(net, (2, channels, side, side))
    except (RuntimeError, ValueError):
        return False
    return True
