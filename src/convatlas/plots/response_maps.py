"""Where a picture answers a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from convatlas.plots.canvas import save

_MOST_MAPS = 15


def responses(
    target: BinaryIO | Path,
    picture: NDArray[np.floating],
    maps: Mapping[str, NDArray[np.floating]],
    *,
    columns: int = 4,
) -> None:
    """Draw a picture and the maps that a layer makes of it, each with its own bar of values.

    Args:
        target: the PNG file, open or by its path.
        picture: ``(C, H, W)`` in [0, 1] with C 1 or 3.
        maps: ``(H', W')`` each, by name; the first 15 are drawn. Red is above zero, blue below.
        columns: pictures in a row.
    """
    from matplotlib.figure import Figure

    shown = dict(list(maps.items())[:_MOST_MAPS])
    columns = min(columns, 1 + len(shown))
    rows = -(-(1 + len(shown)) // columns)
    figure = Figure(figsize=(3 * columns, 2.8 * rows), layout="constrained")
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
    grey = picture.shape[0] == 1
    pixels = picture[0] if grey else picture.transpose(1, 2, 0)
    cells[0].imshow(pixels, cmap="gray", vmin=0, vmax=1)
    cells[0].set_title("input", fontsize=9)
    for axes, (name, values) in zip(cells[1:], shown.items(), strict=False):
        largest = max(float(np.abs(values).max(initial=0)), 1e-12)
        image = axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest)
        figure.colorbar(image, ax=axes, shrink=0.8)
        axes.set_title(name, fontsize=9)
    save(figure, target)
