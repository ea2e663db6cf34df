"""Every row of the catalogue: its numbers, its shapes, and that all of it can learn."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convatlas.errors import ConfigError, UnknownNameError
from convatlas.nets import sizes
from convatlas.nets.build import build
from convatlas.nets.catalog import CATALOG, find
from convatlas.nets.parts import Net

NAMES = sorted(CATALOG)
DEEPEST = {"resnet1202", "plain1202"}  # seconds to make, and nothing that resnet110 does not show
QUICK = [name for name in NAMES if name not in DEEPEST]
ON_META = torch.device("meta")
# what a backward pass through every row can be afforded with: for a dense head a small picture,
# and never more weights than a laptop has time for
SMALL_SIDES = {"LeNet": 28, "AlexNet": 80, "VGG": 32, "NiN": 80, "GoogLeNet": 96}
SMALL_OPTIONS: dict[str, dict[str, Any]] = {
    "AlexNet": {"hidden": 32},
    "VGG": {"hidden": 32, "width": 0.125},
}


def on_meta(name: str, **options: Any) -> Net:
    """The network without memory for its weights."""
    with ON_META:
        return build(name, **options)


def costs(net: Net) -> tuple[int, int]:
    """Parameters, and multiply-accumulates of one picture, without what only training needs."""
    macs = 0

    def count(layer: nn.Module, _: Any, made: Tensor) -> None:
        nonlocal macs
        if isinstance(layer, nn.Conv2d | nn.Linear):
            macs += made.numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in net.modules()]
    sizes.meta_call(net.eval(), (1, net.in_channels, net.input_size, net.input_size))
    for hook in hooks:
        hook.remove()
    _, weights = net.deployed()
    trained = dict(net.named_parameters()).keys() & weights.keys()
    return sum(weights[name].numel() for name in trained), macs


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(DEEPEST))]
)
def test_parameters_and_macs_to_the_last_digit(name: str) -> None:
    assert costs(on_meta(name)) == (find(name).params, find(name).macs)


@pytest.mark.parametrize("name", QUICK)
def test_logits_and_the_three_rooms(name: str) -> None:
    row, net = find(name), on_meta(name).eval()
    shape = (2, row.in_channels, row.input_size, row.input_size)
    x = torch.empty(shape, device=ON_META)
    assert net(x).shape == (2, row.num_classes)
    assert net.features(x).dim() == 4
    assert isinstance(net.stages, nn.Sequential)
    assert net.head(net.stages(net.stem(x))).shape == (2, row.num_classes)


@pytest.mark.parametrize("name", QUICK)
def test_one_channel_and_seven_classes(name: str) -> None:
    net = on_meta(name, in_channels=1, num_classes=7).eval()
    x = torch.empty(2, 1, net.input_size, net.input_size, device=ON_META)
    assert net(x).shape == (2, 7)


@pytest.mark.parametrize("name", QUICK)
def test_another_size_than_the_papers(name: str) -> None:
    side = find(name).input_size + 33
    net = on_meta(name, input_size=side).eval()
    x = torch.empty(2, net.in_channels, side, side, device=ON_META)
    assert net(x).shape == (2, net.num_classes)


@pytest.mark.parametrize("name", QUICK)
def test_its_options_build_it_again(name: str) -> None:
    net = on_meta(name, num_classes=7)
    again = on_meta(net.name, **net.options)
    assert {k: v.shape for k, v in again.state_dict().items()} == {
        k: v.shape for k, v in net.state_dict().items()
    }


def is_slow_to_learn(name: str) -> bool:
    return (find(name).params > 12e6 and find(name).family.startswith("Res")) or name in DEEPEST


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if is_slow_to_learn(name) else name
        for name in NAMES
    ],
)
def test_gradient_reaches_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    row = find(name)
    side = SMALL_SIDES.get(row.family, 32)
    options = SMALL_OPTIONS.get(row.family, {})
    net = build(name, num_classes=10, input_size=side, **options)
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    x = torch.randn(2, row.in_channels, side, side)
    if name == "plain1202":  # batch normalisation without shortcuts: float32 overflows on the way
        net, x = net.double(), x.double()
    made = net(x)
    outputs = (made,) if isinstance(made, Tensor) else tuple(made)
    sum((y * torch.randn_like(y)).sum() for y in outputs).backward()
    for parameter, tensor in net.named_parameters():
        assert tensor.grad is not None, parameter
        assert tensor.grad.isfinite().all(), parameter
        assert tensor.grad.abs().sum() > 0, parameter


@pytest.mark.parametrize("name", ["lenet5", "lenet_d2l", "nin_cifar", "resnet20", "resnet18_d2l"])
def test_real_numbers_at_the_papers_size(name: str) -> None:
    torch.manual_seed(0)
    net = build(name).eval()
    logits = net(torch.randn(2, net.in_channels, net.input_size, net.input_size))
    assert logits.shape == (2, net.num_classes)
    assert logits.isfinite().all()
    assert not torch.equal(logits[0], logits[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_row_reads_well(name: str) -> None:
    row = find(name)
    assert row.name == name
    assert row.paper.url.startswith("http")
    assert 1998 <= row.year <= 2017
    for text in (row.idea, row.deviations):
        assert len(text) <= 200
        assert not text.endswith(".")
    assert row.idea
    if name.endswith(("_d2l", "_owt", "_bn")):
        assert row.deviations


def test_torch_is_not_imported_by_the_catalogue() -> None:
    code = "import sys, convatlas.nets.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown network 'resnet81'.*resnet18"):
        find("resnet81")


def test_an_unknown_option_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"lenet_bn has no option 'depth'.*padding.*norm"):
        build("lenet_bn", depth=3)


@pytest.mark.parametrize("argument", ["num_classes", "in_channels", "input_size"])
def test_nothing_is_built_of_nothing(argument: str) -> None:
    with pytest.raises(ConfigError, match=f"{argument} is 0, but it must be at least 1"):
        build("nin_cifar", **{argument: 0})


def test_exact_figures_of_the_papers() -> None:
    """Those that are printed elsewhere than in our own table: another hand's arithmetic."""
    figures = {
        "alexnet": 60_965_224,
        "alexnet_owt": 61_100_840,
        "alexnet_half": 16_630_440,
        "vgg11": 132_863_336,
        "vgg11_bn": 132_868_840,
        "vgg13": 133_047_848,
        "vgg13_bn": 133_053_736,
        "vgg16": 138_357_544,
        "vgg16_bn": 138_365_992,
        "vgg16_c": 133_638_952,
        "vgg19": 143_667_240,
        "vgg19_bn": 143_678_248,
        "googlenet": 6_998_552,
        "googlenet_bn": 6_624_904,
        "nin_cifar": 966_986,
        "resnet18": 11_689_512,
        "resnet34": 21_797_672,
        "resnet50": 25_557_032,
        "resnet101": 44_549_160,
        "resnet152": 60_192_808,
        "resnet20": 269_722,
        "resnet32": 464_154,
        "resnet44": 658_586,
        "resnet56": 853_018,
        "resnet110": 1_727_962,
        "resnet1202": 19_421_274,
        "wide_resnet50_2": 68_883_240,
        "resnext50_32x4d": 25_028_904,
        "resnext101_32x8d": 88_791_336,
        "resnext101_64x4d": 83_455_272,
        "resnext29_8x64d": 34_426_698,
    }
    assert {name: find(name).params for name in figures} == figures
    giga = {  # torchvision's `_ops`, in three decimals
        "alexnet_owt": 0.714,
        "vgg11": 7.609,
        "vgg13": 11.308,
        "vgg16": 15.470,
        "vgg19": 19.632,
        "googlenet_bn": 1.498,
        "resnet18": 1.814,
        "resnet50": 4.089,
        "resnext50_32x4d": 4.230,
        "wide_resnet50_2": 11.398,
    }
    for name, figure in giga.items():
        assert math.isclose(find(name).macs / 1e9, figure, abs_tol=5e-4), name
