"""The non-linear functions between layers, each with its derivative.

Without one of them any stack of layers is a single linear map. What sets them apart (range, mean,
slope, where they saturate or die) is in `convatlas.ops.activation_facts`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convatlas.errors import ArgumentTypeError, ConfigError, ShapeError
from convatlas.ops.arguments import (
    not_a_leaf,
    numbers,
    real_floating,
    same_dtype,
    switches,
    tensors,
)


def sigmoid(input: Tensor) -> Tensor:  # noqa: A002
    """``σ(x) = 1 / (1 + e⁻ˣ)``, and ``eˣ / (eˣ + 1)`` below zero, so that no power overflows.

    Args:
        input: any shape; integers become the default floating type.

    Returns:
        The same shape.
    """
    x = _floating(input)
    positive = x.real >= 0
    e = torch.exp(torch.where(positive, -x, x))
    return torch.where(positive, 1, e) / (1 + e)


def sigmoid_derivative(input: Tensor) -> Tensor:  # noqa: A002
    """``σ′(x) = σ(x) (1 − σ(x))``: at most ¼, at x = 0."""
    return sigmoid(input) * (1 - sigmoid(input))


def tanh(input: Tensor) -> Tensor:  # noqa: A002
    """``tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ) = (1 − e⁻²ˣ) / (1 + e⁻²ˣ) = 2 σ(2x) − 1``.

    Written with ``expm1(t) = eᵗ − 1``, which keeps its digits where t is near 0, and with −2|x|, so
    that no power overflows.

    Args:
        input: any shape; integers become the default floating type.

    Returns:
        The same shape.
    """
    x = _floating(input)
    positive = x.real >= 0
    less_one = torch.expm1(torch.where(positive, -2 * x, 2 * x))
    return torch.where(positive, -less_one, less_one) / (2 + less_one)


def tanh_derivative(input: Tensor) -> Tensor:  # noqa: A002
    """``tanh′ x = 1 − tanh² x``: at most 1, at x = 0."""
    return 1 - tanh(input) ** 2


def relu(input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002
    """``max(0, x)`` (Nair and Hinton 2010).

    Args:
        input: any shape, real numbers.
        inplace: write the result into ``input``.

    Returns:
        The same shape.
    """
    tensors(input=input)
    if input.dtype == torch.bool or input.is_complex():
        raise ArgumentTypeError(f"input is {input.dtype}, but it must be of real numbers")
    return _given(torch.where(input <= 0, 0, input), input, inplace)


def relu_derivative(input: Tensor) -> Tensor:  # noqa: A002
    """1 above zero, else 0; at zero itself, where there is none, PyTorch's choice of 0."""
    return (input > 0).to(input.dtype)


def leaky_relu(
    input: Tensor,  # noqa: A002
    negative_slope: float = 0.01,
    inplace: bool = False,
) -> Tensor:
    """``x`` above zero, ``negative_slope · x`` below (Maas, Hannun and Ng 2013).

    Args:
        input: any shape.
        negative_slope: a, the slope below zero.
        inplace: write the result into ``input``.

    Returns:
        The same shape.
    """
    real_floating(input)
    numbers(negative_slope=negative_slope)
    return _given(torch.where(input > 0, input, negative_slope * input), input, inplace)


def leaky_relu_derivative(input: Tensor, negative_slope: float = 0.01) -> Tensor:  # noqa: A002
    """1 above zero, else ``negative_slope``."""
    return torch.where(input > 0, torch.ones_like(input), negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:  # noqa: A002
    """A leaky ReLU whose slope is learned (He et al. 2015, "Delving deep into rectifiers").

    Args:
        input: ``(N, C, …)``, or any shape where there is one slope.
        weight: the slope below zero: one number, or ``(C,)``, one for each channel. Its own
            derivative is ``min(0, x)``, summed over all that it serves.

    Returns:
        The shape of the input.

    Raises:
        ShapeError: neither one slope nor one for each channel.
    """
    real_floating(input)
    return torch.where(input > 0, input, _per_channel(weight, input) * input)


def prelu_derivative(input: Tensor, weight: Tensor) -> Tensor:  # noqa: A002
    """By the input: 1 above zero, else the slope of its channel."""
    return torch.where(input > 0, torch.ones_like(input), _per_channel(weight, input))


def rrelu(
    input: Tensor,  # noqa: A002
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """A leaky ReLU whose slopes are drawn (Xu et al. 2015, "Empirical evaluation of rectified…").

    Args:
        input: any shape.
        lower, upper: in training, each number below zero has a slope of its own, drawn evenly from
            between the two; in evaluation all have the mean, ``(lower + upper) / 2``.
        training: whether slopes are drawn.
        inplace: write the result into ``input``.

    Returns:
        The same shape.

    Raises:
        ConfigError: ``lower`` is above ``upper``, or one of them is not finite.
    """
    real_floating(input)
    numbers(lower=lower, upper=upper)
    switches(training=training)
    for name, bound in (("lower", lower), ("upper", upper)):
        if not math.isfinite(bound):
            raise ConfigError(f"{name} is {bound}, but it must be finite")
    if lower > upper:
        raise ConfigError(f"lower is {lower}, but it must be at most upper ({upper})")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slopes = torch.empty_like(input).uniform_(lower, upper)
    return _given(torch.where(input > 0, input, slopes * input), input, inplace)


def rrelu_derivative(
    input: Tensor,  # noqa: A002
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
) -> Tensor:
    """In evaluation, and on average in training: 1 above zero, else ``(lower + upper) / 2``."""
    return leaky_relu_derivative(input, (lower + upper) / 2)


def _given(result: Tensor, input: Tensor, inplace: bool) -> Tensor:  # noqa: A002
    """The result, or the input with the result written into it."""
    if not inplace:
        return result
    not_a_leaf(input)
    return input.copy_(result)


def _per_channel(weight: Tensor, input: Tensor) -> Tensor:  # noqa: A002
    """The slopes in a shape that meets the input's channels."""
    tensors(weight=weight)
    same_dtype(input, weight=weight)
    channels = input.shape[1] if input.dim() > 1 else 1
    if weight.dim() > 1 or weight.numel() not in (1, channels):
        raise ShapeError(
            f"weight has shape {tuple(weight.shape)}, but it must be one number or ({channels},), "
            f"one for each channel of the input {tuple(input.shape)}"
        )
    return weight.view(()) if weight.numel() == 1 else weight.view(-1, *[1] * (input.dim() - 2))


def _floating(input: Tensor) -> Tensor:  # noqa: A002
    """As it is, or an integer as PyTorch's default floating type."""
    tensors(input=input)
    floating = input.is_floating_point() or input.is_complex()
    return input if floating else input.to(torch.get_default_dtype())
