"""A function of one number beside its derivative."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from convatlas.plots.canvas import BLUE, ORANGE, save


def function_and_derivative(
    target: BinaryIO | Path,
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    dy: NDArray[np.floating],
    name: str,
    *,
    formula: str = "",
    derivative_formula: str = "",
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> None:
    """Draw a function (left) and its derivative (right) over the same axis.

    Args:
        target: the PNG file, open or by its path.
        x: ``(n,)``, ascending.
        y, dy: ``(n,)``, the values at x and the slopes there. Where a slope jumps, the line is
            broken rather than drawn through values that it does not have.
        name: of the function.
        formula, derivative_formula: above the two, after the name.
        bounds: the range of the values; finite bounds are drawn as dashed lines.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(x, y, color=BLUE, linewidth=2)
    for bound in filter(math.isfinite, bounds):
        left.axhline(bound, color="gray", linestyle="--", linewidth=1)
    right.plot(*_broken(x, dy), color=ORANGE, linewidth=2)
    for axes, title, text in (
        (left, name, formula),
        (right, f"{name}′", derivative_formula),
    ):
        axes.set_title(f"{title}(x) = {text}" if text else title, fontsize=9)
        axes.axvline(0, color="black", linewidth=0.6, zorder=1)
        axes.axhline(0, color="black", linewidth=0.6, zorder=1)
        axes.set_xlabel("x")
        axes.grid(alpha=0.3)
    save(figure, target)


def _broken(x: NDArray[np.floating], dy: NDArray[np.floating]) -> tuple[NDArray[np.floating], ...]:
    """The line with a gap wherever it climbs a third of its height at one step."""
    steps = np.abs(np.diff(dy))
    jumps = np.flatnonzero(steps > max(np.ptp(dy), 1e-12) / 3) + 1
    return np.insert(x, jumps, np.nan), np.insert(dy, jumps, np.nan)
