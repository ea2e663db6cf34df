"""Pictures of docs/layers/average-pooling.md."""

from __future__ import annotations

from pathlib import Path

from photographs import digit

from convatlas import ops, plots


def average_pooling_digit(png: Path) -> None:
    """A digit, and means of smaller and greater parts of it."""
    x = digit(3)
    named = {
        "a digit": x,
        "k=2 s=2": ops.avg_pool2d(x, 2),
        "adaptive": ops.adaptive_avg_pool2d(x, 3),
        "global": ops.adaptive_avg_pool2d(x, 1),
    }
    plots.matrices(
        png, {name: values[0].round(decimals=1).numpy() for name, values in named.items()}
    )
