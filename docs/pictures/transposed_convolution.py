"""Pictures of docs/layers/transposed-convolution.md."""

from __future__ import annotations

from pathlib import Path

import torch
from photographs import digit

from convatlas import ops, plots


def transposed_convolution_matrix(png: Path) -> None:
    """A convolution's matrix, 4×4 cells to 2×2, and that of its transpose, 2×2 to 4×4."""
    weight = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    plots.matrices(
        png,
        {
            "C, 4×16: from 4×4 to 2×2": ops.conv_matrix(weight, (1, 4, 4)).numpy(),
            "Cᵀ, 16×4": ops.conv_transpose_matrix(weight, (1, 2, 2)).numpy(),
        },
        zeros=False,
    )


def transposed_convolution_not_back(png: Path) -> None:
    """A digit, its convolution, and what the transposed one with the same weights makes of it."""
    x = digit() / 16
    weight = torch.ones(1, 1, 3, 3) / 9
    y = ops.conv2d(x, weight)
    back = ops.conv_transpose2d(y, weight)
    named = {"x, 8×8": x, "C x, 6×6": y, "Cᵀ C x, 8×8 again": back}
    plots.matrices(
        png, {name: values[0].round(decimals=1).numpy() for name, values in named.items()}
    )
