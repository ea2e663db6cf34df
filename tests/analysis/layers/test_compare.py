"""Chains beside each other: the ratios of the papers."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from convatlas.analysis.layers.compare import Chain, compare, ratio
from convatlas.errors import ConfigError, ConvAtlasError, ShapeError, UnknownNameError


def pair(first: str, second: str, shape: str | None = None) -> tuple[Chain, Chain]:
    a, b = compare([first, second], shape).chains
    return a, b


def test_two_small_kernels_see_what_a_large_one_sees() -> None:
    """VGG, section 2.3: 18/25 and 27/49 of the weights."""
    for large, times, share in (
        ("conv2d k=5", 2, "18/25 = 0.72"),
        ("conv2d k=7", 3, "27/49 = 0.55"),
    ):
        one, stack = pair(large, f"conv2d k=3 x{times}")
        assert one.receptive_field == stack.receptive_field
        assert one.output == stack.output
        assert ratio(stack.parameter_ratio) == share
        side = one.output[1]
        assert one.macs == one.parameters.value * side**2


def test_the_macs_have_the_same_ratio_where_padding_keeps_the_size() -> None:
    _, stack = pair("conv2d k=5 p=2", "conv2d k=3 p=1 x2")
    assert stack.mac_ratio == stack.parameter_ratio == Fraction(18, 25)


def test_groups_divide_the_cost() -> None:
    comparison = compare(["conv2d", "conv2d g=32", "conv2d g=in"])
    assert [chain.parameter_ratio for chain in comparison.chains] == [
        1,
        Fraction(1, 32),
        Fraction(1, 64),
    ]
    assert comparison.chains[2].parameters.value == 64 * 9


def test_a_bottleneck() -> None:
    """ResNet, figure 5: a bottleneck on 256 channels costs what two 3×3 on 64 cost, about."""
    plain, bottleneck = pair(
        "conv2d in=256 p=1", "conv2d k=1 out=64, conv2d p=1, conv2d k=1 out=256"
    )
    assert plain.parameters.value == 256 * 256 * 9
    assert bottleneck.parameters.value == 256 * 64 + 64 * 64 * 9 + 64 * 256
    assert bottleneck.parameters.formula == "64·256·1·1 + 64·64·3·3 + 256·64·1·1"
    assert bottleneck.output == plain.output == (256, 56, 56)


def test_a_dense_layer_is_a_convolution_with_the_size_of_the_map() -> None:
    dense, convolution = pair("linear out=4096", "conv2d k=7 out=4096", "512x7x7")
    assert dense.parameters.value == convolution.parameters.value == 102_760_448
    assert dense.macs == convolution.macs
    assert dense.receptive_field is not None
    assert dense.receptive_field.stride is None


def test_a_chain_of_other_layers() -> None:
    block, _ = pair("conv2d p=1 bias=yes, batchnorm2d, relu, maxpool2d", "dropout", "8x8x8")
    assert block.output == (8, 4, 4)
    assert block.parameters.value == 8 * 8 * 9 + 8 + 2 * 8


def test_an_even_kernel_that_keeps_the_size_needs_no_warning() -> None:
    even, _ = pair("conv2d k=4 p=same", "conv2d p=1", "2x8x8")
    assert even.output == (2, 8, 8)


def test_without_parameters_there_is_no_ratio() -> None:
    first, second = pair("relu", "conv2d")
    assert first.parameter_ratio is None
    assert second.mac_ratio is None
    assert ratio(second.mac_ratio) == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Fraction(18, 25), "18/25 = 0.72"),
        (Fraction(1, 64), "1/64 = 0.016"),
        (Fraction(4), "4"),
        (Fraction(9, 4), "9/4 = 2.25"),
        (Fraction(999, 2000), "0.50"),
    ],
)
def test_a_ratio_is_a_fraction_where_that_is_short(value: Fraction, said: str) -> None:
    assert ratio(value) == said


def test_json() -> None:
    told = json.loads(json.dumps(compare(["conv2d k=5", "conv2d k=3 x2"]).to_dict()))
    assert told["input"] == [64, 56, 56]
    assert told["chains"][1]["parameter_ratio"] == {"value": 0.72, "text": "18/25 = 0.72"}
    assert told["chains"][0]["receptive_field"] == {"size": [5, 5], "stride": [1, 1]}


@pytest.mark.parametrize(
    ("texts", "error", "said"),
    [
        (["conv2d"], ConfigError, "compare takes two layers or more, but 1 was given"),
        (["conv2d", "conv2d k=0"], ShapeError, 'in "conv2d k=0", kernel is 0'),
        (["conv2d", "conv2d x30"], ShapeError, 'in "conv2d x30", input size 2 is too small'),
        (["conv2d", "conv1d"], ShapeError, "conv1d slides along 1"),
        (["conv2d", "conv2d, max_unpool2d"], ConfigError, "takes two tensors"),
        (["conv2d", "dropout p=3"], ConfigError, "dropout p=3 cannot be made"),
        (["conv2d", "conv2d,"], ConfigError, "a layer is missing"),
        (["conv2d in=3", "conv2d in=4"], ShapeError, "in is 4, but the input 3×56×56"),
        (["conv2d", "konv2d"], UnknownNameError, "did you mean conv2d"),
    ],
)
def test_what_cannot_be_compared(texts: list[str], error: type[ConvAtlasError], said: str) -> None:
    with pytest.raises(error) as raised:
        compare(texts)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
