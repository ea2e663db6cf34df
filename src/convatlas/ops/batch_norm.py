"""Batch normalisation: each channel standardised over the batch and the map."""

from __future__ import annotations

from torch import Tensor

from convatlas.errors import ConfigError
from convatlas.ops.arguments import numbers, real_floating, switches
from convatlas.ops.standardise import (
    by_channel,
    check_channels,
    check_more_than_one,
    move_averages,
    scale_and_shift,
    standardise,
    wide,
)


def batch_norm(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``y = γ·(x − μ)/√(σ² + ε) + β``, with μ and σ² for each channel (Ioffe and Szegedy 2015).

    In training μ and σ² are those of the batch: over N for ``(N, C)``, over N·H·W numbers for
    ``(N, C, H, W)``. In evaluation they are the moving averages, so that the answer for a picture
    does not depend on the others in its batch.

    Two channels, two pictures of 2×2:

    >>> x = torch.tensor([[[[1., 1.], [1., 2.]], [[-1., 1.], [0., 1.]]],
    ...                   [[[0., -1.], [2., 2.]], [[0., -1.], [3., 1.]]]])
    >>> x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    (tensor([1.0000, 0.5000]), tensor([1.0000, 1.5000]))
    >>> y = batch_norm(x, None, None, training=True)  # γ = 1, β = 0; (−1 − 0.5)/√1.5 = −1.2247
    >>> y[0]
    tensor([[[ 0.0000,  0.0000],
             [ 0.0000,  1.0000]],
    <BLANKLINE>
            [[-1.2247,  0.4082],
             [-0.4082,  0.4082]]])

    γ = √(σ² + ε) and β = μ undo it, so that the layer can learn to do nothing:

    >>> weight, bias = torch.tensor([1.0, 1.5]).add(1e-5).sqrt(), torch.tensor([1.0, 0.5])
    >>> torch.allclose(batch_norm(x, None, None, weight, bias, training=True), x)
    True

    **Two variances.** What is standardised is divided by the biased variance (over n), the moving
    average takes the unbiased one (over n − 1), as in Algorithm 2 of the paper and in PyTorch; the
    layer of d2l, written from scratch, takes the biased one for both.

    **Two momenta.** PyTorch writes ``running = (1 − m)·running + m·new`` with m = 0.1, d2l
    ``moving = m·moving + (1 − m)·new`` with m = 0.9: the same step, and what the one calls m is
    1 − m to the other.

    Args:
        input: ``(N, C)`` or ``(N, C, …)``.
        running_mean, running_var: ``(C,)``, the moving averages. Training moves them in place, or
            does without both; evaluation needs both.
        weight, bias: γ and β, ``(C,)``; 1 and 0 where there are none.
        training: whether the batch is measured, or the moving averages are taken.
        momentum: the share of the new in the moving averages (PyTorch's convention).
        eps: ε, which keeps the root from 0.

    Returns:
        The same shape.

    Raises:
        ShapeError: in training a single number a channel, which has no variance; or a vector that
            is not of C numbers.
        ConfigError: one average without the other, evaluation without them, or ε out of range.
        ArgumentTypeError: integers, or tensors of two number formats (half formats may have
            float32 beside them).
    """
    real_floating(input)
    if input.shape == (0,):
        return input  # PyTorch lets an empty vector through
    check_channels(
        input, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var
    )
    numbers(momentum=momentum, eps=eps)
    switches(training=training)
    if eps < 0 or (training and eps == 0):
        rule = "above 0 in training" if training else "at least 0"
        raise ConfigError(f"eps is {eps}, but it must be {rule}")
    x = wide(input)
    if training:
        axes = (0, *range(2, x.dim()))  # N, H, W
        check_more_than_one(input, [x.shape[axis] for axis in axes])
        y = standardise(x, axes, eps)
        move_averages(running_mean, running_var, x, axes, momentum)
    elif running_mean is None or running_var is None:
        missing = "running_mean" if running_mean is None else "running_var"
        raise ConfigError(f"{missing} is None, but evaluation takes the moving averages")
    else:
        mean, variance = by_channel(running_mean, x), by_channel(running_var, x)
        y = (x - mean) / (variance + eps).sqrt()
    return scale_and_shift(y, weight, bias).to(input.dtype)
