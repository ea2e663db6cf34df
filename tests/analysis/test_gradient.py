"""Receptive fields against the gradient, which knows nothing of our arithmetic.

With positive weights, no biases and averages in place of maxima nothing cancels, so a cell's
gradient with respect to the picture is non-zero exactly where the cell looks. Numbers are float64:
the corner of a field is reached by one path among very many.
"""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.analysis.trace import ReceptiveField, trace
from convatlas.nets.build import build
from convatlas.nets.catalog import CATALOG
from convatlas.nets.parts import LocalResponseNorm


def monotone(net: nn.Module) -> nn.Module:
    """A copy whose every output grows with every pixel that it sees."""
    net = copy.deepcopy(net).double().eval()
    for module in list(net.modules()):
        for name, child in module._modules.items():  # children that stand in two places too
            if isinstance(child, nn.MaxPool2d):
                pool = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(module, name, pool)
            elif isinstance(child, nn.Dropout | nn.LocalResponseNorm | LocalResponseNorm):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.Sigmoid | nn.Tanh):  # a saturated one has gradient zero
                setattr(module, name, nn.ReLU())
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            bias = name.endswith("bias")
            parameter.fill_(
                0.0 if bias else 1.0 if parameter.dim() == 1 else 1 / parameter[0].numel()
            )
    return net


def seen(net: nn.Module, shape: tuple[int, ...], cells: int = 1) -> list[tuple[Tensor, Tensor]]:
    """Rows and columns of the picture that each of the ``cells`` central cells sees."""
    x = torch.ones((1, *shape), dtype=torch.float64, requires_grad=True)
    y = net(x)
    i, j = y.shape[2] // 2, y.shape[3] // 2
    found = []
    for k in range(cells):
        (gradient,) = torch.autograd.grad(y[0, :, i + k, j + k].sum(), x, retain_graph=True)
        reached = gradient[0].abs().sum(0) > 0
        found.append((reached.any(1).nonzero().flatten(), reached.any(0).nonzero().flatten()))
    return found


def width(pixels: Tensor) -> int:
    return int(pixels[-1] - pixels[0] + 1)


def check(net: nn.Module, shape: tuple[int, ...], cells: int = 1) -> ReceptiveField:
    """The last map's field is what the gradient says; returns it."""
    field = trace(net, shape).receptive_field
    assert field is not None
    assert field.size[0] < shape[1], "the picture is too small to tell"
    assert field.size[1] < shape[2], "the picture is too small to tell"
    found = seen(monotone(net), shape, cells)
    assert max(width(rows) for rows, _ in found) == field.size[0]
    assert max(width(columns) for _, columns in found) == field.size[1]
    return field


class Sum(nn.Module):
    """Branches added, as a residual block does."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return sum((branch(x) for branch in self.branches[1:]), start=self.branches[0](x))


class Concat(Sum):
    """Branches side by side, as an Inception module does."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Chosen(nn.Module):
    """Channels in another order, of which one is left out."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, [3, 0, 2, 2]].index_select(1, torch.tensor([0, 1, 1, 2]))


class Written(nn.Module):
    """Maps written into a blank one, and added to a part of it."""

    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        y[:, 1:3] = F.avg_pool2d(x[:, :2], 3, 1, 1)
        y[:, :2] += x[:, 2:]
        return y


def conv(kernel: int, stride: int = 1, **more: object) -> nn.Conv2d:
    more = {"padding": kernel // 2, **more}
    return nn.Conv2d(4, 4, kernel, stride, **more)


vgg_block = [conv(3), nn.ReLU(), conv(3), nn.ReLU(), nn.MaxPool2d(2)]
inception = Concat(
    nn.Conv2d(4, 1, 1),
    nn.Sequential(conv(1), nn.Conv2d(4, 1, 3, padding=1)),
    nn.Sequential(conv(1), nn.Conv2d(4, 1, 5, padding=2)),
    nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(4, 1, 1)),
)
up = nn.ConvTranspose2d(4, 4, 3, 2, padding=1, output_padding=1)

SMALL = {
    "VGG blocks": (nn.Sequential(*vgg_block, *vgg_block), 16, 4),
    "dilated": (nn.Sequential(conv(3, dilation=2, padding=2), conv(3, dilation=4)), 13, 1),
    "grouped": (nn.Sequential(conv(3, groups=4), conv(5, 2, groups=2), conv(3)), 11, 2),
    "residual, strided": (
        nn.Sequential(
            Sum(nn.Sequential(conv(3, 2), nn.ReLU(), conv(3)), conv(1, 2)),
            Sum(nn.Sequential(conv(3), conv(3)), nn.Identity()),
        ),
        15,
        2,
    ),
    "branches that look aside": (
        Sum(
            nn.ZeroPad2d((4, -4, 4, -4)),
            nn.Sequential(conv(3, padding=0), nn.ZeroPad2d((0, 2, 0, 2))),
        ),
        7,
        1,
    ),
    "Inception twice": (nn.Sequential(inception, inception), 9, 1),
    "unpadded": (
        nn.Sequential(conv(5, padding=0), nn.AvgPool2d(3, 2), conv(2, 3, padding=0)),
        9,
        6,
    ),
    "same": (nn.Sequential(conv(4, padding="same", dilation=2), conv(3, padding="valid")), 9, 1),
    "adaptive": (nn.Sequential(conv(3), nn.AdaptiveAvgPool2d(8)), 10, 8),
    "shuffled": (nn.Sequential(conv(3, 2), nn.PixelShuffle(2)), 3, 1),
    "written into": (nn.Sequential(conv(3), Written(), conv(3)), 7, 1),
    "chosen channels": (nn.Sequential(Chosen(), conv(3, 2)), 3, 2),
    "permuted": (
        nn.Sequential(nn.Flatten(2), nn.Unflatten(2, (64, 64)), conv(3, 2), nn.ChannelShuffle(2)),
        3,
        2,
    ),
}


@pytest.mark.parametrize("case", SMALL)
def test_small_graphs(case: str) -> None:
    net, size, stride = SMALL[case]
    assert check(net, (4, 64, 64)) == ReceptiveField((size, size), (stride, stride))


FINER = {
    "transposed": nn.Sequential(conv(3, 2), up),
    "transposed thrice": nn.Sequential(conv(3, 4), up, conv(3), up, up),
    "nearest": nn.Sequential(conv(3), nn.Upsample(scale_factor=2), conv(3)),
    "bilinear": nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), conv(3)),
    "bicubic": nn.Sequential(conv(3, 2), nn.Upsample(scale_factor=3, mode="bicubic")),
    "uneven": nn.Sequential(conv(3), nn.AdaptiveAvgPool2d(48)),
    "U": Sum(nn.Sequential(conv(3, 2), conv(3), up), nn.Identity()),
}


@pytest.mark.parametrize("case", FINER)
def test_maps_whose_cells_differ_give_the_widest(case: str) -> None:
    check(FINER[case], (4, 64, 64), cells=12)


def test_height_and_width_are_told_apart() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, (1, 7), (1, 2)), nn.MaxPool2d((3, 1)))
    assert check(net, (4, 32, 48)) == ReceptiveField((3, 7), (3, 2))


def test_the_field_is_filled_not_only_bounded() -> None:
    net = nn.Sequential(*vgg_block, Sum(conv(3, 2), conv(1, 2)))
    ((rows, columns),) = seen(monotone(net), (4, 48, 48))
    field = trace(net, (4, 48, 48)).receptive_field
    assert field is not None
    assert (len(rows), len(columns)) == field.size


class Features(nn.Module):
    """A network of the catalogue without its head."""

    def __init__(self, name: str, **options: object) -> None:
        super().__init__()
        net = build(name, **options)
        self.stem, self.stages = net.stem, net.stages

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.stages(self.stem(x))
        return y


NARROW = {
    "resnet18": ({"width": 8}, 435),
    "resnet20": ({}, 81),
    "resnet50": ({"width": 4}, 427),
    "resnet50, stride in the 1x1": ({"width": 4, "stride_in": "1x1"}, 483),
    "resnext29_8x64d": ({"width": 4}, 39),
}


@pytest.mark.parametrize("case", NARROW)
def test_residual_networks(case: str) -> None:
    options, size = NARROW[case]
    net = Features(case.partition(",")[0], **options)
    side = size + 66
    field = trace(net, (3, side, side)).receptive_field
    assert field is not None
    assert field.size == (size, size)
    # along one axis: a strip as high as the stride is enough, and a tenth of the work
    ((_, columns),) = seen(monotone(net), (3, 64, side))
    assert width(columns) == size


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted({row.family for row in CATALOG.values()}))
def test_the_smallest_of_each_family(family: str) -> None:
    row = min((r for r in CATALOG.values() if r.family == family), key=lambda r: r.macs)
    net = Features(row.name)
    field = trace(net, (row.in_channels, 256, 256)).receptive_field
    assert field is not None
    ((_, columns),) = seen(monotone(net), (row.in_channels, 96, field.size[1] + 100))
    assert width(columns) == field.size[1]
