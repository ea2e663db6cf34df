"""Pictures of docs/layers/softmax.md."""

from __future__ import annotations

from pathlib import Path

import torch

from convatlas import ops, plots


def softmax_scale(png: Path) -> None:
    """The same logits at three scales."""
    x = torch.tensor([2.0, 1.0, 0.0, -1.0])
    plots.bar_chart(
        png,
        {
            f"logits {how}": ops.softmax(scale * x, dim=0).numpy()
            for how, scale in (("divided by 5", 1 / 5), ("as they are", 1.0), ("times 5", 5.0))
        },
        [f"{logit:.0f}".replace("-", "−") for logit in x],
        across="logit",
        up="probability",
    )
