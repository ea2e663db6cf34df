"""Pictures of docs/layers/dropout.md."""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits

from convatlas import ops, plots


def dropout_mean(png: Path) -> None:
    """A handwritten digit, one draw of the mask, and the means over more of them."""
    torch.manual_seed(0)
    digit = torch.from_numpy(load_digits().images[0]).float()
    means = {"a handwritten 0": digit}
    for draws, name in ((1, "one draw"), (8, "mean of 8"), (64, "mean of 64")):
        means[name] = torch.stack([ops.dropout(digit, p=0.5) for _ in range(draws)]).mean(0)
    plots.matrices(png, {name: mean.round(decimals=1).numpy() for name, mean in means.items()})
