"""Several processes that work on one sweep.

Each has a share of the threads, and takes trial after trial out of the same file. One that dies
leaves its trial to be taken up when the sweep goes on, and the others to their work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import torch

from convatlas.errors import ConfigError
from convatlas.train.launch import threads_each
from convatlas.train.stopping import Stopping

_LOOK = 0.1  # seconds between two looks at who is still there
_USERS = 2  # the exit code for what the user can mend


class Worker:
    """A process of a sweep.

    Args:
        sweep: the folder.
        number: of the process, from 1.
        procs: of them in all.
        quiet: what it says of its trials goes nowhere.
    """

    def __init__(self, sweep: Path, number: int, procs: int, quiet: bool) -> None:
        self.number = number
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self.process = subprocess.Popen(
            [sys.executable, "-m", "convatlas.train.sweep.work", sweep],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if quiet else None,
            stderr=self._errors,
            env=os.environ | _share(number, procs),
            start_new_session=True,  # Ctrl-C comes here alone, and goes on from here
        )

    def stop(self) -> None:
        """Let it finish its step."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> str | None:
        """Wait until it has ended; what went wrong, if anything did."""
        code = self.process.wait()
        with self._errors as errors:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines() or [""]
        if code == _USERS:
            raise ConfigError(said[-1])
        if code < 0:
            return f"process {self.number} was killed ({signal.Signals(-code).name})"
        return f"process {self.number} ended with exit code {code} ({said[-1]})" if code else None


def share(sweep: Path, procs: int, quiet: bool) -> tuple[int | None, list[str]]:
    """Let several processes make the trials of a sweep, and wait for them.

    After Ctrl-C or SIGTERM all finish their steps and write checkpoints; after a second one they
    are killed.

    Args:
        sweep: the folder.
        procs: how many.
        quiet: nothing is printed.

    Returns:
        The signal that came; and what went wrong with processes that died.

    Raises:
        ConfigError: what a process says that the user can mend.
        KeyboardInterrupt: the second signal.
    """
    sys.stdout.flush()  # theirs goes to the same place
    with Stopping() as stopping:
        workers = [Worker(sweep, number, procs, quiet) for number in range(1, procs + 1)]
        try:
            while None in (codes := [one.process.poll() for one in workers]):
                stopping.check()
                if _USERS in codes:
                    break
                time.sleep(_LOOK)
        except KeyboardInterrupt:
            pass
        try:
            for one in workers:
                one.stop()
            failed = [one.end() for one in workers]
        finally:
            for one in workers:
                one.process.kill()
    return stopping.signal, [said for said in failed if said is not None]


def _share(number: int, procs: int) -> dict[str, str]:
    """What a process may use: its part of the cores, and one GPU where there are several."""
    threads = os.environ.get("OMP_NUM_THREADS", str(threads_each(procs)))
    every = ",".join(map(str, range(torch.cuda.device_count())))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", every).split(",")
    return {
        "OMP_NUM_THREADS": threads,
        "CUDA_VISIBLE_DEVICES": visible[(number - 1) % len(visible)],
    }
