"""The formulas against PyTorch's own layers, on any arguments."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convatlas.arithmetic import (
    Size,
    adaptive_window,
    conv_output_size,
    conv_transpose_output_size,
    pool_output_size,
    same_padding,
    unpool_output_size,
)
from convatlas.errors import ShapeError

sizes = st.integers(1, 40)
kernels = st.integers(1, 9)
strides = st.integers(1, 5)
paddings = st.integers(0, 5)
dilations = st.integers(1, 4)
examples = settings(max_examples=300, deadline=None)


def torch_size(layer: nn.Module, size: int) -> int | None:
    """What PyTorch leaves of ``size`` cells; None where it refuses or leaves nothing."""
    try:
        made: Tensor = layer(torch.empty(1, 1, size, device="meta"))
    except RuntimeError:
        return None
    return made.shape[-1] or None


def atlas_size(formula: object, *args: object, **kwargs: object) -> int | None:
    try:
        size = formula(*args, **kwargs)  # type: ignore[operator]
    except ShapeError:
        return None
    assert isinstance(size, Size)
    assert size.arithmetic.endswith(f"= {int(size)}")
    return int(size)


@examples
@given(sizes, kernels, strides, paddings, dilations)
def test_convolution_is_pytorchs(size: int, k: int, s: int, p: int, d: int) -> None:
    layer = nn.Conv1d(1, 1, k, s, p, d, device="meta")
    assert atlas_size(conv_output_size, size, k, s, p, d) == torch_size(layer, size)


@examples
@given(sizes, kernels, strides, paddings, dilations, st.booleans())
def test_max_pooling_is_pytorchs(size: int, k: int, s: int, p: int, d: int, ceil: bool) -> None:
    layer = nn.MaxPool1d(k, s, p, d, ceil_mode=ceil)
    assert atlas_size(pool_output_size, size, k, s, p, d, ceil) == torch_size(layer, size)


@examples
@given(sizes, kernels, strides, paddings, st.booleans())
def test_average_pooling_is_pytorchs(size: int, k: int, s: int, p: int, ceil: bool) -> None:
    layer = nn.AvgPool1d(k, s, p, ceil_mode=ceil)
    assert atlas_size(pool_output_size, size, k, s, p, ceil_mode=ceil) == torch_size(layer, size)


@examples
@given(sizes, kernels, strides, paddings, st.integers(0, 4), dilations)
def test_transposed_convolution_is_pytorchs(
    size: int, k: int, s: int, p: int, extra: int, d: int
) -> None:
    assume(extra < max(s, d))
    layer = nn.ConvTranspose1d(1, 1, k, s, p, extra, dilation=d, device="meta")
    made = atlas_size(conv_transpose_output_size, size, k, s, p, extra, d)
    assert made == torch_size(layer, size)


@examples
@given(st.integers(1, 6), kernels, strides, paddings, st.none() | st.integers(1, 30))
def test_unpooling_is_pytorchs(size: int, k: int, s: int, p: int, wanted: int | None) -> None:
    cells = torch.zeros(1, 1, size)
    try:
        made = F.max_unpool1d(cells, cells.long(), k, s, p, None if wanted is None else [wanted])
    except (RuntimeError, ValueError):
        expected = None
    else:
        expected = made.shape[-1] or None
    assert atlas_size(unpool_output_size, size, k, s, p, wanted) == expected


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@examples
@given(st.integers(1, 20), kernels, dilations)
def test_the_padding_of_same_is_pytorchs(size: int, k: int, d: int) -> None:
    before, after = same_padding(k, d)
    assert conv_output_size(size + before + after, k, dilation=d) == size
    numbers = torch.Generator().manual_seed(size)
    x = torch.randn(1, 1, size, generator=numbers, dtype=torch.float64)
    weight = torch.randn(1, 1, k, generator=numbers, dtype=torch.float64)
    by_hand = F.conv1d(F.pad(x, (before, after)), weight, dilation=d)
    assert torch.equal(F.conv1d(x, weight, padding="same", dilation=d), by_hand)


@examples
@given(st.integers(1, 15), st.integers(1, 20))
def test_adaptive_windows_are_pytorchs(size: int, output_size: int) -> None:
    """The derivative of each average is not zero on its window, and nowhere else."""
    x = torch.zeros(1, size, requires_grad=True)
    averages = nn.AdaptiveAvgPool1d(output_size)(x)
    for index, average in enumerate(averages[0]):
        (slope,) = torch.autograd.grad(average, x, retain_graph=True)
        start, stop = adaptive_window(index, size, output_size)
        assert slope.nonzero()[:, 1].tolist() == list(range(start, stop))


@examples
@given(sizes, kernels, strides, paddings, dilations, st.booleans())
def test_the_smallest_size_named_in_an_error_works_and_one_less_does_not(
    size: int, k: int, s: int, p: int, d: int, ceil: bool
) -> None:
    assume(p <= k // 2)
    for formula in (
        lambda n: conv_output_size(n, k, s, p, d),
        lambda n: pool_output_size(n, k, s, p, d, ceil),
        lambda n: conv_transpose_output_size(n, k, s, p, 0, d),
    ):
        try:
            formula(size)
        except ShapeError as error:
            least = int(re.findall(r"smallest that works is (\d+)", str(error))[0])
            assert size < least
            assert formula(least) >= 1
            with pytest.raises(ShapeError):
                formula(least - 1)


def test_nothing_comes_of_nothing() -> None:
    for formula in (conv_output_size, pool_output_size, conv_transpose_output_size):
        with pytest.raises(ShapeError, match="input size 0 is too small"):
            formula(0, 3, padding=1)


def test_pooling_strides_by_its_kernel_unless_told() -> None:
    assert pool_output_size(28, 2) == 14


def test_the_line_shows_every_number_of_the_formula() -> None:
    assert conv_output_size(224, 7, 2, 3).arithmetic == "⌊(224+2·3−7)/2⌋+1 = 112"
    assert conv_output_size(32, 3, 1, 2, 2).arithmetic == "⌊(32+2·2−(2·(3−1)+1))/1⌋+1 = 32"
    assert pool_output_size(112, 3, 2, ceil_mode=True).arithmetic == "⌈(112+2·0−3)/2⌉+1 = 56"
    assert conv_transpose_output_size(2, 3, 2, 1, 1).arithmetic == "(2−1)·2−2·1+3+1 = 4"


def test_a_dropped_last_window_is_told() -> None:
    size = pool_output_size(4, 2, 3, 1, ceil_mode=True)
    assert size == 2
    assert size.arithmetic == (
        "⌈(4+2·1−2)/3⌉+1 = 3, less the window that starts in the padding = 2"
    )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("input size", {"size": -1, "kernel": 3}),
        ("kernel", {"size": 8, "kernel": 0}),
        ("stride", {"size": 8, "kernel": 3, "stride": 0}),
        ("padding", {"size": 8, "kernel": 3, "padding": -1}),
        ("dilation", {"size": 8, "kernel": 3, "dilation": 0}),
    ],
)
def test_an_argument_out_of_range_is_named(name: str, arguments: dict[str, int]) -> None:
    for formula in (conv_output_size, pool_output_size, conv_transpose_output_size):
        with pytest.raises(ShapeError, match=rf"^{name} is .* must be at least"):
            formula(**arguments)


def test_output_padding_stays_below_stride_or_dilation() -> None:
    with pytest.raises(ShapeError, match="output_padding is 2"):
        conv_transpose_output_size(4, 3, stride=2, output_padding=2)
