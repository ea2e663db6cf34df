"""How a run went: loss and accuracy, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from convatlas.plots.canvas import BLUE, ORANGE, save


def training_curves(
    target: BinaryIO | Path,
    *,
    seconds: Sequence[float],
    train_loss: Sequence[float],
    test_loss: Sequence[float],
    train_accuracy: Sequence[float],
    test_accuracy: Sequence[float],
    held_out: str = "test",
    title: str = "",
) -> None:
    """Draw loss (left) and accuracy (right) over training time, a point an epoch.

    Args:
        target: the PNG file, open or by its path.
        seconds: training time at the end of each epoch.
        train_loss, test_loss: mean cross-entropy in nats.
        train_accuracy, test_accuracy: fractions from 0 to 1.
        held_out: what the pictures are called that are not learned from.
        title: above the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    percent = [100 * value for value in train_accuracy], [100 * value for value in test_accuracy]
    # loss falls and accuracy rises, so a corner is free; to look for one takes matplotlib a while
    for axes, (train, test), label, free in (
        (left, (train_loss, test_loss), "loss (nats)", "upper right"),
        (right, percent, "accuracy (%)", "lower right"),
    ):
        axes.plot(seconds, train, "o-", color=BLUE, label="training (augmented)", markersize=4)
        axes.plot(seconds, test, "o-", color=ORANGE, label=held_out, markersize=4)
        axes.set_xlabel("training time (s)")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.legend(loc=free)
    if len(percent[1]):
        right.margins(y=0.15)  # room for the number
        right.annotate(
            f"{percent[1][-1]:.2f} %",
            (seconds[-1], percent[1][-1]),
            xytext=(-6, 4),
            textcoords="offset points",
            ha="right",
        )
    save(figure, target)
