from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convatlas import ops
from convatlas.errors import ArgumentTypeError, ConfigError, ConvAtlasError, ShapeError

CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE: dict[int, Any] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}


@st.composite
def layers(draw: st.DrawFn) -> tuple[Tensor, tuple[int, ...], dict[str, Any]]:
    """A weight, the shape of one picture for a convolution, and arguments."""
    axes = draw(st.integers(1, 3))

    def each(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(axes))

    groups, inputs, outputs = (draw(st.integers(1, 2)) for _ in range(3))
    size = each(1, 5 if axes < 3 else 3)
    arguments = {
        "stride": draw(st.sampled_from([1, each(1, 3)])),
        "padding": draw(st.sampled_from([0, each(0, 2)])),
        "dilation": draw(st.sampled_from([1, each(1, 3)])),
        "groups": groups,
    }
    numbers = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    weight = torch.randn(
        groups * outputs, inputs, *each(1, 3), generator=numbers, dtype=torch.float64
    )
    return weight, (groups * inputs, *size), arguments


def columns(layer: Any, weight: Tensor, shape: tuple[int, ...], **arguments: Any) -> Tensor:
    """What a layer makes of each picture that is 1 in one cell and 0 elsewhere: its matrix."""
    cells = torch.Size(shape).numel()
    pictures = torch.eye(cells, dtype=weight.dtype).view(cells, *shape)
    return layer(pictures, weight, **arguments).flatten(1).T


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@settings(deadline=None, max_examples=150, derandomize=True)
@given(layers(), st.sampled_from([None, "same", "valid"]))
def test_each_column_is_the_convolution_of_one_cell(
    drawn: tuple[Tensor, tuple[int, ...], dict[str, Any]], words: str | None
) -> None:
    weight, shape, arguments = drawn
    if words is not None:
        arguments["padding"] = words
    try:
        expected = columns(CONV[len(shape) - 1], weight, shape, **arguments)
    except RuntimeError:
        with pytest.raises((ShapeError, ConfigError)):
            ops.conv_matrix(weight, shape, **arguments)
        return
    # the entries are the weights themselves; nothing is rounded
    assert torch.equal(ops.conv_matrix(weight, shape, **arguments), expected)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(layers(), st.integers(0, 2))
def test_each_column_is_the_transposed_convolution_of_one_cell(
    drawn: tuple[Tensor, tuple[int, ...], dict[str, Any]], output_padding: int
) -> None:
    weight, shape, arguments = drawn
    shape = (len(weight), *shape[1:])
    arguments["output_padding"] = output_padding
    try:
        expected = columns(CONV_TRANSPOSE[len(shape) - 1], weight, shape, **arguments)
    except RuntimeError:
        with pytest.raises(ShapeError):
            ops.conv_transpose_matrix(weight, shape, **arguments)
        return
    assert torch.equal(ops.conv_transpose_matrix(weight, shape, **arguments), expected)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(layers())
def test_given_the_same_weights_the_two_are_each_others_transpose(
    drawn: tuple[Tensor, tuple[int, ...], dict[str, Any]],
) -> None:
    """Once ``output_padding`` has said which of the sizes that shrink to one was the input's."""
    weight, shape, arguments = drawn
    try:
        there = ops.conv_matrix(weight, shape, **arguments)
    except ShapeError:
        return
    size = CONV[len(shape) - 1](weight.new_empty(shape), weight, **arguments).shape
    without = CONV_TRANSPOSE[len(shape) - 1](weight.new_empty(size), weight, **arguments).shape
    left_over = tuple(n - m for n, m in zip(shape[1:], without[1:], strict=True))
    back = ops.conv_transpose_matrix(weight, size, output_padding=left_over, **arguments)
    assert torch.equal(back, there.T)


def test_a_3x3_kernel_on_4x4_cells_is_a_4x16_matrix() -> None:
    weight = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    there = ops.conv_matrix(weight, (1, 4, 4))
    assert there.shape == (4, 16)
    assert there.tolist() == [
        [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0, 0],
        [0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0],
        [0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9],
    ]
    back = ops.conv_transpose_matrix(weight, (1, 2, 2))
    assert back.shape == (16, 4)
    assert torch.equal(back, there.T)


def test_the_transpose_is_not_the_inverse() -> None:
    """Four numbers cannot hold sixteen, so no weights bring every picture back."""
    there = ops.conv_matrix(torch.arange(1.0, 10.0).view(1, 1, 3, 3), (1, 4, 4))
    picture = torch.arange(16.0)
    assert not torch.allclose(there.T @ (there @ picture), picture)
    others = torch.randn(1, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    back = ops.conv_transpose_matrix(others, (1, 2, 2))
    assert torch.linalg.matrix_rank(back @ there) == 4


def test_the_matrix_is_differentiable_in_the_weight() -> None:
    weight = torch.ones(4, 1, 2, 2, dtype=torch.float64, requires_grad=True)

    def there(weight: Tensor) -> Tensor:
        return ops.conv_matrix(weight, (2, 3, 4), stride=2, padding=1, groups=2)

    def back(weight: Tensor) -> Tensor:
        return ops.conv_transpose_matrix(weight, (4, 2, 2), stride=2, padding=1, groups=2)

    assert torch.autograd.gradcheck(there, weight)
    assert torch.autograd.gradcheck(back, weight)


def test_an_infinite_weight_leaves_the_other_entries_alone() -> None:
    matrix = ops.conv_matrix(torch.tensor([[[torch.inf, 1.0]]]), (1, 3))
    assert matrix.tolist() == [[torch.inf, 1, 0], [0, torch.inf, 1]]


def test_without_numbers_the_shape_is_told() -> None:
    weight = torch.empty(6, 3, 5, 5, device="meta")
    assert ops.conv_matrix(weight, (3, 32, 32)).shape == (6 * 28 * 28, 3 * 32 * 32)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ShapeError, "input_shape is (2, 1, 4, 4), but with a weight of shape (1, 1, 3, 3) it must "
         "be (C, H, W), without a batch", {"input_shape": (2, 1, 4, 4)}),
        (ShapeError, "input has 2 channels", {"input_shape": (2, 4, 4)}),
        (ShapeError, "input size 2 is too small", {"input_shape": (1, 4, 2)}),
        (ShapeError, "weight has shape (3, 3), but a convolution's has 3, 4 or 5 axes",
         {"weight": torch.ones(3, 3)}),
        (ShapeError, "stride is 0", {"stride": 0}),
        (ArgumentTypeError, "input_shape is 4, but it must be integers", {"input_shape": 4}),
        (ArgumentTypeError, "weight is a list, but it must be a tensor", {"weight": [1.0]}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_reason(
    error: type[ConvAtlasError], message: str, arguments: dict[str, Any]
) -> None:
    fine: dict[str, Any] = {"weight": torch.ones(1, 1, 3, 3), "input_shape": (1, 4, 4)}
    with pytest.raises(error) as raised:
        ops.conv_matrix(**fine | arguments)
    assert str(raised.value).startswith(message)
