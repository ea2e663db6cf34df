"""Sizes, cost and connections, against PyTorch's own layers and the analysis of whole networks."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from convatlas.analysis.layers import cost
from convatlas.analysis.layers.glass import look
from convatlas.analysis.layers.kinds import KINDS
from convatlas.analysis.layers.modules import module
from convatlas.analysis.layers.sizes import feeds, output_shape, output_sizes
from convatlas.analysis.layers.spec import read_layer
from convatlas.analysis.trace import trace
from convatlas.errors import ConvAtlasError

SPECS = [
    ("conv1d k=3 s=2 p=1 out=4", (2, 9)),
    ("conv2d k=3x5 s=2x1 p=1x2 out=4 bias=yes", (6, 9, 8)),
    ("conv2d k=3 d=2 g=2 out=4", (6, 9, 8)),
    ("conv2d k=4 p=same g=in", (6, 9, 8)),
    ("conv2d k=2 p=valid", (3, 5, 5)),
    ("conv3d k=2 s=2", (1, 4, 5, 6)),
    ("conv_transpose1d k=4 s=2 p=1", (2, 5)),
    ("conv_transpose2d k=3 s=2 p=1 output_padding=1 out=4 g=2", (6, 4, 5)),
    ("conv_transpose2d k=3 s=3 d=2 bias=yes", (2, 3, 3)),
    ("conv_transpose3d", (1, 2, 2, 2)),
    ("max_pool1d k=3 s=2", (1, 8)),
    ("max_pool2d k=3 s=2 p=1 ceil_mode=yes", (3, 8, 7)),
    ("max_pool2d k=2 d=2", (3, 8, 7)),
    ("max_pool3d", (1, 4, 4, 4)),
    ("avg_pool1d k=3 s=1", (1, 8)),
    ("avg_pool2d k=3 s=2 p=1 ceil_mode=yes", (3, 8, 7)),
    ("adaptive_avg_pool1d output_size=3", (1, 7)),
    ("adaptive_avg_pool2d output_size=3x2", (2, 7, 5)),
]
OTHERS = [
    ("linear out=5 bias=yes", (2, 3, 3)),
    ("batch_norm", (3, 4, 4)),
    ("batch_norm", (3,)),
    ("layer_norm", (3, 4, 4)),
    ("instance_norm", (3, 4, 4)),
    ("group_norm groups=3", (6, 4, 4)),
    ("local_response_norm", (5, 2, 2)),
    ("dropout", (3, 4, 4)),
    ("prelu", (3, 4)),
    ("sigmoid", (3, 4)),
    ("softmax", (4,)),
]
#: what PyTorch says of an even kernel, once
EVEN_SAME = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@EVEN_SAME
@pytest.mark.parametrize(("text", "shape"), [*SPECS, *OTHERS])
def test_shape_and_cost_are_those_of_the_trace(text: str, shape: tuple[int, ...]) -> None:
    layer = read_layer(text).settled(shape)
    found = trace(nn.Sequential(module(layer, shape)), shape)
    after = output_shape(layer, shape)
    assert after == found.rows[-1].shape
    assert cost.parameters(layer, shape).value == found.params
    assert cost.macs(layer, shape, after).value == found.macs


@pytest.mark.parametrize(("text", "shape"), [*SPECS, *OTHERS])
def test_the_products_are_what_they_say(text: str, shape: tuple[int, ...]) -> None:
    layer = read_layer(text).settled(shape)
    for count in (
        cost.parameters(layer, shape),
        cost.macs(layer, shape, output_shape(layer, shape)),
    ):
        if count.formula:
            assert eval(count.formula.replace("·", "*")) == count.value


@EVEN_SAME
@pytest.mark.parametrize(
    ("text", "shape"),
    # of a window only the greatest has a derivative, of a mean all have; but that has no dilation
    [(text.replace("max", "avg"), shape) for text, shape in SPECS if text != "max_pool2d k=2 d=2"],
)
def test_cells_feed_what_their_gradient_says(text: str, shape: tuple[int, ...]) -> None:
    """An output cell has a derivative by just the input cells that it is said to be fed by."""
    layer = read_layer(text).settled(shape)
    net = module(layer, shape).to_empty(device="cpu").double()
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    x = torch.ones((1, *shape), dtype=torch.float64, requires_grad=True)
    y = net(x)
    by_axis = list(feeds(layer, shape[1:]).values())
    for place in itertools.product(*(range(len(cells)) for cells in by_axis)):
        (slope,) = torch.autograd.grad(y[(0, 0, *place)], x, retain_graph=True)
        fed = slope[0].abs().sum(0) > 0
        expected = torch.zeros(shape[1:], dtype=torch.bool)
        taps = [
            [i for i in cells[at] if 0 <= i < side]
            for cells, at, side in zip(by_axis, place, shape[1:], strict=True)
        ]
        for cell in itertools.product(*taps):
            expected[cell] = True
        assert torch.equal(fed, expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("conv2d s=0", "stride is 0"),
        ("conv2d s=-1", "stride is −1"),
        ("conv2d k=0", "kernel is 0"),
        ("conv2d k=-2 p=same", "kernel is −2"),
        ("conv2d p=-1", "padding is −1"),
        ("conv2d d=0", "dilation is 0"),
        ("conv2d k=5", "input size 4 is too small: ⌊(4+2·0−5)/1⌋+1 = 0"),
        ("conv2d k=1x1x1", "kernel is (1, 1, 1)"),
        ("conv2d p=same s=2", "padding is 'same', but stride is 2"),
        ("conv_transpose2d p=same", "padding is 'same', but it must be an integer"),
        ("conv_transpose2d output_padding=1", "output_padding is 1"),
        ("max_pool2d p=2", "padding is 2, but it must be at most half"),
        ("max_unpool2d output_size=99", "output_size is 99, but it must be between"),
        ("adaptive_avg_pool2d output_size=0", "output_size is 0, but it must be at least 1"),
    ],
)
def test_refused_with_name_value_and_rule(text: str, said: str) -> None:
    with pytest.raises(ConvAtlasError) as raised:
        output_sizes(read_layer(text).settled((4, 4, 4)), (4, 4))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_same_padding_shows_its_sum() -> None:
    (size,) = output_sizes(read_layer("conv1d k=4 p=same").settled((1, 6)), (6,))
    assert size == 6
    assert size.arithmetic == "⌊(7+2·1−4)/1⌋+1 = 6"


def test_too_many_connections_are_not_listed() -> None:
    layer = read_layer("conv2d k=100001 p=50000").settled((1, 4, 4))
    assert feeds(layer, (4, 4)) == {}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_an_example_of_the_size_that_it_tells(name: str) -> None:
    found = look(read_layer(name))
    assert found.found is not None
    sizes = [
        v.numel() for k, v in found.found.numbers.items() if k.startswith(("output", "f(", "p"))
    ]
    expected = math.prod(found.output) * (2 if found.layer.kind.family == "norm" else 1)
    assert name == "cross_entropy" or expected in sizes
