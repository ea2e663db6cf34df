from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from convatlas.errors import ConfigError
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.nets.resnet import Block, ResNet, ZeroPad

ON_META = torch.device("meta")


def on_meta(name: str, **options: Any) -> Net:
    with ON_META:
        return build(name, **options)


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def small(**options: Any) -> ResNet:
    torch.manual_seed(0)
    settings = {"depths": (1, 1), "width": 64, "stem": "cifar", "num_classes": 3, **options}
    return ResNet(**settings)


@pytest.mark.parametrize("name", ["resnet18", "resnet18_d2l"])
def test_shapes_as_printed_by_d2l(name: str) -> None:
    net = on_meta(name, num_classes=10, in_channels=1).eval()
    x = net.stem(torch.empty(1, 1, 224, 224, device=ON_META))
    shapes = [(x.shape[1], x.shape[-1])]
    for stage in net.stages:
        x = stage(x)
        shapes.append((x.shape[1], x.shape[-1]))
    assert shapes == [(64, 56), (64, 56), (128, 28), (256, 14), (512, 7)]
    assert net.head.fc.in_features == 512


@pytest.mark.parametrize(("option", "params"), [("A", 269_722), ("B", 272_474), ("C", 283_962)])
def test_resnet20_with_each_shortcut(option: str, params: int) -> None:
    assert parameters(on_meta("resnet20", shortcut=option)) == params


@pytest.mark.parametrize("depth", [18, 34, 50, 20, 32])
def test_a_plain_network_is_the_residual_one_without_its_shortcuts(depth: int) -> None:
    plain, residual = on_meta(f"plain{depth}"), on_meta(f"resnet{depth}")
    shortcuts = {n for n, _ in residual.named_parameters() if ".shortcut." in n}
    expected = {n: p.shape for n, p in residual.named_parameters() if n not in shortcuts}
    assert {n: p.shape for n, p in plain.named_parameters()} == expected
    blocks = [m for m in plain.modules() if isinstance(m, Block)]
    assert len(blocks) == sum(isinstance(m, Block) for m in residual.modules())
    assert all(block.shortcut is None for block in blocks)


def test_a_block_adds_its_input() -> None:
    block = small().eval().stages.conv2_x[0]
    x = torch.randn(2, 64, 8, 8)
    torch.testing.assert_close(block(x), (block.residual(x) + x).relu())
    plain = small(shortcut="none").eval().stages.conv2_x[0]
    torch.testing.assert_close(plain(x), plain.residual(x).relu())


def test_zeros_come_half_before_and_half_after_every_second_pixel() -> None:
    x = torch.randn(2, 4, 5, 6)
    y = ZeroPad(4, 8, 2)(x)
    assert y.shape == (2, 8, 3, 3)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


@pytest.mark.parametrize(("stride_in", "strides"), [("3x3", [1, 2, 1]), ("1x1", [2, 1, 1])])
def test_the_bottleneck_strides_where_torchvision_or_the_paper_does(
    stride_in: str, strides: list[int]
) -> None:
    block = small(bottleneck=True, stride_in=stride_in).stages.conv3_x[0]
    convs = [m for m in block.residual if isinstance(m, nn.Conv2d)]
    assert [conv.stride[0] for conv in convs] == strides
    assert [conv.kernel_size[0] for conv in convs] == [1, 3, 1]


def test_where_it_strides_changes_the_cost_and_not_the_parameters() -> None:
    v1, v15 = (on_meta("resnet50", stride_in=s) for s in ("1x1", "3x3"))
    assert parameters(v1) == parameters(v15)


@pytest.mark.parametrize(("groups", "group_width"), [(1, 64), (2, 40), (8, 14), (32, 4), (64, 1)])
def test_cardinality_down_to_depthwise(groups: int, group_width: int) -> None:
    net = small(bottleneck=True, groups=groups, group_width=group_width).eval()
    conv = net.stages.conv2_x[0].residual.conv2
    assert (conv.groups, conv.in_channels) == (groups, groups * group_width)
    assert conv.weight.shape[1] == group_width  # 1: each kernel sees one channel
    assert net(torch.randn(2, 3, 8, 8)).shape == (2, 3)


@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "group", "none"])
@pytest.mark.parametrize("option", ["A", "B", "C", "none"])
def test_any_normalisation_with_any_shortcut(norm: str, option: str) -> None:
    net = small(norm=norm, shortcut=option)
    assert net(torch.randn(2, 3, 8, 8)).isfinite().all()
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert all((conv.bias is not None) == (norm == "none") for conv in convs)


def test_d2ls_shortcut_has_no_normalisation() -> None:
    net = on_meta("resnet18_d2l")
    assert [n for n, _ in net.stages.conv3_x[0].shortcut.named_children()] == ["conv"]


@pytest.mark.parametrize(
    "options",
    [{"groups": 2}, {"group_width": 4}, {"norm": "bach"}],
    ids=["groups", "group_width", "norm"],
)
def test_what_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        small(**options)


def test_depth_is_counted_in_layers_with_weights() -> None:
    for name, depth in (("resnet18", 18), ("resnet50", 50), ("resnet110", 110), ("plain34", 34)):
        layers = [
            n
            for n, m in on_meta(name).named_modules()
            if isinstance(m, nn.Conv2d | nn.Linear) and ".shortcut" not in n
        ]
        assert len(layers) == depth, name


def test_depthwise_gives_every_channel_a_group_of_its_own_in_every_stage() -> None:
    net = small(bottleneck=True, groups="depthwise")
    for stage in net.stages:
        conv = stage[0].residual.conv2
        assert conv.groups == conv.in_channels == conv.out_channels
