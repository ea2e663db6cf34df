"""Pictures of docs/layers/convolution-1x1.md."""

from __future__ import annotations

from pathlib import Path

import torch
from photographs import tower

from convatlas import ops, plots


def convolution_1x1_colours(png: Path) -> None:
    """Three numbers a pixel become three others, and every pixel stays where it is."""
    photograph = tower()
    named = {
        ".3 R + .6 G + .1 B": [0.3, 0.6, 0.1],
        "R − G": [1.0, -1.0, 0.0],
        "(R + G)/2 − B": [0.5, 0.5, -1.0],
    }
    weight = torch.tensor(list(named.values()))[:, :, None, None]
    maps = ops.conv2d(photograph, weight)
    plots.responses(png, photograph.numpy(), dict(zip(named, maps.numpy(), strict=True)))
