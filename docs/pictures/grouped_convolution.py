"""Pictures of docs/layers/grouped-convolution.md."""

from __future__ import annotations

from pathlib import Path

import torch

from convatlas import ops, plots

CHANNELS = 8


def grouped_convolution_matrices(png: Path) -> None:
    """Output channels by row, input channels by column: which sees which, and with what weight."""
    torch.manual_seed(0)
    named = {}
    for groups in (1, 2, 4, CHANNELS):
        # whole numbers from 1, so that no weight looks like none
        weight = torch.randint(1, 10, (CHANNELS, CHANNELS // groups, 1, 1)).float()
        matrix = ops.conv_matrix(weight, (CHANNELS, 1, 1), groups=groups)
        named[f"groups={groups}: {weight.numel()} weights"] = matrix.numpy()
    plots.matrices(png, named, zeros=False)
