"""Matrices as heat maps, beside each other on one scale: a layer's matrix and its transpose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from convatlas.plots.canvas import save

_MOST_NUMBERS = 36  # rows or columns up to which each cell's number can still be read
_CELL, _LETTER = 0.32, 0.09  # inches


def matrices(
    target: BinaryIO | Path,
    named: Mapping[str, NDArray[np.floating]],
    *,
    title: str = "",
    zeros: bool = True,
) -> None:
    """Draw matrices from left to right: red above zero, blue below, white at zero.

    Args:
        target: the PNG file, open or by its path.
        named: ``(rows, columns)`` each, by what is written above it.
        title: above all of them.
        zeros: whether a 0 is written, where numbers are.
    """
    from matplotlib.figure import Figure

    widths = [max(_side(values.shape[1]), _LETTER * len(name)) for name, values in named.items()]
    height = max(_side(len(values)) for values in named.values()) + 0.9
    figure = Figure(figsize=(sum(widths) + 0.6 * len(widths), height), layout="constrained")
    figure.suptitle(title, fontsize=9)
    largest = max(max(float(np.abs(values).max(initial=0)) for values in named.values()), 1e-12)
    cells = figure.subplots(1, len(named), squeeze=False, width_ratios=widths)[0]
    for axes, (name, values) in zip(cells, named.items(), strict=True):
        axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
        axes.set_title(name, fontsize=9)
        axes.set_xticks([], labels=[])
        axes.set_yticks([], labels=[])
        if max(values.shape) > _MOST_NUMBERS:
            continue
        for (row, column), value in np.ndenumerate(values):
            if value or zeros:
                shade = "white" if abs(value) > 0.7 * largest else "black"
                text = f"{value:.3g}".replace("-", "−")
                axes.text(column, row, text, ha="center", va="center", c=shade, fontsize=7)
    save(figure, target)


def _side(cells: int) -> float:
    """Inches that an axis takes: room for numbers where they are written."""
    return _CELL * cells if cells <= _MOST_NUMBERS else min(_CELL * _MOST_NUMBERS, 0.06 * cells + 4)
