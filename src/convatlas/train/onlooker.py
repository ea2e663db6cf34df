"""A run's folder as the processes see it that do not write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convatlas.classifier import Classifier
from convatlas.data import Listing
from convatlas.train.folder import RunFolder


class Onlooker(RunFolder):
    """A `RunFolder` that another process writes: what is to be written here is not.

    Args:
        path: the folder, which need not be on this machine.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.unwritten = path, None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing: the process that writes holds it."""
        yield

    def sweep(self) -> None:
        """Nothing."""

    def describe(self, description: dict[str, Any]) -> None:
        """Nothing."""

    def start_metrics(self) -> None:
        """Nothing."""

    def cut_metrics(self, step: int, epoch: int) -> None:
        """Nothing."""

    def log(self, row: dict[str, Any]) -> None:
        """Nothing."""

    def keep(self, classifier: Classifier) -> None:
        """Nothing."""

    def list_files(self, listing: Listing) -> None:
        """Nothing."""

    def draw_curves(self, history: list[dict[str, Any]], held_out: str, title: str) -> None:
        """Nothing."""
