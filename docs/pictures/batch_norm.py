"""Pictures of docs/layers/batch-norm.md."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from photographs import china
from torch import Tensor

from convatlas import ops, plots


def batch_norm_histogram(png: Path) -> None:
    """The red of a photograph before and after, as densities, beside the normal one."""
    photograph = china().unsqueeze(0)
    normalised = ops.batch_norm(photograph, None, None, training=True)
    x = torch.linspace(-3, 3, 200)
    normal = (-x.square() / 2).exp() / math.sqrt(2 * math.pi)
    named = {
        "before": _density(photograph[:, 0]),
        "after": _density(normalised[:, 0]),
        "normal": (x, normal),
    }
    plots.line_chart(
        png,
        {name: (x.numpy(), y.numpy()) for name, (x, y) in named.items()},
        across="red",
        up="density",
    )


def _density(values: Tensor, bins: int = 64) -> tuple[Tensor, Tensor]:
    """Middles of the bins, and the share of the values in each by its width."""
    counts, edges = torch.histogram(values.flatten(), bins, density=True)
    return (edges[1:] + edges[:-1]) / 2, counts
