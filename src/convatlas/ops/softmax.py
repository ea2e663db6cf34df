"""Softmax: any numbers as probabilities."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from convatlas.errors import ArgumentTypeError, ShapeError
from convatlas.ops.arguments import integers, tensors


def softmax(
    input: Tensor,  # noqa: A002
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """``pᵢ = eˣⁱ / Σⱼ eˣʲ``.

    The largest number is taken from all first: that divides above and below by the same power, and
    none overflows.

    Args:
        input: any shape, of a floating type unless ``dtype`` is given.
        dim: the axis along which the probabilities sum to 1. Without one PyTorch warns, and takes
            axis 0 of an input with 0, 1 or 3 axes, else axis 1.
        dtype: the number format that is computed in and returned.

    Returns:
        The same shape, numbers from 0 to 1.

    Raises:
        ShapeError: the input has no such axis.
        ArgumentTypeError: integers, say.
    """
    tensors(input=input)
    if dim is None:
        dim = 0 if input.dim() in (0, 1, 3) else 1
        warnings.warn(
            f"softmax was given no dim and takes {dim}; say which", stacklevel=_stacklevel - 1
        )
    x = _floating(input, dtype)
    _check_axis(x, dim)
    powers = torch.exp(x - _largest(x, dim))
    return powers / powers.sum(dim, keepdim=True)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """``log pᵢ = xᵢ − log Σⱼ eˣʲ``, which stays finite where pᵢ itself is too small to be told."""
    x = x - _largest(x, dim)
    return x - torch.exp(x).sum(dim, keepdim=True).log()


def softmax_jacobian(input: Tensor) -> Tensor:  # noqa: A002
    """``∂pᵢ/∂xⱼ = pᵢ (δᵢⱼ − pⱼ)``, that is ``diag(p) − p pᵀ``.

    Its rows sum to 0, since adding one number to all of x leaves p as it is.

    Args:
        input: ``(…, K)``.

    Returns:
        ``(…, K, K)``: probability by row, input by column.
    """
    p = softmax(input, dim=-1)
    return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)


def _largest(x: Tensor, dim: int) -> Tensor:
    """Detached: a number taken from all changes nothing, so it has no derivative."""
    return x.detach().amax(dim, keepdim=True) if x.numel() else x.new_zeros(())


def _floating(input: Tensor, dtype: torch.dtype | None) -> Tensor:  # noqa: A002
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ArgumentTypeError(f"dtype is {dtype!r}, but it must be a floating type")
    if dtype is None and not input.is_floating_point():
        raise ArgumentTypeError(
            f"input is {input.dtype}, but it must be of a floating type, or dtype must give one"
        )
    return input if dtype is None else input.to(dtype)


def _check_axis(x: Tensor, dim: int) -> None:
    axes = max(x.dim(), 1)  # a single number counts as one axis
    integers(dim=dim)
    if not -axes <= dim < axes:
        raise ShapeError(
            f"dim is {dim}, but an input of shape {tuple(x.shape)} has the axes "
            f"{-axes} to {axes - 1}"
        )
