from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from convatlas import data as sources
from convatlas.data import Dataset, Preprocess, Stream
from convatlas.data.shards import shard_arrays
from convatlas.errors import ConfigError
from convatlas.train import Config, fit
from convatlas.train.preview import preview
from convatlas.train.streaming import feed_of

CPU = torch.device("cpu")


def bare(size: int, resize: int = 8) -> Preprocess:
    return Preprocess(size, resize, 1, (0.0,), (1.0,))


@pytest.fixture
def sharded(data: Dataset, tmp_path: Path) -> Dataset:
    """The bars, in shards."""
    shard_arrays(data, tmp_path / "shards", shards=3)
    return sources.load(str(tmp_path / "shards"), side=8, cache=False)


def test_an_epoch_is_the_pictures_of_the_arrays(data: Dataset, sharded: Dataset) -> None:
    feed = feed_of(sharded.train, Config(batch_size=16), CPU, bare(8))
    assert feed.steps == 6
    wanted = sorted(picture.numpy().tobytes() for picture in data.train.images)
    orders = []
    for _ in range(2):
        orders.append([x.numpy().tobytes() for pixels, _ in feed.epoch() for x in pixels])
        assert sorted(orders[-1]) == wanted
    assert orders[0] != orders[1]
    again = feed_of(sharded.train, Config(batch_size=16), CPU, bare(8))  # its position is its own
    assert [x.numpy().tobytes() for pixels, _ in again.epoch() for x in pixels] == orders[0]
    other = feed_of(sharded.train, Config(batch_size=16, seed=1), CPU, bare(8))
    assert [x.numpy().tobytes() for pixels, _ in other.epoch() for x in pixels] != orders[0]


@pytest.mark.parametrize("crop", ["random", "resized"])
def test_pictures_are_cropped(sharded: Dataset, crop: str) -> None:
    batches = list(
        feed_of(sharded.train, Config(batch_size=500, crop=crop), CPU, bare(5, 8)).epoch()
    )
    assert [tuple(pixels.shape) for pixels, _ in batches] == [(96, 1, 5, 5)]


@pytest.mark.parametrize(
    "setting",
    [
        {"crop": "ten"},
        {"balance": "sampler"},
        {"flip": True, "flip_turns": True},
        {"skip_easy": 0.1},
    ],
)
def test_what_needs_numbers_is_refused(sharded: Dataset, setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="needs pictures by number"):
        feed_of(sharded.train, Config(**setting), CPU, bare(5, 8))


@pytest.mark.slow
def test_a_network_learns_from_shards(
    small: Callable[[], nn.Sequential], sharded: Dataset, tmp_path: Path
) -> None:
    assert isinstance(sharded.train, Stream)
    settings = {"epochs": 6, "batch_size": 16, "lr": 0.1, "balance": "weights", "quiet": True}
    settings |= {"precision": "float32", "layout": "contiguous"}  # not by a trial each
    runs = [fit(small(), sharded, out=tmp_path / f"run{i}", **settings) for i in range(2)]
    assert runs[0].report is not None
    assert runs[0].report.top1 > 0.9
    losses = [[row["train_loss"] for row in run.history] for run in runs]
    assert losses[0] == losses[1]
    assert preview(small(), sharded, Config(), tmp_path / "sheet.png").exists()
