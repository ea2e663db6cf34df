"""What a sweep came to: lines, files, a picture, and the command that trains the best again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convatlas import files, plots
from convatlas.train import settings_file
from convatlas.train.sweep.plan import Plan
from convatlas.train.sweep.space import Choice, Range
from convatlas.train.sweep.study import Tried


@dataclass(frozen=True)
class Swept:
    """A sweep, as far as it has come.

    Attributes:
        plan, folder: what it was asked to do, and where.
        tried: its trials, by their number.
        test_accuracy: of the best one, once all trials have ended.
        signal: that stopped it.
    """

    plan: Plan
    folder: Path
    tried: Sequence[Tried]
    test_accuracy: float | None = None
    signal: int | None = None

    @property
    def best(self) -> Tried | None:
        """As `best`."""
        return best(self.tried)

    @property
    def complete(self) -> bool:
        """Whether all trials have ended."""
        ended = [one for one in self.tried if one.state != "unfinished"]
        return len(ended) == len(self.tried) >= self.plan.trials

    @property
    def command(self) -> str | None:
        """What trains the best one again, on all of its training pictures."""
        if self.best is None:
            return None
        words = ["convatlas", "train", self.plan.net, self.plan.data]
        words += ["--config", str(self.folder / "best.toml")]
        if self.plan.weights is not None:
            words += ["--weights", self.plan.weights]
        if self.plan.accept_licence:
            words.append("--accept-licence")
        for name, value in self.plan.options.items():
            words += ["--set", f"{name}={value}"]
        if self.plan.data_dir is not None:
            words += ["--data-dir", self.plan.data_dir]
        return shlex.join(words)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "folder": str(self.folder),
            "net": self.plan.net,
            "data": self.plan.data,
            "search": list(self.plan.search),
            "complete": self.complete,
            "trials": [asdict(one) for one in self.tried],
            "best": None if self.best is None else self.best.number,
            "test_accuracy": self.test_accuracy,
            "command": self.command,
        }

    def write(self) -> None:
        """Write ``sweep.json``; ``sweep.png`` of what was tried; ``best.toml`` of what finished.

        Raises:
            StorageError: they cannot be written.
        """
        files.write_text(self.folder / "sweep.json", json.dumps(self.to_dict(), indent=2) + "\n")
        if self.best is not None:
            settings = settings_file.dumps(self.plan.settings(self.best.settings))
            files.write_text(self.folder / "best.toml", settings)
        if not any(one.accuracies for one in self.tried):
            return
        shown, space = [one for one in self.tried if one.accuracies], self.plan.space
        with files.replacing(self.folder / "sweep.png") as png:
            plots.searched(
                png,
                numbers=[one.number for one in shown],
                accuracies=[
                    one.accuracies[-1] if one.accuracy is None else one.accuracy for one in shown
                ],
                finished=[one.state == "finished" for one in shown],
                settings={name: [one.settings[name] for one in shown] for name in space},
                choices={n: one.values for n, one in space.items() if isinstance(one, Choice)},
                logarithmic=[n for n, one in space.items() if isinstance(one, Range) and one.log],
                title=f"{self.plan.net} on {Path(self.plan.data).name}",
            )


def ranked(tried: Sequence[Tried]) -> list[Tried]:
    """The trials that finished, the most accurate first, and the earlier among equals."""
    finished = [one for one in tried if one.accuracy is not None]
    return sorted(finished, key=lambda one: one.accuracy or 0.0, reverse=True)


def best(tried: Sequence[Tried]) -> Tried | None:
    """The first of them, if any finished."""
    return next(iter(ranked(tried)), None)


def line(one: Tried) -> str:
    """A trial that ended, in a line."""
    if one.state == "finished":
        said = f"val accuracy {one.accuracy:.2%}"
    elif one.state == "pruned":
        said = f"given up after epoch {len(one.accuracies)}, at {one.accuracies[-1]:.2%}"
    else:
        said = f"failed: {one.reason}"
    return f"trial {one.number:3d}  {settings(one.settings)}  {said}"


def settings(values: Mapping[str, Any]) -> str:
    """Settings in a line."""
    return " ".join(f"{name}={value(one)}" for name, one in values.items())


def value(one: Any) -> str:
    """A setting's value, short."""
    return f"{one:.4g}" if isinstance(one, float) else str(one)
