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
from convatlas.errors import ArgumentTypeError, ConfigError, ConvAtlasError, ShapeError


@st.composite
def calls(draw: st.DrawFn) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A batch of 3 to 5 axes with any of the vectors, measured or not."""
    measured = draw(st.booleans())
    shape = draw(
        # with no picture at all PyTorch's averages become nan
        st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(0, 4)).flatmap(
            lambda s: st.lists(st.integers(1, 3), max_size=2).map(lambda more: [*s, *more])
        )
    )
    if torch.Size(shape[2:]).numel() == 1:
        shape[2] = 2
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    channels = shape[1]
    averages = not measured or draw(st.booleans())
    args = (
        some(*shape).mul(3).add(1).requires_grad_(),
        some(channels) if averages else None,
        some(channels).square() if averages else None,
        some(channels).requires_grad_() if draw(st.booleans()) else None,
        some(channels).requires_grad_() if draw(st.booleans()) else None,
    )
    numbers = {
        "use_input_stats": measured,
        "momentum": draw(st.sampled_from([0.0, 0.1, 0.9, 1.0])),
        "eps": draw(st.sampled_from([1e-5, 1e-3, 0.5])),
    }
    return args, numbers


@settings(deadline=None, max_examples=150, derandomize=True)
@given(calls())
def test_values_slopes_and_averages_are_pytorchs(agree: Callable[..., None], call: Any) -> None:
    args, numbers = call
    # numbers of a map that lie close have a slope of up to 1/√ε = 316 times their rounding
    agree(ops.instance_norm, F.instance_norm, *args, **numbers, rtol=1e-10, atol=1e-11)


def test_slopes_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w, b = (
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in ((2, 2, 3), (2,), (2,))
    )

    def layer(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return ops.instance_norm(x, weight=w, bias=b)

    assert torch.autograd.gradcheck(layer, (x, w, b))
    assert torch.autograd.gradgradcheck(layer, (x, w, b))


def test_no_pictures_move_nothing() -> None:
    mean, variance = torch.ones(3), torch.ones(3)
    assert ops.instance_norm(torch.empty(0, 3, 2), mean, variance).shape == (0, 3, 2)
    assert mean.tolist() == variance.tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("beside", ["the same", "float32"])
def test_half_formats_are_exact_but_for_the_last_rounding(dtype: torch.dtype, beside: str) -> None:
    """The squares of these would overflow float16."""
    x = (1000 * torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))).to(dtype)
    vectors = torch.ones(2, 3, dtype=dtype if beside == "the same" else torch.float32)
    found = ops.instance_norm(x, None, None, *vectors)
    assert found.dtype == dtype
    exact = F.instance_norm(x.double(), None, None, *vectors.double())
    torch.testing.assert_close(found.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_shapes_alone() -> None:
    x, v = torch.empty(2, 3, 4, 4, device="meta"), torch.empty(3, device="meta")
    for measured in (True, False):
        assert ops.instance_norm(x, v, v, v, v, measured).shape == x.shape


def test_signature(parameters: Callable[..., Any]) -> None:
    assert parameters(ops.instance_norm) == parameters(F.instance_norm)


X, ONES, TWO = torch.zeros(2, 3, 4, 4), torch.ones(3), torch.ones(2)


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        ((X[:, :, :1, :1],), ShapeError, r"input has shape \(2, 3, 1, 1\), .* 1·1 = 1 number"),
        ((X[:, :, 0, 0],), ShapeError, r"input has shape \(2, 3\), .* no axis = 1 number"),
        ((ONES,), ShapeError, r"input has shape \(3,\)"),
        ((X, TWO, ONES), ShapeError, r"running_mean has shape \(2,\), but it must be \(3,\)"),
        ((X, ONES, TWO), ShapeError, r"running_var has shape \(2,\), but it must be \(3,\)"),
        ((X, None, None, TWO), ShapeError, r"weight has shape \(2,\), but it must be \(3,\)"),
        ((X, None, None, None, TWO), ShapeError, r"bias has shape \(2,\), but it must be \(3,\)"),
        ((X, ONES), ConfigError, "running_var is None, .* both or neither"),
        ((X, None, ONES), ConfigError, "running_mean is None, .* both or neither"),
        ((X, None, None, None, None, False), ConfigError, "running_mean is None"),
        ((X, ONES, None, None, None, False), ConfigError, "running_var is None"),
        ((X, None, None, None, None, True, None), ArgumentTypeError, "momentum is None"),
        ((X, None, None, None, None, True, 0.1, "a"), ArgumentTypeError, "eps is 'a'"),
        ((X, None, None, ONES.double()), ArgumentTypeError, "weight is torch.float64"),
        ((X.long(),), ArgumentTypeError, "input is torch.int64"),
        (([1.0],), ArgumentTypeError, "input is a list"),
    ],
)
def test_what_pytorch_refuses(args: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        ops.instance_norm(*args)
    assert isinstance(raised.value, ConvAtlasError)
    with pytest.raises((RuntimeError, ValueError, TypeError, AttributeError)):
        F.instance_norm(*args)
