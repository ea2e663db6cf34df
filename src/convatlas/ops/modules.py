"""The layers as modules: PyTorch's own, parameters, names and all, computing by our definitions.

Each class here is ``torch.nn``'s of the same name with its computation replaced by the function of
this package, so a state dict of the one loads into the other, and a network can be built wholly
from these, or turned into one by `written_out`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.ops.activations import leaky_relu, prelu, relu, rrelu, sigmoid, tanh
from convatlas.ops.adaptive_avg_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from convatlas.ops.avg_pool import avg_pool1d, avg_pool2d, avg_pool3d
from convatlas.ops.batch_norm import batch_norm
from convatlas.ops.convolution import conv1d, conv2d, conv3d
from convatlas.ops.cross_entropy import cross_entropy
from convatlas.ops.dropout import dropout
from convatlas.ops.group_norm import group_norm
from convatlas.ops.instance_norm import instance_norm
from convatlas.ops.layer_norm import layer_norm
from convatlas.ops.linear import linear
from convatlas.ops.local_response_norm import local_response_norm
from convatlas.ops.max_pool import max_pool1d, max_pool2d, max_pool3d
from convatlas.ops.max_unpool import max_unpool1d, max_unpool2d, max_unpool3d
from convatlas.ops.softmax import softmax
from convatlas.ops.transposed_convolution import (
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)

Function = Callable[..., Any]
Module = TypeVar("Module", bound=nn.Module)

# ------------------------------------------------------------------------------- how each is called


class _Conv(nn.Module):
    function: ClassVar[Function]

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002
        padding: Any = self.padding
        if self.padding_mode != "zeros":  # the border is made of the picture first
            sides: Any = self._reversed_padding_repeated_twice
            input = F.pad(input, sides, mode=str(self.padding_mode))  # noqa: A001
            padding = 0
        y: Tensor = self.function(
            input, weight, bias, self.stride, padding, self.dilation, self.groups
        )
        return y


class _ConvTranspose(nn.Module):
    function: ClassVar[Function]
    _output_padding: Function
    kernel_size: Any

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002
        """The stamps of all input cells, added; ``output_size`` chooses among those there are."""
        axes = len(self.kernel_size)
        extra = self._output_padding(
            input, output_size, self.stride, self.padding, self.kernel_size, axes, self.dilation
        )
        y: Tensor = self.function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )
        return y


class _MaxPool(nn.Module):
    function: ClassVar[Function]

    def forward(self, input: Tensor) -> Any:  # noqa: A002
        """The largest of each window; with ``return_indices`` also where it was."""
        return self.function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class _AvgPool(nn.Module):
    function: ClassVar[Function]
    _has_divisor: ClassVar[bool] = True

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """The mean of each window."""
        where = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        divisor = {"divisor_override": self.divisor_override} if self._has_divisor else {}
        y: Tensor = self.function(input, *where, self.count_include_pad, **divisor)
        return y


class _AdaptiveAvgPool(nn.Module):
    function: ClassVar[Function]

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Means of windows that cover the input, as many as asked for."""
        y: Tensor = self.function(input, self.output_size)
        return y


class _MaxUnpool(nn.Module):
    function: ClassVar[Function]

    def forward(
        self,
        input: Tensor,  # noqa: A002
        indices: Tensor,
        output_size: list[int] | None = None,
    ) -> Tensor:
        """Each maximum back in its place, zeros elsewhere."""
        where = (self.kernel_size, self.stride, self.padding)
        y: Tensor = self.function(input, indices, *where, output_size)
        return y


class _BatchNorm(nn.Module):
    _check_input_dim: Function
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    momentum: float | None

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """By the batch's own statistics while training, by the moving averages afterwards."""
        self._check_input_dim(input)
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:  # the plain mean of all batches so far
                momentum = 1 / float(self.num_batches_tracked)
        own = self.training or self.running_mean is None
        moving = not self.training or self.track_running_stats
        return batch_norm(
            input,
            self.running_mean if moving else None,
            self.running_var if moving else None,
            self.weight,  # type: ignore[arg-type]
            self.bias,  # type: ignore[arg-type]
            own,
            momentum or 0.0,
            self.eps,  # type: ignore[arg-type]
        )


class _InstanceNorm(nn.Module):
    momentum: float | None

    def _apply_instance_norm(self, input: Tensor) -> Tensor:  # noqa: A002
        return instance_norm(
            input,
            self.running_mean,  # type: ignore[arg-type]
            self.running_var,  # type: ignore[arg-type]
            self.weight,  # type: ignore[arg-type]
            self.bias,  # type: ignore[arg-type]
            bool(self.training or not self.track_running_stats),
            self.momentum or 0.0,
            self.eps,  # type: ignore[arg-type]
        )


# --------------------------------------------------------------------------------------- the layers


class Conv1d(_Conv, nn.Conv1d):
    """`conv1d` with its weights."""

    function = staticmethod(conv1d)


class Conv2d(_Conv, nn.Conv2d):
    """`conv2d` with its weights."""

    function = staticmethod(conv2d)


class Conv3d(_Conv, nn.Conv3d):
    """`conv3d` with its weights."""

    function = staticmethod(conv3d)


class ConvTranspose1d(_ConvTranspose, nn.ConvTranspose1d):
    """`conv_transpose1d` with its weights."""

    function = staticmethod(conv_transpose1d)


class ConvTranspose2d(_ConvTranspose, nn.ConvTranspose2d):
    """`conv_transpose2d` with its weights."""

    function = staticmethod(conv_transpose2d)


class ConvTranspose3d(_ConvTranspose, nn.ConvTranspose3d):
    """`conv_transpose3d` with its weights."""

    function = staticmethod(conv_transpose3d)


class MaxPool1d(_MaxPool, nn.MaxPool1d):
    """`max_pool1d` with its window."""

    function = staticmethod(max_pool1d)


class MaxPool2d(_MaxPool, nn.MaxPool2d):
    """`max_pool2d` with its window."""

    function = staticmethod(max_pool2d)


class MaxPool3d(_MaxPool, nn.MaxPool3d):
    """`max_pool3d` with its window."""

    function = staticmethod(max_pool3d)


class AvgPool1d(_AvgPool, nn.AvgPool1d):
    """`avg_pool1d` with its window."""

    function = staticmethod(avg_pool1d)
    _has_divisor = False


class AvgPool2d(_AvgPool, nn.AvgPool2d):
    """`avg_pool2d` with its window."""

    function = staticmethod(avg_pool2d)


class AvgPool3d(_AvgPool, nn.AvgPool3d):
    """`avg_pool3d` with its window."""

    function = staticmethod(avg_pool3d)


class AdaptiveAvgPool1d(_AdaptiveAvgPool, nn.AdaptiveAvgPool1d):
    """`adaptive_avg_pool1d` with its output size."""

    function = staticmethod(adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool, nn.AdaptiveAvgPool2d):
    """`adaptive_avg_pool2d` with its output size."""

    function = staticmethod(adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool, nn.AdaptiveAvgPool3d):
    """`adaptive_avg_pool3d` with its output size."""

    function = staticmethod(adaptive_avg_pool3d)


class MaxUnpool1d(_MaxUnpool, nn.MaxUnpool1d):
    """`max_unpool1d` with its window."""

    function = staticmethod(max_unpool1d)


class MaxUnpool2d(_MaxUnpool, nn.MaxUnpool2d):
    """`max_unpool2d` with its window."""

    function = staticmethod(max_unpool2d)


class MaxUnpool3d(_MaxUnpool, nn.MaxUnpool3d):
    """`max_unpool3d` with its window."""

    function = staticmethod(max_unpool3d)


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """`batch_norm` of ``(N, C)`` or ``(N, C, L)``, with scale, shift and moving averages."""


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """`batch_norm` of ``(N, C, H, W)``, with scale, shift and moving averages."""


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    """`batch_norm` of ``(N, C, D, H, W)``, with scale, shift and moving averages."""


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    """`instance_norm` of ``(N, C, L)``."""


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    """`instance_norm` of ``(N, C, H, W)``."""


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    """`instance_norm` of ``(N, C, D, H, W)``."""


class LayerNorm(nn.LayerNorm):
    """`layer_norm` with scale and shift."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Each sample by its own mean and variance."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class GroupNorm(nn.GroupNorm):
    """`group_norm` with scale and shift."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Each group of channels of each sample by its own mean and variance."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class LocalResponseNorm(nn.LocalResponseNorm):
    """`local_response_norm` with its constants, α divided by the window's size."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Each activation by its neighbours among the channels."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class Linear(nn.Linear):
    """`linear` with its weights."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """``xWᵀ + b``."""
        return linear(input, self.weight, self.bias)


class Dropout(nn.Dropout):
    """`dropout` that evaluation leaves out."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Some activations zero and the others larger, while training."""
        return dropout(input, self.p, self.training, self.inplace)


class Sigmoid(nn.Sigmoid):
    """`sigmoid`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """``1 / (1 + e⁻ˣ)``."""
        return sigmoid(input)


class Tanh(nn.Tanh):
    """`tanh`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """``(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)``."""
        return tanh(input)


class ReLU(nn.ReLU):
    """`relu`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """``max(x, 0)``."""
        return relu(input, self.inplace)


class LeakyReLU(nn.LeakyReLU):
    """`leaky_relu` with its slope."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """``x``, or ``negative_slope·x`` below zero."""
        return leaky_relu(input, self.negative_slope, self.inplace)


class PReLU(nn.PReLU):
    """`prelu` with slopes that are learned."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """``x``, or ``weight·x`` below zero."""
        return prelu(input, self.weight)


class RReLU(nn.RReLU):
    """`rrelu` with slopes that are drawn while training."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """``x``, or a random multiple of it below zero."""
        return rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Softmax(nn.Softmax):
    """`softmax` along its dimension."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Positive numbers that add up to 1."""
        return softmax(input, self.dim)


class CrossEntropyLoss(nn.CrossEntropyLoss):
    """`cross_entropy` with its weights and its smoothing."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002
        """What the true classes cost, in nats."""
        return cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


#: ours, by PyTorch's class
FACES: dict[type[nn.Module], type[nn.Module]] = {
    getattr(nn, name): face
    for name, face in dict(globals()).items()
    if isinstance(face, type) and issubclass(face, nn.Module) and hasattr(nn, name)
}


def written_out(net: Module) -> Module:
    """A copy of a network in which every layer computes by the definitions of this package.

    Weights, moving averages, hooks and modes are the network's, and so is the state dict. What is
    no layer of ``torch.nn`` (a sum, a function called in some ``forward``) stays as it is.

    Args:
        net: any network, of the atlas or not; it stays as it was.
    """
    net = copy.deepcopy(net)
    for module in net.modules():
        if face := FACES.get(type(module)):
            # a face has its layer's attributes and no others, so that nothing but the class differs
            module.__class__ = face
    return net
