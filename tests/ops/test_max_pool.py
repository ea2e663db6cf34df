from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convatlas import ops
from convatlas.errors import ArgumentTypeError, ConvAtlasError, ShapeError

OURS = {1: ops.max_pool1d, 2: ops.max_pool2d, 3: ops.max_pool3d}
THEIRS: dict[int, Callable[..., Any]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


@st.composite
def poolings(draw: st.DrawFn) -> tuple[int, Tensor, dict[str, Any]]:
    """Axes, an input with ties, −∞ and NaN, and arguments, a few of which do not go together.

    No axis is shorter than the dilation: a window could step over such a map, and PyTorch's
    gradient would then be written outside of it.
    """
    axes = draw(st.integers(1, 3))

    def each(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(axes))

    arguments = {
        "kernel_size": each(1, 3),
        "stride": draw(st.none() | st.just(each(1, 3))),
        "padding": each(0, 1) if draw(st.booleans()) else 0,
        "dilation": each(1, 2),
        "ceil_mode": draw(st.booleans()),
    }
    shape = draw(st.sampled_from([(0, 1), (1, 2), (2, 1), (2,)])) + each(2, 7)
    values = st.sampled_from([-torch.inf, -2.0, -1.0, 0.0, 1.0, 2.0, torch.nan])
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    choice = torch.tensor(draw(st.lists(values, min_size=1, max_size=7)), dtype=torch.float64)
    x = choice[torch.randint(len(choice), shape, generator=generator)]
    return axes, x.requires_grad_(), arguments


@settings(deadline=None, max_examples=300, derandomize=True)
@given(poolings())
def test_values_indices_and_gradients_are_pytorchs(
    drawn: tuple[int, Tensor, dict[str, Any]],
) -> None:
    axes, x, arguments = drawn
    try:
        expected, places = THEIRS[axes](x, **arguments, return_indices=True)
    except RuntimeError:
        with pytest.raises(ShapeError):
            OURS[axes](x, **arguments)
        return
    found, indices = OURS[axes](x, **arguments, return_indices=True)
    exactly = {"rtol": 0.0, "atol": 0.0, "equal_nan": True}  # nothing is computed, only chosen
    torch.testing.assert_close(found, expected, **exactly)
    torch.testing.assert_close(indices, places, **exactly)
    upstream = torch.arange(1.0, found.numel() + 1).double().view_as(found)
    (slope,) = torch.autograd.grad(found, x, upstream)
    (known,) = torch.autograd.grad(expected, x, upstream)
    torch.testing.assert_close(slope, known, **exactly)
    torch.testing.assert_close(OURS[axes](x, **arguments), expected, **exactly)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_gradient_is_the_slope(axes: int) -> None:
    x = torch.randperm(2 * 4**axes, generator=torch.Generator().manual_seed(1)).double()
    x = x.view(1, 2, *[4] * axes).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: OURS[axes](x, 3, 2, 1), x)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_integers_too(dtype: torch.dtype) -> None:
    """The least of them is also in the picture, where padding must not be taken for it."""
    x = torch.randint(torch.iinfo(dtype).min, torch.iinfo(dtype).min + 3, (2, 5, 6), dtype=dtype)
    for found, expected in zip(
        ops.max_pool2d(x, 2, 2, 1, return_indices=True),
        F.max_pool2d(x, 2, 2, 1, return_indices=True),
        strict=True,
    ):
        assert found.dtype == expected.dtype
        assert found.equal(expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_other_number_formats(dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, 7, 6, dtype=dtype).to(memory_format=torch.channels_last)
    assert ops.max_pool2d(x, 3, 2, 1).equal(F.max_pool2d(x, 3, 2, 1))


def test_of_equal_cells_the_first_and_of_several_nan_the_last() -> None:
    x = torch.tensor([[3.0, 3.0, 1.0, torch.nan, torch.nan, 5.0]])
    values, indices = ops.max_pool1d(x, 3, return_indices=True)
    assert values[0, 0] == 3
    assert values[0, 1].isnan()
    assert indices.tolist() == [[0, 4]]


def test_a_window_that_sees_no_cell_is_minus_infinity() -> None:
    """A dilated one may look left and right of a map of one cell."""
    x = torch.ones(1, 1)
    assert ops.max_pool1d(x, 2, 1, 1, 2).tolist() == [[-torch.inf]]
    assert F.max_pool1d(x, 2, 1, 1, 2).tolist() == [[-torch.inf]]


def test_no_stride_may_be_an_empty_one() -> None:
    x = torch.randn(1, 4, 4)
    assert ops.max_pool2d(x, 2, ()).equal(F.max_pool2d(x, 2, ()))


def test_shapes_without_numbers() -> None:
    x = torch.empty(2, 3, 9, 9, device="meta")
    values, indices = ops.max_pool2d(x, 3, 2, ceil_mode=True, return_indices=True)
    assert values.shape == indices.shape == (2, 3, 4, 4)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_signature_is_pytorchs(axes: int) -> None:
    theirs = inspect.signature(getattr(F, f"max_pool{axes}d_with_indices"))
    ours = inspect.signature(OURS[axes])
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


@pytest.mark.parametrize(
    ("shape", "arguments", "error", "said"),
    [
        ((1, 4, 4), {"kernel_size": 0}, ShapeError, "kernel is 0, but it must be at least 1"),
        ((1, 4, 4), {"kernel_size": 2.0}, ArgumentTypeError, "kernel_size is 2.0"),
        ((1, 4, 4), {"kernel_size": True}, ArgumentTypeError, "kernel_size is True"),
        ((1, 4, 4), {"kernel_size": (1, 2, 3)}, ShapeError, r"kernel_size is \(1, 2, 3\)"),
        ((1, 4, 4), {"kernel_size": 2, "stride": 0}, ShapeError, "stride is 0"),
        ((1, 4, 4), {"kernel_size": 2, "stride": -1}, ShapeError, "stride is −1"),
        ((1, 4, 4), {"kernel_size": 2, "dilation": 0}, ShapeError, "dilation is 0"),
        ((1, 4, 4), {"kernel_size": 2, "padding": -1}, ShapeError, "padding is −1"),
        ((1, 9, 9), {"kernel_size": 3, "padding": 2, "dilation": 2}, ShapeError, "⌊3/2⌋ = 1"),
        ((1, 4, 4), {"kernel_size": 5}, ShapeError, r"⌊\(4\+2·0−5\)/5⌋\+1 = 0; the smallest"),
        ((1, 0, 4), {"kernel_size": 1}, ShapeError, r"input has shape \(1, 0, 4\)"),
        ((2, 0, 4, 4), {"kernel_size": 1}, ShapeError, r"input has shape \(2, 0, 4, 4\)"),
        ((4, 4), {"kernel_size": 1}, ShapeError, r"input has shape \(4, 4\)"),
    ],
)
def test_what_pytorch_refuses_is_refused_with_the_reason(
    shape: tuple[int, ...], arguments: dict[str, Any], error: type[ConvAtlasError], said: str
) -> None:
    x = torch.zeros(shape)
    with pytest.raises((RuntimeError, TypeError)):
        F.max_pool2d(x, **arguments)
    with pytest.raises(error, match=said):
        ops.max_pool2d(x, **arguments)


@pytest.mark.parametrize("dtype", [torch.bool, torch.complex64])
def test_numbers_without_an_order_have_no_maximum(dtype: torch.dtype) -> None:
    with pytest.raises(ArgumentTypeError, match=f"input is {dtype}"):
        ops.max_pool2d(torch.zeros(1, 4, 4, dtype=dtype), 2)
