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


def some(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()


@settings(deadline=None, max_examples=80, derandomize=True)
@given(
    st.lists(st.integers(0, 4), min_size=3, max_size=6),
    st.integers(1, 7),
    st.sampled_from([1e-4, 0.5, 2.0]),
    st.sampled_from([0.5, 0.75, 1.0]),
    st.sampled_from([1.0, 2.0]),
    st.integers(0, 2**31),
)
def test_values_and_slopes_are_pytorchs(
    agree: Callable[..., None],
    shape: list[int],
    size: int,
    alpha: float,
    beta: float,
    k: float,
    seed: int,
) -> None:
    x = some(*shape, seed=seed)
    layers = ops.local_response_norm, F.local_response_norm
    # sums of at most 7 squares in another order
    agree(*layers, x, size, alpha, beta, k, rtol=1e-12, atol=1e-13)


def test_slopes_are_those_of_finite_differences() -> None:
    def layer(x: Tensor) -> Tensor:
        return ops.local_response_norm(x, 3, 0.5, 0.75, 2.0)

    x = some(2, 4, 2)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_the_papers_sum_by_hand() -> None:
    """Krizhevsky et al. 2012, section 3.3, with its own α, of channels one by one."""
    x, n, alpha, beta, k = some(1, 7, 2, 2).detach(), 5, 1e-1, 0.75, 2.0
    found = ops.local_response_norm(x, n, n * alpha, beta, k)
    for i in range(7):
        first, last = max(0, i - n // 2), min(7 - 1, i + n // 2)
        total = sum(x[:, j] ** 2 for j in range(first, last + 1))
        expected = x[:, i] / (k + alpha * total) ** beta
        torch.testing.assert_close(found[:, i], expected, rtol=1e-14, atol=0)


def test_shapes_alone() -> None:
    assert ops.local_response_norm(torch.empty(2, 6, 3, 3, device="meta"), 5).shape == (2, 6, 3, 3)


def test_signature(parameters: Callable[..., Any]) -> None:
    assert parameters(ops.local_response_norm) == parameters(F.local_response_norm)


X = torch.zeros(2, 3, 4)


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        ((X[0], 2), ShapeError, r"input has shape \(3, 4\), .* at least 3"),
        ((X, 0), ShapeError, "size is 0, .* at least 1"),
        ((X, -1), ShapeError, "size is -1, .* at least 1"),
        ((X, 2.0), ArgumentTypeError, "size is 2.0"),
        ((X, True), ArgumentTypeError, "size is True"),
        ((X, 2, "a"), ArgumentTypeError, "alpha is 'a'"),
        ((X, 2, 1.0, None), ArgumentTypeError, "beta is None"),
        ((X, 2, 1.0, 1.0, [1.0]), ArgumentTypeError, r"k is \[1.0\]"),
        ((X.cfloat(), 2), ArgumentTypeError, "input is torch.complex64"),
        (([1.0], 2), ArgumentTypeError, "input is a list"),
    ],
)
def test_what_pytorch_refuses(args: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        ops.local_response_norm(*args)
    assert isinstance(raised.value, ConvAtlasError)
