from __future__ import annotations

import doctest
import importlib
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
def layers(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor | None]:
    """An input of any shape, a weight of rows or of one row, a bias or none."""
    before = draw(st.lists(st.integers(0, 3), max_size=3))
    features = draw(st.integers(0, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    outputs = draw(st.lists(st.integers(0, 4), max_size=1))

    def some(*shape: int) -> Tensor:
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        return x.requires_grad_()

    # with a bias PyTorch multiplies by a single row only where the input is a single sample
    may_have_bias = bool(outputs) or not before
    bias = some(*outputs) if may_have_bias and draw(st.booleans()) else None
    return some(*before, features), some(*outputs, features), bias


@settings(deadline=None, max_examples=80, derandomize=True)
@given(layers())
def test_values_and_slopes_are_pytorchs(agree: Callable[..., None], layer: Any) -> None:
    # sums of at most 4·27 products of order 1, in another order
    agree(ops.linear, F.linear, *layer, rtol=1e-12, atol=1e-13)


def test_slopes_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w, b = (
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in ((2, 2, 3), (4, 3), (4,))
    )
    assert torch.autograd.gradcheck(ops.linear, (x, w, b))
    assert torch.autograd.gradgradcheck(ops.linear, (x, w, b))


def test_a_single_row_with_its_bias() -> None:
    """PyTorch documents it, but adds such a bias for a single sample only."""
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    found = ops.linear(x, torch.tensor([1.0, 10.0]), torch.tensor(0.5))
    assert found.tolist() == [21.5, 43.5]


def test_integers_and_shapes_alone() -> None:
    assert ops.linear(torch.tensor([1, 2]), torch.tensor([[3, 4]])).tolist() == [11]
    x, w, b = (torch.empty(shape, device="meta") for shape in ((5, 3), (4, 3), (4,)))
    assert ops.linear(x, w, b).shape == (5, 4)


def test_the_example_of_the_docstring() -> None:
    module = importlib.import_module("convatlas.ops.linear")
    result = doctest.testmod(module, extraglobs={"torch": torch})
    assert result.attempted == 3
    assert result.failed == 0


X, W = torch.zeros(2, 3), torch.zeros(4, 3)


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        ((X, torch.zeros(4, 2)), ShapeError, r"weight has shape \(4, 2\), .* \(out_features, 3\)"),
        ((X, torch.zeros(2, 4, 3)), ShapeError, r"weight has shape \(2, 4, 3\)"),
        ((X, torch.zeros(())), ShapeError, r"weight has shape \(\)"),
        ((X.sum(), W), ShapeError, r"input has shape \(\)"),
        ((X, W, torch.zeros(3)), ShapeError, r"bias has shape \(3,\), .* must be \(4,\)"),
        ((X, W, torch.zeros(1)), ShapeError, r"bias has shape \(1,\), .* must be \(4,\)"),
        ((X, W[0], torch.zeros(1)), ShapeError, r"bias has shape \(1,\), .* must be \(\)"),
        ((X, W.double()), ArgumentTypeError, "weight is torch.float64"),
        ((X, W, torch.zeros(4).half()), ArgumentTypeError, "bias is torch.float16"),
        (([1, 2, 3], W), ArgumentTypeError, "input is a list"),
    ],
)
def test_what_is_refused(args: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        ops.linear(*args)
    assert isinstance(raised.value, ConvAtlasError)
