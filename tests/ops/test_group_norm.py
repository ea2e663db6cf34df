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
    """A batch of 2 to 5 axes, groups that divide its channels, a weight and a bias or none."""
    groups, within = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    # PyTorch's derivatives of empty maps are nan
    pictures, size = draw(st.integers(0, 3)), draw(st.lists(st.integers(1, 3), max_size=3))
    if pictures * within * torch.Size(size).numel() == 1:
        pictures = 2
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def some(*shape: int) -> Tensor:
        x = torch.randn(shape, dtype=torch.float64, generator=generator)
        return x.requires_grad_()

    channels = groups * within
    # PyTorch's derivative by a bias fails where there is no weight
    count = draw(st.integers(0, 2))
    vectors = [some(channels) if i < count else None for i in range(2)]
    x = some(pictures, channels, *size)
    return x, groups, *vectors, draw(st.sampled_from([1e-5, 1e-3, 0.5]))


@settings(deadline=None, max_examples=100, derandomize=True)
@given(calls())
def test_values_and_slopes_are_pytorchs(agree: Callable[..., None], call: Any) -> None:
    # numbers that lie close have a slope of up to 1/√ε = 316 times their rounding
    agree(ops.group_norm, F.group_norm, *call, rtol=1e-10, atol=1e-11)


def test_slopes_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w, b = (
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in ((2, 4, 2), (4,), (4,))
    )

    def layer(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return ops.group_norm(x, 2, w, b)

    assert torch.autograd.gradcheck(layer, (x, w, b))
    assert torch.autograd.gradgradcheck(layer, (x, w, b))


def test_one_group_is_layer_norm_and_as_many_as_channels_are_instance_norm() -> None:
    x = torch.randn(2, 6, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ops.group_norm(x, 1), ops.layer_norm(x, (6, 3, 3)))
    torch.testing.assert_close(ops.group_norm(x, 6), ops.instance_norm(x))


def test_channels_last() -> None:
    x = torch.randn(2, 6, 3, 3, generator=torch.Generator().manual_seed(0))
    last = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(ops.group_norm(last, 2), F.group_norm(x, 2))


@pytest.mark.parametrize("pictures", [0, 2])
def test_a_bias_without_a_weight(pictures: int) -> None:
    x, b = torch.ones(pictures, 4, 3), torch.arange(4.0).requires_grad_()
    y = ops.group_norm(x, 2, bias=b)
    y.sum().backward()
    assert torch.equal(y, b[:, None].expand_as(x))
    assert b.grad.tolist() == [3 * pictures] * 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("beside", ["the same", "float32"])
def test_half_formats_are_exact_but_for_the_last_rounding(dtype: torch.dtype, beside: str) -> None:
    """The squares of these would overflow float16."""
    x = (1000 * torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))).to(dtype)
    vectors = torch.ones(2, 4, dtype=dtype if beside == "the same" else torch.float32)
    found = ops.group_norm(x, 2, *vectors)
    assert found.dtype == dtype
    exact = F.group_norm(x.double(), 2, *vectors.double())
    torch.testing.assert_close(found.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_shapes_alone() -> None:
    x, v = torch.empty(2, 4, 3, 3, device="meta"), torch.empty(4, device="meta")
    assert ops.group_norm(x, 2, v, v).shape == x.shape


def test_signature(parameters: Callable[..., Any]) -> None:
    assert parameters(ops.group_norm) == parameters(F.group_norm)


X, TWO = torch.zeros(2, 7, 4), torch.ones(2)


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        ((X, 2), ShapeError, r"num_groups is 2, .* divide the 7 channels .* 7 = 3·2 \+ 1"),
        ((X, 14), ShapeError, r"num_groups is 14, .* 7 = 0·14 \+ 7"),
        ((X, 0), ShapeError, "num_groups is 0, .* at least 1"),
        ((X, -7), ShapeError, "num_groups is -7, .* at least 1"),
        ((X, 7.0), ArgumentTypeError, "num_groups is 7.0"),
        ((X, True), ArgumentTypeError, "num_groups is True"),
        ((X[0, 0], 1), ShapeError, r"input has shape \(4,\)"),
        ((X[:1, :, :1], 7), ShapeError, r"input has shape \(1, 7, 1\), .* 1·1·1 = 1 number"),
        ((X, 7, TWO), ShapeError, r"weight has shape \(2,\), but it must be \(7,\)"),
        ((X, 7, None, TWO), ShapeError, r"bias has shape \(2,\), but it must be \(7,\)"),
        ((X, 7, torch.ones(7).double()), ArgumentTypeError, "weight is torch.float64"),
        ((X, 7, None, None, None), ArgumentTypeError, "eps is None"),
        ((X.long(), 7), ArgumentTypeError, "input is torch.int64"),
        (([1.0], 1), ArgumentTypeError, "input is a list"),
    ],
)
def test_what_pytorch_refuses(args: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        ops.group_norm(*args)
    assert isinstance(raised.value, ConvAtlasError)
    with pytest.raises((RuntimeError, ValueError, TypeError, ArithmeticError, AttributeError)):
        F.group_norm(*args)
