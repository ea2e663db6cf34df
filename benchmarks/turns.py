"""Long works beside each other on a machine whose speed drifts: in turns, each by a process.

A shared machine may be twice as fast an hour later. Works that take minutes, one after the other,
then differ by the hour and not by themselves. So each is stopped after a while for the others, and
only the time in which it ran is its own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, NoReturn


def in_turns(works: Sequence[Callable[[], Any]], turn: float = 60.0) -> list[tuple[Any, float]]:
    """What each work returns, and the seconds it ran, without those in which Python starts.

    Args:
        works: what can be sent to a process: functions of a module, with their arguments.
        turn: seconds; what a work measures of itself, as a trial before training does, must not be
            cut in two.

    Raises:
        RuntimeError: a work ended without a result; what it said before is on the standard error.
    """
    runs: list[Run] = []
    before = signal.signal(signal.SIGTERM, _leave)  # by itself it ends this process alone
    try:
        for work in works:
            runs.append(Run(work))
        waiting = deque(runs)
        while waiting:
            run = waiting.popleft()
            if not run.go_on(turn):
                waiting.append(run)
    finally:
        for run in runs:
            run.kill()
        signal.signal(signal.SIGTERM, before)
    return [(run.result, run.seconds) for run in runs]


class Run:
    """A work in a process, and a group, of its own.

    Attributes:
        result: of the work, once it is done.
        seconds: that it ran.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, inside = context.Pipe()
        self.process = context.Process(target=_work, args=(work, inside))
        self.process.start()
        inside.close()
        self._received()  # it has imported what it needs, and waits
        self.result: Any = None
        self.seconds = 0.0

    def go_on(self, turn: float) -> bool:
        """Let it run for some seconds; whether it is done."""
        started = time.perf_counter()
        if self.seconds:
            self._send(signal.SIGCONT)
        else:
            self.pipe.send(None)
        done = self.pipe.poll(turn)
        if done:
            self.result = self._received()
        else:
            self._send(signal.SIGSTOP)
        self.seconds += time.perf_counter() - started
        return done

    def kill(self) -> None:
        """End it, and what it has started."""
        if self.process.is_alive():
            self._send(signal.SIGKILL)
        self.process.join()

    def _received(self) -> Any:
        try:
            return self.pipe.recv()
        except EOFError:
            raise RuntimeError("a work ended without a result") from None

    def _send(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid or 0, number)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _work(work: Callable[[], Any], pipe: Connection) -> None:
    os.setsid()  # so that a signal reaches all that the work starts
    pipe.send(None)
    pipe.recv()
    pipe.send(work())
