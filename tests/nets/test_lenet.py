from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from convatlas.nets.lenet import TABLE_I, LeNet, LeNet5, PartialConv, Scale, ScaledTanh


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_trainable_parameters_of_every_layer_are_the_papers() -> None:
    net = LeNet5()
    layers = {**dict(net.stages.named_children()), **dict(net.head.named_children())}
    counted = {name: parameters(layers[name]) for name in ("C1", "S2", "C3", "S4", "C5", "F6")}
    assert counted == {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48120, "F6": 10164}


def test_shapes_of_figure_2() -> None:
    net, x = LeNet5(), torch.zeros(1, 1, 32, 32)
    shapes = []
    for layer in [*net.stages, net.head.C5]:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1)]


def test_table_i() -> None:
    """Its shape as the text describes it: no two rows alike, each map used ten times."""
    assert len(set(TABLE_I)) == 16
    assert [len(row) for row in TABLE_I] == [3] * 6 + [4] * 9 + [6]
    assert [sum(source in row for row in TABLE_I) for source in range(6)] == [10] * 6
    contiguous = {tuple(sorted((i + j) % 6 for j in range(3))) for i in range(6)}
    assert set(TABLE_I[:6]) == contiguous


def test_partial_convolution_is_a_full_one_with_zeros_where_the_table_has_none() -> None:
    torch.manual_seed(0)
    partial = PartialConv(TABLE_I, 5).double()
    full = nn.Conv2d(6, 16, 5).double()
    rows = [
        (conv.weight[i], conv.bias[i]) for conv in partial.convs for i in range(conv.out_channels)
    ]
    with torch.no_grad():
        full.weight.zero_()
        for row, (sources, (weight, bias)) in enumerate(zip(TABLE_I, rows, strict=True)):
            full.weight[row, list(sources)] = weight
            full.bias[row] = bias
    x = torch.randn(2, 6, 9, 9, dtype=torch.float64)
    torch.testing.assert_close(partial(x), full(x), rtol=1e-12, atol=1e-12)


def test_subsampling_adds_four_scales_and_shifts() -> None:
    s2 = LeNet5().stages.S2
    with torch.no_grad():
        s2.scale.weight.fill_(0.5)
        s2.scale.bias.fill_(-1)
    x = torch.arange(16.0).view(1, 1, 4, 4).expand(1, 6, 4, 4)
    expected = ScaledTanh()(0.5 * torch.tensor([[10.0, 18.0], [42.0, 50.0]]) - 1)
    torch.testing.assert_close(s2(x)[0, 3], expected)


def test_squashing_takes_one_to_one() -> None:
    y = ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0, 100.0]))
    torch.testing.assert_close(y, torch.tensor([-1.0, 0.0, 1.0, 1.7159]), atol=1e-4, rtol=0)


def test_weights_start_within_the_papers_bound() -> None:
    torch.manual_seed(0)
    f6 = LeNet5().head.F6
    bound = 2.4 / 120
    assert bound * 0.99 < f6.weight.abs().max() <= bound
    assert not f6.bias.any()
    assert isinstance(Scale(3).weight, nn.Parameter)


def test_shapes_as_printed_by_d2l() -> None:
    net, x = LeNet(), torch.zeros(1, 1, 28, 28)
    shapes = []
    for layer in [*net.stages, *net.head]:
        x = layer(x)
        shapes.append((x.shape[1], x.shape[-1]) if x.dim() == 4 else x.shape[1])
    assert shapes == [(6, 28), (6, 14), (16, 10), (16, 5), 400, 120, 84, 10]


def test_the_courses_layers_in_order() -> None:
    net = LeNet(padding=0, pool="max", norm="batch")
    kinds = [type(m).__name__ for m in net.modules() if not list(m.children())]
    block = ["Conv2d", "BatchNorm2d", "Sigmoid", "MaxPool2d"]
    dense = ["Linear", "BatchNorm1d", "Sigmoid"]
    assert kinds[1:] == [*block, *block, "Flatten", *dense, *dense, "Linear"]  # after the stem
    assert net.head.C5.fc.in_features == 16 * 4 * 4


@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "group", "none"])
def test_any_normalisation(norm: str) -> None:
    logits = LeNet(norm=norm, activation="tanh")(torch.randn(4, 1, 28, 28))
    assert logits.shape == (4, 10)
    assert math.isfinite(logits.sum().item())
