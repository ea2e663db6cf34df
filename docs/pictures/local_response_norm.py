"""Pictures of docs/layers/local-response-norm.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convatlas import ops, plots


def local_response_norm_neighbours(png: Path) -> None:
    """One strong channel among eleven."""
    a = torch.full((1, 11, 1, 1), 50.0)
    a[0, 5] = 200.0
    plots.bar_chart(
        png,
        {
            "before": a.flatten().numpy(),
            "paper: α = 1e-4, here 5e-4": _normalised(a, 5e-4),
            "copied: 1e-4": _normalised(a, 1e-4),
        },
        [str(channel) for channel in range(1, 12)],
        across="channel",
        up="activation",
    )


def _normalised(a: Tensor, alpha: float) -> NDArray[np.floating]:
    return ops.local_response_norm(a, 5, alpha=alpha, beta=0.75, k=2.0).flatten().numpy()
