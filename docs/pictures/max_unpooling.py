"""Pictures of docs/layers/max-unpooling.md."""

from __future__ import annotations

from pathlib import Path

from photographs import digit

from convatlas import ops, plots


def max_unpooling_digit(png: Path) -> None:
    """A digit, its maxima, what comes back of it and what is lost."""
    x = digit(3)
    y, indices = ops.max_pool2d(x, 2, return_indices=True)
    back = ops.max_unpool2d(y, indices, 2)
    named = {"a digit": x, "its maxima": y, "what comes back": back, "what is lost": x - back}
    plots.matrices(png, {name: values[0].numpy() for name, values in named.items()})
