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

POOLS: dict[int, Callable[..., Any]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
OURS: dict[int, Callable[..., Tensor]] = {
    1: ops.max_unpool1d,
    2: ops.max_unpool2d,
    3: ops.max_unpool3d,
}
THEIRS: dict[int, Callable[..., Tensor]] = {
    1: F.max_unpool1d,
    2: F.max_unpool2d,
    3: F.max_unpool3d,
}


@st.composite
def unpoolings(draw: st.DrawFn) -> tuple[int, Tensor, Tensor, dict[str, Any]]:
    """Axes, a pooled map with its indices, and arguments; many an output_size is out of reach.

    Every place is met once (PyTorch does not say which of two maxima stays).
    """
    axes = draw(st.integers(1, 3))

    def each(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(axes))

    kernel, padding = each(2, 3), each(0, 1)
    stride = draw(st.sampled_from([None, kernel, tuple(k + 1 for k in kernel)]))
    size = each(3, 8)
    shape = draw(st.sampled_from([(0, 1), (1, 2), (2, 1), (2,)])) + size
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    pooled, indices = POOLS[axes](x, kernel, stride, padding, return_indices=True)
    wanted = tuple(n + draw(st.integers(-1, 3)) for n in size)
    arguments = {
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "output_size": draw(st.sampled_from([None, size, (9, 9, *size), wanted])),
    }
    return axes, pooled.requires_grad_(), indices, arguments


@settings(deadline=None, max_examples=300, derandomize=True)
@given(unpoolings())
def test_values_and_gradients_are_pytorchs(
    drawn: tuple[int, Tensor, Tensor, dict[str, Any]],
) -> None:
    axes, x, indices, arguments = drawn
    try:
        expected = THEIRS[axes](x, indices, **arguments)
    except (RuntimeError, ValueError):
        with pytest.raises(ShapeError):
            OURS[axes](x, indices, **arguments)
        return
    found = OURS[axes](x, indices, **arguments)
    assert found.equal(expected)  # nothing is computed, only moved
    upstream = torch.arange(1.0, found.numel() + 1).double().view_as(found)
    (slope,) = torch.autograd.grad(found, x, upstream)
    (known,) = torch.autograd.grad(expected, x, upstream)
    assert slope.equal(known)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_gradient_is_the_slope(axes: int) -> None:
    x = torch.randn(1, 2, *[4] * axes, dtype=torch.float64)
    pooled, indices = POOLS[axes](x, 2, return_indices=True)
    assert torch.autograd.gradcheck(lambda p: OURS[axes](p, indices, 2), pooled.requires_grad_())


def test_what_comes_back_and_what_is_lost() -> None:
    x = torch.tensor([[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 8.0, 7.0]]])
    values, indices = ops.max_pool2d(x, 2, return_indices=True)
    assert ops.max_unpool2d(values, indices, 2).tolist() == [[[0, 0, 0, 0], [0, 4, 8, 0]]]


@pytest.mark.parametrize("size", [4, 5])
def test_the_output_size_says_which_map_it_was(size: int) -> None:
    x = torch.arange(1.0, size + 1).view(1, size)
    values, indices = ops.max_pool1d(x, 2, return_indices=True)
    assert ops.max_unpool1d(values, indices, 2).shape == (1, 4)
    assert ops.max_unpool1d(values, indices, 2, output_size=x.shape[1:]).shape == x.shape


def test_a_padded_map_of_one_cell_is_found_again() -> None:
    """By the formula there would be none: (1−1)·2 − 2·1 + 2 = 0."""
    x = torch.tensor([[5.0]])
    values, indices = ops.max_pool1d(x, 2, 2, 1, return_indices=True)
    assert ops.max_unpool1d(values, indices, 2, 2, 1, output_size=(1,)).tolist() == [[5]]


def test_shapes_without_numbers() -> None:
    x = torch.empty(2, 3, 4, 4, device="meta")
    assert ops.max_unpool2d(x, x.long(), 2).shape == (2, 3, 8, 8)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_signature_is_pytorchs(axes: int) -> None:
    ours, theirs = inspect.signature(OURS[axes]), inspect.signature(THEIRS[axes])
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


@pytest.mark.parametrize(
    ("indices", "arguments", "error", "said"),
    [
        (
            torch.zeros(1, 2, 3).long(),
            {},
            ShapeError,
            r"indices has shape \(1, 2, 3\).*\(1, 2, 2\)",
        ),
        (torch.zeros(1, 2, 2).int(), {}, ArgumentTypeError, "indices is torch.int32"),
        (torch.zeros(1, 2, 2), {}, ArgumentTypeError, "indices is torch.float32"),
        (torch.full((1, 2, 2), 16), {}, ShapeError, "indices holds 16.* less than 4·4 = 16"),
        (
            torch.full((1, 2, 2), -1),
            {},
            ShapeError,
            "indices holds -1, but each must be at least 0",
        ),
        (None, {"output_size": (4, 6)}, ShapeError, r"between 3 and 5.*\(2−1\)·2−2·0\+2 = 4"),
        (None, {"output_size": (2, 4)}, ShapeError, "output_size is 2"),
        (None, {"output_size": (1, 4, 4)}, ShapeError, r"output_size is \(1, 4, 4\)"),
        (None, {"output_size": 4}, ArgumentTypeError, "output_size is 4, but"),
        (None, {"output_size": (4.0, 4)}, ArgumentTypeError, r"output_size is \(4.0, 4\)"),
        (None, {"kernel_size": 2.0}, ArgumentTypeError, "kernel_size is 2.0"),
    ],
)
def test_what_pytorch_refuses_is_refused_with_the_reason(
    indices: Tensor | None, arguments: dict[str, Any], error: type[ConvAtlasError], said: str
) -> None:
    x = torch.zeros(1, 2, 2)
    places = torch.zeros(1, 2, 2).long() if indices is None else indices
    given = {"kernel_size": 2, **arguments}
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        F.max_unpool2d(x, places, **given)
    with pytest.raises(error, match=said):
        ops.max_unpool2d(x, places, **given)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kernel_size": 2, "stride": 0}, "stride is 0"),
        ({"kernel_size": 0, "stride": 2}, "kernel is 0"),
        ({"kernel_size": 2, "padding": -1}, "padding is −1"),
    ],
)
def test_sizes_that_mean_nothing_are_refused_though_pytorch_takes_them(
    arguments: dict[str, int], said: str
) -> None:
    x = torch.zeros(1, 2, 2)
    with pytest.raises(ShapeError, match=said):
        ops.max_unpool2d(x, x.long(), **arguments)
