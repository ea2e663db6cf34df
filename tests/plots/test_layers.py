"""Pictures of layers, looked at as pixels: what is drawn shows in its colour, where it belongs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from convatlas import plots
from convatlas.plots import canvas

#: the ends and the middle of the map of colours
BLUE, WHITE, RED = (tuple(colormaps["RdBu_r"](at, bytes=True)[:3]) for at in (0.0, 0.5, 1.0))


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def where(picture: NDArray[np.uint8], colour: tuple[int, ...] | str) -> NDArray[np.int64]:
    """Rows and columns that are exactly of that colour, ``(N, 2)``."""
    if isinstance(colour, str):
        colour = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return np.argwhere((picture == np.array(colour)).all(-1))


def test_a_matrix_is_red_above_zero_and_blue_below(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    plots.matrices(path, {"A": np.array([[2.0, 0.0], [0.0, -2.0]])})
    picture = pixels(path)
    (top, left), (bottom, right) = (
        where(picture, colour).mean(0).tolist() for colour in (RED, BLUE)
    )
    assert top < bottom
    assert left < right
    assert len(where(picture, WHITE)) > 500


def test_a_matrix_stands_left_of_its_transpose_on_one_scale(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    plots.matrices(path, {"C": matrix, "half": matrix.T / 2}, title="a$b")
    red = where(pixels(path), RED)
    assert len(red) > 300
    assert red[:, 1].max() < pixels(path).shape[1] / 2  # half of the largest is not as red


def test_numbers_are_written_where_they_can_be_read(tmp_path: Path) -> None:
    def dark(matrix: NDArray[np.float64], **options: bool) -> int:
        plots.matrices(tmp_path / "m.png", {"": matrix}, **options)
        return int((pixels(tmp_path / "m.png").max(-1) < 100).sum())

    frame = dark(np.zeros((6, 6)), zeros=False)
    assert dark(np.zeros((6, 6))) > frame + 36 * 10
    plots.matrices(tmp_path / "m.png", {"": np.eye(100)})  # too many to write, but they are drawn
    assert len(where(pixels(tmp_path / "m.png"), RED)) > 100


def test_cells_that_feed_are_shaded_and_padding_differently(tmp_path: Path) -> None:
    """Of a 3×3 window with padding 1 on 4×4, the corner panel has five cells in the padding."""
    path = tmp_path / "c.png"
    taps = [[i - 1, i, i + 1] for i in range(4)]
    plots.feeding_cells(path, taps, taps, (4, 4))
    picture = pixels(path)
    inside, padding = where(picture, canvas.BLUE), where(picture, canvas.ORANGE)
    fed, outside = 10 * 10, 12 * 12 - 10 * 10  # cells over all panels: (2+3+3+2)² of (4·3)²
    assert len(inside) / len(padding) == pytest.approx(fed / outside, rel=0.1)
    middle = np.array(picture.shape[:2]) / 2
    assert np.abs(inside.mean(0) - middle).max() < 30  # the picture is symmetric


def test_cells_along_a_line_and_cells_that_nothing_feeds(tmp_path: Path) -> None:
    path = tmp_path / "c.png"
    plots.feeding_cells(path, [[0]], [[0], [], [1]], (1, 2), title="stride 2")
    columns = where(pixels(path), canvas.BLUE)[:, 1]
    width = pixels(path).shape[1]
    assert len(columns[columns < width / 3]) > 20
    assert len(columns[columns > 2 * width / 3]) > 20
    assert not len(columns[(columns > 0.37 * width) & (columns < 0.63 * width)])


def test_only_the_first_cells_of_a_large_map_are_drawn(tmp_path: Path) -> None:
    taps = [[i, i + 1] for i in range(200)]
    plots.feeding_cells(tmp_path / "c.png", taps[:1], taps, (2, 201))
    assert pixels(tmp_path / "c.png").shape[1] < 30_000


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_beside_its_responses(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "r.png"
    picture = np.zeros((channels, 8, 8))
    picture[0] = 1
    answer = np.zeros((6, 6))
    answer[:, :3], answer[:, 3:] = 5, -5
    plots.responses(path, picture, {"channel 0": answer, "channel 1": np.zeros((6, 6))})
    drawn = pixels(path)
    width = drawn.shape[1]
    if channels == 3:  # a grey picture of ones is as white as the page
        assert where(drawn, (255, 0, 0))[:, 1].max() < width / 3
    red, blue = (where(drawn, colour)[:, 1] for colour in (RED, BLUE))
    assert np.median(red) < np.median(blue)
    assert len(where(drawn, WHITE)) > 1000


@pytest.mark.slow
def test_more_maps_than_can_be_seen(tmp_path: Path) -> None:
    maps = {f"channel {i}": np.full((4, 4), float(i)) for i in range(40)}
    plots.responses(tmp_path / "r.png", np.zeros((1, 4, 4)), maps)
    assert pixels(tmp_path / "r.png").shape[0] < 2000
