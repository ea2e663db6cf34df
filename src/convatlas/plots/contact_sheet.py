"""Pictures beside what was answered for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from convatlas.plots.canvas import GREEN, RED, save


def contact_sheet(
    target: BinaryIO | Path,
    pictures: NDArray[np.uint8],
    captions: Sequence[str],
    right: Sequence[bool] | None = None,
    *,
    title: str = "",
    columns: int = 8,
) -> None:
    """Draw a grid of pictures, each with its caption: green where right and red where wrong.

    Args:
        target: the PNG file, open or by its path.
        pictures: ``(N, C, H, W)`` with C 1 or 3.
        captions: N short texts.
        right: N truths; wrong ones are marked by a cross too, for those who see no red. None
            where there is nothing to be right about.
        title: above the sheet.
        columns: pictures in a row.
    """
    from matplotlib.figure import Figure

    columns = min(columns, max(len(pictures), 1))
    rows = max(-(-len(pictures) // columns), 1)
    figure = Figure(figsize=(1.5 * columns, 1.85 * rows + 0.5), layout="constrained")
    figure.suptitle(title)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
    for number, (axes, picture) in enumerate(zip(cells, pictures, strict=False)):
        grey = picture.shape[0] == 1
        shown = picture[0] if grey else picture.transpose(1, 2, 0)
        axes.imshow(shown, cmap="gray", vmin=0, vmax=255)  # which all pass by where RGB
        caption, colour = captions[number], "black"
        if right is not None:
            mark, colour = ("✓", GREEN) if right[number] else ("✗", RED)
            caption = f"{mark} {caption}"
        axes.set_title(caption, color=colour, fontsize=8)
    save(figure, target)
