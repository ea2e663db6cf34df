"""Sizes asked of real networks, and what their errors say."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convatlas.errors import ShapeError
from convatlas.nets import sizes
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.nets.resnet import ResNet
from convatlas.nets.vgg import VGG

ON_META = torch.device("meta")


def on_meta(name: str, **options: Any) -> Net:
    with ON_META:
        return build(name, **options).eval()


def pictures(*shape: int) -> Tensor:
    return torch.empty(shape, device=ON_META)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("lenet5", 16),
        ("lenet_d2l", 12),
        ("lenet_bn", 16),
        ("alexnet", 67),
        ("alexnet_owt", 63),
        ("vgg16", 32),
        ("nin", 39),
        ("nin_d2l", 67),
        ("nin_cifar", 4),
        ("resnet18", 1),
    ],
)
def test_the_smallest_side_works_and_one_less_does_not(name: str, least: int) -> None:
    net = on_meta(name, input_size=least)
    assert net(pictures(2, net.in_channels, least, least)).shape == (2, net.num_classes)
    body = nn.Sequential(net.stem, net.stages)
    assert sizes.smallest_side(body, net.in_channels) == least
    if least > 1:
        with pytest.raises(ShapeError, match=rf"side must be at least {least}\b"):
            net(pictures(2, net.in_channels, least - 1, least - 1))


def test_a_picture_too_small_for_any_network_of_the_kind() -> None:
    with pytest.raises(ShapeError) as caught:
        on_meta("vgg11")(pictures(2, 3, 16, 16))
    assert str(caught.value) == (
        "vgg11 cannot take 16×16: at stages.block5.pool (MaxPool2d), input size 1 is too small: "
        "⌊(1+2·0−2)/2⌋+1 = 0; the smallest that works is 2; the picture's side must be at least "
        "32, and the network built with input_size=32"
    )


def test_a_picture_too_small_where_no_dense_head_fixes_the_size() -> None:
    with pytest.raises(ShapeError, match=r"mlpconv2\.pool .*⌈.*⌉.*must be at least 39$"):
        on_meta("nin")(pictures(2, 3, 20, 20))


def test_a_size_the_dense_head_was_not_built_for() -> None:
    with pytest.raises(ShapeError) as caught:
        on_meta("vgg11")(pictures(2, 3, 256, 256))
    assert str(caught.value) == (
        "vgg11 was built for 224×224 and cannot take 256×256: at head.fc6 (Linear), 32768 features "
        "arrive where it takes 25088; resize the picture to 224×224, or build the network with "
        "input_size=256"
    )
    with pytest.raises(ShapeError, match=r"resize the picture to 224×224$"):
        on_meta("vgg11")(pictures(2, 3, 256, 224))


def test_a_convolution_in_the_head_fixes_the_size_too() -> None:
    for side, layer in ((28, "head.C5"), (36, "head.F6")):
        with pytest.raises(ShapeError, match=rf"32×32 and cannot take {side}×{side}: at {layer} "):
            on_meta("lenet5")(pictures(2, 1, side, side))


def test_the_wrong_channels_and_no_batch() -> None:
    net = on_meta("resnet18")
    with pytest.raises(ShapeError, match=r"in_channels=3, and this picture has 1.*in_channels=1"):
        net(pictures(2, 1, 32, 32))
    with pytest.raises(ShapeError, match=r"takes a batch \(N, C, H, W\), not 3×32×32"):
        net(pictures(3, 32, 32))


def test_what_only_pytorch_knows_is_told_with_the_layer_and_the_smallest_side() -> None:
    net = ResNet(norm="instance", stem="cifar", width=4)
    with pytest.raises(ShapeError, match=r"conv4_x.* \(InstanceNorm2d\), .*must be at least 9$"):
        net(torch.randn(2, 3, 4, 4))
    assert net(torch.randn(2, 3, 9, 9)).shape == (2, 1000)


def test_an_error_that_is_not_about_sizes_stays_what_it_is() -> None:
    net = ResNet(stem="cifar", width=4)
    with pytest.raises(RuntimeError, match=r"(?i)double") as caught:
        net(torch.randn(2, 3, 8, 8, dtype=torch.float64))
    assert not isinstance(caught.value, ShapeError)
    assert caught.value.__cause__ is None


def test_a_single_small_picture_cannot_be_normalised_over_its_batch_in_training() -> None:
    net = ResNet(stem="cifar", width=4)
    with pytest.raises(ShapeError, match=r"a single 4×4 picture: .* give it two or more"):
        net(torch.randn(1, 3, 4, 4))
    assert net.eval()(torch.randn(1, 3, 4, 4)).shape == (1, 1000)


def test_an_input_size_that_does_not_survive_is_refused_when_the_network_is_made() -> None:
    with pytest.raises(ShapeError, match=r"^input_size=31 .*block5\.pool.*= 0.*at least 32$"):
        VGG(input_size=31, width=0.1)


def test_feature_shape() -> None:
    net = on_meta("vgg11")
    assert sizes.feature_shape(net.stages, 3, 224) == (512, 7, 7)


def test_asking_leaves_the_module_as_it_was() -> None:
    torch.manual_seed(0)
    net = ResNet(stem="cifar", width=4).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    random = torch.get_rng_state()
    assert sizes.feature_shape(nn.Sequential(net.stem, net.stages), 3, 32) == (32, 4, 4)
    with pytest.raises(ShapeError):
        net(torch.randn(2, 1, 8, 8))
    torch.set_rng_state(random)
    after = net.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert not any(m._forward_pre_hooks for m in net.modules())


def test_no_size_at_all_fits() -> None:
    wrong = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(5, 4, 1))
    with pytest.raises(ShapeError, match="no square picture of up to 1024"):
        sizes.smallest_side(wrong, 3)


SLIDING = [
    nn.Conv2d(2, 3, 3, 2, 1),
    nn.Conv2d(2, 3, (3, 5), (1, 2), (0, 2), dilation=(2, 1)),
    nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    nn.MaxPool2d((2, 3)),
    nn.AvgPool2d(3, 2, ceil_mode=True),
    nn.ConvTranspose2d(2, 3, 3, 2, 1, output_padding=1),
]


@pytest.mark.parametrize("layer", SLIDING, ids=lambda layer: re.sub(r"\W+", "_", str(layer)))
def test_sizes_of_sliding_layers(layer: nn.Module) -> None:
    made = layer(torch.zeros(1, 2, 17, 22))
    assert sizes.output_sizes(layer, (17, 22)) == tuple(made.shape[2:])


@pytest.mark.parametrize(
    "layer", [nn.ReLU(), nn.Flatten(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(2, 3, 3, padding="same")]
)
def test_other_layers_have_no_such_arithmetic(layer: nn.Module) -> None:
    assert sizes.output_sizes(layer, (17, 22)) is None
