from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convatlas.plots import searched
from convatlas.plots.canvas import BLUE, ORANGE


def drawn(**changes: Any) -> NDArray[np.uint8]:
    png = BytesIO()
    trials: dict[str, Any] = {
        "numbers": [1, 2, 3],
        "accuracies": [0.5, 0.9, 0.1],
        "finished": [True, True, False],
        "settings": {"lr": [0.001, 0.1, 10.0], "optimizer": ["sgd", "muon", "sgd"]},
        "choices": {"optimizer": ["sgd", "adamw", "muon"]},
        "logarithmic": ["lr"],
    }
    searched(png, **trials | changes)
    return np.asarray(Image.open(png).convert("RGB"))


def places(picture: NDArray[np.uint8], colour: str, panel: int) -> NDArray[np.int64]:
    """Columns of that colour in one of three panels, without the legend below them."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    third = picture.shape[1] // 3
    part = picture[: int(0.8 * len(picture)), panel * third : (panel + 1) * third]
    return np.unique(np.argwhere((part == wanted).all(-1))[:, 1])


def test_each_setting_has_a_panel_with_its_own_scale() -> None:
    picture = drawn()
    for panel in (1, 2):
        assert places(picture, BLUE, panel).size > 0
        assert places(picture, ORANGE, panel).size > 0
    lr = places(picture, BLUE, 1)
    low, high, late = lr.min(), lr.max(), places(picture, ORANGE, 1).max()
    assert abs((high - low) - (late - high)) < 0.1 * (late - low), "two decades each"
    chosen = places(picture, ORANGE, 2).max(), places(picture, BLUE, 2).max()
    assert chosen[1] - chosen[0] > 0.4 * picture.shape[1] / 3, "muon is the last of three"


@pytest.mark.slow
def test_what_nobody_finished_is_drawn_too() -> None:
    picture = drawn(finished=[False] * 3)
    assert places(picture, BLUE, 1).size == 0
    assert places(picture, ORANGE, 1).size > 0
