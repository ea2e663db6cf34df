from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from convatlas.errors import ConfigError
from convatlas.train.sweep.conduct import conduct
from convatlas.train.sweep.plan import Plan
from convatlas.train.sweep.processes import _share
from convatlas.train.sweep.study import Study


@pytest.mark.slow
def test_a_process_ends_with_the_one_that_started_it(
    plan: Callable[..., Plan], tmp_path: Path
) -> None:
    """When the pipe is closed, as it is when that one dies; the trial can be gone on with."""
    asked = plan(trials=2, epochs=2000)
    asked.write(tmp_path)
    metrics = tmp_path / "trial-0001" / "metrics.jsonl"
    with subprocess.Popen(
        [sys.executable, "-m", "convatlas.train.sweep.work", tmp_path], stdin=subprocess.PIPE
    ) as process:
        while not (metrics.exists() and metrics.read_text()):
            assert process.poll() is None
            time.sleep(0.01)
        with pytest.raises(ConfigError, match=r"still trains in .*trial-0001: wait for its end"):
            conduct(asked, tmp_path)
        process.stdin.close()
        assert process.wait() == 0
    assert json.loads((metrics.parent / "run.json").read_text())["result"]["interrupted"]
    with Study(tmp_path, asked.space, asked.config) as study:
        assert [one.state for one in study.tried()] == ["unfinished"]


def test_what_each_of_several_processes_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert [_share(number, 3) for number in (1, 2, 3)] == [
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": gpu} for gpu in "252"
    ]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert _share(1, 2) == {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
