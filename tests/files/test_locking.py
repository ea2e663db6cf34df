from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from convatlas import files

pytest.importorskip("fcntl", reason="this system has no such locks")

_HOLD = """
import sys
from pathlib import Path
from convatlas import files
with files.alone(Path(sys.argv[1])) as ours:
    print(ours, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a folder until its standard input ends."""
    command = [sys.executable, "-c", _HOLD, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process


def test_a_folder_is_one_process_at_a_time(tmp_path: Path) -> None:
    with another(tmp_path):
        with files.alone(tmp_path) as ours:
            assert not ours
        (tmp_path / "other").mkdir()
        with files.alone(tmp_path / "other") as ours:
            assert ours
    with files.alone(tmp_path) as ours, files.alone(tmp_path) as again:
        assert (ours, again) == (True, False)
    assert [path.name for path in tmp_path.iterdir()] == ["other"], "nothing is left lying about"


def test_the_system_lets_go_of_it_when_a_process_is_killed(tmp_path: Path) -> None:
    with another(tmp_path) as process:
        process.kill()
        process.wait()
        with files.alone(tmp_path) as ours:
            assert ours


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("w") as first, path.open("w") as second:
        assert files.lock(first.fileno(), wait=True)
        assert not files.lock(second.fileno(), wait=False)
        first.close()
        assert files.lock(second.fileno(), wait=True)
