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

OURS = {1: ops.conv1d, 2: ops.conv2d, 3: ops.conv3d}
THEIRS: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}

#: PyTorch says that it may copy the input; it does not matter here
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[int, list[Tensor], dict[str, Any]]:
    """Axes; input, weight and perhaps a bias; arguments, some of which do not go together."""
    axes = draw(st.integers(1, 3))

    def each(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(axes))

    groups, inputs, outputs = (draw(st.integers(1, most)) for most in (3, 2, 2))
    batch = draw(st.sampled_from([(), (0,), (1,), (2,)]))
    shapes = [
        (*batch, groups * inputs, *each(1, 6)),
        (groups * outputs, inputs, *each(1, 3)),
        (groups * outputs,),
    ]
    numbers = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    tensors = [torch.randn(shape, generator=numbers, dtype=torch.float64) for shape in shapes]
    arguments = {
        "stride": draw(st.sampled_from([1, 2, each(1, 3)])),
        "padding": draw(st.sampled_from([0, 1, each(0, 2), "valid", "same"])),
        "dilation": draw(st.sampled_from([1, (2,), each(1, 3)])),
        "groups": groups,
    }
    return axes, [x.requires_grad_() for x in tensors[: draw(st.integers(2, 3))]], arguments


@settings(deadline=None, max_examples=300, derandomize=True)
@given(convolutions())
def test_values_and_gradients_are_pytorchs(drawn: tuple[int, list[Tensor], dict[str, Any]]) -> None:
    axes, tensors, arguments = drawn
    try:
        expected = THEIRS[axes](*tensors, **arguments)
    except RuntimeError:
        with pytest.raises((ShapeError, ConfigError)):
            OURS[axes](*tensors, **arguments)
        return
    found = OURS[axes](*tensors, **arguments)
    upstream = torch.linspace(0.5, 1.5, found.numel(), dtype=found.dtype).view_as(expected)
    torch.testing.assert_close(
        [found, *torch.autograd.grad(found, tensors, upstream)],
        [expected, *torch.autograd.grad(expected, tensors, upstream)],
        # float64, sums of at most some hundred numbers near 1
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_gradients_are_the_slopes(axes: int) -> None:
    numbers = torch.Generator().manual_seed(0)
    shapes = [(2, *[4] * axes), (2, 1, *[2] * axes), (2,)]
    tensors = [
        torch.randn(shape, generator=numbers, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]

    def f(*tensors: Tensor) -> Tensor:
        return OURS[axes](*tensors, stride=2, padding=1, dilation=2, groups=2)

    assert torch.autograd.gradcheck(f, tensors)
    assert torch.autograd.gradgradcheck(f, tensors)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_signature_is_pytorchs(axes: int) -> None:
    """Names and order are those of the schema; that the defaults are too, the samples show."""
    schema = getattr(torch.ops.aten, f"conv{axes}d").default._schema
    names = OURS[axes].__code__.co_varnames[: OURS[axes].__code__.co_argcount]
    assert list(names) == [argument.name for argument in schema.arguments]
    assert OURS[axes].__defaults__ == (None, 1, 0, 1, 1)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int64, torch.float16, torch.float32, torch.complex64]
)
def test_any_number_format(dtype: torch.dtype) -> None:
    """Small whole numbers, which every format holds exactly."""
    x = torch.arange(32).view(2, 4, 4).to(dtype)
    weight = (torch.arange(16) % 3).view(2, 2, 2, 2).to(dtype)
    bias = torch.tensor([1, 2]).to(dtype)
    found = ops.conv2d(x, weight, bias)
    assert found.dtype == dtype
    assert torch.equal(found, F.conv2d(x, weight, bias))


def test_without_numbers_the_shape_is_told() -> None:
    x, weight = torch.empty(2, 3, 32, 32, device="meta"), torch.empty(6, 3, 5, 5, device="meta")
    assert ops.conv2d(x, weight, padding="same").shape == (2, 6, 32, 32)


def test_the_sum_over_no_channels_is_the_bias() -> None:
    """As the formula has it; PyTorch answers with no output channels."""
    y = ops.conv2d(torch.ones(1, 0, 4, 4), torch.ones(2, 0, 3, 3), torch.tensor([1.0, 2.0]))
    assert torch.equal(y, torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2))


def test_a_kernel_of_one_cell_is_a_dense_layer_over_channels() -> None:
    numbers = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 4, 5, generator=numbers)
    weight = torch.randn(6, 3, generator=numbers)
    dense = ops.linear(x.movedim(1, -1), weight).movedim(-1, 1)
    # float32: three products in another order
    torch.testing.assert_close(ops.conv2d(x, weight[:, :, None, None]), dense, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("error", "message", "changed"),
    [
        (ShapeError, "input has shape (4, 4), but it must be (N, C, H, W) or (C, H, W)",
         {"input": torch.ones(4, 4)}),
        (ShapeError, "input has 3 channels, but weight (4, 1, 3, 3) with groups = 2 takes 2·1 = 2",
         {"input": torch.ones(1, 3, 4, 4)}),
        (ShapeError, "input size 2 is too small: ⌊(2+2·0−3)/1⌋+1 = 0; the smallest that works is 3",
         {"input": torch.ones(1, 2, 4, 2)}),
        (ShapeError, "input size 0 is too small", {"input": torch.ones(1, 2, 0, 4), "padding": 2}),
        (ShapeError, "input size 0 is too small",
         {"input": torch.ones(1, 2, 0, 4), "padding": "same"}),
        (ShapeError, "weight has shape (4, 1, 3), but it must be (O, C/groups, H, W)",
         {"weight": torch.ones(4, 1, 3)}),
        (ShapeError, "weight has shape (3, 1, 3, 3), but its 3 kernels must be a multiple of "
         "groups = 2", {"weight": torch.ones(3, 1, 3, 3)}),
        (ShapeError, "weight has shape (0, 1, 3, 3), but its 0 kernels must be a multiple of "
         "groups = 2", {"weight": torch.ones(0, 1, 3, 3)}),
        (ShapeError, "kernel is 0, but it must be at least 1", {"weight": torch.ones(4, 1, 0, 3)}),
        (ShapeError, "bias has shape (1,), but it must be (4,)", {"bias": torch.ones(1)}),
        (ShapeError, "stride is 0, but it must be at least 1", {"stride": 0}),
        (ShapeError, "stride is (1, 1, 1), but it must be one number or 2", {"stride": (1, 1, 1)}),
        (ShapeError, "padding is −1, but it must be at least 0", {"padding": (0, -1)}),
        (ShapeError, "dilation is −1, but it must be at least 1",
         {"dilation": -1, "padding": "same"}),
        (ShapeError, "groups is 0, but it must be at least 1", {"groups": 0}),
        (ConfigError, "padding is 'full', but the words for it are 'valid' or 'same'",
         {"padding": "full"}),
        (ConfigError, "padding is 'same', but stride is (1, 2): it must be 1 to keep n",
         {"padding": "same", "stride": (1, 2)}),
        (ArgumentTypeError, "groups is 2.0, but it must be an integer", {"groups": 2.0}),
        (ArgumentTypeError, "stride is True, but it must be an integer", {"stride": True}),
        (ArgumentTypeError, "weight is a NoneType, but it must be a tensor", {"weight": None}),
        (ArgumentTypeError, "weight is torch.float64, but it must be torch.float32",
         {"weight": torch.ones(4, 1, 3, 3).double()}),
        (ArgumentTypeError, "bias is torch.float64, but it must be torch.float32",
         {"bias": torch.ones(4).double()}),
        (ArgumentTypeError, "input is torch.bool, but it must be of a number format",
         {"input": torch.ones(2, 4, 4).bool(), "weight": torch.ones(4, 1, 3, 3).bool()}),
    ],
)  # fmt: skip
def test_what_pytorch_refuses_is_refused_with_its_reason(
    error: type[ConvAtlasError], message: str, changed: dict[str, Any]
) -> None:
    fine: dict[str, Any] = {
        "input": torch.ones(1, 2, 4, 4),
        "weight": torch.ones(4, 1, 3, 3),
        "groups": 2,
    }
    wrong = fine | changed
    with pytest.raises((RuntimeError, TypeError)):
        F.conv2d(**wrong)
    with pytest.raises(error) as raised:
        ops.conv2d(**wrong)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)
