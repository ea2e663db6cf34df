"""What the four normalisations share: their files differ in the axes they average over.

::

    of (N, C, H, W)                averages over   there is one mean for
    batch_norm                     N, H, W         each channel
    layer_norm over (C, H, W)      C, H, W         each picture
    instance_norm                  H, W            each channel of each picture
    group_norm with G groups       C/G, H, W       each group of channels of each picture

``plots.normalisation_axes`` draws this table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from convatlas.errors import ArgumentTypeError, ConfigError, ShapeError
from convatlas.ops.arguments import real_floating, tensors


def standardise(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """``(x − μ) / √(σ² + ε)``, with the mean μ and the biased variance σ² over ``axes``.

    What comes out has mean 0 and variance σ²/(σ² + ε), a little below 1. Its distribution keeps its
    form: data that were not normal do not become so.
    """
    mean = x.mean(axes, keepdim=True)
    variance = (x - mean).square().mean(axes, keepdim=True)
    return (x - mean) / (variance + eps).sqrt()


def by_channel(vector: Tensor, x: Tensor) -> Tensor:
    """``(C,)`` in a shape that meets the channels of x: ``(C, 1, 1)`` for ``(N, C, H, W)``."""
    return vector.view(-1, *[1] * (x.dim() - 2))


def scale_and_shift(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """``γ·y + β``, where they are given: one number for each channel."""
    if weight is not None:
        y = by_channel(weight, y) * y
    return y if bias is None else y + by_channel(bias, y)


@torch.no_grad()
def move_averages(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    x: Tensor,
    axes: tuple[int, ...],
    momentum: float,
) -> None:
    """``running ← (1 − m)·running + m·new``, in place; new is over ``axes``, the variance unbiased.

    Where each picture has statistics of its own, new is their mean over the batch. A batch of
    nothing moves nothing.

    Raises:
        ConfigError: one average without the other.
    """
    if running_mean is None and running_var is None:
        return
    if running_mean is None or running_var is None:
        missing = "running_mean" if running_mean is None else "running_var"
        raise ConfigError(f"{missing} is None, but the other average is not: both or neither")
    if x.numel() == 0:
        return
    for running, new in ((running_mean, x.mean(axes)), (running_var, x.var(axes))):
        running.mul_(1 - momentum).add_(momentum * new.view(-1, len(running)).mean(0))


def wide(input: Tensor) -> Tensor:  # noqa: A002
    """The input, as float32 where its own format is too coarse for a variance."""
    return input.to(torch.promote_types(input.dtype, torch.float32))


def check_more_than_one(input: Tensor, sizes: Sequence[int]) -> None:  # noqa: A002
    """Refuse a mean over a single number.

    Args:
        input: named in the complaint.
        sizes: of the axes that are averaged over.

    Raises:
        ShapeError: with the product that is 1.
    """
    if math.prod(sizes) == 1:
        raise ShapeError(
            f"input has shape {tuple(input.shape)}, which leaves each mean "
            f"{'·'.join(map(str, sizes)) or 'no axis'} = 1 number, but it must have more: "
            "one number has no variance"
        )


def check_channels(input: Tensor, **vectors: Tensor | None) -> None:  # noqa: A002
    """Refuse an input without channels, and vectors that are not of one number for each.

    Raises:
        ShapeError: with the name and the shape that it must have.
        ArgumentTypeError: see `check_vectors`.
    """
    real_floating(input)
    if input.dim() < 2:
        raise ShapeError(f"input has shape {tuple(input.shape)}, but it must be (N, C, …)")
    check_vectors(input, input.shape[1:2], "a number for each channel of the input", **vectors)


def check_vectors(
    input: Tensor,  # noqa: A002
    shape: Sequence[int],
    what: str,
    **vectors: Tensor | None,
) -> None:
    """Refuse weights, biases and averages of another shape or format.

    Raises:
        ShapeError: with the name and the shape that it must have.
        ArgumentTypeError: neither the input's format nor, beside a half format, float32.
    """
    formats = {input.dtype, torch.promote_types(input.dtype, torch.float32)}
    for name, vector in vectors.items():
        if vector is None:
            continue
        tensors(**{name: vector})
        if tuple(vector.shape) != tuple(shape):
            raise ShapeError(
                f"{name} has shape {tuple(vector.shape)}, but it must be {tuple(shape)}, {what}"
            )
        if vector.dtype not in formats:
            raise ArgumentTypeError(
                f"{name} is {vector.dtype}, but it must be "
                f"{' or '.join(sorted(map(str, formats)))} beside an input of {input.dtype}"
            )
