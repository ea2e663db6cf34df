"""Which sizes a network can take, and an explanation where it cannot.

Nothing here computes with weights: a network is walked on PyTorch's meta device, where tensors
have shapes and no numbers, so asking costs milliseconds even for ResNet-152.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from convatlas.arithmetic import (
    Size,
    conv_output_size,
    conv_transpose_output_size,
    pool_output_size,
)
from convatlas.errors import ShapeError

if TYPE_CHECKING:
    from convatlas.nets.parts import Net

_LARGEST = 1024  # the widest side that a search for the smallest one tries


def meta_call(module: nn.Module, shape: tuple[int, ...]) -> Any:
    """What ``module`` returns for a batch of ``shape``, on the meta device.

    The module is left as it was: weights, moving averages and the random state are not touched.
    """
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    stand_ins = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
    dtype = next((t.dtype for t in tensors.values() if t.is_floating_point()), torch.float32)
    with torch.no_grad():
        x = torch.empty(shape, dtype=dtype, device="meta")
        return torch.func.functional_call(module, stand_ins, (x,))


def output_sizes(layer: nn.Module, sides: tuple[int, ...]) -> tuple[Size, ...] | None:
    """Sizes that a sliding layer leaves along each axis; None for a layer that does not slide.

    Raises:
        ShapeError: nothing is left, with the arithmetic.
    """

    def along(axis: int, value: Any) -> Any:
        return value[axis] if isinstance(value, tuple) else value

    found = []
    for axis, side in enumerate(sides):
        at = partial(along, axis)
        match layer:
            case nn.ConvTranspose1d() | nn.ConvTranspose2d() | nn.ConvTranspose3d():
                size = conv_transpose_output_size(
                    side,
                    at(layer.kernel_size),
                    at(layer.stride),
                    at(layer.padding),
                    at(layer.output_padding),
                    at(layer.dilation),
                )
            case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
                if isinstance(layer.padding, str):
                    return None  # "same" keeps the size, "valid" is padding 0 by another name
                size = conv_output_size(
                    side,
                    at(layer.kernel_size),
                    at(layer.stride),
                    at(layer.padding),
                    at(layer.dilation),
                )
            case nn.MaxPool1d() | nn.MaxPool2d() | nn.MaxPool3d():
                size = pool_output_size(
                    side,
                    at(layer.kernel_size),
                    at(layer.stride),
                    at(layer.padding),
                    at(layer.dilation),
                    layer.ceil_mode,
                )
            case nn.AvgPool1d() | nn.AvgPool2d() | nn.AvgPool3d():
                size = pool_output_size(
                    side,
                    at(layer.kernel_size),
                    at(layer.stride),
                    at(layer.padding),
                    ceil_mode=layer.ceil_mode,
                )
            case _:
                return None
        found.append(size)
    return tuple(found)


def feature_shape(module: nn.Module, in_channels: int, side: int) -> tuple[int, ...]:
    """``(C, H, W)`` that ``module`` makes of one square picture.

    Raises:
        ShapeError: the picture is too small; names the layer, shows the arithmetic and says the
            smallest side that works.
    """
    with _checked(module):
        try:
            made: Tensor = meta_call(module, (2, in_channels, side, side))
        except ShapeError as error:
            least = smallest_side(module, in_channels)
            raise ShapeError(f"{error}. The smallest side that works is {least}") from None
    return tuple(made.shape[1:])


def smallest_side(module: nn.Module, in_channels: int) -> int:
    """The smallest square picture that ``module`` takes, in pixels.

    Raises:
        ShapeError: none up to 1024 pixels.
    """

    def fits(side: int) -> bool:
        try:
            meta_call(module, (2, in_channels, side, side))
        except (RuntimeError, ValueError):
            return False
        return True

    too_small, enough = 0, _LARGEST
    if not fits(enough):
        raise ShapeError(f"no square picture of up to {_LARGEST} pixels a side fits")
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        too_small, enough = (too_small, middle) if fits(middle) else (middle, enough)
    return enough


def explain(net: Net, x: Tensor, error: Exception) -> Exception:
    """The :class:`ShapeError` behind ``error``, or ``error`` itself where sizes are right."""
    who = net.name or type(net).__name__
    if x.dim() != 4:
        return ShapeError(f"{who} takes a batch (N, C, H, W), not {_times(x.shape)}")
    channels, height, width = x.shape[1:]
    if channels != net.in_channels:
        return ShapeError(
            f"{who} was built for {net.in_channels} channels, and this picture has {channels}: "
            f"build it with in_channels={channels}"
        )
    body = nn.Sequential()
    body.add_module("stem", net.stem)
    body.add_module("stages", net.stages)
    try:
        with _checked(body):
            made = meta_call(body, (2, channels, height, width)).shape[1:]
    except ShapeError as small:
        least = smallest_side(body, channels)
        return ShapeError(
            f"{who} cannot take {_times(x.shape[1:])}: {small}. "
            f"The smallest side that works is {least}"
        )
    except (RuntimeError, ValueError):
        return error
    dense = next((m for m in net.head.modules() if isinstance(m, nn.Linear)), None)
    if dense is not None and dense.in_features not in (made.numel(), made[0]):
        return ShapeError(
            f"the dense head of {who} was built for {net.input_size}×{net.input_size} "
            f"({dense.in_features} features), and {height}×{width} gives {_times(made)} = "
            f"{made.numel()}: build it with input_size={height}"
        )
    return error


@contextmanager
def _checked(module: nn.Module) -> Iterator[None]:
    """Inside, each sliding layer checks its arithmetic before it runs, and gives its name."""

    def check(name: str, layer: nn.Module, args: tuple[Any, ...]) -> None:
        try:
            output_sizes(layer, tuple(args[0].shape[2:]))
        except ShapeError as error:
            raise ShapeError(f"at {name} ({type(layer).__name__}), {error}") from None

    with ExitStack() as stack:
        for name, layer in module.named_modules():
            if not list(layer.children()):
                hook = layer.register_forward_pre_hook(partial(check, name))
                stack.callback(hook.remove)
        yield


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
