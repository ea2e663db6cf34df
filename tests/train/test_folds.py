from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from convatlas import data as sources
from convatlas.data import Dataset, ImageSet, Listing
from convatlas.data.shards import shard_arrays
from convatlas.errors import ConfigError, DataError
from convatlas.evaluate import evaluate
from convatlas.train import Config, Run, fit
from convatlas.train.folds import Folds, cross_validate, divide

Make = Callable[[], nn.Sequential]
CONFIG = Config(epochs=1, batch_size=32, lr=0.1, precision="float32", layout="contiguous")


@pytest.mark.parametrize("count", [2, 5, 7])
def test_every_picture_is_in_one_fold_and_classes_are_shared_out_evenly(count: int) -> None:
    labels = torch.tensor([0] * 30 + [1] * 13 + [2] * 57)[torch.randperm(100)]
    folds = divide(labels, ("a", "b", "c"), count, seed=2**40)
    assert torch.equal(torch.cat(folds).sort().values, torch.arange(100))
    for label, total in enumerate((30, 13, 57)):
        shares = [int((labels[fold] == label).sum()) for fold in folds]
        assert set(shares) <= {total // count, math.ceil(total / count)}


def test_the_division_follows_from_the_seed() -> None:
    labels = torch.arange(60) % 3
    first, again, other = (divide(labels, ("a", "b", "c"), 3, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_class_that_is_too_small_is_named() -> None:
    labels = torch.tensor([0] * 9 + [1] * 4)
    with pytest.raises(DataError, match=r"class .b. has 4 picture.* 5 folds need at least 5"):
        divide(labels, ("a", "b"), 5, seed=0)
    with pytest.raises(ConfigError, match="folds is 1"):
        divide(labels, ("a", "b"), 1, seed=0)


def test_what_each_run_gets(data: Dataset, small: Make, tmp_path: Path) -> None:
    """Training and validation pictures together, each watched once; the test pictures never."""
    val = ImageSet("val", data.test.images[:12], data.test.labels[:12], data.test.classes)
    test = data.test.subset(torch.arange(12, 30))
    files = [f"{i}.png" for i in range(126)]
    listing = Listing(
        "bars", tmp_path, data.train.classes, files,
        torch.cat([data.train.labels, data.test.labels]),
        torch.tensor([0] * 96 + [1] * 12 + [2] * 18).byte(),
    )  # fmt: skip
    given: list[Dataset] = []
    runs: list[Run] = []

    def train(part: Dataset, folder: Path) -> Run:
        given.append(part)
        runs.append(fit(small(), part, recipe=CONFIG, out=folder, quiet=True))
        return runs[-1]

    whole = replace(data, val=val, test=test, listing=listing)
    folds = cross_validate(whole, 3, 0, tmp_path / "out", train)
    every = torch.cat([data.train.images, val.images])
    watched = torch.cat([part.val.images for part in given])
    assert len(watched) == 108
    assert set(map(bytes, watched.numpy())) == set(map(bytes, every.numpy()))
    for part, run, row in zip(given, runs, folds.rows, strict=True):
        assert part.test is test
        learned = set(map(bytes, part.train.images.numpy()))
        assert not learned & set(map(bytes, part.val.images.numpy()))
        assert len(learned) == 72
        assert torch.equal(part.listing.labels[part.listing.part("val")], part.val.labels)
        pixels = every[part.listing.part("val")]
        assert torch.equal(pixels, part.val.images)
        assert row["val_accuracy"] == evaluate(run.classifier, part.val).top1
        assert row["test_loss"] == evaluate(run.classifier, test).loss
    said = json.loads((tmp_path / "out" / "folds.json").read_text())
    assert said["folds"] == folds.rows
    accuracies = [row["test_accuracy"] for row in folds.rows]
    summary = said["summary"]["test_accuracy"]
    assert summary["mean"] == pytest.approx(np.mean(accuracies))
    assert summary["sd"] == pytest.approx(np.std(accuracies, ddof=1))
    assert f"{np.mean(accuracies):.2%} ± {np.std(accuracies, ddof=1):.2%}" in str(folds)
    assert all((tmp_path / "out" / f"fold-{n}" / "model.safetensors").is_file() for n in (1, 2, 3))
    with pytest.raises(ConfigError, match="already holds folds"):
        cross_validate(whole, 3, 0, tmp_path / "out", train)


def test_ctrl_c_leaves_the_folds_that_were_finished(
    data: Dataset, small: Make, tmp_path: Path
) -> None:
    def train(part: Dataset, folder: Path) -> Run:
        run = fit(small(), part, recipe=CONFIG, out=folder, quiet=True)
        run.interrupted = folder.name == "fold-2"
        return run

    folds = cross_validate(data, 3, 0, tmp_path, train)
    assert [row["fold"] for row in folds.rows] == [1]
    assert folds.summary()["val_loss"]["sd"] is None
    assert "over 1 of 3 folds" in str(folds)
    assert json.loads((tmp_path / "folds.json").read_text())["wanted"] == 3
    assert str(Folds([], 3)) == "nothing over 0 of 3 folds (mean ± sd)"


def test_shards_are_refused(data: Dataset, tmp_path: Path) -> None:
    shard_arrays(data, tmp_path / "shards", shards=3)
    sharded = sources.load(str(tmp_path / "shards"), side=8, cache=False)
    with pytest.raises(ConfigError, match="are shards, which are not divided"):
        cross_validate(sharded, 3, 0, tmp_path, lambda part, folder: pytest.fail("it trained"))
