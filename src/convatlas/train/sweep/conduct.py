"""A sweep from its plan to its report."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from convatlas import files
from convatlas.errors import ConfigError, TrainingError
from convatlas.train import resume as resuming
from convatlas.train.sweep.plan import Plan
from convatlas.train.sweep.processes import share
from convatlas.train.sweep.report import Swept
from convatlas.train.sweep.study import Study
from convatlas.train.sweep.trial import folder_of, train
from convatlas.train.sweep.work import work


def conduct(
    plan: Plan, folder: Path, procs: int = 1, say: Callable[[str], None] | None = None
) -> Swept:
    """Make the trials of a sweep that are still to be made, and report on all of them.

    Ctrl-C and SIGTERM end it after the step that is under way, and so may anything else: what was
    under way is taken up when it goes on, from the last checkpoint, to the same result.

    Args:
        plan: as `begin.begin` or `plan.read` returns it.
        folder: of the sweep.
        procs: processes that make trials at a time; with 1, this one.
        say: gets a line for each trial that ended; None for silence.

    Raises:
        ConfigError: another process is at work in the folder.
        ShapeError, DataError, ModelError, ConfigError: no trial can be trained at all.
        TrainingError: processes were killed, or no trial came to its end.
        StorageError: a disk is full.
    """
    with files.alone(folder) as ours, Study(folder, plan.space, plan.config) as study:
        if not ours:
            raise ConfigError(
                f"another process is sweeping in {folder} right now: wait for its end"
            )
        _take_back(study, folder)
        came: int | None = None
        died: list[str] = []
        try:
            if procs == 1:
                came = work(plan, folder, study, say or _nothing)
            else:
                came, died = share(folder, procs, quiet=say is None)
        except KeyboardInterrupt:
            came = signal.SIGINT
        swept = Swept(plan, folder, study.tried(), signal=came)
        if swept.complete and came is None:
            swept = _tested(swept)
        swept.write()
    if died:
        raise TrainingError(f"{'; '.join(died)}: go on with --resume {folder}")
    if swept.complete and swept.best is None:
        raise TrainingError(f"no trial came to its end; the last one: {swept.tried[-1].reason}")
    return swept


def _take_back(study: Study, folder: Path) -> None:
    """Let the trials go on whose processes have ended."""
    for one in study.tried():
        if one.state == "unfinished":
            run = folder_of(folder, one.number)
            with files.storing(run):
                run.mkdir(exist_ok=True)
            with files.alone(run) as ours:
                if not ours:
                    raise ConfigError(
                        f"a process of an earlier sweep still trains in {run}: wait for its end"
                    )
            study.give_back(one.number)


def _tested(swept: Swept) -> Swept:
    """Look at the test pictures, once, with the best trial."""
    if swept.best is None:
        return swept
    folder = folder_of(swept.folder, swept.best.number)
    recorded = resuming.read(folder)
    if resuming.finished(recorded) is None:
        run = train(swept.plan, swept.plan.settings(swept.best.settings), folder, None)
        if run.report is None:
            return replace(swept, signal=run.signal)
        return replace(swept, test_accuracy=run.report.top1)
    return replace(swept, test_accuracy=recorded["result"]["test_accuracy"])


def _nothing(line: str) -> None:
    """Say it to nobody."""
