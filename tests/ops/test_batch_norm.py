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
from convatlas.errors import ArgumentTypeError, ConfigError, ConvAtlasError, ShapeError


@st.composite
def calls(draw: st.DrawFn) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A batch of 2 to 5 axes with any of the vectors, in training or in evaluation."""
    training = draw(st.booleans())
    pictures, channels = draw(st.integers(0, 4)), draw(st.integers(1, 4))
    size = draw(st.lists(st.integers(0, 4), max_size=3))
    if training and pictures * torch.Size(size).numel() == 1:
        pictures = 2
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    averages = not training or draw(st.booleans())
    args = (
        some(pictures, channels, *size).mul(3).add(1).requires_grad_(),
        some(channels) if averages else None,
        some(channels).square() if averages else None,
        some(channels).requires_grad_() if draw(st.booleans()) else None,
        some(channels).requires_grad_() if draw(st.booleans()) else None,
    )
    numbers = {
        "training": training,
        "momentum": draw(st.sampled_from([0.0, 0.1, 0.9, 1.0])),
        "eps": draw(st.sampled_from([1e-5, 1e-3, 0.5])),
    }
    return args, numbers


@settings(deadline=None, max_examples=150, derandomize=True)
@given(calls())
def test_values_slopes_and_averages_are_pytorchs(agree: Callable[..., None], call: Any) -> None:
    args, numbers = call
    # two numbers of a channel that lie close have a slope of up to 1/√ε = 316 times their rounding
    agree(ops.batch_norm, F.batch_norm, *args, **numbers, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("training", [True, False])
def test_slopes_are_those_of_finite_differences(training: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64, generator=generator).requires_grad_()
    mean, variance = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    w, b = (
        torch.randn(3, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(2)
    )

    def layer(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return ops.batch_norm(x, mean, variance, w, b, training)

    assert torch.autograd.gradcheck(layer, (x, w, b))
    assert torch.autograd.gradgradcheck(layer, (x, w, b))


def test_the_examples_of_the_docstring() -> None:
    module = importlib.import_module("convatlas.ops.batch_norm")
    result = doctest.testmod(module, extraglobs={"torch": torch})
    assert result.attempted == 6
    assert result.failed == 0


def test_two_variances_and_one_step_of_the_averages() -> None:
    x = torch.tensor([[0.0], [2.0]])  # mean 1, variance 1 over n and 2 over n − 1
    mean, variance = torch.tensor([10.0]), torch.tensor([10.0])
    y = ops.batch_norm(x, mean, variance, training=True, momentum=0.25)
    torch.testing.assert_close(y, torch.tensor([[-1.0], [1.0]]) / (1 + 1e-5) ** 0.5)
    assert mean.item() == 0.75 * 10 + 0.25 * 1
    assert variance.item() == 0.75 * 10 + 0.25 * 2


def test_evaluation_does_not_depend_on_the_batch() -> None:
    x = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    mean, variance = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    together = ops.batch_norm(x, mean, variance)
    alone = ops.batch_norm(x[:1], mean, variance)
    assert torch.equal(together[:1], alone)
    assert mean.tolist() == [1, 2]
    assert variance.tolist() == [3, 4]


def test_an_empty_batch_moves_nothing() -> None:
    for shape in ((0,), (0, 2), (3, 2, 0)):
        channels = 2 if len(shape) > 1 else 0
        mean, variance = torch.ones(channels), torch.ones(channels)
        y = ops.batch_norm(torch.empty(shape), mean, variance, training=True)
        assert y.shape == shape
        assert mean.tolist() == variance.tolist() == [1] * channels


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("beside", ["the same", "float32"])
def test_half_formats_are_exact_but_for_the_last_rounding(
    training: bool, dtype: torch.dtype, beside: str
) -> None:
    """The squares of these would overflow float16; PyTorch rounds more than once beside halves."""
    x = (1000 * torch.randn(8, 3, 4, generator=torch.Generator().manual_seed(0))).to(dtype)
    vectors = torch.ones(4, 3, dtype=dtype if beside == "the same" else torch.float32)
    exact = F.batch_norm(x.double(), *vectors.double(), training)
    found = ops.batch_norm(x, *vectors, training)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_shapes_alone() -> None:
    x, v = torch.empty(2, 3, 4, 4, device="meta"), torch.empty(3, device="meta")
    for training in (True, False):
        assert ops.batch_norm(x, v, v, v, v, training).shape == x.shape


def test_signature(parameters: Callable[..., Any]) -> None:
    assert parameters(ops.batch_norm) == parameters(F.batch_norm)


X, ONES = torch.zeros(2, 3, 4, 4), torch.ones(3)
TWO = torch.ones(2)


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        ((X[:1, :, :1, :1], None, None, None, None, True), ShapeError, "1·1·1 = 1 number"),
        ((X[:1, :, 0, 0], None, None, None, None, True), ShapeError, r"input has shape \(1, 3\)"),
        ((ONES, None, None, None, None, True), ShapeError, r"input has shape \(3,\)"),
        ((ONES.sum(), None, None, None, None, True), ShapeError, r"input has shape \(\)"),
        ((X, TWO, ONES), ShapeError, r"running_mean has shape \(2,\), but it must be \(3,\)"),
        ((X, ONES, TWO), ShapeError, r"running_var has shape \(2,\), but it must be \(3,\)"),
        ((X, ONES, ONES, TWO), ShapeError, r"weight has shape \(2,\), but it must be \(3,\)"),
        ((X, ONES, ONES, None, TWO), ShapeError, r"bias has shape \(2,\), but it must be \(3,\)"),
        ((X, ONES[:, None], ONES), ShapeError, r"running_mean has shape \(3, 1\)"),
        ((X, None, None), ConfigError, "running_mean is None, but evaluation"),
        ((X, ONES, None), ConfigError, "running_var is None, but evaluation"),
        ((X, ONES, None, None, None, True), ConfigError, "running_var is None, .* or neither"),
        ((X, None, ONES, None, None, True), ConfigError, "running_mean is None, .* or neither"),
        ((X, ONES, ONES, None, None, True, 0.1, 0.0), ConfigError, "eps is 0.0, .* above 0"),
        ((X, ONES, ONES, None, None, False, 0.1, -1.0), ConfigError, "eps is -1.0, .* least 0"),
        ((X, ONES, ONES, None, None, True, None), ArgumentTypeError, "momentum is None"),
        ((X, ONES, ONES, None, None, True, 0.1, "a"), ArgumentTypeError, "eps is 'a'"),
        ((X.long(), ONES, ONES), ArgumentTypeError, "input is torch.int64"),
        ((X.cfloat(), ONES, ONES), ArgumentTypeError, "input is torch.complex64"),
        ((X.double(), ONES, ONES), ArgumentTypeError, "running_mean is torch.float32"),
        ((X, ONES, ONES, ONES.double()), ArgumentTypeError, "weight is torch.float64"),
        ((X.half(), ONES.bfloat16(), ONES), ArgumentTypeError, "running_mean is torch.bfloat16"),
        (([1.0], ONES, ONES), ArgumentTypeError, "input is a list"),
        ((X, [1.0], ONES), ArgumentTypeError, "running_mean is a list"),
    ],
)
def test_what_pytorch_refuses(args: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        ops.batch_norm(*args)
    assert isinstance(raised.value, ConvAtlasError)
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)):
        F.batch_norm(*args)
