"""Works in turns: what they return, and that only one of them runs at a time."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
_TURN = 0.3  # seconds
_TICKING = """
import time
while time.process_time() < 1:
    print(time.monotonic())
"""

_WAITING = """
import sys, time
from functools import partial
sys.path.insert(0, {benchmarks!r})
import test_turns, turns
if __name__ == "__main__":
    turns.in_turns([partial(test_turns.says_who, {said!r})] * 2, 0.3)
"""


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("turns")


def ticks() -> list[float]:
    """When a process that this one has started ran, on the clock that all processes share."""
    ran = subprocess.run([sys.executable, "-c", _TICKING], capture_output=True, text=True)
    return [float(line) for line in ran.stdout.split()]


def fails() -> None:
    raise ValueError("this work is not to be")


@pytest.mark.slow
def test_works_run_one_at_a_time(turns: ModuleType) -> None:
    """With all that they have started: each is stopped while the other runs."""
    started = time.monotonic()
    (first, its), (second, others) = turns.in_turns([ticks, ticks], _TURN)
    assert 2 < its + others < time.monotonic() - started
    for one, other in ((first, second), (second, first)):
        stops = [(a, b) for a, b in pairwise(one) if b - a > _TURN / 2]
        meanwhile = [t for t in other if one[0] < t < one[-1]]
        beside = [t for t in meanwhile if not any(a < t < b for a, b in stops)]
        assert len(beside) < 0.02 * len(meanwhile)  # until a signal has arrived


def test_a_work_without_a_result_ends_the_others(
    turns: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="ended without a result"):
        turns.in_turns([partial(time.sleep, 600), fails], _TURN)
    assert time.monotonic() - started < 300
    assert "this work is not to be" in capfd.readouterr().err


def says_who(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


def test_sigterm_ends_the_works_too(tmp_path: Path) -> None:
    said, script = tmp_path / "said", tmp_path / "script.py"
    said.mkdir()
    script.write_text(_WAITING.format(benchmarks=str(BENCHMARKS), said=str(said)))
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen([sys.executable, str(script)], env=env)
    while len(list(said.iterdir())) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    for work in said.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(work.name), 0)
