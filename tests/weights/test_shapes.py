"""Options read off the shapes of tensors, against the options that made them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.weights.export import export_state
from convatlas.weights.keymaps import Naming
from convatlas.weights.shapes import depending_on, options_of


def net(name: str, **options: Any) -> Net:
    with torch.device("meta"):
        return build(name, **options)


@pytest.mark.parametrize(
    ("name", "option", "axes"),
    [
        ("resnet20", "num_classes", {"head.fc.weight": (0,), "head.fc.bias": (0,)}),
        ("resnet20", "in_channels", {"stem.conv.weight": (1,)}),
        ("resnet20", "input_size", {}),
        ("lenet5", "input_size", {"head.C5.weight": (2, 3)}),
        ("alexnet", "input_size", {"head.fc6.weight": (1,)}),
        ("bn_inception", "in_channels", {"depthwise": (0,), "pointwise": (1,)}),
    ],
)
def test_tensors_that_an_option_decides(
    name: str, option: Any, axes: dict[str, tuple[int, ...]]
) -> None:
    found = depending_on(net(name), option)
    if name == "bn_inception":
        found = {tensor.split(".")[2]: axis for tensor, axis in found.items()}
    assert found == axes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "naming", "options"),
    [
        ("resnet50", "torchvision", {"num_classes": 7, "in_channels": 4}),
        ("resnet20", "akamaster", {"num_classes": 100}),
        ("vgg11_bn", "timm", {"num_classes": 2, "in_channels": 1, "input_size": 96}),
        ("vgg16", "torchvision", {"input_size": 224}),
        ("alexnet_owt", "torchvision", {"num_classes": 3, "input_size": 224}),
        ("alexnet", "atlas", {"in_channels": 1, "input_size": 227}),
        ("lenet5", "atlas", {"num_classes": 26, "input_size": 28}),
        ("lenet_d2l", "atlas", {"num_classes": 26, "in_channels": 3, "input_size": 28}),
        ("nin_d2l", "atlas", {"num_classes": 3, "in_channels": 3}),
        ("bn_inception", "atlas", {"num_classes": 3, "in_channels": 1}),
        ("googlenet_bn", "torchvision", {"num_classes": 5, "aux": True}),
        ("googlenet_bn", "torchvision", {"num_classes": 5, "aux": False}),
    ],
)
def test_options_are_read_off_whatever_the_names(
    name: str, naming: Naming, options: dict[str, Any]
) -> None:
    found = options_of(name, export_state(net(name, **options), naming))
    assert options.items() <= found.items()
    assert net(name, **found).state_dict().keys() == net(name, **options).state_dict().keys()


def test_under_names_of_their_own_the_first_and_the_last_kernel_tell() -> None:
    theirs = net("resnet18", num_classes=9, in_channels=2).state_dict()
    tensors = {f"layer_{i}": tensor for i, tensor in enumerate(theirs.values())}
    assert options_of("resnet18", tensors) == {"num_classes": 9, "in_channels": 2}


def test_what_is_known_stays() -> None:
    tensors = export_state(net("resnet50", stride_in="1x1", num_classes=4), "torchvision")
    found = options_of("resnet50", tensors, stride_in="1x1", in_channels=3)
    assert found == {"num_classes": 4, "in_channels": 3, "stride_in": "1x1"}


def test_shapes_of_another_network_are_left_to_the_loader() -> None:
    tensors = export_state(net("vgg11"), "torchvision")
    assert options_of("resnet18", tensors)["in_channels"] == 3
    assert options_of("lenet_d2l", {"weight": torch.empty(3)})["num_classes"] == 10
