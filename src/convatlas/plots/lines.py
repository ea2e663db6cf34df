"""Lines over one axis: functions side by side, or what a layer made of a distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from convatlas.plots.canvas import BLUE, GREEN, ORANGE, RED, save


def line_chart(
    target: BinaryIO | Path,
    named: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]],
    *,
    across: str = "x",
    up: str = "",
    spread: Mapping[str, NDArray[np.floating]] | None = None,
    logarithmic: bool = False,
    places: Sequence[str] = (),
) -> None:
    """Draw up to four lines, told apart by colour and by dashes.

    Args:
        target: the PNG file, open or by its path.
        named: the line's points, x and y ``(n,)`` each, by its name.
        across, up: what the two axes measure.
        spread: of each line ``(n,)``, say standard deviations: a band so far to both sides of it.
        logarithmic: whether the horizontal axis is, with a mark at each point.
        places: names for 0, 1, … on the horizontal axis, in place of numbers.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    styles = zip((BLUE, ORANGE, GREEN, RED), ("-", "--", "-.", ":"), strict=True)
    for (name, (x, y)), (colour, dashes) in zip(named.items(), styles, strict=False):
        axes.plot(x, y, dashes, color=colour, label=name)
        if spread is not None:
            around = spread[name]
            axes.fill_between(x, y - around, y + around, color=colour, alpha=0.2, linewidth=0)
        if logarithmic:
            axes.set_xscale("log")
            axes.set_xticks(x, [f"{value:g}" for value in x])
            axes.minorticks_off()
    if places:
        axes.set_xticks(range(len(places)), places)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, target)
