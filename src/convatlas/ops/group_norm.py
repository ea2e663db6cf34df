"""Group normalisation: groups of each picture's channels standardised together."""

from __future__ import annotations

from torch import Tensor

from convatlas.errors import ShapeError
from convatlas.ops.arguments import at_least_one, numbers
from convatlas.ops.standardise import (
    check_channels,
    check_more_than_one,
    scale_and_shift,
    standardise,
    wide,
)


def group_norm(
    input: Tensor,  # noqa: A002
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """``y = γ·(x − μ)/√(σ² + ε) + β``, with μ and σ² for each of G groups (Wu and He 2018).

    One group standardises as layer normalisation over ``(C, H, W)`` does, C groups as instance
    normalisation does. As with these, pictures do not depend on their batch.

    Args:
        input: ``(N, C, …)``.
        num_groups: G, which divides C: groups of C/G channels, one after another.
        weight, bias: γ and β, ``(C,)``, one number for each channel and not for each group; 1 and
            0 where there are none.
        eps: ε, which keeps the root from 0.

    Returns:
        The same shape.

    Raises:
        ShapeError: ``num_groups`` does not divide the channels, there is a single picture with a
            single number for each group (with more pictures PyTorch gives zeros), or a vector that
            is not of C numbers.
        ArgumentTypeError: integers, or tensors of two number formats (half formats may have
            float32 beside them).
    """
    check_channels(input, weight=weight, bias=bias)
    at_least_one("num_groups", num_groups)
    numbers(eps=eps)
    pictures, channels, *size = input.shape
    within, left = divmod(channels, num_groups)
    if left:
        raise ShapeError(
            f"num_groups is {num_groups}, but it must divide the {channels} channels of the input: "
            f"{channels} = {within}·{num_groups} + {left}"
        )
    check_more_than_one(input, [pictures, within, *size])
    x = wide(input).reshape(pictures, num_groups, within, *size)
    axes = tuple(range(2, x.dim()))  # C/G, H, W
    y = standardise(x, axes, eps)
    return scale_and_shift(y.flatten(1, 2), weight, bias).to(input.dtype)
