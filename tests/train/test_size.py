from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from convatlas.data import Dataset, ImageSet
from convatlas.errors import ConfigError, ShapeError
from convatlas.nets.build import build
from convatlas.train import Config
from convatlas.train.size import build_for, input_side


def pictures(channels: int, height: int, width: int) -> Dataset:
    images = torch.zeros(2, channels, height, width, dtype=torch.uint8)
    one = ImageSet("two", images, torch.tensor([0, 1]), ("a", "b"))
    return Dataset("two", one, one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "own", "size", "side"),
    [
        ("resnet18", 28, "own", 28),  # any side does: the pictures' own
        ("lenet_bn", 28, "own", 28),  # built for its side, and 28 survives
        ("lenet_bn", 8, "own", 16),  # (16 − 4)/2 = 6, (6 − 4)/2 = 1; 15 leaves nothing
        ("googlenet", 8, "own", 79),  # a 5×5 pool on 4a needs 79; without the heads less does
        ("resnet18", 28, "paper", 224),
        ("lenet_bn", 8, "paper", 28),
        ("lenet_bn", 28, 40, 40),
    ],
)
def test_a_network_is_built_for_its_pictures(name: str, own: int, size: object, side: int) -> None:
    net = build_for(name, pictures(1, own, own), Config(size=size))
    assert (net.num_classes, net.in_channels, net.input_size) == (2, 1, side)
    assert input_side(net, 1, own, Config(size=size)) == side
    with torch.no_grad():
        assert net.eval()(torch.zeros(1, 1, side, side)).shape == (1, 2)


def test_one_pixel_less_does_not_survive() -> None:
    for name, side in (("lenet_bn", 15), ("googlenet", 78)):
        with pytest.raises(ShapeError):
            build_for(name, pictures(1, 8, 8), Config(size=side))


def test_the_short_side_of_wide_pictures_counts() -> None:
    assert build_for("resnet18", pictures(3, 30, 40), Config()).input_size == 30


def test_options_go_through_and_win() -> None:
    net = build_for("lenet_bn", pictures(1, 8, 8), Config(), norm="none", input_size=24)
    assert (net.input_size, net.options["norm"]) == (24, "none")
    assert input_side(net, 1, 8, Config()) == 24
    with pytest.raises(ConfigError, match="no option 'colour'"):
        build_for("lenet_bn", pictures(1, 8, 8), Config(), colour="red")


def test_a_dense_head_keeps_the_side_it_was_built_for() -> None:
    net = build("lenet_bn", input_size=28)
    assert input_side(net, 1, 32, Config()) == 28


def test_a_module_of_your_own_gets_the_pictures_side(small: Callable[[], nn.Module]) -> None:
    net = small()
    net.input_size = (3, 3)  # whatever it means by that
    assert input_side(net, 1, 8, Config()) == 8
    assert input_side(net, 1, 8, Config(size="paper")) == 8
    assert input_side(net, 1, 8, Config(size=12)) == 12
