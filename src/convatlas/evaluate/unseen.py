"""Test pictures that a run did not learn from.

Where a test part is drawn here, it is drawn anew from all files: once files were added, it may hold
some that an older run has learned from. The run's ``files.csv`` knows them.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import torch

from convatlas.data import Dataset, ImageSet
from convatlas.errors import DataError


def unseen(run: Path, data: Dataset) -> tuple[ImageSet, int]:
    """The test pictures without those that a run learned from, and how many these are.

    Args:
        run: the folder of a run; one that has no ``files.csv``, or learned from another folder,
            has seen none.
        data: as it is now.

    Raises:
        DataError: it has seen them all.
    """
    listing = data.listing
    if listing is None or (learned := _learned(run, listing.root)) is None:
        return data.test, 0
    new = [listing.files[i] not in learned for i in listing.part("test").tolist()]
    if all(new):
        return data.test, 0
    if not any(new):
        raise DataError(
            f"{run} has learned from every test picture of {data.name}: test it on others"
        )
    return data.test.subset(torch.tensor(new)), new.count(False)


def _learned(run: Path, root: Path) -> set[str] | None:
    """The names of the files below ``root`` that the run learned from; None of another folder."""
    try:
        known = json.loads((run / "run.json").read_bytes())["data"]["root"]
        # as they are on disk, where they need not be UTF-8
        with (run / "files.csv").open(newline="", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, KeyError):
        return None
    if known != str(root.resolve()):
        return None
    return {row["path"] for row in rows if row["split"] != "test"}
