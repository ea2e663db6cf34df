from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from convatlas.classifier import Classifier
from convatlas.data import Dataset, Listing
from convatlas.data.split import stratified
from convatlas.errors import DataError
from convatlas.evaluate import evaluate
from convatlas.train import Config, fit
from convatlas.train.patience import Patience, best_epoch, with_validation

Make = Callable[[], nn.Sequential]


def rows(*scores: tuple[float, float]) -> list[dict[str, float]]:
    return [{"val_accuracy": accuracy, "val_loss": loss} for accuracy, loss in scores]


def test_the_best_epoch() -> None:
    assert best_epoch(rows((0.5, 1.0), (0.7, 2.0), (0.6, 0.1))) == 2
    assert best_epoch(rows((0.5, 1.0), (0.5, 0.9), (0.5, 0.95))) == 2  # the lower loss
    assert best_epoch(rows((0.5, 1.0), (0.5, 1.0))) == 1  # the earlier
    assert best_epoch([]) == 0


def test_when_it_ends() -> None:
    patience = Patience(2)
    history = rows((0.5, 1.0), (0.7, 1.0), (0.6, 1.0), (0.7, 1.0))
    assert [patience.ended(history[:n]) for n in range(5)] == [False, False, False, False, True]
    assert not Patience(None).ended(history)


def test_the_best_model_is_kept(
    tmp_path: Path, small: Make, data: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights, and what batch normalisation and other buffers remember."""
    net = small()
    torch.manual_seed(0)
    config = Config(
        epochs=9,
        batch_size=32,
        lr=0.1,
        schedule="constant",
        patience=3,
        precision="float32",
        layout="contiguous",
        optimizer="sgd",
    )

    class Spoiled(nn.Module):
        """From the second epoch on it answers nothing."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = net
            self.register_buffer("steps", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                self.steps += 1
            return self.inner(x) * (self.steps <= 3)

    data = replace(data, val=data.test.subset(torch.arange(15)))
    done = fit(Spoiled(), data, recipe=config, out=tmp_path)
    assert [row["epoch"] for row in done.history] == [1, 2, 3, 4]
    assert done.best_epoch == 1
    assert json.loads((tmp_path / "run.json").read_text())["result"]["best_epoch"] == 1
    assert done.classifier.card["epochs"] == 1
    assert done.classifier.card["val_accuracy"] == done.history[0]["val_accuracy"]
    assert done.classifier.net.steps == 3
    assert evaluate(done.classifier, data.val).loss == done.history[0]["val_loss"]
    assert done.report.top1 == evaluate(done.classifier, data.test).top1
    loaded = Classifier.load(tmp_path, net=Spoiled())
    assert torch.equal(loaded.net.inner[5].weight, done.classifier.net.inner[5].weight)
    assert "the model of epoch 1, the best of 4, is kept" in capsys.readouterr().out


def test_a_fifth_of_each_class_is_held_back(data: Dataset) -> None:
    names = [f"{i}.png" for i in range(126)]
    parts = torch.tensor([0] * 96 + [2] * 30).byte()
    labels = torch.cat([data.train.labels, data.test.labels])
    listing = Listing("x", Path(), data.train.classes, names, labels, parts)
    made = with_validation(replace(data, listing=listing, notes=("one",)), seed=3)
    kept, held = stratified(data.train.labels, data.train.classes, seed=3)
    assert torch.equal(made.train.images, data.train.images[kept])
    assert torch.equal(made.val.images, data.train.images[held])
    assert torch.bincount(made.val.labels).tolist() == [6, 6, 6]  # of 32 each
    assert made.test is data.test
    assert torch.equal(made.listing.part("train"), kept)
    assert torch.equal(made.listing.part("val"), held)
    assert made.notes == (
        "one",
        "18 of 96 training pictures are held back for validation",
    )
    assert with_validation(made, seed=4) is made


def test_a_class_of_one_picture_cannot_be_held_back(data: Dataset) -> None:
    few = replace(data, train=data.train.subset(torch.tensor([0, 1, 2, 4, 5])))
    with pytest.raises(DataError, match="class 'high' has 1 picture"):
        with_validation(few, seed=0)


def test_a_run_that_stops_early_is_resumed_to_the_same_end(
    tmp_path: Path, small: Make, data: Dataset
) -> None:
    """Its best model lies before the checkpoint, and is taken up from it."""

    class Interrupted(nn.Module):
        def __init__(self, at: int) -> None:
            super().__init__()
            self.inner, self.at = small(), at

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.at -= self.training
            if self.at == 0:
                raise KeyboardInterrupt
            return self.inner(x)

    config = Config(
        epochs=12,
        batch_size=16,
        lr=1.0,
        schedule="constant",
        patience=2,
        optimizer="sgd",
        precision="float32",
        layout="contiguous",
    )
    whole = fit(Interrupted(-1), data, recipe=config, out=tmp_path / "whole", quiet=True)
    assert len(whole.history) < 12
    steps = 4 * whole.best_epoch + 6  # in the second epoch after the best one
    part = fit(
        Interrupted(steps),
        data,
        recipe=config,
        out=tmp_path / "part",
        quiet=True,
        checkpoint_seconds=0,
    )
    assert part.interrupted
    rest = fit(Interrupted(-1), data, recipe=config, resume=tmp_path / "part", quiet=True)
    assert rest.best_epoch == whole.best_epoch
    assert len(rest.history) == len(whole.history)
    for a, b in zip(
        rest.classifier.net.parameters(), whole.classifier.net.parameters(), strict=True
    ):
        assert torch.equal(a, b)
