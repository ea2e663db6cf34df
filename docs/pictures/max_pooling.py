"""Pictures of docs/layers/max-pooling.md."""

from __future__ import annotations

from pathlib import Path

from photographs import digit

from convatlas import ops, plots


def max_pooling_digit(png: Path) -> None:
    """A digit, and the greatest number of each window."""
    x = digit(3)
    named = {
        "a digit": x,
        "k=2 s=2": ops.max_pool2d(x, 2),
        "k=3 s=2": ops.max_pool2d(x, 3, stride=2),
        "ceil_mode": ops.max_pool2d(x, 3, stride=2, ceil_mode=True),
    }
    plots.matrices(png, {name: values[0].numpy() for name, values in named.items()})
