"""Steps whose wide 3×3 convolutions are computed by Winograd's algorithm.

The network stays as it is: inside the context `winograd`, `ops.conv2d_winograd` answers in place of
PyTorch's ``conv2d`` wherever that is faster (docs/notes/winograd.md has the numbers).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convatlas.ops import conv2d_winograd

# What is not a product costs as much as so many products: of a tile, the changes of basis as those
# of so many channels more, and of a call, the kernels' own as those of so many tiles more.
_CHANGES, _CALL = 100, 110


class winograd(TorchFunctionMode):  # noqa: N801 (a context, as torch.autocast)
    """Inside, this thread's 3×3 convolutions at stride 1 are Winograd's where that pays."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Answers every call of PyTorch's."""
        return (_conv2d if func is torch.conv2d else func)(*args, **kwargs or {})


def gains(net: nn.Module) -> bool:
    """Whether a network has a convolution that is faster so, on pictures large enough."""
    return any(
        isinstance(layer, nn.Conv2d)
        and _fits(layer.stride, layer.dilation, layer.groups)
        and pays(torch.Size((1, layer.in_channels, 4096, 4096)), layer.weight.shape)
        for layer in net.modules()
    )


def pays(pictures: torch.Size, kernels: torch.Size) -> bool:
    """Whether pictures ``(N, C, H, W)`` and kernels ``(O, C, h, w)`` are worth it.

    Small maps waste a part of their tiles, few channels share a change of basis, and in a small
    batch there are few pictures for the kernels' own.
    """
    (n, _, height, width), (outputs, inputs, *kernel) = pictures, kernels
    tiles = n * math.ceil(height / 4) * math.ceil(width / 4)
    pairs, changes = outputs * inputs, _CHANGES * (outputs + inputs)
    direct = 9 * n * height * width * pairs
    return kernel == [3, 3] and 36 * ((tiles + _CALL) * pairs + tiles * changes) < direct


def _conv2d(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    if _fits(stride, dilation, groups) and pays(input.shape, weight.shape):
        return conv2d_winograd(input, weight, bias, padding)
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


def _fits(*numbers: int | Sequence[int]) -> bool:
    return all(number in (1, (1, 1)) for number in numbers)
