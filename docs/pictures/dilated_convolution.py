"""Pictures of docs/layers/dilated-convolution.md."""

from __future__ import annotations

from pathlib import Path

import torch

from convatlas import ops, plots

SIDE = 17


def dilated_convolution_field(png: Path) -> None:
    """On how many paths each input cell reaches the middle, through three 3×3 convolutions."""
    kernel = torch.ones(1, 1, 3, 3)
    fields = {}
    for dilations in ((1, 1, 1), (1, 2, 4), (2, 2, 2)):
        # kernels of ones are their own mirror image, so paths to the middle are paths from it
        x = torch.zeros(1, SIDE, SIDE)
        x[0, SIDE // 2, SIDE // 2] = 1
        for dilation in dilations:
            x = ops.conv2d(x, kernel, padding="same", dilation=dilation)
        reach = 2 * sum(dilations) + 1
        name = f"dilations {', '.join(map(str, dilations))}: {reach}×{reach}"
        fields[name] = x[0].numpy()
    plots.matrices(png, fields, zeros=False)
