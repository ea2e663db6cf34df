"""Runs that are killed again and again, as by a power cut: real processes, real signals."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch

from convatlas.cli import main

pytestmark = pytest.mark.slow

#: Imports once; then for each line it reads, a process of its own begins or resumes a run. What the
#: process does with each of the run's files is real, but for the picture of the curves, which takes
#: longer than all the rest. It may die by itself in the middle of writing its n-th file.
NURSERY = """
import json, os, sys, time
import torch
import torch._dynamo  # which an optimiser imports, for seconds
import convatlas as ca
from convatlas.train import Config, fit
from convatlas.train.folder import RunFolder

RunFolder.draw_curves = lambda *_: None
data = ca.data.load("digits")

def work(run, resume, dies_at):
    files, fsync = [], os.fsync
    def die(file):
        files.append(file)
        if len(files) == dies_at:
            os.kill(os.getpid(), 9)
        fsync(file)
    os.fsync = die
    torch.manual_seed(0)
    net = ca.build("lenet_bn", num_classes=10, in_channels=1, input_size=16)
    config = Config(
        epochs=2, batch_size=64, size=16, flip=True, shift=1, mixup=0.2, lr=0.1,
        precision="float32", layout="contiguous", shards=1,
    )
    where = {"resume": run} if resume else {"out": run}
    fit(net, data, recipe=config, checkpoint_seconds=0, quiet=True, **where)

print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    kill_after = asked.pop("kill_after")
    child = os.fork()
    if child == 0:
        try:
            work(**asked)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, 9)  # one that has ended meanwhile takes no harm before it is waited for
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Nursery:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # OpenMP's threads do not survive a fork, and whoever counts on them waits for ever
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout.readline() == "ready\n"

    def run(self, folder: Path, *, kill_after: float | None = None, dies_at: int = 0) -> int:
        """Begin a run, or resume it where there is one; returns the signal that ended it, or 0."""
        resume = (folder / "run.json").exists()
        asked = {"run": str(folder), "resume": resume, "kill_after": kill_after}
        self.process.stdin.write(json.dumps(asked | {"dies_at": dies_at}) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
        return os.WTERMSIG(status)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    with nursery.process:
        yield nursery
    assert nursery.process.returncode == 0


@pytest.fixture(scope="module")
def undisturbed(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run that nobody stopped, and the seconds that it took."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    started = time.monotonic()
    assert nursery.run(folder) == 0
    return folder, time.monotonic() - started


def finished(folder: Path) -> bool:
    path = folder / "run.json"
    return path.exists() and "result" in json.loads(path.read_text())


def facts(folder: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    times = {"seconds", "images_per_second", "waiting"}
    return [{k: v for k, v in row.items() if k not in times} for row in rows]


def same(folder: Path, other: Path) -> None:
    mine, theirs = (
        safetensors.torch.load_file(path / "model.safetensors") for path in (folder, other)
    )
    assert list(mine) == list(theirs)
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert facts(folder) == facts(other)
    result = [json.loads((path / "run.json").read_text())["result"] for path in (folder, other)]
    assert result[0] | {"seconds": 0} == result[1] | {"seconds": 0}
    left = [path for path in folder.rglob("*") if path.name.endswith(".part")]
    assert left == [], "what a killed process left unfinished is still there"
    assert 1 <= len(list((folder / "checkpoint").iterdir())) <= 3


def test_twenty_kills_at_random_moments(
    nursery: Nursery, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    """A checkpoint follows each step, so that many of the moments are inside of writing one."""
    whole, seconds = undisturbed
    moments, kills, runs = random.Random(0), 0, 0
    while kills < 20:
        folder = tmp_path / str(runs)
        while not finished(folder):
            after = moments.uniform(0, seconds / 2) if kills < 20 else None
            kills += nursery.run(folder, kill_after=after) == signal.SIGKILL
        same(folder, whole)
        runs += 1
    assert runs < 20  # at least some went on from where they were killed


def test_killed_inside_of_every_kind_of_write(
    nursery: Nursery, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    """Before the first checkpoint is whole, before run.json is, and in each checkpoint after."""
    whole, _ = undisturbed
    folder = tmp_path / "run"
    deaths = 0
    for file in range(1, 8):
        deaths += nursery.run(folder, dies_at=file) == signal.SIGKILL
    assert deaths == 7
    nursery.run(folder)
    same(folder, whole)


def test_sigterm_and_nothing_but_the_name_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGTERM, which a cluster sends first; resumed by another process, in another folder."""
    argv = ["train", "lenet_bn", "digits", "--epochs", "6", "--batch-size", "64", "--seed", "3"]
    argv += ["--with", "precision=float32", "--with", "layout=contiguous", "--with", "shift=1"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    process = subprocess.Popen(
        [sys.executable, "-m", "convatlas", *argv, "--out", "stopped"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    for line in process.stdout:
        if line.startswith("    2 "):
            process.terminate()
            break
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "train --resume stopped goes on after step " in said
    assert main([*argv, "--out", str(whole)]) == 0
    monkeypatch.chdir(whole)
    capsys.readouterr()
    assert main(["train", "--resume", str(stopped)]) == 0
    assert "resumed after step " in capsys.readouterr().out
    same(stopped, whole)
    assert main(["train", "--resume", str(stopped)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{stopped} is finished: 6 epochs, test accuracy ")
