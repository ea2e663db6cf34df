"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from convatlas.plots.canvas import save

_MOST_NUMBERS = 20  # classes up to which each cell's count can still be read


def confusion_matrix(
    target: BinaryIO | Path, counts: NDArray[np.int64], classes: Sequence[str]
) -> None:
    """Draw a confusion matrix; a cell's shade is the share of its true class.

    Args:
        target: the PNG file, open or by its path.
        counts: ``(K, K)``, true class by row, predicted class by column.
        classes: K names.
    """
    from matplotlib.figure import Figure

    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(2 + 0.55 * len(classes), 16)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(classes) <= _MOST_NUMBERS:
        ticks = range(len(classes))
        axes.set_xticks(ticks, labels=list(classes), rotation=45, ha="right")
        axes.set_yticks(ticks, labels=list(classes))
        for (row, column), count in np.ndenumerate(counts):
            if count:
                shade = "white" if share[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", c=shade, fontsize=8)
    save(figure, target)
