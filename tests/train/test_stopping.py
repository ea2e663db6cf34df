from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from convatlas.train.stopping import Stopping


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Whoever started the tests may have had Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_waits_and_the_second_does_not(number: int) -> None:
    with Stopping() as stopping:
        stopping.check()
        send(number)
        assert stopping.signal == number
        with pytest.raises(KeyboardInterrupt):
            stopping.check()
        with pytest.raises(KeyboardInterrupt):
            send(number)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_at_once() -> None:
    with Stopping() as stopping:
        with pytest.raises(KeyboardInterrupt), stopping.at_once():
            send(signal.SIGTERM)
        assert stopping.signal == signal.SIGTERM
    with Stopping() as stopping:
        with stopping.at_once():
            pass
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), stopping.at_once():
            pytest.fail("the signal had come before")


def test_what_was_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Stopping() as stopping:
        send(signal.SIGINT)
        assert stopping.signal is None


def test_another_thread_gets_no_signals() -> None:
    def work() -> None:
        with Stopping() as stopping:
            stopping.check()
        done.append(signal.getsignal(signal.SIGTERM))

    done: list[object] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.SIG_DFL]
