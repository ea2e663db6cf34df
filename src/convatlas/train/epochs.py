"""Epoch after epoch, until the last one or until patience ends."""

from __future__ import annotations

import math
from collections.abc import Callable

from convatlas.data import Dataset, ImageSet
from convatlas.errors import TrainingError
from convatlas.train.patience import best_epoch
from convatlas.train.run import Run
from convatlas.train.session import Session
from convatlas.train.stopping import Stopping

_LOG_EVERY = 50  # steps between the rows of metrics.jsonl inside an epoch


def learn(
    session: Session,
    data: Dataset,
    stopping: Stopping,
    on_epoch: Callable[[Run], object] | None = None,
) -> None:
    """Epochs of training, each with its row, its evaluation and its model on disk.

    Raises:
        KeyboardInterrupt: a signal came, or ``on_epoch`` ends the run.
        TrainingError: as `fit` says.
    """
    run, loop, folder, display = session.run, session.loop, session.folder, session.display
    held, watched = held_out(data)
    if run.history:
        _credit(run, held)
        if on_epoch is not None:
            on_epoch(run)
    while len(run.history) < run.config.epochs and not session.patience.ended(run.history):
        epoch = len(run.history) + 1
        try:
            # of an epoch that was left as its last step was made, only the evaluation is to come
            for tally in loop.epoch() if loop.number < epoch * loop.steps_per_epoch else ():
                display.step(epoch, tally)
                if loop.number % _LOG_EVERY == 0:
                    row = {"kind": "step", "epoch": epoch, "step": loop.number, "lr": loop.lr}
                    session.log(row | tally.row() | {"seconds": session.seconds})
                stopping.check()
                session.save_if_due()
            with stopping.at_once():
                report = loop.score(run.classifier, watched)
            if not math.isfinite(report.loss):
                raise TrainingError(f"the {held} loss is {report.loss} after epoch {epoch}")
        except TrainingError as error:
            if session.retreat(str(error).partition(":")[0]):
                continue
            kept = f"the model of epoch {epoch - 1} is kept in {folder.model}"
            raise TrainingError(
                f"{error}; {kept if epoch > 1 else 'no epoch was finished'}"
            ) from None
        row = {"kind": "epoch", "epoch": epoch, "step": loop.number} | loop.tally.row()
        row |= {f"{held}_loss": report.loss, f"{held}_accuracy": report.top1}
        row["seconds"] = session.seconds
        run.history.append(row)
        session.log(row)
        display.epoch(row)
        session.patience.see(run.history, run.classifier.net)
        _credit(run, held)
        if data.val is None:
            run.report = report
            folder.keep(run.classifier)
        if on_epoch is not None:
            on_epoch(run)
        session.save_if_due(edge=True)
    if session.patience.weights:
        run.classifier.net.load_state_dict(session.patience.weights)
        run.best_epoch = best_epoch(run.history)
        _credit(run, held)
        display.say(f"the model of epoch {run.best_epoch}, the best of {len(run.history)}, is kept")
    if run.report is None:  # the test pictures are looked at once, at the very end
        with stopping.at_once():
            run.report = loop.score(run.classifier, data.test)
        run.classifier.card["test_accuracy"] = run.report.top1
        folder.keep(run.classifier)


def _credit(run: Run, held: str) -> None:
    """Say in the model's card what its epoch came to."""
    row = run.history[(run.best_epoch or len(run.history)) - 1]
    run.classifier.card |= {"epochs": row["epoch"], f"{held}_accuracy": row[f"{held}_accuracy"]}


def held_out(data: Dataset) -> tuple[str, ImageSet]:
    """What is watched while learning, and how its numbers are called."""
    return ("test", data.test) if data.val is None else ("val", data.val)
