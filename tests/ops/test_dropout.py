from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from convatlas import ops
from convatlas.errors import ArgumentTypeError, ConfigError, ConvAtlasError

X = torch.linspace(1, 2, 100_000, dtype=torch.float64)
rates = pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9])


@rates
def test_a_number_is_dropped_or_scaled(p: float) -> None:
    torch.manual_seed(0)
    y = ops.dropout(X, p)
    kept = y != 0
    torch.testing.assert_close(y[kept], X[kept] / (1 - p), rtol=1e-15, atol=0)


@rates
def test_as_many_are_kept_as_should_be_and_none_cares_for_its_neighbour(p: float) -> None:
    """Each of the counts is binomial: within 4 standard deviations for this seed."""
    torch.manual_seed(0)
    kept = ops.dropout(X, p) != 0

    def expect(count: int, n: int, q: float) -> None:
        assert abs(count - n * q) < 4 * math.sqrt(n * q * (1 - q))

    expect(int(kept.sum()), len(X), 1 - p)
    for half in kept.chunk(2):
        expect(int(half.sum()), len(half), 1 - p)
    pairs = kept.view(-1, 2)  # apart, so that the pairs too are independent
    expect(int(pairs.all(1).sum()), len(pairs), (1 - p) ** 2)


@rates
def test_the_mean_stays(p: float) -> None:
    torch.manual_seed(0)
    y = ops.dropout(X, p)
    # Var y = x²·p/(1 − p)
    deviation = math.sqrt(float(X.square().mean()) * p / (1 - p) / len(X))
    assert abs(float(y.mean() - X.mean())) < 4 * deviation


@rates
def test_the_slope_is_the_scaled_mask(p: float) -> None:
    torch.manual_seed(0)
    x = X[:1000].clone().requires_grad_()
    y = ops.dropout(x, p)
    (slope,) = torch.autograd.grad(y.sum(), x)
    expected = (y != 0).to(x.dtype) / (1 - p)
    torch.testing.assert_close(slope, expected, rtol=1e-15, atol=0)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.lists(st.integers(0, 4), max_size=3),
    st.floats(0, 1),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_the_same_seed_gives_pytorchs_numbers(
    shape: list[int], p: float, training: bool, inplace: bool, seed: int
) -> None:
    x = torch.linspace(-1, 1, math.prod(shape), dtype=torch.float64).view(shape)
    torch.manual_seed(seed)
    found = ops.dropout(x.clone(), p, training, inplace)
    torch.manual_seed(seed)
    expected = F.dropout(x.clone(), p, training, inplace)
    torch.testing.assert_close(found, expected, rtol=1e-15, atol=0)


def test_two_calls_draw_two_masks_and_a_seed_repeats_one() -> None:
    torch.manual_seed(7)
    first, second = ops.dropout(X), ops.dropout(X)
    torch.manual_seed(7)
    assert torch.equal(ops.dropout(X), first)
    assert not torch.equal(first, second)


def test_nothing_is_dropped_at_0_everything_at_1_and_nothing_in_evaluation() -> None:
    before = torch.get_rng_state()
    assert ops.dropout(X, 0) is X
    assert ops.dropout(X, 0.7, training=False) is X
    assert ops.dropout(X, 1, training=False) is X
    x = X.clone().requires_grad_()
    y = ops.dropout(x, 1)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert not y.any()
    assert not slope.any()
    assert torch.equal(torch.get_rng_state(), before)  # and nothing was drawn


def test_integers_where_nothing_is_scaled() -> None:
    x = torch.tensor([1, 2])
    assert ops.dropout(x, 0).tolist() == [1, 2]
    assert ops.dropout(x, 1).tolist() == [0, 0]
    assert ops.dropout(x, 0.5, training=False).tolist() == [1, 2]


def test_in_place() -> None:
    torch.manual_seed(0)
    x = torch.ones(100)
    assert ops.dropout(x, 0.5, inplace=True) is x
    assert set(x.tolist()) == {0.0, 2.0}
    leaf = torch.ones(100).requires_grad_()
    y = ops.dropout(leaf * 1, 0.5, inplace=True)
    y.sum().backward()
    assert torch.equal(leaf.grad, y)  # of ones: the scaled mask is both


def test_half_formats_and_shapes_alone() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        assert set(ops.dropout(torch.ones(100, dtype=dtype)).tolist()) == {0.0, 2.0}
    assert ops.dropout(torch.empty(2, 3, device="meta")).shape == (2, 3)


def test_signature(parameters: Callable[..., Any]) -> None:
    assert parameters(ops.dropout) == parameters(F.dropout)


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        ((X, -0.1), ConfigError, "p is -0.1, .* from 0 to 1"),
        ((X, 1.5), ConfigError, "p is 1.5, .* from 0 to 1"),
        ((X, 1.5, False), ConfigError, "p is 1.5, .* from 0 to 1"),
        ((X, math.nan), ConfigError, "p is nan, .* from 0 to 1"),
        ((X, "half"), ArgumentTypeError, "p is 'half'"),
        ((X, None), ArgumentTypeError, "p is None"),
        ((X.long(), 0.5), ArgumentTypeError, "input is torch.int64"),
        ((X.cfloat(), 0.5), ArgumentTypeError, "input is torch.complex64"),
        (([1.0],), ArgumentTypeError, "input is a list"),
        ((X.clone().requires_grad_(), 0.5, True, True), ConfigError, "inplace is True"),
    ],
)
def test_what_pytorch_refuses(args: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        ops.dropout(*args)
    assert isinstance(raised.value, ConvAtlasError)
