"""Every layer written out from its definition, with the signatures of ``torch.nn.functional``."""

from __future__ import annotations

from convatlas.arithmetic import (
    adaptive_window,
    conv_output_size,
    conv_transpose_output_size,
    pool_output_size,
    same_padding,
    unpool_output_size,
)
from convatlas.ops.activation_facts import ACTIVATIONS, Activation
from convatlas.ops.activations import (
    leaky_relu,
    leaky_relu_derivative,
    prelu,
    prelu_derivative,
    relu,
    relu_derivative,
    rrelu,
    rrelu_derivative,
    sigmoid,
    sigmoid_derivative,
    tanh,
    tanh_derivative,
)
from convatlas.ops.adaptive_avg_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from convatlas.ops.avg_pool import avg_pool1d, avg_pool2d, avg_pool3d
from convatlas.ops.batch_norm import batch_norm
from convatlas.ops.conv_matrix import conv_matrix, conv_transpose_matrix
from convatlas.ops.convolution import conv1d, conv2d, conv3d
from convatlas.ops.cross_entropy import cross_entropy, cross_entropy_derivative
from convatlas.ops.dropout import dropout
from convatlas.ops.fractional_stride import fractionally_strided_conv, zeros_between
from convatlas.ops.group_norm import group_norm
from convatlas.ops.instance_norm import instance_norm
from convatlas.ops.layer_norm import layer_norm
from convatlas.ops.linear import linear
from convatlas.ops.local_response_norm import local_response_norm
from convatlas.ops.max_pool import max_pool1d, max_pool2d, max_pool3d
from convatlas.ops.max_unpool import max_unpool1d, max_unpool2d, max_unpool3d
from convatlas.ops.softmax import softmax, softmax_jacobian
from convatlas.ops.transposed_convolution import (
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_window",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_matrix",
    "conv_output_size",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "conv_transpose_matrix",
    "conv_transpose_output_size",
    "cross_entropy",
    "cross_entropy_derivative",
    "dropout",
    "fractionally_strided_conv",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_derivative",
    "linear",
    "local_response_norm",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "pool_output_size",
    "prelu",
    "prelu_derivative",
    "relu",
    "relu_derivative",
    "rrelu",
    "rrelu_derivative",
    "same_padding",
    "sigmoid",
    "sigmoid_derivative",
    "softmax",
    "softmax_jacobian",
    "tanh",
    "tanh_derivative",
    "unpool_output_size",
    "zeros_between",
]
