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
from convatlas.errors import ArgumentTypeError, ConfigError, ConvAtlasError, ShapeError

OURS: dict[int, Callable[..., Tensor]] = {1: ops.avg_pool1d, 2: ops.avg_pool2d, 3: ops.avg_pool3d}
THEIRS: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
#: the same at most 27 numbers in another order: a few units in the last place of float64
TIGHT = {"rtol": 1e-13, "atol": 1e-14}


@st.composite
def poolings(draw: st.DrawFn) -> tuple[int, Tensor, dict[str, Any]]:
    """Axes, an input and arguments, a few of which do not go together."""
    axes = draw(st.integers(1, 3))

    def each(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(axes))

    arguments: dict[str, Any] = {
        "kernel_size": each(1, 3),
        "stride": draw(st.none() | st.just(each(1, 3))),
        "padding": each(0, 1) if draw(st.booleans()) else 0,
        "ceil_mode": draw(st.booleans()),
        "count_include_pad": draw(st.booleans()),
    }
    if axes > 1:
        arguments["divisor_override"] = draw(st.sampled_from([None, None, 3, -2]))
    shape = draw(st.sampled_from([(0, 1), (1, 2), (2, 1), (2,)])) + each(1, 7)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    return axes, x.requires_grad_(), arguments


@settings(deadline=None, max_examples=300, derandomize=True)
@given(poolings())
def test_values_and_gradients_are_pytorchs(drawn: tuple[int, Tensor, dict[str, Any]]) -> None:
    axes, x, arguments = drawn
    try:
        expected = THEIRS[axes](x, **arguments)
    except RuntimeError:
        with pytest.raises(ShapeError):
            OURS[axes](x, **arguments)
        return
    found = OURS[axes](x, **arguments)
    torch.testing.assert_close(found, expected, **TIGHT)
    upstream = torch.arange(1.0, found.numel() + 1).double().view_as(found)
    (slope,) = torch.autograd.grad(found, x, upstream)
    (known,) = torch.autograd.grad(expected, x, upstream)
    torch.testing.assert_close(slope, known, **TIGHT)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_gradient_is_the_slope(axes: int) -> None:
    x = torch.randn(1, 2, *[4] * axes, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: OURS[axes](x, 3, 2, 1, ceil_mode=True, count_include_pad=False), x
    )


def test_what_counts() -> None:
    """Four ones, a zero at each end; of the last window one cell is the map's, one beyond."""
    x = torch.ones(1, 4)
    found = ops.avg_pool1d(x, 3, 2, 1, ceil_mode=True)
    assert found.tolist()[0] == pytest.approx([2 / 3, 1, 1 / 2])
    assert ops.avg_pool1d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False).tolist() == [
        [1, 1, 1]
    ]


def test_not_a_number_stays_in_its_windows() -> None:
    x = torch.tensor([[torch.inf, 1.0, 2.0, torch.nan, 3.0, 4.0]])
    assert str(ops.avg_pool1d(x, 2).tolist()) == str(F.avg_pool1d(x, 2).tolist())


def test_means_of_int64_are_cut_off_towards_zero() -> None:
    x = torch.arange(-18, 18).view(1, 6, 6)
    for padding in (0, 1):
        found = ops.avg_pool2d(x, 3, 2, padding)
        assert found.dtype == torch.int64
        assert found.equal(F.avg_pool2d(x, 3, 2, padding))


def test_shapes_without_numbers() -> None:
    assert ops.avg_pool2d(torch.empty(2, 3, 9, 8, device="meta"), 2).shape == (2, 3, 4, 4)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_signature_is_pytorchs(axes: int) -> None:
    """PyTorch's are built in, so that only the first line of their documentation tells."""
    documented = (THEIRS[axes].__doc__ or "").strip().splitlines()[0]
    ours = inspect.signature(OURS[axes])
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in ours.parameters.values()]
    assert f"avg_pool{axes}d{inspect.Signature(bare)} -> Tensor" == documented


@pytest.mark.parametrize(
    ("shape", "arguments", "error", "said"),
    [
        ((1, 4, 4), {"kernel_size": 0}, ShapeError, "kernel is 0, but it must be at least 1"),
        ((1, 4, 4), {"kernel_size": "2"}, ArgumentTypeError, "kernel_size is '2'"),
        ((1, 4, 4), {"kernel_size": 2, "stride": 0}, ShapeError, "stride is 0"),
        ((1, 4, 4), {"kernel_size": 2, "padding": -1}, ShapeError, "padding is −1"),
        ((1, 4, 4), {"kernel_size": 3, "padding": 2}, ShapeError, "⌊3/2⌋ = 1"),
        ((1, 4, 4), {"kernel_size": 5}, ShapeError, r"⌊\(4\+2·0−5\)/5⌋\+1 = 0; the smallest"),
        ((1, 4, 4), {"kernel_size": 2, "divisor_override": 0}, ConfigError, "override is 0"),
        ((1, 4, 4), {"kernel_size": 2, "divisor_override": 2.0}, ArgumentTypeError, "is 2.0"),
        ((1, 0, 4), {"kernel_size": 1}, ShapeError, r"input has shape \(1, 0, 4\)"),
        ((2, 0, 4, 4), {"kernel_size": 1}, ShapeError, r"input has shape \(2, 0, 4, 4\)"),
        ((1, 1, 1, 4, 4), {"kernel_size": 1}, ShapeError, r"input has shape \(1, 1, 1, 4, 4\)"),
    ],
)
def test_what_pytorch_refuses_is_refused_with_the_reason(
    shape: tuple[int, ...], arguments: dict[str, Any], error: type[ConvAtlasError], said: str
) -> None:
    x = torch.zeros(shape)
    with pytest.raises((RuntimeError, TypeError)):
        F.avg_pool2d(x, **arguments)
    with pytest.raises(error, match=said):
        ops.avg_pool2d(x, **arguments)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.bool, torch.complex64])
def test_number_formats_that_pytorch_does_not_average(dtype: torch.dtype) -> None:
    with pytest.raises(ArgumentTypeError, match=f"input is {dtype}"):
        ops.avg_pool2d(torch.zeros(1, 4, 4, dtype=dtype), 2)
