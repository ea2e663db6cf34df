"""One trial: a run that is watched after each epoch, and never looks at the test pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from convatlas.errors import ConvAtlasError, StorageError, TrainingError
from convatlas.train import resume as resuming
from convatlas.train.checkpoint import Checkpoints
from convatlas.train.config import Config
from convatlas.train.fit import fit
from convatlas.train.patience import Patience, best_epoch
from convatlas.train.run import Run
from convatlas.train.start import Resumed
from convatlas.train.sweep.plan import Plan
from convatlas.train.sweep.study import Study, Trial


@dataclass
class Watch:
    """Ends a run after its last epoch, before it would look at the test pictures, or earlier.

    Attributes:
        trial: to whom it reports.
        accuracy: of the validation pictures, by the model that is kept; None until the end.
        ended: whether it ended the run, and not a signal.
    """

    trial: Trial
    accuracy: float | None = None
    ended: bool = False

    def __call__(self, run: Run) -> None:
        """After each epoch.

        Raises:
            KeyboardInterrupt: the run is to end here.
        """
        accuracies = [row["val_accuracy"] for row in run.history]
        self.trial.report(accuracies)
        patience = Patience(run.config.patience)
        if len(run.history) == run.config.epochs or patience.ended(run.history):
            kept = len(run.history) if run.config.patience is None else best_epoch(run.history)
            self.accuracy, self.ended = accuracies[kept - 1], True
        else:
            self.ended = self.trial.hopeless()
        if self.ended:
            raise KeyboardInterrupt


def folder_of(sweep: Path, number: int) -> Path:
    """Where a trial's run is, by its number from 1."""
    return sweep / f"trial-{number:04d}"


def attempt(plan: Plan, sweep: Path, study: Study, trial: Trial) -> int | None:
    """Train what a trial tries, or the rest of it, and say to the study what came of it.

    Returns:
        The signal that came meanwhile; the trial is then to be taken up again, unless it ended.

    Raises:
        ConfigError, ShapeError, DataError, ModelError: it could not be trained, and neither could
            any trial before it.
        StorageError: a disk is full.
    """
    folder, watch = folder_of(sweep, trial.number), Watch(trial)
    try:
        run = train(plan, plan.settings({**plan.chosen, **trial.settings}), folder, watch)
    except StorageError:
        raise
    except (TrainingError, MemoryError, torch.OutOfMemoryError) as error:
        trial.prune(_line(error))
        return None
    except ConvAtlasError as error:
        if not any(one.accuracies for one in study.tried()):  # it is not the values that are wrong
            raise
        trial.prune(_line(error))
        return None
    if watch.accuracy is not None:
        trial.finish(watch.accuracy)
    elif watch.ended:
        trial.prune()
    return run.signal


def train(plan: Plan, config: Config, folder: Path, watch: Watch | None) -> Run:
    """A trial's run, from its last checkpoint where it has begun.

    Args:
        plan, config: of the sweep, of the trial.
        folder: of its run.
        watch: what ends it; None to go on to the end, where the test pictures are looked at.
    """
    data, recorded = plan.pictures(config), resuming.begun(folder)
    if recorded is None:
        net = plan.start.make(data, config)
        return fit(net, data, recipe=config, out=folder, on_epoch=watch, quiet=True)
    begun = resuming.config(recorded)
    return fit(
        Resumed(recorded, {}).make(data, begun),
        data,
        recipe=begun,
        resume=folder,
        on_epoch=watch,
        quiet=True,
    )


def forget(folder: Path) -> None:
    """Remove the checkpoints of a trial that nobody is going on with."""
    Checkpoints(folder / "checkpoint").clear()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
