"""Which sizes a network can take, and an explanation where it cannot.

Nothing here computes with weights: a network is walked on PyTorch's meta device, where tensors
have shapes and no numbers, so asking costs milliseconds even for ResNet-152.
"""

from __future__ import annotations

from contextlib import ExitStack
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


def on_meta(module: nn.Module) -> dict[str, Tensor]:
    """Stand-ins for the parameters and buffers of ``module`` on the meta device, by name.

    They are for ``torch.func.functional_call(…, tie_weights=False)``. A tensor that two parts
    share has one stand-in under both names; a part that stands in two places is named once, since
    torch forgets the real weights of one that is swapped twice.
    """
    made: dict[int, Tensor] = {}
    names: dict[str, Tensor] = {}
    for place, part in module.named_modules():
        own = (*part._parameters.items(), *part._buffers.items())
        for name, tensor in own:
            if tensor is not None:
                stand_in = made.setdefault(id(tensor), tensor.detach().to("meta"))
                names[f"{place}.{name}" if place else name] = stand_in
    return names


def meta_call(module: nn.Module, shape: tuple[int, ...]) -> Any:
    """What ``module`` returns for a batch of ``shape``, on the meta device.

    The module is left as it was: weights, moving averages and the random state are not touched.
    """
    stand_ins = on_meta(module)
    dtype = next((t.dtype for t in stand_ins.values() if t.is_floating_point()), torch.float32)
    with torch.no_grad():
        x = torch.empty(shape, dtype=dtype, device="meta")
        return torch.func.functional_call(module, stand_ins, (x,), tie_weights=False)


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
    try:
        made: Tensor = _walk(module, (in_channels, side, side))
    except ShapeError as error:
        least = smallest_side(module, in_channels)
        raise ShapeError(
            f"input_size={side} does not survive: {error}; "
            f"the picture's side must be at least {least}"
        ) from None
    return tuple(made.shape[1:])


def smallest_side(module: nn.Module, in_channels: int) -> int:
    """The smallest square picture that ``module`` takes, in pixels.

    Raises:
        ShapeError: none up to 1024 pixels.
    """
    too_small, enough = 0, _LARGEST
    if not _fits(module, (in_channels, enough, enough)):
        raise ShapeError(f"no square picture of up to {_LARGEST} pixels a side fits")
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        if _fits(module, (in_channels, middle, middle)):
            enough = middle
        else:
            too_small = middle
    return enough


def explain(net: Net, x: Tensor, error: Exception) -> Exception:
    """The :class:`ShapeError` behind ``error``, or ``error`` itself where sizes are right."""
    who = net.name or type(net).__name__
    if x.dim() != 4:
        return ShapeError(f"{who} takes a batch (N, C, H, W), not {_times(x.shape)}")
    channels, height, width = x.shape[1:]
    if channels != net.in_channels:
        return ShapeError(
            f"{who} was built for in_channels={net.in_channels}, and this picture has {channels}: "
            f"convert it, or build the network with in_channels={channels}"
        )
    body, whole = nn.Sequential(), _Whole(net)
    body.add_module("stem", net.stem)
    body.add_module("stages", net.stages)
    try:
        _walk(body, (channels, height, width))
    except ShapeError as misfit:
        try:
            least = smallest_side(body, channels)
        except ShapeError:  # no size fits, so the size is not what is wrong
            return error
        remedy = f"the picture's side must be at least {least}"
        if not _fits(whole, (channels, least, least)):
            remedy += f", and the network built with input_size={least}"
        return ShapeError(f"{who} cannot take {height}×{width}: {misfit}; {remedy}")
    if isinstance(error, ShapeError):  # the network has explained itself
        return error
    try:
        _walk(whole, (channels, height, width))
    except ShapeError as misfit:
        remedy = f"resize the picture to {net.input_size}×{net.input_size}"
        if height == width:
            remedy += f", or build the network with input_size={height}"
        return ShapeError(
            f"{who} was built for {net.input_size}×{net.input_size} and cannot take "
            f"{height}×{width}: {misfit}; {remedy}"
        )
    if len(x) == 1 and net.training and isinstance(error, ValueError):  # two of them fit
        return ShapeError(
            f"{who} in training cannot take a single {height}×{width} picture: batch normalisation "
            "has nothing to average over; give it two or more, or a larger one"
        )
    return error


class _Whole(nn.Module):
    """A network without the explanations of its `forward`."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Any:
        return self.net.walk(x)


def _walk(module: nn.Module, shape: tuple[int, ...]) -> Any:
    """What ``module`` makes of two pictures of ``shape``; ShapeError names the layer that cannot.

    Each layer checks its arithmetic before it runs; what only PyTorch knows (an instance norm has
    nothing to average over in a 1×1 map) is told in PyTorch's words.
    """
    at = "the input"

    def check(name: str, layer: nn.Module, args: tuple[Any, ...]) -> None:
        nonlocal at
        at = f"{name.removeprefix('net.')} ({type(layer).__name__})"
        x: Tensor = args[0]
        output_sizes(layer, tuple(x.shape[2:]))
        if isinstance(layer, nn.Linear) and x.shape[-1] != layer.in_features:
            raise ShapeError(f"{x.shape[-1]} features arrive where it takes {layer.in_features}")

    with ExitStack() as stack:
        for name, layer in module.named_modules():
            if not list(layer.children()):
                hook = layer.register_forward_pre_hook(partial(check, name))
                stack.callback(hook.remove)
        try:
            return meta_call(module, (2, *shape))
        except (RuntimeError, ValueError) as error:
            raise ShapeError(f"at {at}, {error}") from None


def _fits(module: nn.Module, shape: tuple[int, ...]) -> bool:
    try:
        _walk(module, shape)
    except ShapeError:
        return False
    return True


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
