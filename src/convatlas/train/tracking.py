"""A run's numbers in TensorBoard, while it goes on: ``tensorboard --logdir RUN``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from convatlas.errors import ConfigError

Tracker = Literal["tensorboard"]


def check(tracker: str | None) -> None:
    """See that a program is there before a run begins.

    Raises:
        ConfigError: there is no such program, or it is not installed.
    """
    if tracker not in (None, *get_args(Tracker)):
        raise ConfigError(f"track is {tracker!r}, but it must be tensorboard")
    if tracker is not None:
        _writer()


class Tracking:
    """Rows of ``metrics.jsonl`` as scalars, over the number of steps.

    What a row says of training is called ``step/…`` or ``epoch/…``, as it is of steps or an epoch.

    Args:
        folder: of the run; the events are in its folder ``tensorboard``.
        tracker: by which program, that `check` has seen; None for none.
    """

    def __init__(self, folder: Path, tracker: str | None) -> None:
        self.folder, self.writer = folder / "tensorboard", None
        self.wanted = tracker is not None

    def begin(self, step: int) -> None:
        """The rows to come follow after so many steps; what came after them before is void."""
        self.end()
        if self.wanted:
            self.writer = _writer()(str(self.folder), purge_step=step + 1)

    def log(self, row: Mapping[str, Any]) -> None:
        """All numbers of a row that has a ``step`` and a ``kind``."""
        if self.writer is not None:
            for name in row.keys() - {"kind", "epoch", "step"}:
                self.writer.add_scalar(f"{row['kind']}/{name}", row[name], row["step"])

    def end(self) -> None:
        """Write what is still in memory."""
        if self.writer is not None:
            self.writer.close()


def _writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "--track tensorboard needs TensorBoard: pip install 'convatlas[track]'"
        ) from None
    return SummaryWriter
