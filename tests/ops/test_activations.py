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

drawn = settings(deadline=None, max_examples=60, derandomize=True)
SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
SLOPES = st.floats(-2, 2)
SEEDS = st.integers(0, 2**31)

#: the same arithmetic in another order: a few units in the last place of float64
TIGHT = {"rtol": 1e-14, "atol": 1e-15}

PAIRS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor], Callable[..., Tensor]]] = {
    "sigmoid": (ops.sigmoid, F.sigmoid, ops.sigmoid_derivative),
    "tanh": (ops.tanh, F.tanh, ops.tanh_derivative),
    "relu": (ops.relu, F.relu, ops.relu_derivative),
    "leaky_relu": (ops.leaky_relu, F.leaky_relu, ops.leaky_relu_derivative),
    "rrelu": (ops.rrelu, F.rrelu, ops.rrelu_derivative),
}
every_pair = pytest.mark.parametrize(
    ("ours", "theirs", "derivative"), PAIRS.values(), ids=PAIRS.keys()
)


def numbers(shape: tuple[int, ...], seed: int) -> Tensor:
    """Normal numbers of many magnitudes, with zeros among them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    x = x * 10.0 ** torch.randint(-6, 3, shape, generator=generator)
    return torch.where(torch.rand(shape, generator=generator) < 0.1, 0.0, x).requires_grad_()


def slope(function: Callable[..., Tensor], x: Tensor, *args: Any) -> Tensor:
    (gradient,) = torch.autograd.grad(function(x, *args).sum(), x)
    return gradient


@drawn
@given(shape=SHAPES, seed=SEEDS)
@every_pair
def test_values_and_slopes_are_pytorchs(
    ours: Callable[..., Tensor],
    theirs: Callable[..., Tensor],
    derivative: Callable[..., Tensor],
    shape: tuple[int, ...],
    seed: int,
) -> None:
    x = numbers(shape, seed)
    torch.testing.assert_close(ours(x), theirs(x), **TIGHT)
    torch.testing.assert_close(slope(ours, x), slope(theirs, x), **TIGHT)
    torch.testing.assert_close(derivative(x.detach()), slope(theirs, x), **TIGHT)


@drawn
@given(shape=SHAPES, seed=SEEDS, a=SLOPES, width=st.floats(0, 2))
def test_slopes_that_are_given(shape: tuple[int, ...], seed: int, a: float, width: float) -> None:
    x = numbers(shape, seed)
    torch.testing.assert_close(ops.leaky_relu(x, a), F.leaky_relu(x, a), **TIGHT)
    torch.testing.assert_close(
        ops.leaky_relu_derivative(x.detach(), a), slope(F.leaky_relu, x, a), **TIGHT
    )
    torch.testing.assert_close(ops.rrelu(x, a, a + width), F.rrelu(x, a, a + width), **TIGHT)
    torch.testing.assert_close(
        ops.rrelu_derivative(x.detach(), a, a + width), slope(F.rrelu, x, a, a + width), **TIGHT
    )


@drawn
@given(shape=SHAPES, seed=SEEDS, one=st.booleans())
def test_prelu_and_its_slopes(shape: tuple[int, ...], seed: int, one: bool) -> None:
    x = numbers(shape, seed)
    channels = shape[1] if len(shape) > 1 and not one else 1
    weight = torch.linspace(-1, 1, channels, dtype=torch.float64).requires_grad_()
    found, expected = ops.prelu(x, weight), F.prelu(x, weight)
    torch.testing.assert_close(found, expected, **TIGHT)
    upstream = torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).view(shape)
    torch.testing.assert_close(
        torch.autograd.grad(found, (x, weight), upstream),
        torch.autograd.grad(expected, (x, weight), upstream),
        # the weight's is a sum of numbers up to a few hundred
        rtol=1e-13,
        atol=1e-12,
    )
    torch.testing.assert_close(ops.prelu_derivative(x, weight), slope(F.prelu, x, weight), **TIGHT)


def test_slopes_are_those_of_finite_differences() -> None:
    x = torch.tensor([-3.0, -0.5, 0.2, 4.0], dtype=torch.float64, requires_grad=True)
    for ours, _, _ in PAIRS.values():
        assert torch.autograd.gradcheck(ours, x)
    assert torch.autograd.gradgradcheck(ops.sigmoid, x)
    assert torch.autograd.gradgradcheck(ops.tanh, x)
    weight = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ops.prelu, (x, weight))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@every_pair
def test_no_power_overflows(
    ours: Callable[..., Tensor],
    theirs: Callable[..., Tensor],
    derivative: Callable[..., Tensor],
    dtype: torch.dtype,
) -> None:
    far = [0.0, 1.0, 12.0, 100.0, 6e4, float("inf")]
    x = torch.tensor([*far, *(-number for number in far)], dtype=dtype, requires_grad=True)
    torch.testing.assert_close(ours(x), theirs(x))
    found = slope(ours, x)
    assert found.isfinite().all()
    torch.testing.assert_close(found, slope(theirs, x))
    assert derivative(x.detach()).dtype == dtype
    assert ours(torch.tensor(float("nan"), dtype=dtype)).isnan()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_integers(dtype: torch.dtype) -> None:
    x = torch.tensor([0, 1, 5, 200]).to(dtype)
    torch.testing.assert_close(ops.sigmoid(x), F.sigmoid(x))
    torch.testing.assert_close(ops.tanh(x), F.tanh(x))
    if dtype != torch.bool:
        assert ops.relu(x).dtype == dtype
        assert ops.relu(-x.to(torch.int64)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_complex_numbers(name: str) -> None:
    z = torch.randn(50, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    z.requires_grad_()
    found, expected = getattr(ops, name)(z), getattr(F, name)(z)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(found.abs().sum(), z),
        torch.autograd.grad(expected.abs().sum(), z),
        rtol=1e-10,
        atol=1e-12,
    )


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "rrelu"])
def test_in_place(name: str) -> None:
    """The result is in the input's memory, and gradients flow as if it were not."""
    ours = getattr(ops, name)
    x = torch.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    y = x * 1
    result = ours(y, inplace=True)
    assert result is y
    torch.testing.assert_close(y, ours(x))
    (gradient,) = torch.autograd.grad((result * result).sum(), x)
    torch.testing.assert_close(gradient, slope(lambda x: ours(x) ** 2, x))
    with pytest.raises(ConvAtlasError, match="inplace is True, but input is a leaf"):
        ours(x, inplace=True)
    with torch.no_grad():
        assert ours(x, inplace=True) is x


def test_random_slopes_are_drawn_evenly_and_one_for_each_number() -> None:
    torch.manual_seed(0)
    lower, upper, n = 0.125, 1 / 3, 100_000
    x = torch.full((n,), -1.0, dtype=torch.float64, requires_grad=True)
    y = ops.rrelu(x, lower, upper, training=True)
    slopes = -y.detach()
    assert lower <= slopes.min()
    assert slopes.max() <= upper
    # n draws: each tenth of the interval gets n/10, give or take five standard deviations
    count = torch.histc(slopes, 10, lower, upper)
    assert (count - n / 10).abs().max() < 5 * (n * 0.1 * 0.9) ** 0.5
    # a number's gradient is its own slope
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], slopes)
    # neighbours know nothing of each other: their correlation is 0, give or take 5/√n
    pairs = torch.corrcoef(torch.stack([slopes[:-1], slopes[1:]]))
    assert pairs[0, 1].abs() < 5 / n**0.5


def test_random_slopes_touch_nothing_above_zero_and_leave_nothing_to_chance_between_equals() -> (
    None
):
    x = torch.linspace(-2, 2, 9)
    torch.testing.assert_close(ops.rrelu(x, training=True).clamp(min=0), x.clamp(min=0))
    torch.testing.assert_close(ops.rrelu(x, 0.3, 0.3, True), F.leaky_relu(x, 0.3))
    y = x.clone()
    assert ops.rrelu(y, 0.3, 0.3, True, inplace=True) is y
    torch.testing.assert_close(y, F.leaky_relu(x, 0.3))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "rrelu"])
def test_signatures(name: str) -> None:
    def plain(function: Callable[..., Any]) -> list[tuple[str, Any]]:
        return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]

    assert plain(getattr(ops, name)) == plain(getattr(F, name))


X = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: ops.relu(X.bool()), ArgumentTypeError, "input is torch.bool"),
        (lambda: ops.relu(X.cfloat()), ArgumentTypeError, "input is torch.complex64"),
        (lambda: ops.relu([1.0]), ArgumentTypeError, "input is a list"),
        (lambda: ops.sigmoid(1.0), ArgumentTypeError, "input is a float"),
        (lambda: ops.leaky_relu(X.long()), ArgumentTypeError, "input is torch.int64"),
        (lambda: ops.leaky_relu(X, "a"), ArgumentTypeError, "negative_slope is 'a'"),
        (lambda: ops.prelu(X.long(), X[0]), ArgumentTypeError, "input is torch.int64"),
        (lambda: ops.prelu(X, 0.1), ArgumentTypeError, "weight is a float"),
        (lambda: ops.prelu(X, X[0].double()), ArgumentTypeError, "weight is torch.float64"),
        (lambda: ops.prelu(X, X[:, 0]), ShapeError, r"weight has shape \(2,\).* \(3,\)"),
        (lambda: ops.prelu(X, X), ShapeError, r"weight has shape \(2, 3\)"),
        (lambda: ops.prelu(X[0], X[0]), ShapeError, r"weight has shape \(3,\).* \(1,\)"),
        (lambda: ops.rrelu(X, 0.3, 0.1), ConvAtlasError, r"lower is 0.3, .* upper \(0.1\)"),
        (lambda: ops.rrelu(X, 0.0, float("inf")), ConvAtlasError, "upper is inf"),
        (lambda: ops.rrelu(X, float("nan")), ConvAtlasError, "lower is nan"),
        (lambda: ops.rrelu(X, None), ArgumentTypeError, "lower is None"),
    ],
)
def test_what_pytorch_refuses(call: Callable[[], Tensor], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        call()
    assert isinstance(raised.value, ValueError | TypeError)


def test_shapes_alone() -> None:
    x = torch.empty(2, 3, device="meta")
    for ours, _, _ in PAIRS.values():
        assert ours(x).shape == (2, 3)
    assert ops.rrelu(x, training=True).shape == (2, 3)
    assert ops.prelu(x, torch.empty(3, device="meta")).is_meta
