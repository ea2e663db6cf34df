from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from convatlas.train.layout import average_pools, laid_out
from convatlas.train.shards import Shards

LAYOUTS = {"channels-last": torch.channels_last, "contiguous": torch.contiguous_format}


def pooled() -> nn.Sequential:
    """A network whose last maps have several channels and places, so that layouts differ."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)
    )


def gradients(net: nn.Sequential) -> list[Tensor]:
    """What the GELU's gradients will be, as soon as they are known."""
    seen: list[Tensor] = []
    net[1].register_full_backward_pre_hook(lambda _, given: seen.append(given[0]))
    return seen


def backward(net: nn.Module, pixels: Tensor, labels: Tensor) -> None:
    nn.functional.cross_entropy(net(pixels), labels).backward()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_lie_as_the_maps_do_and_are_the_same_numbers(layout: str) -> None:
    net, pixels = pooled().to(memory_format=LAYOUTS[layout]), torch.randn(4, 3, 8, 8)
    pixels, labels = pixels.contiguous(memory_format=LAYOUTS[layout]), torch.tensor([0, 1, 0, 1])
    seen = gradients(net)
    backward(net, pixels, labels)
    Shards(net, 1).learn(pixels, labels, backward)
    plain, ours = seen
    assert ours.is_contiguous(memory_format=LAYOUTS[layout])
    assert torch.equal(plain, ours)


def test_every_shard_has_it() -> None:
    net = pooled().to(memory_format=torch.channels_last)
    shards = Shards(net, 2)
    seen = [gradients(shard) for shard in shards.nets]
    pixels = torch.randn(8, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    shards.learn(pixels, torch.zeros(8, dtype=torch.int64), backward)
    assert [len(each) for each in seen] == [1, 1]
    assert all(each[0].is_contiguous(memory_format=torch.channels_last) for each in seen)


def test_nothing_stays_behind() -> None:
    net = pooled()
    with laid_out(average_pools([net])):
        assert net[2]._forward_pre_hooks
    assert not net[2]._forward_pre_hooks


def test_what_needs_no_gradient_gets_none() -> None:
    net, pixels = pooled().to(memory_format=torch.channels_last), torch.randn(4, 3, 8, 8)
    for layer in net[:2]:
        layer.requires_grad_(False)
    Shards(net, 1).learn(
        pixels.contiguous(memory_format=torch.channels_last), torch.tensor([0, 1, 0, 1]), backward
    )
    assert net[0].weight.grad is None
    assert net[4].weight.grad is not None


class Named(nn.Module):
    """Gives its pool a single map, without a batch, and by name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1)

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.conv(pixels)
        single = self.pool(maps[0]).flatten()
        return self.pool(input=maps).flatten(1) + single


def test_maps_come_in_other_ways_too() -> None:
    net = Named().to(memory_format=torch.channels_last)
    pixels = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    Shards(net, 1).learn(pixels, torch.tensor([0, 1]), backward)
    assert net.conv.weight.grad is not None
