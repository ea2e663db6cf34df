from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from convatlas.errors import ConfigError, ShapeError
from convatlas.nets.alexnet import AlexNet
from convatlas.nets.build import build

ON_META = torch.device("meta")


def walk(net: nn.Module, side: int, channels: int) -> list[tuple[int, int] | int]:
    """(channels, side) after every convolution and pool, and units after every dense layer."""
    x = torch.empty(1, channels, side, side, device=ON_META)
    seen: list[tuple[int, int] | int] = []
    for layer in [m for m in net.modules() if not list(m.children()) and m is not net.stem]:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            seen.append((x.shape[1], x.shape[-1]))
        elif isinstance(layer, nn.Flatten | nn.Linear):
            seen.append(x.shape[1])
    return seen


def test_shapes_of_figure_2() -> None:
    with ON_META:
        net = AlexNet()
    assert walk(net, 227, 3) == [
        (96, 55),
        (96, 27),
        (256, 27),
        (256, 13),
        (384, 13),
        (384, 13),
        (256, 13),
        (256, 6),
        9216,
        4096,
        4096,
        1000,
    ]


def test_shapes_as_printed_by_d2l() -> None:
    with ON_META:
        net = build("alexnet_d2l")
    assert walk(net, 224, 1) == [
        (96, 54),
        (96, 26),
        (256, 26),
        (256, 12),
        (384, 12),
        (384, 12),
        (256, 12),
        (256, 5),
        6400,
        4096,
        4096,
        10,
    ]


def small(**options: object) -> AlexNet:
    torch.manual_seed(0)
    return AlexNet(hidden=512, width=0.125, num_classes=5, input_size=67, **options).eval()


def gradient_channels(net: AlexNet, until: str) -> Tensor:
    """Which maps after conv1's pool the first map of stage ``until`` depends on."""
    x = torch.randn(1, 3, 67, 67)
    first = net.stages.conv1(x).detach().requires_grad_()
    y = first
    for name, stage in list(net.stages.named_children())[1:]:
        y = stage(y)
        if name == until:
            break
    y[0, 0].sum().backward()
    assert first.grad is not None
    return first.grad[0].abs().amax((1, 2)) > 0


def test_towers_meet_in_conv3_and_not_before() -> None:
    net = small(activation="tanh")  # no dead units that would hide a connection
    half = 12 // 2
    before = gradient_channels(net, "conv2")
    assert before[:half].all()
    assert not before[half:].any()
    assert gradient_channels(net, "conv3").all()


def test_lrn_stays_within_its_tower() -> None:
    lrn = small().stages.conv1.lrn
    x = torch.ones(1, 12, 1, 1, requires_grad=True)
    lrn(x)[0, 5].sum().backward()  # last map of the first tower
    assert x.grad is not None
    assert x.grad[0, :, 0, 0].ne(0).tolist() == [False] * 3 + [True] * 3 + [False] * 6


def test_one_tower_has_no_groups_and_no_lrn_on_request() -> None:
    net = small(towers=1, lrn=False)
    assert all(m.groups == 1 for m in net.modules() if isinstance(m, nn.Conv2d))
    assert not any("LocalResponseNorm" in type(m).__name__ for m in net.modules())


def test_pools_that_do_not_overlap_leave_the_same_sizes() -> None:
    with ON_META:
        shapes = [walk(AlexNet(overlapping=o), 227, 3) for o in (True, False)]
    assert shapes[0] == shapes[1]
    kernels = {m.kernel_size for m in small(overlapping=False).modules() if hasattr(m, "ceil_mode")}
    assert kernels == {2}


def test_initialisation_of_the_paper() -> None:
    net = small()
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert layer.bias.eq(bool(ones & set(name.split(".")))).all(), name
            if layer.weight.numel() > 2000:
                assert layer.weight.std().item() == pytest.approx(0.01, rel=0.06), name


def test_initialisation_of_the_course() -> None:
    net = small(init="kaiming", towers=1)
    conv = net.stages.conv3.conv
    fan_out = conv.out_channels * 9
    assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)
    assert not conv.bias.any()
    assert net.head.fc6.weight.std().item() == pytest.approx(0.01, rel=0.06)


def test_dropout_sits_where_the_paper_or_torchvision_has_it() -> None:
    paper, owt = small(), small(dropout_first=True)
    after = ["flatten", "fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc8"]
    before = ["flatten", "drop5", "fc6", "relu6", "drop6", "fc7", "relu7", "fc8"]
    assert [name for name, _ in paper.head.named_children()] == after
    assert [name for name, _ in owt.head.named_children()] == before


def test_saturating_activations_reach_every_layer() -> None:
    net = small(activation="sigmoid")
    assert sum(isinstance(m, nn.Sigmoid) for m in net.modules()) == 7
    assert not any(isinstance(m, nn.ReLU) for m in net.modules())


def test_224_is_explained() -> None:
    with ON_META:
        net = build("alexnet")
        with pytest.raises(ShapeError, match=r"built for 227×227.*head\.fc6.*6400.*9216"):
            net(torch.empty(1, 3, 224, 224))


@pytest.mark.parametrize("options", [{"width": 0.01}, {"towers": 3}, {"init": "zeros"}])
def test_what_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError), ON_META:
        AlexNet(**options)
