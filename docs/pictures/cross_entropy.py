"""Pictures of docs/layers/cross-entropy.md."""

from __future__ import annotations

from pathlib import Path

import torch

from convatlas import ops, plots


def cross_entropy(png: Path) -> None:
    """Two classes, by how far the logit of the right one is ahead."""
    lead = torch.linspace(-6, 6, 241)
    logits = torch.stack([lead, torch.zeros_like(lead)], dim=1)
    right = torch.zeros(len(lead), dtype=torch.long)
    plots.function_and_derivative(
        png,
        lead.numpy(),
        ops.cross_entropy(logits, right, reduction="none").numpy(),
        ops.cross_entropy_derivative(logits, right)[:, 0].numpy(),
        "L",
        formula="log(1 + e⁻ˣ)",
        derivative_formula="σ(x) − 1",
    )
