"""Pictures of docs/layers/grouped-convolution.md."""

from __future__ import annotations

from pathlib import Path

import torch

from convatlas import ops, plots

CHANNELS = 8


def grouped_convolution_matrices(png: Path) -> None:
    """Output channels by row, input channels by column: which sees which, and with what weight."""
    torch.manual_seed(0)
    plots.matrices(
        png,
        {
            f"groups={groups}: {CHANNELS * CHANNELS // groups} weights": ops.conv_matrix(
                torch.randn(CHANNELS, CHANNELS // groups, 1, 1).round(decimals=1),
                (CHANNELS, 1, 1),
                groups=groups,
            ).numpy()
            for groups in (1, 2, 4, CHANNELS)
        },
        zeros=False,
    )
