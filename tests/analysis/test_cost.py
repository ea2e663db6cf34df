"""Parameters and multiply-accumulates: the catalogue's, the papers', torchvision's, and by hand."""

from __future__ import annotations

import math
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from convatlas.analysis.trace import Trace, trace
from convatlas.nets.build import build
from convatlas.nets.catalog import CATALOG


def traced(name: str) -> Trace:
    with torch.device("meta"):
        net = build(name)
    return trace(net, (net.in_channels, net.input_size, net.input_size))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if row.macs > 2e9 and "1202" in name else ())
        for name, row in CATALOG.items()
    ],
)
def test_the_catalogue_to_the_last_digit(name: str) -> None:
    found = traced(name)
    assert (found.params, found.macs) == (CATALOG[name].params, CATALOG[name].macs)


#: torchvision's parameters and GMACs at 224×224 of the networks that are the same here
PUBLISHED = {
    "vgg11": (132_863_336, 7.609),
    "vgg16": (138_357_544, 15.470),
    "resnet18": (11_689_512, 1.814),
    "resnet50": (25_557_032, 4.089),
    "resnext50_32x4d": (25_028_904, 4.230),
    "wide_resnet50_2": (68_883_240, 11.398),
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_numbers(name: str) -> None:
    found = traced(name)
    assert (found.params, round(found.macs / 1e9, 3)) == PUBLISHED[name]


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("alexnet", "AlexNet"),
        ("vgg19_bn", "VGG19_BN"),
        ("resnet50", "ResNet50"),
        ("densenet121", "DenseNet121"),
        ("mobilenet_v2", "MobileNet_V2"),
        ("shufflenet_v2_x1_0", "ShuffleNet_V2_X1_0"),
        ("convnext_tiny", "ConvNeXt_Tiny"),
        ("vit_b_16", "ViT_B_16"),
    ],
)
def test_networks_of_others(torchvision_models: ModuleType, name: str, weights: str) -> None:
    """Modules that know nothing of us, of other families too: torchvision's own figures."""
    with torch.device("meta"):
        net = getattr(torchvision_models, name)()
    meta = getattr(torchvision_models, f"{weights}_Weights").DEFAULT.meta
    found = trace(net, (3, 224, 224))
    assert found.params == meta["num_params"]
    assert round(found.macs / 1e9, 3) == meta["_ops"]


def counted(net: nn.Module, x: Tensor) -> int:
    """The oracle: every layer's own weights times the places where they are used."""
    total = 0

    def count(layer: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Linear):
            total += layer.weight.numel() * out.numel() // layer.out_features
        elif isinstance(layer, nn.ConvTranspose2d):  # every input cell is multiplied
            total += layer.weight.numel() * args[0].numel() // layer.in_channels
        elif isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            total += layer.weight.numel() * out.numel() // layer.out_channels

    for layer in net.modules():
        layer.register_forward_hook(count)
    net(x)
    return total


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (nn.Conv2d(6, 9, (3, 5), (2, 1), (0, 2), groups=3), (6, 17, 11)),
        (nn.Conv2d(4, 8, 3, dilation=2, groups=4, bias=False), (4, 9, 9)),
        (nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1, groups=2), (6, 5, 7)),
        (nn.Conv1d(3, 5, 4, 2), (3, 20)),
        (nn.Conv3d(2, 3, 2), (2, 4, 5, 6)),
        (nn.Linear(7, 5), (4, 7)),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 3)), (1, 5, 5)),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_by_hand(net: nn.Module, shape: tuple[int, ...], batch: int) -> None:
    found = trace(net, shape, batch)
    assert found.macs == counted(net, torch.ones(batch, *shape))
    assert found.params == sum(p.numel() for p in net.parameters())


def test_memory_is_that_of_the_outputs() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 2)
    )
    sizes = [8 * 6 * 6, 0, 8 * 3 * 3, 0, 2]  # in place and flattened: nothing new
    assert [row.memory for row in trace(net, (3, 8, 8)).rows] == [4 * size for size in sizes]
    assert [row.memory for row in trace(net, (3, 8, 8), 5).rows] == [20 * size for size in sizes]
    assert trace(net.double(), (3, 8, 8)).memory == 8 * sum(sizes)


def test_parameters_read_twice_count_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)
            self.other = nn.Conv2d(4, 4, 1)
            self.other.weight = self.conv.weight
            self.unused = nn.Linear(100, 100)

        def forward(self, x: Tensor) -> Tensor:
            return self.other(self.conv(self.conv(x)))

    net = Tied()
    weight = net.conv.weight
    found = trace(net, (4, 2, 2))
    assert [(row.layer, row.params) for row in found.rows] == [
        ("conv", 20),
        ("conv", 20),
        ("other", 20),
    ]
    assert found.params == 16 + 4 + 4
    assert found.macs == 3 * math.prod((4, 4, 2, 2))
    assert net.conv.weight is weight
    assert net.other.weight is weight
