"""What a person sees while a network trains."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from convatlas.data import Dataset, Preprocess
from convatlas.data.balance import imbalance
from convatlas.train.config import Config
from convatlas.train.distributed import here
from convatlas.train.engine import Engine
from convatlas.train.strategy import described
from convatlas.train.tally import Tally

_HEADER = "epoch    loss  accuracy  {0:>4} loss  {0:>4} accuracy  images/s  waiting  seconds"
_UNEQUAL = 10  # times as many pictures of one class as of another, from which on it is said


class Display:
    """A bar with loss, accuracy, speed and time left; a row for each finished epoch.

    Args:
        epochs, steps: of the run, in all.
        quiet: show nothing.
    """

    def __init__(self, epochs: int, steps: int, quiet: bool = False) -> None:
        self.console = Console(
            quiet=quiet, highlight=False, markup=False, emoji=False, soft_wrap=True
        )
        self.held_out = "test"
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("loss {task.fields[loss]:.3f}  accuracy {task.fields[accuracy]:.1%}"),
            TextColumn("{task.fields[speed]:,.0f} images/s"),
            TimeRemainingColumn(),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
            transient=True,
        )
        self.task = self.bar.add_task(
            "", total=steps, epoch=1, epochs=epochs, loss=0.0, accuracy=0.0, speed=0.0
        )

    def __enter__(self) -> Display:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def introduce(
        self, name: str, data: Dataset, preprocess: Preprocess, config: Config, engine: Engine
    ) -> None:
        """Say what is going to be trained, on what, and how."""
        side, own = preprocess.size, "×".join(map(str, data.train.shape[1:]))
        resized = "" if own == f"{side}×{side}" else f", resized to {side}×{side}"
        val = "" if data.val is None else f", {len(data.val):,} validation"
        self.say(
            f"{name} on {data.name}: {len(data.train):,} training{val} and {len(data.test):,} test "
            f"pictures of {own}{resized}, {len(data.train.classes)} classes"
        )
        for note in data.notes:
            self.say(f"  {note}")
        unequal = imbalance(data.train.labels, data.train.classes)
        if unequal.ratio > _UNEQUAL and config.balance == "none":
            self.say(
                f"  classes are unequal: {unequal}; balance=weights or balance=sampler makes "
                "them count the same"
            )
        if config.strategy != "scratch":
            self.say(f"  {described(config)}")
        tried = ", ".join(f"{pair} {speed:,.0f}" for pair, speed in engine.trial.items())
        world = here().world
        shared = f", {world} processes of {config.batch_size // world}" if world > 1 else ""
        self.say(
            f"recipe {config.recipe or 'of your own'}: {config.epochs} epochs of batches of "
            f"{config.batch_size}{shared}; {engine}"
            + (f" (tried, images/s: {tried})" if tried else "")
        )
        self.held_out = "test" if data.val is None else "val"
        self.say(_HEADER.format(self.held_out))

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line)

    def begin_at(self, step: int) -> None:
        """So many steps were made before."""
        self.bar.update(self.task, completed=step)

    def step(self, epoch: int, tally: Tally) -> None:
        """One step further."""
        row = tally.row()
        self.bar.update(
            self.task,
            advance=1,
            epoch=epoch,
            loss=row["train_loss"],
            accuracy=row["train_accuracy"],
            speed=row["images_per_second"],
        )

    def epoch(self, row: dict[str, Any]) -> None:
        """Print the row of a finished epoch."""
        self.say(
            f"{row['epoch']:5d}  {row['train_loss']:6.4f}  {row['train_accuracy']:8.2%}"
            f"  {row[self.held_out + '_loss']:9.4f}  {row[self.held_out + '_accuracy']:13.2%}"
            f"  {row['images_per_second']:8,.0f}  {row['waiting']:7.1%}  {row['seconds']:7.1f}"
        )
