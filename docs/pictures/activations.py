"""Pictures of the activations' pages: each function of `ops.ACTIVATIONS` beside its derivative."""

from __future__ import annotations

from pathlib import Path

import torch

from convatlas import ops, plots

X = torch.linspace(-6, 6, 1201)


def sigmoid(png: Path) -> None:
    """The sigmoid and its derivative."""
    _draw(png, "sigmoid")


def tanh(png: Path) -> None:
    """Tanh and its derivative."""
    _draw(png, "tanh")


def relu(png: Path) -> None:
    """ReLU and its derivative."""
    _draw(png, "relu")


def leaky_relu(png: Path) -> None:
    """The three leaky ones beside the one that is not."""
    x = X[X < 2]
    plots.line_chart(
        png,
        {
            name: (x.numpy(), ops.ACTIVATIONS[name].function(x).numpy())
            for name in ("relu", "leaky_relu", "rrelu", "prelu")
        },
    )


def _draw(png: Path, name: str) -> None:
    facts = ops.ACTIVATIONS[name]
    plots.function_and_derivative(
        png,
        X.numpy(),
        facts.function(X).numpy(),
        facts.derivative(X).numpy(),
        name,
        formula=facts.formula,
        derivative_formula=facts.derivative_formula,
        bounds=facts.range,
    )
