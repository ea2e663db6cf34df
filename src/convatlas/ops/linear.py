"""The dense layer: every output is a weighted sum of all inputs."""

from __future__ import annotations

from torch import Tensor

from convatlas.errors import ShapeError
from convatlas.ops.arguments import same_dtype, tensors


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # noqa: A002
    """``y = x Wᵀ + b``: a row of the weight for each output.

    >>> x = torch.tensor([1.0, 2.0, 3.0])
    >>> rows = torch.tensor([[1.0], [2.0], [3.0], [4.0]]).expand(4, 3)  # of 1s, of 2s, …
    >>> linear(x, rows)
    tensor([ 6., 12., 18., 24.])

    Args:
        input: ``(…, in_features)``.
        weight: ``(out_features, in_features)``, or ``(in_features,)`` for a single output.
        bias: ``(out_features,)``, or ``()`` for a single output. PyTorch also adds whatever
            broadcasts; a bias that is not one number an output is more often a mistake.

    Returns:
        ``(…, out_features)``, or ``(…)`` for a single output.

    Raises:
        ShapeError: sizes that do not go together.
        ArgumentTypeError: tensors of two number formats.
    """
    tensors(weight=weight)
    same_dtype(input, weight=weight, bias=bias)
    if input.dim() == 0:
        raise ShapeError("input has shape (), but it must be (…, in_features)")
    if weight.dim() not in (1, 2) or weight.shape[-1] != input.shape[-1]:
        raise ShapeError(
            f"weight has shape {tuple(weight.shape)}, but it must be "
            f"(out_features, {input.shape[-1]}) or ({input.shape[-1]},), "
            f"as many columns as the input {tuple(input.shape)} has features"
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise ShapeError(
            f"bias has shape {tuple(bias.shape)}, but it must be {tuple(weight.shape[:-1])}, "
            f"a number for each row of the weight {tuple(weight.shape)}"
        )
    y = input @ weight.t()
    return y if bias is None else y + bias
