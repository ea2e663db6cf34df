"""A curve is looked for as pixels of its colour, in the half where it belongs."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convatlas.plots import function_and_derivative
from convatlas.plots.canvas import BLUE, ORANGE

X = np.linspace(-4, 4, 401)


def drawn(*args: Any, **kwargs: Any) -> NDArray[np.uint8]:
    png = BytesIO()
    function_and_derivative(png, *args, **kwargs)
    return np.asarray(Image.open(png).convert("RGB"))


def curve(picture: NDArray[np.uint8], colour: str) -> NDArray[np.int64]:
    """Rows and columns of that colour, ``(N, 2)``."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere((picture == wanted).all(-1))


def test_the_function_is_on_the_left_and_its_derivative_on_the_right() -> None:
    picture = drawn(X, np.tanh(X), 1 - np.tanh(X) ** 2, "tanh", bounds=(-1, 1))
    middle = picture.shape[1] / 2
    function, derivative = curve(picture, BLUE), curve(picture, ORANGE)
    assert len(function) > 100
    assert len(derivative) > 100
    assert function[:, 1].max() < middle < derivative[:, 1].min()
    # tanh climbs from left to right (rows are counted from the top), its slope is a hill
    rows, columns = function.T
    assert rows[columns == columns.min()].mean() > rows[columns == columns.max()].mean()
    rows, columns = derivative.T
    peak = columns[rows == rows.min()].mean()
    assert abs(peak - (columns.min() + columns.max()) / 2) < 5


def test_a_slope_that_jumps_is_drawn_as_two_lines() -> None:
    picture = drawn(X, np.maximum(X, 0), (X > 0).astype(float), "relu")
    rows = np.unique(curve(picture, ORANGE)[:, 0])
    # two thin lines, far from one another, and nothing between
    assert len(rows) < 10
    assert np.diff(rows).max() > 100


def test_a_straight_line_has_a_flat_slope() -> None:
    rows = curve(drawn(X, 2 * X, np.full_like(X, 2), "double"), ORANGE)[:, 0]
    assert np.ptp(rows) < 5


def test_formulas_stand_above_the_curves_and_a_path_is_written_to(tmp_path: Path) -> None:
    y, dy = np.tanh(X), 1 - np.tanh(X) ** 2
    bare = drawn(X, y, dy, "tanh")
    titled = drawn(X, y, dy, "tanh", formula="2σ(2x) − 1", derivative_formula="1 − $tanh²$ x")
    for half in (slice(None, 480), slice(480, None)):
        letters = []
        for picture in (bare, titled):
            dark = (picture[:, half] < 128).all(-1).sum(axis=1)
            frame = int(np.argmax(dark > 200))  # the first row that is a line
            letters.append(dark[: frame - 2].sum())
        assert letters[1] > 2 * letters[0] > 0
    function_and_derivative(tmp_path / "tanh.png", X, y, dy, "tanh")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "tanh.png").convert("RGB")), bare)
