from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convatlas.cli import main
from convatlas.train import settings_file

pytest.importorskip("optuna", reason="optuna is not installed")

#: of few pictures, so that a trial takes a moment; the formats are given, not chosen by the clock
FIXED = ["--with", "precision=float32", "--with", "layout=contiguous", "--with", "batch_size=20"]
RATES = ["--search", "lr=0.01..0.3:log"]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command as a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*argv: object) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-m", "convatlas", "sweep", *map(str, argv)]
        started.append(subprocess.Popen(command, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def trials(sweep: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((sweep / "sweep.json").read_text())["trials"]
    return found


def until(there: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)


def workers(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a process has started and that still run."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


def epochs(sweep: Path) -> int:
    """Rows of all trials so far."""
    return sum(len(file.read_text().splitlines()) for file in sweep.glob("*/metrics.jsonl"))


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main(["sweep", *map(str, argv)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("convatlas: ")
    assert said.count("\n") == 1
    return said


@pytest.mark.slow
def test_a_sweep(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sweep"
    argv = ["sweep", "lenet_bn", str(digits), *FIXED, *RATES, "--search", "optimizer=sgd,adamw"]
    argv += ["--trials", "2", "--epochs", "2", "--seed", "5", "--set", "activation=relu"]
    assert main([*argv, "--out", str(out)]) == 0
    said, errors = capsys.readouterr()
    assert errors == ""
    lines = said.splitlines()
    assert lines[0].endswith(f"2 trials in {out}, compared by 10 validation pictures")
    assert [line.split()[:2] for line in lines if line.startswith("trial")] == [
        ["trial", "1"],
        ["trial", "2"],
    ]
    found = json.loads((out / "sweep.json").read_text())
    best = found["trials"][found["best"] - 1]
    assert (
        f"val accuracy {best['accuracy']:.2%}, test accuracy {found['test_accuracy']:.2%}" in said
    )
    assert lines[-1].endswith(found["command"])
    config = settings_file.load(out / "best.toml")
    assert (config.epochs, config.seed, config.recipe) == (2, 5, "fast")
    assert (config.lr, config.optimizer) == (best["settings"]["lr"], best["settings"]["optimizer"])

    made = json.loads((out / "trial-0001" / "run.json").read_text())
    assert made["net"]["options"]["activation"] == "relu"
    words = found["command"].split()[1:]
    again = tmp_path / "again"
    assert main([*words, "--out", str(again)]) == 0
    made = json.loads((again / "run.json").read_text())
    assert made["config"]["lr"] == config.lr
    assert made["data"]["train"]["n"] == 20, "what was held back for validation trains, too"

    capsys.readouterr()
    assert main(["sweep", "--resume", str(out), "--trials", "3", "--json"]) == 0
    longer = json.loads(capsys.readouterr().out)
    assert longer["trials"][:2] == found["trials"]
    assert len(longer["trials"]) == 3


@pytest.mark.slow
def test_from_pretrained_weights(digits: Path, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    argv = ["sweep", "lenet_bn", str(digits), *FIXED, "--weights", str(trained), "--epochs", "1"]
    argv += ["--search", "strategy=head,finetune", "--trials", "2", "--seed", "2"]
    assert main([*argv, "--out", str(out)]) == 0
    found = json.loads((out / "sweep.json").read_text())
    assert found["test_accuracy"] is not None
    assert f"--weights {trained}" in found["command"]
    for one in found["trials"]:
        made = json.loads((out / f"trial-{one['number']:04d}" / "run.json").read_text())
        assert made["config"]["strategy"] == one["settings"]["strategy"]
        assert made["start"]


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = ["lenet_bn", "digits"]
    assert "sweep needs NET and DATA" in refused(capsys, *RATES)
    assert "nothing to search" in refused(capsys, *net)
    assert "did you mean lr" in refused(capsys, *net, "--search", "lrr=1..2")
    assert "momentum is 1.0" in refused(capsys, *net, "--search", "momentum=0..1")
    assert "is searched, and is 1" in refused(capsys, *net, *RATES, "--with", "lr=1")
    assert "trials is 0" in refused(capsys, *net, *RATES, "--trials", 0)
    assert "procs is 0" in refused(capsys, *net, *RATES, "--procs", 0)
    assert "no sweep.toml" in refused(capsys, "--resume", tmp_path)
    assert "leave out all but" in refused(capsys, "--resume", tmp_path, "--epochs", 3)
    assert "unknown network 'lenet_b'" in refused(capsys, "lenet_b", "digits", *RATES)
    both = ["--config", tmp_path / "a.toml", "--recipe", "fast"]
    assert "leave out --recipe fast" in refused(capsys, *net, *RATES, *both)


def test_without_optuna(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "convatlas.train.sweep.study", raising=False)
    for name in ("conduct", "report", "trial", "work"):
        monkeypatch.delitem(sys.modules, f"convatlas.train.sweep.{name}", raising=False)
    said = refused(capsys, "lenet_bn", "digits", *RATES)
    assert said == "convatlas: sweep needs Optuna: pip install 'convatlas[sweep]'\n"


@pytest.mark.slow
def test_killed_and_resumed_it_comes_to_the_same(
    digits: Path, tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed in its second trial, between two epochs."""
    argv = ["lenet_bn", str(digits), *FIXED, *RATES, "--trials", "2", "--epochs", "8"]
    assert main(["sweep", *argv, "--out", str(tmp_path / "once")]) == 0
    killed = tmp_path / "killed"
    process = start(*argv, "--out", killed)
    until(lambda: epochs(killed) >= 10)
    process.kill()
    process.wait()
    assert 10 <= epochs(killed) < 16
    assert main(["sweep", "--resume", str(killed)]) == 0
    assert "trial   1 " not in capsys.readouterr().out.rpartition("killed")[2]
    assert trials(killed) == trials(tmp_path / "once")


@pytest.mark.slow
def test_of_two_processes_one_dies_and_the_other_goes_on(
    digits: Path, tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = tmp_path / "sweep"
    argv = ["lenet_bn", digits, *FIXED, *RATES, "--trials", "4", "--epochs", "6", "--procs", "2"]
    process = start(*argv, "--out", sweep)
    until(lambda: (sweep / "trial-0002" / "metrics.jsonl").exists())
    os.kill(workers(process)[0], signal.SIGKILL)
    out, said = process.communicate()
    assert process.returncode == 2
    assert said == f"convatlas: process 1 was killed (SIGKILL): go on with --resume {sweep}\n"
    states = [one["state"] for one in trials(sweep)]
    assert sorted(states) == ["finished"] * 3 + ["unfinished"]
    assert sorted(line.split()[1] for line in out.splitlines() if line.startswith("trial ")) == [
        str(number) for number, state in enumerate(states, 1) if state == "finished"
    ]
    assert main(["sweep", "--resume", str(sweep)]) == 0
    assert [(one["number"], one["state"]) for one in trials(sweep)] == [
        (number, "finished") for number in range(1, 5)
    ]
    assert "test accuracy" in capsys.readouterr().out


@pytest.mark.slow
def test_ctrl_c_ends_all_processes(digits: Path, tmp_path: Path, start: Start) -> None:
    sweep = tmp_path / "sweep"
    argv = ["lenet_bn", digits, *FIXED, *RATES, "--trials", "9", "--procs", "2"]
    # so many epochs that the first trial does not end before the second process has begun
    process = start(*argv, "--epochs", "100000", "--out", sweep)
    until(lambda: all((sweep / f"trial-000{n}" / "metrics.jsonl").exists() for n in (1, 2)))
    both = workers(process)
    assert len(both) == 2
    process.send_signal(signal.SIGINT)
    out, said = process.communicate()
    assert (process.returncode, said) == (0, "")
    assert f"stopped after 0 of 9 trials: convatlas sweep --resume {sweep} goes on" in out
    assert [one["state"] for one in trials(sweep)] == ["unfinished"] * 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in both)
