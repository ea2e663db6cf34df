"""What a run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convatlas.classifier import Classifier
from convatlas.evaluate import Report
from convatlas.train.config import Config
from convatlas.train.engine import Engine


@dataclass
class Run:
    """What `fit` returns.

    Attributes:
        folder: where the run was written.
        classifier: the trained network with its preprocessing and class names.
        config, engine: the settings, and the number format and layout they were trained in.
        history: a row an epoch: epoch, seconds (all training time so far, the trial and the
            evaluations included), losses and accuracies (of the validation pictures where the
            data has such a part, else of the test pictures), images a second, share of time
            waiting.
        report: the scores on the test pictures at the end.
        best_epoch: the one whose model it is, where patience chose it; else it is the last's.
        interrupted: a signal ended it early.
        signal: the signal's number.
    """

    folder: Path
    classifier: Classifier
    config: Config
    engine: Engine
    history: list[dict[str, Any]] = field(default_factory=list)
    report: Report | None = None
    best_epoch: int | None = None
    interrupted: bool = False
    signal: int | None = None

    def result(self) -> dict[str, Any]:
        """How it ended, as ``run.json`` says it."""
        report = self.report
        chosen = {} if self.best_epoch is None else {"best_epoch": self.best_epoch}
        return chosen | {
            "interrupted": self.interrupted,
            "epochs": len(self.history),
            "seconds": self.history[-1]["seconds"] if self.history else None,
            "test_accuracy": None if report is None else report.top1,
            "test_loss": None if report is None else report.loss,
        }
