"""Ctrl-C and SIGTERM while a network trains: the step that is under way is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from convatlas.train.distributed import here

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Inside, the first of these signals is remembered until `check` asks; the next acts at once.

    Where a signal is ignored (a job in the background of a shell ignores Ctrl-C), it stays so; and
    outside the main thread, which alone gets signals, nothing changes.

    Attributes:
        signal: the one that came.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._patient = True
        self._before: dict[int, Callable[..., Any] | int | None] = {}

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._came)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def check(self) -> None:
        """Between two steps, which are the same in all processes of a run.

        Raises:
            KeyboardInterrupt: a signal came, to this process or to another.
        """
        came = here().totals(*(self.signal == number for number in _SIGNALS))
        for number, count in zip(_SIGNALS, came, strict=True):
            if count:
                self.signal = number
                raise KeyboardInterrupt

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, where nothing can be left half done, a signal does not wait.

        One of several processes would leave the others to wait for it, so there it does.
        """
        self._patient = here().world > 1
        try:
            self.check()
            yield
        finally:
            self._patient = True

    def _came(self, number: int, frame: FrameType | None) -> None:
        again, self.signal = self.signal is not None, number
        if again or not self._patient:
            raise KeyboardInterrupt
