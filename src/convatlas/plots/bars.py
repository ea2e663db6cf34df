"""Numbers as bars, in groups: what a layer does to each of a few channels or classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from convatlas.plots.canvas import BLUE, GREEN, ORANGE, RED, save

_GROUP = 0.8  # of the way from one place to the next


def bar_chart(
    target: BinaryIO | Path,
    named: Mapping[str, NDArray[np.floating]],
    places: Sequence[str],
    *,
    across: str = "",
    up: str = "",
) -> None:
    """Draw up to four series of bars, beside each other at every place.

    Args:
        target: the PNG file, open or by its path.
        named: ``(n,)`` each, by the series' name.
        places: n texts below the axis.
        across, up: what the two axes measure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6, 0.25 * len(places) * len(named)), 3.4), layout="constrained")
    axes = figure.subplots()
    centres, width = np.arange(len(places)), _GROUP / len(named)
    for i, ((name, values), colour) in enumerate(
        zip(named.items(), (BLUE, ORANGE, GREEN, RED), strict=False)
    ):
        axes.bar(centres + (i + 0.5) * width - _GROUP / 2, values, width, color=colour, label=name)
    axes.set_xticks(centres, labels=list(places))
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(named))
    save(figure, target)
