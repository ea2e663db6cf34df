"""Which input cells feed which output cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from convatlas.plots.canvas import BLUE, ORANGE, save

_MOST_PANELS = 6  # output cells that are drawn along an axis
_PALE, _EMPTY = "#e8e8e8", "#ffffff"


def feeding_cells(
    target: BinaryIO | Path,
    rows: Sequence[Sequence[int]],
    columns: Sequence[Sequence[int]],
    sides: tuple[int, int],
    *,
    title: str = "",
) -> None:
    """Draw the input once for every output cell, in the output's order, with what feeds it shaded.

    Args:
        target: the PNG file, open or by its path.
        rows, columns: for each output row (column), the input rows (columns) that feed it; those
            outside of the input are padding, and are drawn in another colour. One row alone is a
            layer that slides along a line.
        sides: rows and columns of the input.
        title: above the picture. Of a large output the first six cells along each axis are drawn.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    rows, columns = rows[:_MOST_PANELS], columns[:_MOST_PANELS]
    reach = [_reach(taps, side) for taps, side in zip((rows, columns), sides, strict=True)]
    shape = [last - first + 1 for first, last in reach]
    panel = [max(0.16 * cells, 0.7) for cells in shape]
    size = (len(columns) * panel[1] + 1.2, len(rows) * panel[0] + 0.25 * len(rows) + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=9)
    (top, _), (left, _) = reach
    colours = ListedColormap([_EMPTY, _PALE, ORANGE, BLUE])  # outside, inside, and when they feed
    inside = np.zeros(shape, dtype=np.uint8)
    inside[-top : sides[0] - top, -left : sides[1] - left] = 1
    for (i, j), axes in np.ndenumerate(figure.subplots(len(rows), len(columns), squeeze=False)):
        shaded = inside.copy()
        shaded[np.ix_([r - top for r in rows[i]], [c - left for c in columns[j]])] += 2
        axes.pcolormesh(shaded, cmap=colours, vmin=0, vmax=3, edgecolors="white", linewidth=0.5)
        axes.set_aspect("equal")
        axes.invert_yaxis()  # the first row on top
        axes.set_axis_off()
        axes.set_title(f"{i}, {j}" if len(rows) > 1 else f"{j}", fontsize=7, pad=2)
    save(figure, target)


def _reach(taps: Sequence[Sequence[int]], side: int) -> tuple[int, int]:
    """The first and the last cell that is to be drawn: all of the input, and the padding used."""
    used = [cell for cells in taps for cell in cells]
    return min([0, *used]), max([side - 1, *used])
