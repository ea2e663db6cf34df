"""Pictures are looked at as pixels: what is drawn shows in its colour, where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convatlas import plots
from convatlas.plots import canvas


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def drawn(draw: Callable[..., None], path: Path, *args: Any, **kwargs: Any) -> NDArray[np.uint8]:
    with path.open("wb") as png:
        draw(png, *args, **kwargs)
    return pixels(path)


def where(picture: NDArray[np.uint8], colour: str) -> NDArray[np.int64]:
    """Rows and columns that are exactly of that colour, ``(N, 2)``."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere((picture == wanted).all(-1))


RUN = {
    "seconds": [1.0, 2.0, 3.0],
    "train_loss": [2.0, 1.0, 0.5],
    "test_loss": [1.8, 1.1, 0.8],
    "train_accuracy": [0.2, 0.6, 0.9],
    "test_accuracy": [0.3, 0.5, 0.8],
}


def test_curves_fall_on_the_left_and_rise_on_the_right(tmp_path: Path) -> None:
    picture = drawn(plots.training_curves, tmp_path / "curves.png", **RUN, title="a run")
    width = picture.shape[1]
    for colour in (canvas.BLUE, canvas.ORANGE):
        found = where(picture, colour)
        for half, falls in ((found[:, 1] < width / 2, True), (found[:, 1] >= width / 2, False)):
            rows, columns = found[half].T
            assert len(rows) > 100
            first = rows[columns <= np.quantile(columns, 0.1)].mean()
            last = rows[columns >= np.quantile(columns, 0.9)].mean()
            assert (last > first) == falls  # rows are counted from the top


@pytest.mark.parametrize("epochs", [0, 1])
def test_curves_of_a_run_that_hardly_began(tmp_path: Path, epochs: int) -> None:
    run = {name: values[:epochs] for name, values in RUN.items()}
    assert drawn(plots.training_curves, tmp_path / "curves.png", **run).size


def test_a_confusion_matrix_is_dark_where_classes_are_called_so(tmp_path: Path) -> None:
    def middle(counts: list[list[int]]) -> NDArray[np.uint8]:
        return drawn(plots.confusion_matrix, tmp_path / "c.png", np.array(counts), ["a", "b"])

    def dark(picture: NDArray[np.uint8]) -> set[tuple[bool, bool]]:
        """Quarters of the matrix that have matplotlib's darkest "Blues": a share of 1."""
        blue = where(picture, "#08306b")
        cells = blue[blue[:, 1] < picture.shape[1] * 0.82]  # without the colour bar
        low, high = cells.min(0), cells.max(0)
        middles = low + (high - low) / 4, high - (high - low) / 4
        found = {tuple(cell) for cell in cells.tolist()}
        return {
            (top, left)
            for top in (True, False)
            for left in (True, False)
            if (int(middles[not top][0]), int(middles[not left][1]) + 20) in found
        }

    assert dark(middle([[100, 0], [0, 1]])) == {(True, True), (False, False)}
    assert dark(middle([[0, 100], [1, 0]])) == {(True, False), (False, True)}


def test_a_class_without_pictures_and_many_classes(tmp_path: Path) -> None:
    path = tmp_path / "c.png"
    assert drawn(plots.confusion_matrix, path, np.array([[0, 0], [1, 2]]), ["a", "b"]).size
    names = [f"class {i}" for i in range(30)]
    assert drawn(plots.confusion_matrix, path, np.eye(30, dtype=np.int64), names).size
    assert drawn(plots.confusion_matrix, path, np.array([[3]]), ["one"]).size


def sheet(tmp_path: Path, pictures: NDArray[np.uint8], right: list[bool]) -> NDArray[np.uint8]:
    captions = [f"picture {i}" for i in range(len(pictures))]
    return drawn(plots.contact_sheet, tmp_path / "s.png", pictures, captions, right, columns=2)


def test_a_contact_sheet_marks_right_and_wrong(tmp_path: Path) -> None:
    pictures = np.zeros((3, 3, 4, 4), np.uint8)
    pictures[0, 0] = 255  # red
    pictures[1, 1] = 255  # green
    pictures[2, 2] = 255  # blue
    picture = sheet(tmp_path, pictures, [True, False, True])
    height, width, _ = picture.shape
    for colour, top, left in (("#ff0000", 0, 0), ("#00ff00", 0, 1), ("#0000ff", 1, 0)):
        rows, columns = where(picture, colour).T
        assert len(rows) > 1000
        assert (rows.mean() > height / 2, columns.mean() > width / 2) == (top, left)
    assert where(picture, canvas.GREEN)[:, 1].max() < width / 2  # the first column is right
    assert where(picture, canvas.RED)[:, 1].min() > width / 2


def test_grey_pictures_are_grey_and_share_one_scale_of_black(tmp_path: Path) -> None:
    pictures = np.zeros((2, 1, 4, 4), np.uint8)
    pictures[:, :, :2] = 255
    picture = sheet(tmp_path, pictures, [True, True])
    assert len(where(picture, "#000000")) > 1000


def test_a_flat_grey_picture_keeps_its_level(tmp_path: Path) -> None:
    picture = sheet(tmp_path, np.full((1, 1, 4, 4), 200, np.uint8), [True])
    assert len(where(picture, "#c8c8c8")) > 1000


def test_an_empty_sheet(tmp_path: Path) -> None:
    assert sheet(tmp_path, np.zeros((0, 1, 4, 4), np.uint8), []).size


def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    """``$`` begins no formula, and letters that no font has are no warning (an error in tests)."""
    names = ["a$b$\\frac", "猫", "🐈"]
    plots.confusion_matrix(tmp_path / "c.png", np.eye(3, dtype=np.int64), names)
    pictures = np.zeros((3, 1, 4, 4), np.uint8)
    plots.contact_sheet(tmp_path / "s.png", pictures, names, [True] * 3, title=names[0])
    plots.training_curves(tmp_path / "t.png", **RUN, title=" ".join(names))


def test_no_window_and_no_state_of_pyplot(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from convatlas import plots; import numpy as np\n"
        f"plots.confusion_matrix(Path({str(tmp_path / 'c.png')!r}), np.eye(2, dtype=int), 'ab')\n"
        "sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
