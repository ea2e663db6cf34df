from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from convatlas import plots
from convatlas.data import Dataset
from convatlas.errors import ConfigError
from convatlas.train import Config
from convatlas.train.preview import preview


@pytest.mark.slow
def test_a_row_is_a_picture_as_several_epochs_see_it(
    small: Callable[[], nn.Sequential],
    data: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = {}

    def sheet(target: object, pictures: np.ndarray, captions: list[str], **rest: object) -> None:
        shown.update(pictures=torch.from_numpy(pictures), captions=captions)
        real(target, pictures, captions, **rest)

    real = plots.contact_sheet
    monkeypatch.setattr(plots, "contact_sheet", sheet)
    drawn = preview(small(), data, Config(flip=True, shift=1), tmp_path / "new" / "augment.png")
    with Image.open(drawn) as sheet_drawn:
        assert sheet_drawn.size[0] > 500
    rows = shown["pictures"].view(6, 8, 1, 8, 8)
    chosen = torch.arange(6) * 96 // 6
    names = [data.train.classes[label] for label in data.train.labels[chosen]]
    assert shown["captions"] == [name for name in names for _ in range(8)]
    for row, own in zip(rows, data.train.images[chosen], strict=True):
        assert len({picture.numpy().tobytes() for picture in row}) > 3
        middle = own[:, 1:-1, 1:-1].flatten().sort().values  # what no shift by one moves out
        for picture in row:
            assert np.isin(middle.numpy(), picture.numpy()).all()


@pytest.mark.slow
def test_the_ten_crops_are_shown_one_by_one(
    small: Callable[[], nn.Sequential], data: Dataset, tmp_path: Path
) -> None:
    config = Config(crop="ten", size=6)
    assert preview(small(), data, config, tmp_path / "x.png").exists()


def test_a_crop_that_has_nowhere_to_go_is_refused(
    small: Callable[[], nn.Sequential], data: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="a random crop of 8 must be cut out of more than 8"):
        preview(small(), data, Config(crop="random"), tmp_path / "x.png")
