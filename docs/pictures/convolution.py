"""Pictures of docs/layers/convolution.md."""

from __future__ import annotations

from pathlib import Path

import torch
from photographs import tower

from convatlas import ops, plots

#: rows and columns of the finial on its roof
FINIAL = slice(1, 12), slice(24, 35)


def convolution_responses(png: Path) -> None:
    """A tower, and what two edges and a piece of the tower itself find in it."""
    photograph = tower()
    grey = photograph.mean(0, keepdim=True)
    edge = torch.tensor([[-1.0, 0.0, 1.0]] * 3)
    piece = grey[0][FINIAL]
    kernels = {
        "dark left, bright right": edge,
        "dark above, bright below": edge.T,
        "the tip of the roof": piece - piece.mean(),
    }
    plots.responses(
        png,
        photograph.numpy(),
        {name: ops.conv2d(grey, kernel[None, None])[0].numpy() for name, kernel in kernels.items()},
    )
