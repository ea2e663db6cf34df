"""Trial after trial, until none is left: the only process of a sweep, or one of several."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from convatlas.errors import ConvAtlasError
from convatlas.train.sweep import plan as plans
from convatlas.train.sweep import report
from convatlas.train.sweep.plan import Plan
from convatlas.train.sweep.study import Study
from convatlas.train.sweep.trial import attempt, folder_of, forget


def work(plan: Plan, sweep: Path, study: Study, say: Callable[[str], None]) -> int | None:
    """Make trials until as many as planned have begun.

    Args:
        plan, study: of the sweep.
        sweep: its folder.
        say: gets a line for each trial that ended.

    Returns:
        The signal that stopped it.

    Raises:
        ConfigError, ShapeError, DataError, ModelError, StorageError: as `attempt`.
    """
    while (trial := study.next(plan.trials)) is not None:
        started = time.perf_counter()
        came = attempt(plan, sweep, study, trial)
        tried = study.tried()
        ended = tried[trial.number - 1]
        if ended.state != "unfinished":
            say(f"{report.line(ended)}  ({time.perf_counter() - started:.1f} s)")
        best = report.best(tried)
        for one in tried:
            if one.state != "unfinished" and one != best:
                forget(folder_of(sweep, one.number))
        if came is not None:
            return came
    return None


def main(sweep: Path) -> int:
    """Work as one of several processes, until told to stop; the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells may have it ignored
    threading.Thread(target=_stop_at_the_end_of_input, daemon=True).start()
    try:
        plan = plans.read(sweep)
        with Study(sweep, plan.space, plan.config) as study:
            work(plan, sweep, study, partial(print, flush=True))
    except KeyboardInterrupt:
        pass
    except ConvAtlasError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _stop_at_the_end_of_input() -> None:
    """As by Ctrl-C, when whoever started this process closes the pipe, or dies."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
