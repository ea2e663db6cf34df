"""The loss over a growing learning rate: where training begins to help, and where it explodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from convatlas.plots.canvas import BLUE, ORANGE, save


def learning_rates(
    target: BinaryIO | Path, rates: Sequence[float], losses: Sequence[float], suggestion: float
) -> None:
    """Draw the loss over the learning rate, on a logarithmic axis.

    Args:
        target: the PNG file, open or by its path.
        rates, losses: of each step; losses in nats.
        suggestion: the rate that is marked.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses, color=BLUE)
    axes.axvline(suggestion, color=ORANGE, linestyle="--", label=f"suggested: {suggestion:g}")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
    # of the explosion only the beginning: it would flatten all that is to be seen
    axes.set_ylim(top=min(max(losses), 2 * max(losses[0], min(losses))))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss (nats)")
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, target)
