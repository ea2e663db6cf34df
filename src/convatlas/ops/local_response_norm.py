"""Local response normalisation: a strong channel quiets its neighbours."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from convatlas.errors import ShapeError
from convatlas.ops.arguments import at_least_one, numbers, real_floating


def local_response_norm(
    input: Tensor,  # noqa: A002
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
) -> Tensor:
    """``b = a / (k + α/n · Σ a²)^β``, summed over n channels around its own at the same place.

    Krizhevsky et al. 2012 ("ImageNet classification with deep convolutional neural networks",
    section 3.3) write ``(k + α Σ a²)^β``, with k = 2, n = 5, α = 1e-4 and β = 0.75. PyTorch takes
    the mean of the n squares where the paper takes their sum, so the paper's α is n times as large
    here: ``local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)``.

    Args:
        input: ``(N, C, …)`` with at least one axis after the channels.
        size: n, the channels in a window: ⌊n/2⌋ before its own and ⌊(n−1)/2⌋ after. Beyond the
            first and the last channel there are zeros.
        alpha, beta, k: α, β and k of the formula.

    Returns:
        The same shape.

    Raises:
        ShapeError: too few axes, or a window without a channel.
        ArgumentTypeError: integers as input, or something else than numbers as constants.
    """
    real_floating(input)
    at_least_one("size", size)
    numbers(alpha=alpha, beta=beta, k=k)
    if input.dim() < 3:
        raise ShapeError(
            f"input has shape {tuple(input.shape)}, but it must be (N, C, …) with at least 3 axes"
        )
    if input.numel() == 0:
        return input
    before, after = size // 2, (size - 1) // 2
    squares = F.pad(input.square(), (0, 0) * (input.dim() - 2) + (before, after))
    mean = squares.unfold(1, size, 1).mean(-1)  # (N, C, …, n) → (N, C, …)
    return input / (k + alpha * mean) ** beta
