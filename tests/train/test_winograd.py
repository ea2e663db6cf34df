from __future__ import annotations

import pytest
import torch
from torch import nn

from convatlas import ops
from convatlas.train import winograd as module
from convatlas.train.winograd import gains, pays, winograd


@pytest.mark.parametrize(
    ("pictures", "kernels", "expected"),
    [
        ((8, 256, 32, 32), (256, 256, 3, 3), True),
        ((8, 16, 32, 32), (16, 16, 3, 3), False),  # few channels share a change of basis
        ((1, 256, 4, 4), (256, 256, 3, 3), False),  # and few tiles that of the kernels
        ((8, 256, 5, 5), (256, 256, 3, 3), False),  # 25 of the 64 places in four tiles are wanted
        ((16, 512, 7, 7), (512, 512, 3, 3), False),  # many kernels, few tiles: 0.69 of the direct
        ((8, 256, 32, 32), (256, 256, 5, 5), False),
        ((8, 256, 32, 32), (256, 256, 1, 1), False),
    ],
)
def test_where_it_pays(pictures: tuple[int, ...], kernels: tuple[int, ...], expected: bool) -> None:
    assert pays(torch.Size(pictures), torch.Size(kernels)) is expected


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(256, 256, 3), True),
        (nn.Conv2d(256, 256, 3, stride=2), False),
        (nn.Conv2d(256, 256, 3, dilation=2), False),
        (nn.Conv2d(256, 256, 3, groups=2), False),
        (nn.Conv2d(256, 256, 1), False),
        (nn.Conv2d(8, 8, 3), False),
        (nn.Linear(256, 256), False),
    ],
)
def test_what_a_network_gains(layer: nn.Module, expected: bool) -> None:
    assert gains(nn.Sequential(layer)) is expected


def test_only_what_gains_is_computed_so(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def counted(pixels, kernels, *args):
        seen.append(kernels.shape)
        return ops.conv2d_winograd(pixels, kernels, *args)

    monkeypatch.setattr(module, "conv2d_winograd", counted)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 256, 3, padding=1), nn.Conv2d(256, 256, 3, padding=1), nn.Conv2d(256, 8, 1)
    )
    pixels = torch.randn(8, 3, 16, 16)
    plain = net(pixels)
    with winograd():
        ours = net(pixels)
    again = net(pixels)
    assert seen == [net[1].weight.shape]
    assert torch.equal(again, plain)
    assert not torch.equal(ours, plain)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)
