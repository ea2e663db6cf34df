"""A run on disk: settings, numbers, model and pictures, each written all at once or not at all."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convatlas import files, plots
from convatlas.classifier import Classifier
from convatlas.data import Listing
from convatlas.data.listing import PARTS
from convatlas.errors import ConfigError, StorageError

_DESCRIPTION = "run.json"
_METRICS = "metrics.jsonl"


class RunFolder:
    """What one run leaves: description, numbers, model, checkpoints and pictures.

    A disk that fills while a run goes on costs no training: what could not be written is kept in
    `unwritten`, the model that was there stays, and the next epoch tries again.

    Raises:
        StorageError: the folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unwritten: StorageError | None = None
        with files.storing(path):
            (path / "plots").mkdir(parents=True, exist_ok=True)

    @classmethod
    def fresh(cls, net: str, data: str, root: Path = Path("runs")) -> RunFolder:
        """A new folder under ``root``, named after network, data and time."""
        return cls(fresh_path(f"{net}-{Path(data).name}", root))

    @classmethod
    def begin(cls, path: Path) -> RunFolder:
        """A folder for a new run.

        Raises:
            ConfigError: it holds one already.
        """
        if (path / _DESCRIPTION).exists():
            raise ConfigError(
                f"{path} already holds a run: go on with it (--resume {path}), or choose another "
                "folder"
            )
        return cls(path)

    @property
    def checkpoints(self) -> Path:
        """Where all that an exact resume needs is written."""
        return self.path / "checkpoint"

    @property
    def model(self) -> Path:
        """The trained classifier's file."""
        return self.path / "model.safetensors"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, no other process trains in this folder.

        Raises:
            ConfigError: one does already.
        """
        with files.alone(self.path) as ours:
            if not ours:
                raise ConfigError(
                    f"another process is training in {self.path} right now: wait until it ends, "
                    "stop it, or choose another folder"
                )
            yield

    def sweep(self) -> None:
        """Remove what a process that was killed left unfinished."""
        for folder in (self.path, self.checkpoints, self.path / "plots"):
            files.sweep(folder)

    def describe(self, description: dict[str, Any]) -> None:
        """Write ``run.json``: all that is known before the first step, or after the last."""
        files.write_bytes(
            self.path / _DESCRIPTION, json.dumps(description, indent=2).encode() + b"\n"
        )

    def start_metrics(self) -> None:
        """Begin an empty ``metrics.jsonl``."""
        files.write_bytes(self.path / _METRICS, b"")

    def cut_metrics(self, step: int, epoch: int) -> None:
        """Take the rows out of ``metrics.jsonl`` that came after a step and after an epoch."""
        path, kept = self.path / _METRICS, []
        lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:  # a row that was being written as the process ended
                continue
            if row["epoch"] <= epoch if row["kind"] == "epoch" else row["step"] <= step:
                kept.append(line)
        files.write_bytes(path, b"".join(kept))

    def log(self, row: dict[str, Any]) -> None:
        """Append a row to ``metrics.jsonl``."""
        path = self.path / _METRICS
        try:
            with files.storing(path), path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
        except StorageError as error:
            self.unwritten = error

    def keep(self, classifier: Classifier) -> None:
        """Write the model, in place of the last one."""
        try:
            classifier.save(self.model)
            self.unwritten = None
        except StorageError as error:
            self.unwritten = error

    def rescue(self, classifier: Classifier) -> None:
        """See that the model is on a disk, if need be on another one.

        Raises:
            StorageError: it is not where it belongs; the message says where it is.
        """
        if self.unwritten is None:
            return
        self.keep(classifier)
        if self.unwritten is not None:
            elsewhere = Path(tempfile.mkdtemp(prefix="convatlas-")) / "model.safetensors"
            classifier.save(elsewhere)
            raise StorageError(f"{self.unwritten}. The trained model is in {elsewhere}")

    def list_files(self, listing: Listing) -> None:
        """Write ``files.csv``: each picture file, its class and its part."""
        text = io.StringIO(newline="")
        rows = csv.writer(text)
        rows.writerow(("path", "label", "split"))
        labels, parts = listing.labels.tolist(), listing.parts.tolist()
        for name, label, part in zip(listing.files, labels, parts, strict=True):
            rows.writerow((name, listing.classes[label], PARTS[part]))
        # names that are no UTF-8 are written as they are
        files.write_bytes(self.path / "files.csv", text.getvalue().encode(errors="surrogateescape"))

    def draw_curves(self, history: list[dict[str, Any]], held_out: str, title: str) -> None:
        """Draw ``plots/curves.png`` from the rows of finished epochs.

        Args:
            history: the rows.
            held_out: what they call the pictures that are not learned from, test or val.
            title: above the picture.
        """
        columns = {"seconds": "seconds"}
        for number in ("loss", "accuracy"):
            columns[f"train_{number}"] = f"train_{number}"
            columns[f"test_{number}"] = f"{held_out}_{number}"
        try:
            with files.replacing(self.path / "plots" / "curves.png") as png:
                values = {name: [row[key] for row in history] for name, key in columns.items()}
                plots.training_curves(png, held_out=held_out, title=title, **values)
        except StorageError as error:
            self.unwritten = error


def fresh_path(name: str, root: Path = Path("runs")) -> Path:
    """A path under ``root`` that nothing has yet: the name, and the time."""
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, n = root / stem, 1
    while path.exists():
        n += 1
        path = root / f"{stem}-{n}"
    return path
