"""What torchvision, timm and akamaster call the tensors of the atlas's networks.

A key map is computed from the network itself and goes both ways: rule tables rename where both
sides have names, and where torchvision numbers the layers of a sequence, so do we.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal, get_args

from torch import nn

from convatlas.errors import ConfigError, ModelError
from convatlas.nets.alexnet import AlexNet
from convatlas.nets.googlenet import GoogLeNet
from convatlas.nets.resnet import ResNet
from convatlas.nets.vgg import VGG

#: The last is that of the residual networks for CIFAR in akamaster/pytorch_resnet_cifar10, which
#: took it from kuangliu/pytorch-cifar.
Naming = Literal["atlas", "torchvision", "timm", "akamaster"]


@dataclass(frozen=True)
class Place:
    """Where a tensor stands in the other naming: its name there, and its shape there."""

    name: str
    shape: tuple[int, ...]


Rules = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]

#: Substitutions in this order turn an atlas name into torchvision's.
RESNET: Rules = (
    (r"^stem\.conv\.", "conv1."),
    (r"^stem\.norm\.", "bn1."),
    (r"^stages\.conv(\d)_x\.", lambda stage: f"layer{int(stage[1]) - 1}."),
    (r"\.residual\.conv", ".conv"),
    (r"\.residual\.norm", ".bn"),
    (r"\.shortcut\.conv\.", ".downsample.0."),
    (r"\.shortcut\.norm\.", ".downsample.1."),
    (r"^head\.", ""),
)
#: The same but for the shortcut (option B's; option A has no weights) and the dense layer.
AKAMASTER: Rules = (
    (r"\.shortcut\.conv\.", ".shortcut.0."),
    (r"\.shortcut\.norm\.", ".shortcut.1."),
    (r"^head\.fc\.", "linear."),
    *RESNET,
)
GOOGLENET: Rules = (
    (r"^stem\.conv2\.", "conv3."),
    (r"^stem\.conv2_reduce\.", "conv2."),
    (r"^(stem|head)\.", ""),
    (r"^stages\.", "inception"),
    (r"\.1x1\.", ".branch1."),
    (r"\.3x3\.reduce\.", ".branch2.0."),
    (r"\.3x3\.conv\.", ".branch2.1."),
    (r"\.5x5\.reduce\.", ".branch3.0."),
    (r"\.5x5\.conv\.", ".branch3.1."),
    (r"\.pool\.project\.", ".branch4.1."),
    (r"^aux\.4a\.", "aux1."),
    (r"^aux\.4d\.", "aux2."),
    (r"\.norm\.", ".bn."),
)
#: timm's VGG has convolutions in place of the first two dense layers.
TIMM_VGG_HEAD = {"head.fc6": "pre_logits.fc1", "head.fc7": "pre_logits.fc2", "head.fc8": "head.fc"}


def keymap(net: nn.Module, naming: Naming) -> dict[str, Place]:
    """For each entry of ``net.state_dict()``, its name and shape in ``naming``.

    Raises:
        ConfigError: no such naming.
        ModelError: a family that the library does not have.
    """
    if naming not in get_args(Naming):
        raise ConfigError(f"naming is {naming!r}, but it must be {', '.join(get_args(Naming))}")
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    match naming, net:
        case "atlas", _:
            names = {name: name for name in shapes}
        case "akamaster", ResNet():
            names = {name: _rename(name, AKAMASTER) for name in shapes}
        case _, ResNet():
            names = {name: _rename(name, RESNET) for name in shapes}
        case "torchvision", GoogLeNet():
            names = {name: _rename(name, GOOGLENET) for name in shapes}
        case "torchvision", VGG() | AlexNet():
            names = _numbered(net, shapes)
        case "timm", VGG():
            names = _numbered(net, shapes) | _timm_head(shapes)
            shapes["head.fc6.weight"] = _window(net)
            shapes["head.fc7.weight"] += (1, 1)
        case _:
            raise ModelError(f"{naming} has no {type(net).__name__}: use the atlas's own names")
    return {name: Place(names[name], shape) for name, shape in shapes.items()}


def _rename(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _numbered(net: VGG | AlexNet, names: dict[str, tuple[int, ...]]) -> dict[str, str]:
    """``features`` and ``classifier`` of torchvision: layers numbered in the order they run."""
    layers: dict[str, str] = {}
    numbers = count()
    for room in ("stem", "stages"):
        layers |= {f"{room}.{leaf}": f"features.{next(numbers)}" for leaf in _leaves(net, room)}
    numbers = count()
    for leaf in _leaves(net, "head"):
        if leaf != "flatten":
            layers[f"head.{leaf}"] = f"classifier.{next(numbers)}"
    return {name: _in_layer(name, layers) for name in names}


def _leaves(net: nn.Module, room: str) -> Iterator[str]:
    for name, layer in net.get_submodule(room).named_modules():
        if name and not list(layer.children()):
            yield name


def _timm_head(names: dict[str, tuple[int, ...]]) -> dict[str, str]:
    return {n: _in_layer(n, TIMM_VGG_HEAD) for n in names if n.startswith("head.")}


def _in_layer(name: str, layers: dict[str, str]) -> str:
    layer, _, tensor = name.rpartition(".")
    return f"{layers[layer]}.{tensor}"


def _window(net: VGG) -> tuple[int, ...]:
    """The shape of fc6 as a convolution: ``(4096, 512, 7, 7)``."""
    channels = [m.out_channels for m in net.stages.modules() if isinstance(m, nn.Conv2d)][-1]
    units, features = net.get_submodule("head.fc6").get_parameter("weight").shape
    side = round((features / channels) ** 0.5)
    return (units, channels, side, side)
