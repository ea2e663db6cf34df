"""``--procs``: the command that is running, once more in several processes, by torchrun's own API.

One machine, and a meeting point on a free port of it; for more machines there is ``torchrun``
itself (docs/scaling.md). A process that dies takes the others with it, and with ``max_restarts``
all of them begin anew, from the last checkpoint.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convatlas.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

_STOPPING = 120  # seconds for the step that is under way, after a signal
_NAME = "convatlas-procs"  # of the job, by which its processes know that they need not launch


def wanted(procs: int | None, max_restarts: int | None) -> bool:
    """Whether this process is to start others, instead of doing the work itself.

    Args:
        procs, max_restarts: as they were asked for.

    Raises:
        ConfigError: ``torchrun`` has started it, which decides on both; or restarts, of nothing.
    """
    if os.environ.get("TORCHELASTIC_RUN_ID") == _NAME:
        return False
    if procs is not None and "RANK" in os.environ:
        raise ConfigError(
            f"procs is {procs}, but torchrun has started {os.environ.get('WORLD_SIZE')} processes "
            "already: leave it out"
        )
    if procs is None and max_restarts is not None:
        raise ConfigError(
            f"max_restarts is {max_restarts}, but it is for processes that are started here: give "
            "--procs too, or give it to torchrun"
        )
    return procs is not None


def is_one_of_several() -> bool:
    """Whether this process was started together with others."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


def is_first() -> bool:
    """Whether this is the process that speaks and writes: the only one, or the first of several."""
    return os.environ.get("RANK", "0") == "0"


def threads_each(procs: int) -> int:
    """How many of the cores that this process may use each of several gets."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // procs)


def launch(arguments: Sequence[str], procs: int, max_restarts: int = 0) -> int:
    """Run ``convatlas`` with these arguments in ``procs`` processes, and wait for them.

    The processes share the cores, unless ``OMP_NUM_THREADS`` says how many each has.

    Args:
        arguments: of the command line.
        procs: how many; on GPUs, no more than there are.
        max_restarts: how often they begin anew after one has died.

    Returns:
        The exit code: 0, or what a shell reports of a program that a signal ended.

    Raises:
        ConfigError: a number that cannot be.
        TrainingError: a process was killed.
    """
    if procs < 1:
        raise ConfigError(f"procs is {procs}, but it must be at least 1")
    if max_restarts < 0:
        raise ConfigError(f"max_restarts is {max_restarts}, but it must be at least 0")
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.CRITICAL)  # this process does nothing else, and says it in a line
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads_each(procs)))
    job = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=procs,
        run_id=_NAME,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # any free port
        local_addr="localhost",
        max_restarts=max_restarts,
        shutdown_timeout=_STOPPING,
    )
    try:
        elastic_launch(job, sys.executable)("-m", "convatlas", *arguments)
    except SignalException as stopped:
        return 0 if stopped.sigval == signal.SIGINT else 128 + stopped.sigval
    except ChildFailedError as failed:
        return _say(failed)
    return 0


def report(line: str) -> None:
    """Leave what went wrong to whoever started this process: all of several may fail alike."""
    path = Path(os.environ["TORCHELASTIC_ERROR_FILE"])
    path.write_text(json.dumps({"message": line, "timestamp": int(time.time())}), encoding="utf-8")


def _say(failed: ChildFailedError) -> int:
    """Say what the first process that failed has reported, or what killed it; the exit code."""

    def weight(failure: ProcessFailure) -> int:
        if failure.exitcode == -signal.SIGTERM:  # because of another one
            return 2
        return 1 if failure.exitcode > 0 else 0  # it may only have lost one that was killed

    rank, first = min(failed.failures.items(), key=lambda one: weight(one[1]))
    if first.exitcode < 0:
        raise TrainingError(
            f"process {rank} was killed ({signal.Signals(-first.exitcode).name}): go on from the "
            "last checkpoint with --resume, or let --max-restarts do so"
        )
    if Path(first.error_file).is_file():
        print(first.message, file=sys.stderr)
    return first.exitcode
