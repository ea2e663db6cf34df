"""What a network's tensors tell of how it was built, and the other way round."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from convatlas.nets import sizes
from convatlas.nets.build import build
from convatlas.nets.googlenet import GoogLeNet
from convatlas.nets.parts import Net, chain
from convatlas.weights.load import recognise

_LARGEST = 1024  # the widest picture that a dense head is looked for

Option = Literal["num_classes", "in_channels", "input_size"]


def depending_on(net: Net, option: Option) -> dict[str, tuple[int, ...]]:
    """Tensors whose shapes an option decides, with the axes that grow with it, in their order.

    The network is built again on PyTorch's meta device, with twice as much of it.
    """
    doubled = {**net.options, option: 2 * net.options[option]}
    with torch.device("meta"):
        other = build(net.name, **doubled).state_dict()
    grown = {
        name: tuple(
            axis
            for axis, (a, b) in enumerate(zip(tensor.shape, other[name].shape, strict=True))
            if a != b
        )
        for name, tensor in net.state_dict().items()
    }
    return {name: axes for name, axes in grown.items() if axes}


def options_of(name: str, tensors: Mapping[str, Tensor], **options: Any) -> dict[str, Any]:
    """The options with which ``name`` of the catalogue has the shapes of ``tensors``, nearly.

    Classes, channels and, where the head is dense, the smallest input size with that head (the
    network's own, where it has); and whether GoogLeNet has its auxiliary heads. Where the shapes
    are not this network's at all, `load_weights` is the one to say so.

    Args:
        tensors: as they lie in a file, under anybody's names.
        options: what is known already; it stays.
    """
    with torch.device("meta"):
        net = build(name, **options)
        if isinstance(net, GoogLeNet) and "aux" not in options:
            options["aux"] = any("aux" in name for name in tensors)
            net = build(name, **options)
    found = _shapes(net, tensors)
    read = {
        "num_classes": _in_proportion(net, "num_classes", found),
        "in_channels": _in_proportion(net, "in_channels", found),
    }
    if side := _input_size(net, found):
        read["input_size"] = side
    return {**read, **options}


def _shapes(net: Net, tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """What the source has in the place of each tensor of ``net``, as far as names tell."""
    _, places = recognise(net, tensors)
    found = {
        name: tuple(tensors[place.name].shape)
        for name, place in places.items()
        if place.name in tensors
    }
    kernels = [tuple(tensor.shape) for tensor in tensors.values() if tensor.dim() > 1]
    if not found and kernels:  # whatever the names, a network goes from pixels to classes
        first, last = (
            next(iter(depending_on(net, option))) for option in ("in_channels", "num_classes")
        )
        found = {first: kernels[0], last: kernels[-1]}
    return found


def _in_proportion(net: Net, option: Option, found: Mapping[str, tuple[int, ...]]) -> int:
    own = int(net.options[option])
    name, axes = next(iter(depending_on(net, option).items()))
    here, there = net.get_parameter(name).shape, found.get(name, ())
    if len(there) != len(here):
        return own
    return max(1, own * there[axes[0]] // here[axes[0]])


def _input_size(net: Net, found: Mapping[str, tuple[int, ...]]) -> int | None:
    """The side of the pictures whose last map the dense head takes; None where any side goes."""
    dense = [name for name in depending_on(net, "input_size") if name.startswith("head.")]
    if not dense or dense[0] not in found:
        return None
    body = chain(stem=net.stem, stages=net.stages)

    def last_side(side: int) -> int:
        return sizes.feature_shape(body, net.in_channels, side)[1]

    channels = sizes.feature_shape(body, net.in_channels, net.input_size)[0]
    wanted = math.isqrt(math.prod(found[dense[0]][1:]) // channels)
    if wanted == last_side(net.input_size):
        return net.input_size
    least = sizes.smallest_side(body, net.in_channels)
    return bisect_left(range(_LARGEST), wanted, lo=least, key=last_side)
