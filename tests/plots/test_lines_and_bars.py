"""Heights are read back from the pixels."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convatlas import plots
from convatlas.plots.canvas import BLUE, ORANGE


def where(png: BytesIO, colour: str) -> NDArray[np.int64]:
    """Rows, counted from the bottom, and columns that are exactly of that colour, ``(N, 2)``."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere((np.asarray(Image.open(png).convert("RGB"))[::-1] == wanted).all(-1))


def test_each_line_goes_where_its_numbers_go() -> None:
    png, x = BytesIO(), np.linspace(0, 1, 50)
    plots.line_chart(png, {"up": (x, x), "down": (x, -x)}, across="x", up="y")
    (up, right), (down, _) = where(png, BLUE).T, where(png, ORANGE).T
    assert up[right == right.max()].mean() > up[right < np.median(right)].mean()
    assert up.mean() > down.mean()


def test_a_line_has_its_spread_around_it() -> None:
    x, plain, wide = np.array([1.0, 2.0, 3.0]), BytesIO(), BytesIO()
    lines = {"flat": (x, np.array([1.0, 1.0, 1.0])), "frame": (x, np.array([0.0, 1.0, 2.0]))}
    plots.line_chart(plain, lines)
    plots.line_chart(wide, lines, spread={"flat": np.full(3, 0.5), "frame": np.zeros(3)})
    before, after = (np.asarray(Image.open(png).convert("RGB")) for png in (plain, wide))
    assert (before != after).any(-1).mean() > 0.1  # half of the frame's height is in the band


def test_places_have_their_names() -> None:
    x, drawn = np.arange(3.0), []
    for places in (("left", "right", "end"), ("left", "night", "end")):
        png = BytesIO()
        plots.line_chart(png, {"a": (x, x)}, places=places)
        drawn.append(np.asarray(Image.open(png).convert("RGB")))
    height, width = np.argwhere((drawn[0] != drawn[1]).any(-1)).T
    assert height.min() > 0.8 * len(drawn[0])
    assert abs(width.mean() / drawn[0].shape[1] - 0.5) < 0.1


def test_a_logarithm_is_straight_over_a_logarithmic_axis() -> None:
    x, middle = np.logspace(0, 3, 20), []
    for logarithmic in (False, True):
        png = BytesIO()
        plots.line_chart(png, {"log": (x, np.log(x))}, logarithmic=logarithmic)
        height, across = where(png, BLUE).T
        half = height[across == (across.min() + across.max()) // 2].mean()
        middle.append((half - height.min()) / (height.max() - height.min()))
    assert middle[0] > 0.8  # ln 500 of ln 1000 is 0.9
    assert abs(middle[1] - 0.5) < 0.05


def test_bars_are_as_high_as_their_numbers() -> None:
    png = BytesIO()
    plots.bar_chart(png, {"before": np.array([1.0, 4.0]), "after": np.array([1.0, 2.0])}, "ab")
    # pixels of the fullest column: the highest bar, and perhaps a few of the legend's
    before, after = (np.bincount(where(png, colour)[:, 1]).max() for colour in (BLUE, ORANGE))
    assert np.isclose(before / after, 2, atol=0.2)
