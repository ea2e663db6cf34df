from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from convatlas.errors import ConfigError
from convatlas.nets.build import build
from convatlas.nets.lenet import LeNet
from convatlas.nets.parts import LocalResponseNorm, SqueezeExcitation
from convatlas.nets.vgg import VGG, convolutionise

ON_META = torch.device("meta")
ARCH = ((1, 4), (2, 8), (2, 8))  # three pools: an eighth of the side


def small(**options: Any) -> VGG:
    torch.manual_seed(0)
    settings = {"conv_arch": ARCH, "hidden": 16, "num_classes": 5, "input_size": 56, **options}
    return VGG(**settings).eval()


def test_shapes_as_printed_by_d2l() -> None:
    with ON_META:
        net = build("vgg11", num_classes=10, in_channels=1)
    x = torch.empty(1, 1, 224, 224, device=ON_META)
    shapes = []
    for layer in [*net.stages, *net.head]:
        x = layer(x)
        shapes.append((x.shape[1], x.shape[-1]) if x.dim() == 4 else x.shape[1])
    dense = [25088, 4096, 4096, 4096, 4096, 4096, 4096, 10]
    assert shapes == [(64, 112), (128, 56), (256, 28), (512, 14), (512, 7), *dense]


def test_leaves_come_in_torchvisions_order() -> None:
    with ON_META:
        net = build("vgg13_bn")
    leaves = [type(m).__name__ for m in net.stages.modules() if not list(m.children())]
    layer = ["Conv2d", "BatchNorm2d", "ReLU"]
    assert leaves == [*layer, *layer, "MaxPool2d"] * 5
    head = [type(m).__name__ for m in net.head]
    dense = ["Linear", "ReLU", "Dropout"]
    assert head == ["Flatten", *dense, *dense, "Linear"]


def test_configuration_c_ends_its_deep_blocks_in_1x1() -> None:
    with ON_META:
        net = build("vgg16_c")
    kernels = [
        [m.kernel_size[0] for m in block.modules() if isinstance(m, nn.Conv2d)]
        for block in net.stages
    ]
    assert kernels == [[3, 3], [3, 3], [3, 3, 1], [3, 3, 1], [3, 3, 1]]


def test_lrn_stands_once_after_the_first_relu() -> None:
    names = [n for n, m in small(lrn=True).named_modules() if isinstance(m, LocalResponseNorm)]
    assert names == ["stages.block1.conv1_1.lrn"]
    first = small(lrn=True).stages.block1.conv1_1
    assert [n for n, _ in first.named_children()] == ["conv", "relu", "lrn"]


def test_width_narrows_the_convolutions_alone() -> None:
    with ON_META:
        net = build("vgg11_d2l")
    assert [m.out_channels for m in net.stages.modules() if isinstance(m, nn.Conv2d)] == [
        16, 32, 64, 64, 128, 128, 128, 128,
    ]  # fmt: skip
    assert [m.out_features for m in net.head if isinstance(m, nn.Linear)] == [4096, 4096, 10]


@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "group", "none"])
def test_any_normalisation(norm: str) -> None:
    net = small(norm=norm)
    assert net(torch.randn(2, 3, 56, 56)).isfinite().all()
    assert net.stages.block1.conv1_1.conv.bias is not None


# 7×7 windows of an eighth of 56 pixels stand for those of a 32nd of 224
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_a_dense_head_as_convolutions_gives_the_same_logits(
    dtype: torch.dtype, tolerance: float
) -> None:
    net = small(norm="batch").to(dtype)
    x = torch.randn(3, 3, 56, 56, dtype=dtype)
    dense = convolutionise(net)
    y = dense(x)
    assert y.shape == (3, 5, 1, 1)
    assert (y.flatten(1) - net(x)).abs().max() <= tolerance * net(x).abs().max()


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_vgg11_as_convolutions_at_224(dtype: torch.dtype, tolerance: float) -> None:
    """Relative to the largest logit: what is left is the order in which products are added."""
    torch.manual_seed(0)
    net = build("vgg11_d2l").eval().to(dtype)
    x = torch.randn(1, 1, 224, 224, dtype=dtype)
    with torch.no_grad():
        expected, dense = net(x), convolutionise(net)
        assert (dense(x).flatten(1) - expected).abs().max() <= tolerance * expected.abs().max()
        assert dense(torch.randn(1, 1, 256, 320, dtype=dtype)).shape == (1, 10, 2, 4)


def test_a_larger_picture_gets_a_map_of_logits() -> None:
    """Each place of the map is the head on one 7×7 window of the features."""
    net = small().double()
    x = torch.randn(2, 3, 56 + 8, 56 + 24, dtype=torch.float64)
    y = convolutionise(net)(x)
    assert y.shape == (2, 5, 2, 4)
    window = net.features(x)[:, :, 1:8, 2:9]
    torch.testing.assert_close(y[:, :, 1, 2], net.head(window), rtol=1e-12, atol=1e-14)


def test_the_network_itself_stays_as_it_was() -> None:
    net = small()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    dense = convolutionise(net)
    with torch.no_grad():
        for parameter in dense.parameters():
            parameter.zero_()
    dense.train()
    after = net.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert not any(m.training for m in net.modules())
    assert isinstance(net.head.fc6, nn.Linear)


def test_mode_is_kept_and_the_catalogues_name_is_not() -> None:
    with ON_META:
        net = build("vgg11", num_classes=3)
    dense = convolutionise(net)
    assert (dense.name, dense.options) == ("", {})
    assert all(m.training for m in dense.modules())


def test_another_family_is_refused() -> None:
    with pytest.raises(ConfigError, match="LeNet has no dense head"):
        convolutionise(LeNet())  # type: ignore[arg-type]


def test_a_late_block_widens_just_before_its_pool_and_the_last_one_has_none() -> None:
    net = small(conv_arch=((1, 4), (2, 8), (1, 8)), late=True, pool_first=True, head="average")
    shapes = [
        [(m.in_channels, m.out_channels) for m in block.modules() if isinstance(m, nn.Conv2d)]
        for block in net.stages
    ]
    assert shapes == [[(3, 4)], [(4, 4), (4, 8)], [(8, 8)]]
    assert net.features(torch.randn(1, 3, 56, 56)).shape == (1, 8, 14, 14)
    after = small(conv_arch=((1, 4), (2, 8), (1, 8)), late=True, head="average")
    assert [[*dict(block.named_children())][-1] for block in after.stages] == [
        "pool",
        "pool",
        "conv3_1",
    ]


def test_gates_stand_behind_the_last_convolutions() -> None:
    net = small(gates=3, norm="batch", head="average")
    gates = {n: m for n, m in net.named_modules() if isinstance(m, SqueezeExcitation)}
    assert {name: gate.fc2.out_features for name, gate in gates.items()} == {
        "stages.block2.conv2_2.gate": 8,
        "stages.block3.conv3_1.gate": 8,
        "stages.block3.conv3_2.gate": 8,
    }
    assert [n for n, _ in net.stages.block3.conv3_1.named_children()][-2:] == ["relu", "gate"]
    assert net(torch.randn(2, 3, 56, 56)).isfinite().all()


@pytest.mark.parametrize("gates", [-1, 6])
def test_there_are_no_more_gates_than_convolutions(gates: int) -> None:
    with pytest.raises(ConfigError, match=rf"gates is {gates}, but it must be 0 to 5"):
        small(gates=gates)


def test_a_network_with_gates_is_not_convolutionised() -> None:
    with pytest.raises(ConfigError, match="gate sees the whole map"):
        convolutionise(small(gates=1))


def test_patches_come_before_the_blocks_of_either_head() -> None:
    net = small(patches=True, norm="batch", input_size=57)
    assert net.stem(torch.randn(2, 3, 57, 57)).shape == (2, 24, 56, 56)
    assert net(torch.randn(2, 3, 57, 57)).shape == (2, 5)
    dense = convolutionise(net)
    x = torch.randn(2, 3, 57, 57)
    torch.testing.assert_close(dense(x)[..., 0, 0], net(x), rtol=1e-4, atol=1e-5)
    axes = net.stem.conv.weight[:12].flatten(1)  # Xavier's draw is for the layers behind it
    torch.testing.assert_close(axes @ axes.T, torch.eye(12), rtol=0, atol=1e-5)
