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

CONV = {1: ops.conv1d, 2: ops.conv2d, 3: ops.conv3d}
OURS = {1: ops.conv_transpose1d, 2: ops.conv_transpose2d, 3: ops.conv_transpose3d}
THEIRS: dict[int, Callable[..., Tensor]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}
#: float64, sums of at most some hundred numbers near 1
TIGHT = {"rtol": 1e-12, "atol": 1e-12}


@st.composite
def transposed(draw: st.DrawFn) -> tuple[int, list[Tensor], dict[str, Any]]:
    """Axes; input, weight and perhaps a bias; arguments, some of which do not go together."""
    axes = draw(st.integers(1, 3))

    def each(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(axes))

    groups, inputs, outputs = (draw(st.integers(1, most)) for most in (3, 2, 2))
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    shapes = [
        (*batch, groups * inputs, *each(1, 4)),
        (groups * inputs, outputs, *each(1, 3)),
        (groups * outputs,),
    ]
    numbers = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    tensors = [torch.randn(shape, generator=numbers, dtype=torch.float64) for shape in shapes]
    arguments = {
        "stride": draw(st.sampled_from([1, 2, each(1, 3)])),
        "padding": draw(st.sampled_from([0, 1, each(0, 3)])),
        "output_padding": draw(st.sampled_from([0, each(0, 1), each(0, 2)])),
        "groups": groups,
        "dilation": draw(st.sampled_from([1, (2,), each(1, 3)])),
    }
    return axes, [x.requires_grad_() for x in tensors[: draw(st.integers(2, 3))]], arguments


@settings(deadline=None, max_examples=300, derandomize=True)
@given(transposed())
def test_values_and_gradients_are_pytorchs(drawn: tuple[int, list[Tensor], dict[str, Any]]) -> None:
    axes, tensors, arguments = drawn
    try:
        expected = THEIRS[axes](*tensors, **arguments)
    except RuntimeError:
        with pytest.raises(ShapeError):
            OURS[axes](*tensors, **arguments)
        return
    found = OURS[axes](*tensors, **arguments)
    upstream = torch.linspace(0.5, 1.5, found.numel(), dtype=found.dtype).view_as(expected)
    torch.testing.assert_close(
        [found, *torch.autograd.grad(found, tensors, upstream)],
        [expected, *torch.autograd.grad(expected, tensors, upstream)],
        **TIGHT,
    )


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_gradients_are_the_slopes(axes: int) -> None:
    numbers = torch.Generator().manual_seed(0)
    shapes = [(2, *[2] * axes), (2, 1, *[2] * axes), (2,)]
    tensors = [
        torch.randn(shape, generator=numbers, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]

    def f(*tensors: Tensor) -> Tensor:
        return OURS[axes](*tensors, stride=2, padding=1, output_padding=1, groups=2, dilation=2)

    assert torch.autograd.gradcheck(f, tensors)
    assert torch.autograd.gradgradcheck(f, tensors)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_signature_is_pytorchs(axes: int) -> None:
    """Names and order are those of the schema; that the defaults are too, the samples show."""
    overloads = getattr(torch.ops.aten, f"conv_transpose{axes}d")
    schema = getattr(overloads, overloads.overloads()[0])._schema
    names = OURS[axes].__code__.co_varnames[: OURS[axes].__code__.co_argcount]
    assert list(names) == [argument.name for argument in schema.arguments]
    assert OURS[axes].__defaults__ == (None, 1, 0, 0, 1, 1)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_it_is_the_gradient_of_the_convolution_by_its_input(axes: int) -> None:
    """Eight cells and two of padding, a window of five, stride 2: one cell is left over.

    ``output_padding`` brings it back.
    """
    numbers = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, *[8] * axes, generator=numbers, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 2, *[3] * axes, generator=numbers, dtype=torch.float64)
    alike = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}
    y = CONV[axes](x, weight, **alike)
    upstream = torch.randn(y.shape, generator=numbers, dtype=torch.float64)
    (slope,) = torch.autograd.grad(y, x, upstream)
    found = OURS[axes](upstream, weight, output_padding=1, **alike)
    torch.testing.assert_close(found, slope, **TIGHT)


def test_each_cell_stamps_the_kernel_and_stamps_add_up() -> None:
    kernel = torch.tensor([[[1.0, 2.0, 3.0]]])
    two_cells = torch.tensor([[1.0, 10.0]])
    assert ops.conv_transpose1d(two_cells, kernel, stride=3).tolist() == [[1, 2, 3, 10, 20, 30]]
    assert ops.conv_transpose1d(two_cells, kernel, stride=2).tolist() == [[1, 2, 13, 20, 30]]
    assert ops.conv_transpose1d(two_cells, kernel, stride=2, padding=1).tolist() == [[2, 13, 20]]


def test_the_same_weights_do_not_bring_the_picture_back() -> None:
    """The size comes back; the picture is smeared by the kernel twice."""
    picture = torch.zeros(1, 4, 4)
    picture[0, 1, 1] = 1
    blur = torch.ones(1, 1, 3, 3)
    back = ops.conv_transpose2d(ops.conv2d(picture, blur), blur)
    assert back.shape == picture.shape
    assert back.tolist() == [[[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]]


def test_more_may_be_cut_off_than_was_stamped() -> None:
    """Two cells, three cut off each end, seven put back: nothing of the input is left."""
    arguments: dict[str, Any] = {"padding": 3, "output_padding": 7, "dilation": 8}
    x, weight, bias = torch.ones(1, 2), torch.ones(1, 1, 1), torch.tensor([5.0])
    found = ops.conv_transpose1d(x, weight, bias, **arguments)
    assert torch.equal(found, F.conv_transpose1d(x, weight, bias, **arguments))


def test_of_no_pictures_it_makes_none() -> None:
    x, weight = torch.ones(0, 2, 4, 4), torch.ones(2, 3, 3, 3)
    assert ops.conv_transpose2d(x, weight, stride=2).shape == (0, 3, 9, 9)
    # PyTorch does not look at the arguments then
    with pytest.raises(ShapeError, match="output_padding is 1"):
        ops.conv_transpose2d(x, weight, output_padding=1)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.float32, torch.complex64])
def test_any_number_format(dtype: torch.dtype) -> None:
    """Small whole numbers, which every format holds exactly."""
    x = torch.arange(32).view(2, 4, 4).to(dtype)
    weight = (torch.arange(16) % 3).view(2, 2, 2, 2).to(dtype)
    bias = torch.tensor([1, 2]).to(dtype)
    found = ops.conv_transpose2d(x, weight, bias)
    assert found.dtype == dtype
    assert torch.equal(found, F.conv_transpose2d(x, weight, bias))


def test_without_numbers_the_shape_is_told() -> None:
    x, weight = torch.empty(2, 3, 32, 32, device="meta"), torch.empty(3, 6, 4, 4, device="meta")
    assert ops.conv_transpose2d(x, weight, stride=2, padding=1).shape == (2, 6, 64, 64)


@pytest.mark.parametrize(
    ("error", "message", "changed"),
    [
        (ShapeError, "input has 3 channels, but weight (2, 1, 3, 3) with groups = 2 takes 2",
         {"input": torch.ones(1, 3, 4, 4)}),
        (ShapeError, "input size 2 is too small: (2−1)·1−2·2+3 = 0; the smallest that works is 3",
         {"input": torch.ones(1, 2, 4, 2).double(),
          "weight": torch.ones(2, 1, 3, 3).double(), "padding": 2}),
        (ShapeError, "input size 0 is too small", {"input": torch.ones(1, 2, 0, 4)}),
        (ShapeError, "weight has shape (2, 1, 3), but it must be (C, O/groups, H, W)",
         {"weight": torch.ones(2, 1, 3)}),
        (ShapeError, "weight has shape (3, 1, 3, 3), but its 3 kernels must be a multiple of "
         "groups = 2", {"weight": torch.ones(3, 1, 3, 3)}),
        (ShapeError, "weight has shape (2, 0, 3, 3), but it must have an output channel",
         {"weight": torch.ones(2, 0, 3, 3)}),
        (ShapeError, "kernel is 0, but it must be at least 1", {"weight": torch.ones(2, 1, 0, 3)}),
        (ShapeError, "bias has shape (1,), but it must be (2,)", {"bias": torch.ones(1)}),
        (ShapeError, "stride is 0, but it must be at least 1", {"stride": 0}),
        (ShapeError, "padding is −1, but it must be at least 0", {"padding": (0, -1)}),
        (ShapeError, "output_padding is 2, but it must be at least 0 and smaller than stride (2) "
         "or dilation (1)", {"output_padding": 2, "stride": 2}),
        (ShapeError, "output_padding is −1", {"output_padding": -1, "stride": 2}),
        (ShapeError, "groups is -1, but it must be at least 1", {"groups": -1}),
        (ArgumentTypeError, "padding is 'same', but it must be an integer", {"padding": "same"}),
        (ArgumentTypeError, "weight is torch.float64, but it must be torch.float32",
         {"weight": torch.ones(2, 1, 3, 3).double()}),
    ],
)  # fmt: skip
def test_what_pytorch_refuses_is_refused_with_its_reason(
    error: type[ConvAtlasError], message: str, changed: dict[str, Any]
) -> None:
    fine: dict[str, Any] = {
        "input": torch.ones(1, 2, 4, 4),
        "weight": torch.ones(2, 1, 3, 3),
        "groups": 2,
    }
    wrong = fine | changed
    with pytest.raises((RuntimeError, TypeError)):
        F.conv_transpose2d(**wrong)
    with pytest.raises(error) as raised:
        ops.conv_transpose2d(**wrong)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_bias_of_another_format_is_refused() -> None:
    """PyTorch takes it here, and only here, and casts it without a word."""
    with pytest.raises(
        ArgumentTypeError, match=r"^bias is torch\.float64, but it must be torch\.float32"
    ):
        ops.conv_transpose1d(torch.ones(1, 2), torch.ones(1, 1, 2), torch.ones(1).double())
