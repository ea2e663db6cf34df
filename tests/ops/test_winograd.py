"""Winograd's 3×3 convolution beside PyTorch's own, in float64 to rounding and in float32."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.errors import ShapeError
from convatlas.ops import conv2d_winograd


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    draw = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, dtype=torch.float64, generator=draw).to(dtype)


@pytest.mark.parametrize("padding", [0, 1, 2, (0, 1), "same", "valid"])
@pytest.mark.parametrize("size", [(3, 3), (4, 7), (8, 8), (13, 6)])
@pytest.mark.parametrize("biased", [True, False])
def test_values_and_gradients(
    size: tuple[int, int], padding: int | tuple[int, int] | str, biased: bool
) -> None:
    leaves = [drawn(2, 3, *size), drawn(5, 3, 3, 3), *([drawn(5)] if biased else [])]
    outcomes = []
    for convolve in (conv2d_winograd, F.conv2d):
        inputs = [leaf.clone().requires_grad_() for leaf in leaves]
        out = convolve(*inputs, padding=padding)
        weights = drawn(*out.shape)
        outcomes.append([out, *torch.autograd.grad((out * weights).sum(), inputs)])
    for ours, torchs in zip(*outcomes, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-10, atol=1e-11)


def test_many_tiles() -> None:
    """They are transformed some hundreds at a time, and the last of them are fewer."""
    pixels, kernels = drawn(3, 4, 45, 41), drawn(6, 4, 3, 3)
    ours = conv2d_winograd(pixels, kernels, padding=1)
    torch.testing.assert_close(ours, F.conv2d(pixels, kernels, padding=1), rtol=1e-10, atol=1e-11)


def test_float32_loses_a_digit() -> None:
    """The transform's entries go up to 8, so rounding weighs more than directly (about 1e-6)."""
    pixels, kernels = drawn(2, 64, 16, 16), drawn(64, 64, 3, 3)
    exact = F.conv2d(pixels, kernels, padding=1)
    ours = conv2d_winograd(pixels.float(), kernels.float(), padding=1).double()
    assert (ours - exact).norm() / exact.norm() < 3e-5


@pytest.mark.parametrize("frozen", [0, 1])
def test_what_is_frozen_has_no_gradient(frozen: int) -> None:
    leaves = [drawn(1, 3, 6, 6), drawn(2, 3, 3, 3)]
    leaves[1 - frozen].requires_grad_()
    conv2d_winograd(leaves[0], leaves[1], padding=1).sum().backward()
    assert leaves[frozen].grad is None
    assert leaves[1 - frozen].grad is not None


def test_other_kernels() -> None:
    with pytest.raises(ShapeError):
        conv2d_winograd(drawn(1, 3, 8, 8), drawn(2, 3, 5, 5))
