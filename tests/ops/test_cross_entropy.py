from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convatlas import ops
from convatlas.errors import ArgumentTypeError, ConfigError, ConvAtlasError, ShapeError

drawn = settings(deadline=None, max_examples=150, derandomize=True)

#: the same sums in another order
TIGHT = {"rtol": 1e-12, "atol": 1e-13}


@st.composite
def calls(draw: st.DrawFn) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Logits, targets of either kind and options, as `cross_entropy` takes them."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    classes = draw(st.integers(1, 5))
    places = draw(st.lists(st.integers(0, 3), max_size=3))  # N, and pixels
    shape = [*places[:1], classes, *places[1:]]
    x = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    options: dict[str, Any] = {
        "reduction": draw(st.sampled_from(["none", "mean", "sum"])),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
    }
    if draw(st.booleans()):
        options["weight"] = torch.rand(classes, generator=generator, dtype=torch.float64)
    if draw(st.booleans()):
        q = torch.rand(shape, generator=generator, dtype=torch.float64)
        return x, q.requires_grad_(), options
    target = torch.randint(0, classes, places, generator=generator)
    ignored = draw(st.sampled_from([-100, -1, 0]))
    options["ignore_index"] = ignored
    return x, torch.where(torch.rand(places, generator=generator) < 0.2, ignored, target), options


@drawn
@given(calls())
def test_values_and_slopes_are_pytorchs(call: tuple[Tensor, Tensor, dict[str, Any]]) -> None:
    x, target, options = call
    by = [x, target] if target.requires_grad else [x]
    found, expected = ops.cross_entropy(x, target, **options), F.cross_entropy(x, target, **options)
    # nothing counted: 0/0 in both
    torch.testing.assert_close(found, expected, **TIGHT, equal_nan=True)
    if not found.isnan().any():
        upstream = torch.linspace(0.5, 1.5, found.numel(), dtype=x.dtype).view(found.shape)
        torch.testing.assert_close(
            torch.autograd.grad(found, by, upstream),
            torch.autograd.grad(expected, by, upstream),
            **TIGHT,
        )


def test_slopes_are_those_of_finite_differences() -> None:
    x = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    target = torch.tensor([0, 3, -100])
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w: ops.cross_entropy(x, target, w, label_smoothing=0.1), (x, weight)
    )
    assert torch.autograd.gradgradcheck(lambda x: ops.cross_entropy(x, target), x)


def test_one_by_hand() -> None:
    """Two classes, equally likely: log 2 nats whichever it is."""
    loss = ops.cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
    assert loss.item() == pytest.approx(math.log(2), rel=1e-6)


@drawn
@given(calls())
def test_the_derivative_is_prediction_minus_truth(
    call: tuple[Tensor, Tensor, dict[str, Any]],
) -> None:
    x, target, _ = call
    if target.is_floating_point():
        target = F.softmax(target.detach(), 0 if x.dim() == 1 else 1)
    else:
        target = target.clamp(min=0)
    (slope,) = torch.autograd.grad(F.cross_entropy(x, target, reduction="sum"), x)
    found = ops.cross_entropy_derivative(x.detach(), target)
    torch.testing.assert_close(found, slope, **TIGHT)


def test_a_class_that_is_ruled_out_costs_nothing_where_it_is_not_meant() -> None:
    """−∞ is how a class is masked: 0 · log 0 must not come in."""
    x = torch.tensor([[0.0, -torch.inf, 1.0]], requires_grad=True)
    for target in (torch.tensor([0]), torch.tensor([1])):
        torch.testing.assert_close(ops.cross_entropy(x, target), F.cross_entropy(x, target))
    (slope,) = torch.autograd.grad(ops.cross_entropy(x, torch.tensor([0])), x)
    torch.testing.assert_close(slope, torch.autograd.grad(F.cross_entropy(x, target * 0), x)[0])


def test_small_integers_as_classes() -> None:
    x, target = torch.randn(4, 300), torch.tensor([0, 9, 156, 255], dtype=torch.uint8)
    torch.testing.assert_close(ops.cross_entropy(x, target), F.cross_entropy(x, target.long()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_number_formats(dtype: torch.dtype) -> None:
    x = torch.tensor([[100.0, -100.0], [0.0, 3.0]], dtype=dtype)
    found = ops.cross_entropy(x, torch.tensor([1, 1]), reduction="none")
    assert found.dtype == dtype
    torch.testing.assert_close(found, F.cross_entropy(x, torch.tensor([1, 1]), reduction="none"))


@pytest.mark.parametrize(
    ("size_average", "reduce"), [*product((True, False), (None, True, False)), (None, False)]
)
def test_deprecated_arguments(size_average: bool | None, reduce: bool | None) -> None:
    x, target = torch.randn(3, 4), torch.tensor([0, 1, 2])
    old = {"size_average": size_average, "reduce": reduce, "reduction": "sum"}
    with pytest.warns(UserWarning, match="deprecated: use reduction=") as ours:
        found = ops.cross_entropy(x, target, **old)
    with pytest.warns(UserWarning, match="will be deprecated"):
        expected = F.cross_entropy(x, target, **old)
    torch.testing.assert_close(found, expected)
    assert ours[0].filename == __file__  # it is the caller who is warned


def test_shapes_alone() -> None:
    x = torch.empty(2, 3, device="meta")
    target = torch.empty(2, dtype=torch.int64, device="meta")
    assert ops.cross_entropy(x, target, reduction="none").shape == (2,)


def test_signature() -> None:
    assert inspect.signature(ops.cross_entropy, eval_str=True) == inspect.signature(
        F.cross_entropy, eval_str=True
    )


X = torch.zeros(2, 3)
T = torch.tensor([0, 2])


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda f: f(X, T + 1), ConfigError, "target has class 3, but the 3 classes are 0 to 2"),
        (lambda f: f(X, T - 1), ConfigError, "target has class -1, but the 3 classes are"),
        (lambda f: f(X, T - 100), ConfigError, "target has class -98"),
        (lambda f: f(X, T + 1, label_smoothing=0.1), ConfigError, "target has class 3"),
        (lambda f: f(X, T.int()), ArgumentTypeError, "target is torch.int32"),
        (lambda f: f(X, T.float()), ArgumentTypeError, "target is torch.float32"),
        (lambda f: f(X, X.long()), ArgumentTypeError, r"target is torch.int64 .* \(2, 3\)"),
        (lambda f: f(X, [0, 2]), ArgumentTypeError, "target is a list"),
        (lambda f: f(X, T[:1]), ShapeError, r"target has shape \(1,\), .* \(2,\) .* \(2, 3\)"),
        (lambda f: f(X, T[:, None]), ShapeError, r"target has shape \(2, 1\)"),
        (lambda f: f(X[0, 0], T[0]), ShapeError, "input is a single number"),
        (lambda f: f(X.long(), T), ArgumentTypeError, "input is torch.int64"),
        (lambda f: f(X, T, X[0, :2]), ShapeError, r"weight has shape \(2,\), .* \(3,\)"),
        (lambda f: f(X, X, X[0, :2]), ShapeError, r"weight has shape \(2,\), .* \(3,\)"),
        (lambda f: f(X, T, X[0].double()), ArgumentTypeError, "weight is torch.float64"),
        (lambda f: f(X, T, [1.0] * 3), ArgumentTypeError, "weight is a list"),
        (lambda f: f(X, X, ignore_index=1), ConfigError, "ignore_index is 1, but target is prob"),
        (lambda f: f(X, T, reduction="max"), ConfigError, "reduction is 'max', .* none, mean, sum"),
        (lambda f: f(X, T, label_smoothing=1.1), ConfigError, "label_smoothing is 1.1"),
    ],
)
def test_what_pytorch_refuses(
    call: Callable[[Callable[..., Tensor]], Tensor], kind: type[Exception], said: str
) -> None:
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)):
        call(F.cross_entropy)
    with pytest.raises(kind, match=said) as raised:
        call(ops.cross_entropy)
    assert isinstance(raised.value, ConvAtlasError)


def test_the_derivative_is_of_a_class() -> None:
    with pytest.raises(ConfigError, match="target has class 3, but the 3 classes are 0 to 2"):
        ops.cross_entropy_derivative(X, T + 1)


def test_smoothing_below_zero_is_refused_where_pytorch_takes_it_for_none() -> None:
    with pytest.raises(ConfigError, match=r"label_smoothing is -0\.1"):
        ops.cross_entropy(X, T, label_smoothing=-0.1)
