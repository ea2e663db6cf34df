"""Layer normalisation: each picture standardised on its own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convatlas.errors import ArgumentTypeError, ShapeError
from convatlas.ops.arguments import numbers, real_floating
from convatlas.ops.standardise import check_vectors, standardise, wide


def layer_norm(
    input: Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """``y = γ·(x − μ)/√(σ² + ε) + β``, with μ and σ² over the last axes (Ba et al. 2016).

    No number of another picture takes part, so that training and evaluation are the same, and a
    batch of one will do.

    Args:
        input: ``(…, *normalized_shape)``.
        normalized_shape: the last axes of the input, which are averaged over: ``(C, H, W)`` for
            a map ``(N, C, H, W)``, ``(C,)`` for ``(N, C)``.
        weight, bias: γ and β, of ``normalized_shape``: a number for each place, where the other
            normalisations have one a channel; 1 and 0 where there are none.
        eps: ε, which keeps the root from 0.

    Returns:
        The same shape.

    Raises:
        ShapeError: ``normalized_shape`` is empty or not that of the last axes, or a weight or bias
            of another shape.
        ArgumentTypeError: integers as input, something else than integers as shape, or tensors of
            two number formats (half formats may have float32 beside them).
    """
    real_floating(input)
    numbers(eps=eps)
    shape = tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else None
    if shape is None or not all(isinstance(size, int) for size in shape):
        raise ArgumentTypeError(
            f"normalized_shape is {normalized_shape!r}, but it must be a tuple of integers"
        )
    if not shape or input.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"normalized_shape is {shape}, but it must be the last axes, one or more, of the input "
            f"{tuple(input.shape)}"
        )
    check_vectors(input, shape, "as normalized_shape is", weight=weight, bias=bias)
    axes = tuple(range(-len(shape), 0))  # C, H, W
    y = standardise(wide(input), axes, eps)
    if weight is not None:
        y = weight * y
    return (y if bias is None else y + bias).to(input.dtype)
