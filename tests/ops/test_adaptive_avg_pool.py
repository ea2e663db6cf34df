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

OURS: dict[int, Callable[..., Tensor]] = {
    1: ops.adaptive_avg_pool1d,
    2: ops.adaptive_avg_pool2d,
    3: ops.adaptive_avg_pool3d,
}
THEIRS: dict[int, Callable[..., Tensor]] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}
#: means of means against one sum: a few units in the last place of float64
TIGHT = {"rtol": 1e-13, "atol": 1e-14}


@st.composite
def poolings(draw: st.DrawFn) -> tuple[int, Tensor, Any]:
    """Axes, an input and an output_size, smaller or greater than the input, or none at all."""
    axes = draw(st.integers(1, 3))
    sizes = st.integers(0, 9) if axes == 1 else st.none() | st.integers(0, 9)
    wanted = draw(st.integers(0, 9) | st.tuples(*[sizes] * axes))
    size = tuple(draw(st.integers(1, 7)) for _ in range(axes))
    shapes = [(0, 1), (1, 2), (2, 1), (2,), (0,)]
    if axes < 3:  # no channels are no trouble here, but to PyTorch they are in three dimensions
        shapes.append((2, 0))
    shape = draw(st.sampled_from(shapes)) + size
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    return axes, x.requires_grad_(), wanted


@settings(deadline=None, max_examples=300, derandomize=True)
@given(poolings())
def test_values_and_gradients_are_pytorchs(drawn: tuple[int, Tensor, Any]) -> None:
    axes, x, wanted = drawn
    found, expected = OURS[axes](x, wanted), THEIRS[axes](x, wanted)
    torch.testing.assert_close(found, expected, **TIGHT)
    upstream = torch.arange(1.0, found.numel() + 1).double().view_as(found)
    (slope,) = torch.autograd.grad(found, x, upstream)
    if not found.numel():  # PyTorch makes a map without cells, but refuses its gradient
        assert slope.count_nonzero() == 0
        return
    (known,) = torch.autograd.grad(expected, x, upstream)
    torch.testing.assert_close(slope, known, **TIGHT)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_gradient_is_the_slope(axes: int) -> None:
    x = torch.randn(1, 2, *[4] * axes, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: OURS[axes](x, 3), x)


def test_windows_differ_in_size_and_overlap() -> None:
    """Three of five cells: 0 and 1, 1 to 3, 3 and 4."""
    x = torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0]])
    assert ops.adaptive_avg_pool1d(x, 3).tolist() == [[0.5, 2, 3.5]]


def test_not_a_number_stays_in_its_windows() -> None:
    x = torch.tensor([[torch.inf, 1.0, 2.0, torch.nan, 3.0, 4.0]])
    assert str(ops.adaptive_avg_pool1d(x, 3).tolist()) == str(F.adaptive_avg_pool1d(x, 3).tolist())


def test_shapes_without_numbers() -> None:
    x = torch.empty(2, 3, 9, 8, device="meta")
    assert ops.adaptive_avg_pool2d(x, (4, None)).shape == (2, 3, 4, 8)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_signature_is_pytorchs(axes: int) -> None:
    ours = inspect.signature(OURS[axes])
    assert list(ours.parameters) == ["input", "output_size"]
    assert THEIRS[axes](input=torch.ones(1, *[2] * axes), output_size=1).numel() == 1
    assert OURS[axes](input=torch.ones(1, *[2] * axes), output_size=1).numel() == 1


@pytest.mark.parametrize(
    ("axes", "shape", "output_size", "error", "said"),
    [
        (1, (1, 4), -1, ShapeError, r"output_size is \(-1,\), but it must be at least 0"),
        (1, (1, 4), (1, 2), ShapeError, r"output_size is \(1, 2\)"),
        (1, (1, 4), None, ArgumentTypeError, "output_size is None"),
        (1, (1, 4), (None,), ArgumentTypeError, r"output_size is \(None,\)"),
        (1, (4,), 1, ShapeError, r"input has shape \(4,\)"),
        (2, (1, 4, 4), (3,), ShapeError, r"output_size is \(3,\), but it must be one number or 2"),
        (2, (1, 4, 4), (2, -1), ShapeError, r"output_size is \(2, -1\)"),
        (2, (1, 4, 4), 2.0, ArgumentTypeError, "output_size is 2.0"),
        (2, (1, 4, 4), True, ArgumentTypeError, "output_size is True"),
        (2, (1, 4, 4), None, ArgumentTypeError, "output_size is None"),
        (2, (1, 0, 4), 2, ShapeError, r"input has shape \(1, 0, 4\)"),
        (2, (4, 4), (None, 2), ShapeError, r"input has shape \(4, 4\)"),
        (3, (1, 4, 4, 4), (1, 2), ShapeError, r"output_size is \(1, 2\)"),
    ],
)
def test_what_pytorch_refuses_is_refused_with_the_reason(
    axes: int, shape: tuple[int, ...], output_size: Any, error: type[ConvAtlasError], said: str
) -> None:
    x = torch.zeros(shape)
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        THEIRS[axes](x, output_size)
    with pytest.raises(error, match=said):
        OURS[axes](x, output_size)


def test_a_map_without_cells_has_no_mean() -> None:
    """PyTorch answers NaN for a single cell, and refuses more."""
    with pytest.raises(ShapeError, match=r"input has shape \(2, 3, 0\)"):
        ops.adaptive_avg_pool1d(torch.zeros(2, 3, 0), 1)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_number_formats_that_pytorch_does_not_average(dtype: torch.dtype) -> None:
    with pytest.raises(ArgumentTypeError, match=f"input is {dtype}"):
        ops.adaptive_avg_pool2d(torch.zeros(1, 4, 4, dtype=dtype), 2)
