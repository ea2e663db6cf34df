"""Pictures of docs/layers/linear.md."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from convatlas import ops, plots

HIDDEN = 16


def linear_stack(png: Path) -> None:
    """Three layers of the same random weights, with and without ReLU between them."""
    generator = torch.Generator().manual_seed(2)
    sizes = (1, HIDDEN, HIDDEN, 1)
    layers = [
        (
            torch.randn(to, of, generator=generator) / of**0.5,
            torch.randn(to, generator=generator) if to > 1 else None,
        )
        for of, to in pairwise(sizes)
    ]
    x = torch.linspace(-4, 4, 401)

    def stack(between: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        y = x[:, None]
        for weight, bias in layers[:-1]:
            y = between(ops.linear(y, weight, bias))
        return x, ops.linear(y, layers[-1][0])[:, 0]

    named = {"three linear layers": stack(lambda y: y), "the same, with ReLU": stack(ops.relu)}
    plots.line_chart(
        png, {name: (x.numpy(), y.numpy()) for name, (x, y) in named.items()}, up="output"
    )
