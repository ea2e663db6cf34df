from __future__ import annotations

import pytest
import torch
from torch import nn

from convatlas.errors import ConfigError
from convatlas.nets.build import build
from convatlas.nets.nin import NiN, nin_block

ON_META = torch.device("meta")


def walk(name: str) -> list[tuple[int, int] | int]:
    """(channels, side) after each block's convolutions and after its pool, then the logits."""
    with ON_META:
        net = build(name)
    x = torch.empty(1, net.in_channels, net.input_size, net.input_size, device=ON_META)
    shapes: list[tuple[int, int] | int] = []
    for block in net.stages:
        for layer, module in block.named_children():
            x = module(x)
            if layer in {"relu2", "pool"}:
                shapes.append((x.shape[1], x.shape[-1]))
    for module in net.head:
        x = module(x)
        shapes.append((x.shape[1], x.shape[-1]) if x.dim() == 4 else x.shape[1])
    return shapes


def test_shapes_as_printed_by_d2l() -> None:
    assert walk("nin_d2l") == [
        (96, 54), (96, 26), (256, 26), (256, 12), (384, 12), (384, 5), (10, 5), (10, 1), 10,
    ]  # fmt: skip


def test_shapes_of_the_caffe_zoo_whose_pools_round_up() -> None:
    assert walk("nin") == [
        (96, 54), (96, 27), (256, 27), (256, 13), (384, 13), (384, 6), (1000, 6), (1000, 1), 1000,
    ]  # fmt: skip
    assert walk("nin_cifar") == [
        (96, 32), (96, 16), (192, 16), (192, 8), (10, 8), (10, 1), 10,
    ]  # fmt: skip


def test_there_is_no_dense_layer_and_1x1_are_dense_layers_on_pixels() -> None:
    torch.manual_seed(0)
    block = nin_block(3, [4, 5, 6], 3, padding=1).double()
    dense = [nn.Linear(4, 5).double(), nn.Linear(5, 6).double()]
    with torch.no_grad():
        for linear, conv in zip(dense, (block.cccp1, block.cccp2), strict=True):
            linear.weight.copy_(conv.weight.flatten(1))
            linear.bias.copy_(conv.bias)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    pixels = block.conv(x).relu().permute(0, 2, 3, 1)
    for linear in dense:
        pixels = linear(pixels).relu()
    torch.testing.assert_close(block(x), pixels.permute(0, 3, 1, 2), rtol=1e-12, atol=1e-14)
    with ON_META:
        assert not any(isinstance(m, nn.Linear) for m in build("nin").modules())


def test_dropout_and_pools_stand_where_the_authors_files_have_them() -> None:
    def places(name: str, *kinds: type[nn.Module]) -> list[str]:
        with ON_META:
            net = build(name)
        return [n.split(".")[1] for n, m in net.named_modules() if isinstance(m, kinds)]

    assert places("nin", nn.Dropout) == ["mlpconv3"]
    assert places("nin_cifar", nn.Dropout) == ["mlpconv1", "mlpconv2"]
    assert places("nin_cifar", nn.AvgPool2d) == ["mlpconv2"]
    assert places("nin_cifar", nn.MaxPool2d) == ["mlpconv1"]


@pytest.mark.parametrize(
    "options",
    [{"pools": ("max",)}, {"blocks": (((8, 8, 9), 3, 1, 1),), "pools": ()}],
    ids=["pools", "last width"],
)
def test_what_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError), ON_META:
        NiN(**options)
