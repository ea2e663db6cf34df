"""Which numbers of a batch share a mean, in each of the four normalisations."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from convatlas.plots.canvas import BLUE, save

#: the batch that is drawn: N pictures of C channels (two groups of them), each a map of H·W
SHAPE = (4, 6, 2, 2)

_ALL, _FIRST, _HALF = slice(None), slice(1), slice(SHAPE[1] // 2)

#: by name: how many numbers share a mean, and those of ``(N, C, H, W)`` that share the first
AVERAGED = {
    "batch": ("N·H·W", (_ALL, _FIRST, _ALL, _ALL)),
    "layer": ("C·H·W", (_FIRST, _ALL, _ALL, _ALL)),
    "instance": ("H·W", (_FIRST, _FIRST, _ALL, _ALL)),
    "group": ("C/G·H·W", (_FIRST, _HALF, _ALL, _ALL)),
}

_PALE = "#e8e8e8"


def normalisation_axes(target: BinaryIO | Path) -> None:
    """Draw a batch four times, each time with the numbers shaded that share one mean.

    A row is a picture, a column a channel, and a cell of this table a map of H·W numbers: figure 2
    of Wu and He 2018 ("Group normalization"), laid flat.

    Args:
        target: the PNG file, open or by its path.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    pictures, channels, height, width = SHAPE
    figure = Figure(figsize=(12, 2.8), layout="constrained")
    for axes, (name, (over, shared)) in zip(
        figure.subplots(1, len(AVERAGED)), AVERAGED.items(), strict=True
    ):
        shaded = np.zeros(SHAPE, dtype=np.uint8)
        shaded[shared] = 1
        table = shaded.transpose(0, 2, 1, 3).reshape(pictures * height, channels * width)
        colours = ListedColormap([_PALE, BLUE])
        axes.pcolormesh(table, cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=0.5)
        axes.hlines(np.arange(1, pictures) * height, 0, channels * width, color="white", lw=4)
        axes.vlines(np.arange(1, channels) * width, 0, pictures * height, color="white", lw=4)
        axes.set_aspect("equal")
        axes.invert_yaxis()  # the first picture on top
        axes.set_frame_on(False)
        axes.set_xticks([], labels=[])
        axes.set_yticks([], labels=[])
        axes.set_xlabel("C channels")
        axes.set_ylabel("N pictures")
        means, each = shaded.size // shaded.sum(), shaded.sum()
        axes.set_title(f"{name} norm\n{means} means of {over} = {each} numbers", fontsize=10)
    save(figure, target)
