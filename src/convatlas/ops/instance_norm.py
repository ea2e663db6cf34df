"""Instance normalisation: each channel of each picture standardised on its own."""

from __future__ import annotations

from torch import Tensor

from convatlas.ops.arguments import numbers, switches
from convatlas.ops.batch_norm import batch_norm
from convatlas.ops.standardise import (
    check_channels,
    check_more_than_one,
    move_averages,
    scale_and_shift,
    standardise,
    wide,
)


def instance_norm(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``y = γ·(x − μ)/√(σ² + ε) + β``, with μ and σ² for each map (Ulyanov et al. 2016).

    What is lost is the contrast and the brightness of each channel: the paper uses it to transfer
    style.

    Args:
        input: ``(N, C, …)`` with more than one number for each channel of each picture.
        running_mean, running_var: ``(C,)``, moving averages as in `batch_norm`, of the mean over
            the batch of each picture's statistics.
        weight, bias: γ and β, ``(C,)``; 1 and 0 where there are none.
        use_input_stats: whether the input is measured, in training and mostly in evaluation too;
            or else the moving averages are taken, which is what `batch_norm` does in evaluation.
        momentum: the share of the new in the moving averages (PyTorch's convention).
        eps: ε, which keeps the root from 0.

    Returns:
        The same shape.

    Raises:
        ShapeError: a single number for each channel of each picture, or a vector that is not of C
            numbers.
        ConfigError: one average without the other, or none where they are to be taken.
        ArgumentTypeError: integers, or tensors of two number formats (half formats may have
            float32 beside them).
    """
    switches(use_input_stats=use_input_stats)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
    check_channels(
        input, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var
    )
    numbers(momentum=momentum, eps=eps)
    x = wide(input)
    axes = tuple(range(2, x.dim()))  # H, W
    check_more_than_one(input, x.shape[2:])
    y = standardise(x, axes, eps)
    move_averages(running_mean, running_var, x, axes, momentum)
    return scale_and_shift(y, weight, bias).to(input.dtype)
