"""Which picture files there are, what they show and which part they belong to: nothing decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from convatlas.errors import DataError

#: what a data set is divided into: learned from, watched while learning, tested on at the end
PARTS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Listing:
    """Labelled picture files, a line a file: a million of them take some hundred megabytes.

    Attributes:
        name: what to call the data set.
        root: the folder that file names are relative to.
        classes: the names, in the order of the labels.
        files: names relative to ``root``, with ``/`` between folders.
        labels: int64 ``(N,)``, indices into ``classes``.
        parts: uint8 ``(N,)``, indices into `PARTS`.
        notes: a line for each thing that was inferred, for a person to read.
        drawn: whether the parts were drawn here, since the source does not say them.
        table: the CSV that says what the files show, where it is not their folders.

    Raises:
        DataError: these are not of one length.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    files: Sequence[str]
    labels: Tensor
    parts: Tensor
    notes: tuple[str, ...] = ()
    drawn: bool = False
    table: Path | None = None

    def __post_init__(self) -> None:
        if not len(self.files) == len(self.labels) == len(self.parts):
            raise DataError(
                f"{self.name} lists {len(self.files)} files with {len(self.labels)} labels in "
                f"{len(self.parts)} parts, but there must be one of each for every file"
            )

    def __len__(self) -> int:
        return len(self.files)

    def path(self, index: int) -> Path:
        """Where a file is."""
        return self.root / self.files[index]

    def part(self, name: str) -> Tensor:
        """Indices of the files of a part, ascending: int64 ``(n,)``."""
        return (self.parts == PARTS.index(name)).nonzero().squeeze(1)

    def subset(self, indices: Tensor) -> Listing:
        """The files at ``indices`` (int64, or a bool mask), in that order, with all classes."""
        numbers = torch.arange(len(self))[indices].tolist()
        return replace(
            self,
            files=[self.files[i] for i in numbers],
            labels=self.labels[indices],
            parts=self.parts[indices],
        )

    def watching(self, held: Tensor) -> Listing:
        """The same files, where those at ``held`` (int64) are the ones to watch.

        ``held`` counts through those that were to learn from, and then those that were watched.
        """
        numbers = torch.cat([self.part("train"), self.part("val")])
        parts = self.parts.clone()
        parts[numbers] = PARTS.index("train")
        parts[numbers[held]] = PARTS.index("val")
        return replace(self, parts=parts)
