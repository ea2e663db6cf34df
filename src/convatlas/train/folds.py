"""Stratified k-fold cross-validation: what a score is worth where few pictures are watched.

With fifty validation pictures an accuracy of 90 % has a standard deviation of four points. Over
the folds every picture is validated on once, by a network that has not learned from it, and how
far the folds lie apart shows how much of a difference is chance.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor

from convatlas import files
from convatlas.data import Dataset, ImageSet
from convatlas.data.joined import joined
from convatlas.errors import ConfigError, DataError
from convatlas.train.run import Run


@dataclass(frozen=True)
class Folds:
    """What k runs came to.

    Attributes:
        rows: of each fold: number, pictures learned from and validated on, and the accuracy and
            loss of both ``val`` and ``test`` pictures.
        wanted: folds that were asked for; Ctrl-C leaves fewer.
    """

    rows: list[dict[str, Any]]
    wanted: int

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Mean and standard deviation over the folds (of a sample: n − 1) of each score."""
        found: dict[str, dict[str, float | None]] = {}
        for name in ("val_accuracy", "val_loss", "test_accuracy", "test_loss"):
            values = [row[name] for row in self.rows]
            sd = stdev(values) if len(values) > 1 else None
            found[name] = {"mean": mean(values) if values else None, "sd": sd}
        return found

    def __str__(self) -> str:
        said = []
        for part in ("val", "test"):
            score = self.summary()[f"{part}_accuracy"]
            if score["mean"] is not None:
                spread = "" if score["sd"] is None else f" ± {score['sd']:.2%}"
                said.append(f"{part} accuracy {score['mean']:.2%}{spread}")
        of = "" if len(self.rows) == self.wanted else f" of {self.wanted}"
        return f"{', '.join(said) or 'nothing'} over {len(self.rows)}{of} folds (mean ± sd)"

    def write(self, path: Path) -> None:
        """Write ``folds.json``.

        Raises:
            StorageError: it cannot be written.
        """
        content = {"wanted": self.wanted, "folds": self.rows, "summary": self.summary()}
        files.write_text(path, json.dumps(content, indent=2) + "\n")


def divide(labels: Tensor, classes: tuple[str, ...], count: int, seed: int) -> list[Tensor]:
    """The indices that each fold is validated on, ascending; classes are shared out evenly.

    Args:
        labels: int64 ``(N,)``.
        classes: their names, for the message.
        count: of folds.
        seed: the same seed shares them out in the same way.

    Raises:
        ConfigError: fewer than two folds.
        DataError: a class has fewer pictures than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold

    if count < 2:
        raise ConfigError(f"folds is {count}, but it must be at least 2")
    for name, have in zip(
        classes, torch.bincount(labels, minlength=len(classes)).tolist(), strict=True
    ):
        if have < count:
            raise DataError(
                f"class {name!r} has {have} picture(s), and {count} folds need at least {count} "
                "of each: take fewer folds, or add pictures"
            )
    kfold = StratifiedKFold(count, shuffle=True, random_state=seed % 2**32)
    held = kfold.split(labels.numpy(), labels.numpy())
    return [torch.from_numpy(validated) for _, validated in held]


def cross_validate(
    data: Dataset, count: int, seed: int, out: Path, train: Callable[[Dataset, Path], Run]
) -> Folds:
    """Train ``count`` networks, each without one fold of the training and validation pictures.

    The test pictures stay out of it, and each network is scored on them as well. With patience,
    a fold has a say in which epoch is kept, so that its own score is a little too good; the test
    pictures' is not.

    Args:
        data: the training and validation pictures are put together.
        count: of folds.
        seed: of the division.
        out: gets ``folds.json``, and a run folder ``fold-1`` … for each.
        train: a run with a new network, in the given folder.

    Raises:
        ConfigError: shards, which have no numbers to divide; fewer than two folds; a folder that
            holds folds already.
        DataError: a class has fewer pictures than there are folds.
        StorageError: ``folds.json`` cannot be written.
    """
    if not isinstance(data.train, ImageSet):
        raise ConfigError(
            f"{data.name} are shards, which are not divided into folds: train on the files "
            "themselves"
        )
    target = out / "folds.json"
    if target.exists():
        raise ConfigError(f"{out} already holds folds: choose another folder")
    pool = data.train if data.val is None else joined(data.train, data.val)
    folds = Folds([], count)
    for number, held in enumerate(divide(pool.labels, pool.classes, count, seed), 1):
        kept = torch.ones(len(pool), dtype=torch.bool)
        kept[held] = False
        learned, watched = pool.subset(kept.nonzero().squeeze(1)), pool.subset(held)
        listing = data.listing and data.listing.watching(held)
        part = replace(data, train=learned, val=watched, listing=listing, origin=None)
        run = train(part, out / f"fold-{number}")
        if run.interrupted or run.report is None:
            break
        row = run.history[(run.best_epoch or len(run.history)) - 1]
        folds.rows.append(
            {
                "fold": number,
                "train": len(learned),
                "val": len(watched),
                "val_accuracy": row["val_accuracy"],
                "val_loss": row["val_loss"],
                "test_accuracy": run.report.top1,
                "test_loss": run.report.loss,
            }
        )
        folds.write(target)
    return folds
