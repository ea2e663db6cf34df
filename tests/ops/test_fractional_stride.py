from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convatlas import ops
from convatlas.errors import ArgumentTypeError, ShapeError

CONV_TRANSPOSE: dict[int, Any] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}


@st.composite
def transposed(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    """Input, weight, bias and arguments; padding may go beyond the kernel, so that it cuts off."""
    axes = draw(st.integers(1, 3))

    def each(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(axes))

    groups, inputs, outputs = (draw(st.integers(1, 2)) for _ in range(3))
    batch = draw(st.sampled_from([(), (2,)]))
    shapes = [
        (*batch, groups * inputs, *each(1, 4)),
        (groups * inputs, outputs, *each(1, 3)),
        (groups * outputs,),
    ]
    numbers = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x, weight, bias = (torch.randn(s, generator=numbers, dtype=torch.float64) for s in shapes)
    arguments = {
        "stride": each(1, 3),
        "padding": each(0, 3),
        "output_padding": draw(st.sampled_from([0, each(0, 2)])),
        "groups": groups,
        "dilation": each(1, 3),
    }
    return x, weight, bias, arguments


@settings(deadline=None, max_examples=200, derandomize=True)
@given(transposed())
def test_it_is_the_transposed_convolution(
    drawn: tuple[Tensor, Tensor, Tensor, dict[str, Any]],
) -> None:
    x, weight, bias, arguments = drawn
    try:
        expected = CONV_TRANSPOSE[weight.dim() - 2](x, weight, bias, **arguments)
    except RuntimeError:
        with pytest.raises(ShapeError):
            ops.fractionally_strided_conv(x, weight, bias, **arguments)
        return
    found = ops.fractionally_strided_conv(x, weight, bias, **arguments)
    # float64, sums of at most some hundred numbers near 1
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_gradients_are_the_slopes() -> None:
    numbers = torch.Generator().manual_seed(0)
    tensors = [
        torch.randn(shape, generator=numbers, dtype=torch.float64).requires_grad_()
        for shape in [(2, 2, 3), (2, 1, 2, 2), (2,)]
    ]

    def f(*tensors: Tensor) -> Tensor:
        return ops.fractionally_strided_conv(
            *tensors, stride=2, padding=1, output_padding=1, groups=2
        )

    assert torch.autograd.gradcheck(f, tensors)


def test_zeros_stand_between_the_cells_and_not_around_them() -> None:
    x = torch.tensor([[1, 2], [3, 4]])
    assert ops.zeros_between(x, (2, 3)).tolist() == [[1, 0, 0, 2], [0, 0, 0, 0], [3, 0, 0, 4]]
    assert ops.zeros_between(x, [2]).tolist() == [[1, 0, 2], [3, 0, 4]]
    assert ops.zeros_between(torch.empty(3, 0), (2,)).shape == (3, 0)


def test_zeros_between_is_differentiable() -> None:
    x = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: ops.zeros_between(x, (2, 3)), x)


@pytest.mark.parametrize("stride", [(0,), (2, -1), (2, 2, 2)])
def test_a_stride_that_cannot_be_is_refused(stride: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=rf"^stride is \({stride[0]}"):
        ops.zeros_between(torch.ones(2, 2), stride)


def test_what_is_no_tensor_of_a_convolution_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="stride is 2, but"):
        ops.zeros_between(torch.ones(2, 2), 2)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="weight is a NoneType"):
        ops.fractionally_strided_conv(torch.ones(1, 2), None)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"weight has shape \(2, 2\)"):
        ops.fractionally_strided_conv(torch.ones(1, 2), torch.ones(2, 2))
