from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convatlas import ops
from convatlas.errors import ArgumentTypeError, ConvAtlasError, ShapeError
from convatlas.ops.softmax import log_softmax

drawn = settings(deadline=None, max_examples=80, derandomize=True)

INF = float("inf")


@st.composite
def inputs(draw: st.DrawFn) -> tuple[Tensor, int]:
    """Numbers of any magnitude, and one of their axes."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    axes = max(len(shape), 1)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scale = draw(st.sampled_from([1e-3, 1.0, 30.0, 1e4]))
    x = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    return x.requires_grad_(), draw(st.integers(-axes, axes - 1))


@drawn
@given(inputs())
def test_values_and_slopes_are_pytorchs(drawn: tuple[Tensor, int]) -> None:
    x, dim = drawn
    upstream = torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).view(x.shape)
    for ours, theirs in ((ops.softmax, F.softmax), (log_softmax, F.log_softmax)):
        found, expected = ours(x, dim), theirs(x, dim)
        # a power of a number near 10⁴ hangs on that number's last digit: 1e-16 · 1e4
        torch.testing.assert_close(found, expected, rtol=2e-12, atol=1e-15)
        torch.testing.assert_close(
            torch.autograd.grad(found, x, upstream),
            torch.autograd.grad(expected, x, upstream),
            rtol=2e-12,
            atol=1e-14,
        )


def test_slopes_are_those_of_finite_differences() -> None:
    x = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ops.softmax(x, 1), x)
    assert torch.autograd.gradgradcheck(lambda x: ops.softmax(x, 0), x)
    assert torch.autograd.gradgradcheck(lambda x: log_softmax(x, 1), x)


@pytest.mark.parametrize("numbers", [[1e4, 1e4], [-1e4, 0], [-INF, 1], [-INF, -INF], [INF, 1]])
def test_far_out(numbers: list[float]) -> None:
    """No overflow, and not a number where PyTorch says so too."""
    for dtype in (torch.float16, torch.float32):
        x = torch.tensor(numbers, dtype=dtype)
        torch.testing.assert_close(ops.softmax(x, 0), F.softmax(x, 0), equal_nan=True)
        torch.testing.assert_close(log_softmax(x, 0), F.log_softmax(x, 0), equal_nan=True)


@drawn
@given(st.integers(0, 3), st.integers(1, 5), st.integers(0, 2**31))
def test_the_jacobian(n: int, k: int, seed: int) -> None:
    x = torch.randn(n, k, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = ops.softmax_jacobian(x)
    assert found.shape == (n, k, k)
    for row, jacobian in zip(x, found, strict=True):
        expected = torch.autograd.functional.jacobian(lambda x: F.softmax(x, 0), row)
        torch.testing.assert_close(jacobian, expected, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(
        found.sum(-1), torch.zeros(n, k, dtype=torch.float64), rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("axes", [0, 1, 2, 3, 4])
def test_no_axis_given(axes: int) -> None:
    x = torch.randn([2, 3, 4, 5][:axes])
    with pytest.warns(UserWarning, match="no dim") as ours:
        found = ops.softmax(x)
    with pytest.warns(UserWarning, match="Implicit dimension"):
        expected = F.softmax(x)
    torch.testing.assert_close(found, expected)
    assert ours[0].filename == __file__  # it is the caller who is warned


def test_number_formats() -> None:
    x = torch.tensor([1, 2, 3])
    assert ops.softmax(x, 0, dtype=torch.float64).dtype == torch.float64
    torch.testing.assert_close(
        ops.softmax(x, 0, dtype=torch.float32), F.softmax(x, 0, dtype=torch.float32)
    )
    assert ops.softmax(x.half(), 0).dtype == torch.float16


def test_shapes_alone() -> None:
    assert ops.softmax(torch.empty(2, 3, device="meta"), 1).shape == (2, 3)


def test_signature() -> None:
    """But for the annotation of dtype, which PyTorch calls an integer."""

    def plain(function: Callable[..., Tensor]) -> list[tuple[str, object]]:
        return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]

    assert plain(ops.softmax) == plain(F.softmax)


X = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: ops.softmax(X, 2), ShapeError, r"dim is 2, .* \(2, 3\) has the axes -2 to 1"),
        (lambda: ops.softmax(X[0, 0], 1), ShapeError, r"dim is 1, .* \(\) has the axes -1 to 0"),
        (lambda: ops.softmax(X, 1.0), ArgumentTypeError, "dim is 1.0"),
        (lambda: ops.softmax(X, True), ArgumentTypeError, "dim is True"),
        (lambda: ops.softmax(X.long(), 0), ArgumentTypeError, "input is torch.int64"),
        (lambda: ops.softmax(X.cfloat(), 0), ArgumentTypeError, "input is torch.complex64"),
        (lambda: ops.softmax([1.0], 0), ArgumentTypeError, "input is a list"),
        (lambda: ops.softmax(X, 0, dtype=torch.int64), ArgumentTypeError, "dtype is torch.int64"),
        (lambda: ops.softmax(X, 0, dtype="float"), ArgumentTypeError, "dtype is 'float'"),
    ],
)
def test_what_pytorch_refuses(call: Callable[[], Tensor], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        call()
    assert isinstance(raised.value, ConvAtlasError)
