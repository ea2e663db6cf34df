from __future__ import annotations

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


@st.composite
def calls(draw: st.DrawFn) -> tuple[Any, ...]:
    """An input, some of its last axes, and a weight and a bias of their shape or none."""
    shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    last = shape[-draw(st.integers(1, len(shape))) :]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def some(shape: list[int]) -> Tensor:
        x = torch.randn(shape, dtype=torch.float64, generator=generator)
        return x.requires_grad_()

    vectors = [some(last) if draw(st.booleans()) else None for _ in range(2)]
    return some(shape), last, *vectors, draw(st.sampled_from([1e-5, 1e-3, 0.5]))


@settings(deadline=None, max_examples=100, derandomize=True)
@given(calls())
def test_values_and_slopes_are_pytorchs(agree: Callable[..., None], call: Any) -> None:
    # numbers that lie close have a slope of up to 1/√ε = 316 times their rounding
    agree(ops.layer_norm, F.layer_norm, *call, rtol=1e-10, atol=1e-11)


def test_slopes_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w, b = (
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in ((2, 2, 3), (2, 3), (2, 3))
    )

    def layer(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return ops.layer_norm(x, (2, 3), w, b)

    assert torch.autograd.gradcheck(layer, (x, w, b))
    assert torch.autograd.gradgradcheck(layer, (x, w, b))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("beside", ["the same", "float32"])
def test_half_formats_are_exact_but_for_the_last_rounding(dtype: torch.dtype, beside: str) -> None:
    """The squares of these would overflow float16."""
    x = (1000 * torch.randn(8, 6, generator=torch.Generator().manual_seed(0))).to(dtype)
    vectors = torch.ones(2, 6, dtype=dtype if beside == "the same" else torch.float32)
    found = ops.layer_norm(x, (6,), *vectors)
    assert found.dtype == dtype
    exact = F.layer_norm(x.double(), (6,), *vectors.double())
    torch.testing.assert_close(found.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_shapes_alone() -> None:
    x, v = torch.empty(2, 3, 4, device="meta"), torch.empty(3, 4, device="meta")
    assert ops.layer_norm(x, v.shape, v, v).shape == x.shape


def test_signature(parameters: Callable[..., Any]) -> None:
    assert parameters(ops.layer_norm) == parameters(F.layer_norm)


X = torch.zeros(2, 3, 4)


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        ((X, ()), ShapeError, r"normalized_shape is \(\), .* the last axes, one or more"),
        ((X, (3,)), ShapeError, r"normalized_shape is \(3,\), .* of the input \(2, 3, 4\)"),
        ((X, (1, 2, 3, 4)), ShapeError, r"normalized_shape is \(1, 2, 3, 4\)"),
        ((X.sum(), ()), ShapeError, r"normalized_shape is \(\)"),
        ((X, 4), ArgumentTypeError, "normalized_shape is 4, .* a tuple of integers"),
        ((X, (4.0,)), ArgumentTypeError, r"normalized_shape is \(4.0,\)"),
        ((X, (3, 4), torch.ones(4)), ShapeError, r"weight has shape \(4,\), .* be \(3, 4\)"),
        ((X, (3, 4), None, torch.ones(12)), ShapeError, r"bias has shape \(12,\), .* be \(3, 4\)"),
        ((X, (4,), torch.ones(4).double()), ArgumentTypeError, "weight is torch.float64"),
        ((X, (4,), None, None, None), ArgumentTypeError, "eps is None"),
        ((X.long(), (4,)), ArgumentTypeError, "input is torch.int64"),
        (([1.0], (1,)), ArgumentTypeError, "input is a list"),
    ],
)
def test_what_pytorch_refuses(args: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        ops.layer_norm(*args)
    assert isinstance(raised.value, ConvAtlasError)
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        F.layer_norm(*args)
