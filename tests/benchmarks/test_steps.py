"""The programs that compare training steps run to their last line, and count what they say."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from itertools import cycle
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from convatlas.nets.catalog import CATALOG, find

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TINY = ["--net", "lenet_bn", "--side", "28", "--batch", "4", "--rounds", "2"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A program, run with a tiny machine's patience: the cells of its table."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(importlib.import_module("steps"), "_ROUND", 0.01)
    monkeypatch.setattr(importlib.import_module("machine"), "_LONGEST", 0.01)

    def table(name: str, *argv: str) -> list[list[str]]:
        program = importlib.import_module(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *argv])
        program.main()
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert len({len(row) for row in rows}) == 1
        assert set(rows[1]) == {"---"}
        return [rows[0], *rows[2:]]

    return table


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("steps")


def test_work_is_counted_as_the_catalogue_counts(steps: ModuleType) -> None:
    work = steps.Work("resnet50", 224, 2, torch.device("cpu"))
    assert work.operations == 6 * find("resnet50").macs
    pixels, labels = work.pictures()
    assert (pixels.shape, labels.shape) == ((2, 3, 224, 224), (2,))


def test_ratios_are_taken_round_by_round(steps: ModuleType) -> None:
    """Steps of 2 and 4 seconds, on a machine that is half as fast in every other round.

    The first step of a turn is slow and does not count.
    """
    steps._ROUND = 4.0
    mine, other = (
        steps.Way(name, cycle([s, s, 9 * s, *[s] * n, 9 * s, *[2 * s] * n]).__next__)
        for name, s, n in (("mine", 2.0, 2), ("other", 4.0, 1))
    )
    steps.measure([mine, other], batch=8, rounds=2)
    assert (mine.first, other.first) == (2.0, 4.0)
    assert (mine.speeds, other.speeds) == ([4.0, 2.0], [2.0, 1.0])
    assert mine.beside(other) == [2.0, 2.0]
    assert steps.told([1.5, 3.0, 2.0]) == "**2.00** (1.50 to 3.00)"


@pytest.mark.slow
def test_resnet50_says_its_shares_of_the_peaks(run) -> None:
    head, ours, last, plain = run("resnet50", *TINY)
    assert head[4:6] == ["of the float32 peak", "of the bfloat16 peak"]
    assert ours[0].startswith("ConvAtlas, ")
    assert ours[2] == ""
    for row in (last, plain):
        speed, operations = float(row[1].replace(",", "")), 6 * find("lenet_bn").macs
        # the speed is rounded to 0.05 and the pace to 0.05e9
        error = 0.05e9 + 0.05 * operations
        assert float(row[3]) * 1e9 == pytest.approx(speed * operations, abs=error)


@pytest.mark.slow
def test_gpu_runs_on_a_cpu(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced and differentiated as on a GPU; C++ compilers have a test of their own."""
    compiled, traced = [], partial(torch.compile, backend="aot_eager")

    def counted(net: nn.Module, **how: bool) -> nn.Module:
        compiled.append(net)
        return traced(net, **how)

    monkeypatch.setattr(torch, "compile", counted)
    _, ours, last, autocast, plain = run("gpu", *TINY, "--device", "cpu")
    assert ours[0] == "ConvAtlas, bfloat16, channels-last, compiled"
    assert last[0] == "plain, bfloat16 autocast, channels-last"
    assert [autocast[0], plain[0]] == ["plain, bfloat16 autocast", "plain, float32"]
    assert len(compiled) == 1
    assert all(row[-1].endswith(" s") for row in (ours, last, autocast, plain))


def test_winograds_table_has_layers_and_networks(run, monkeypatch: pytest.MonkeyPatch) -> None:
    program = importlib.import_module("winograd")
    monkeypatch.setattr(program, "LAYERS", [(8, 128, 128, 16), (8, 4, 4, 8)])
    monkeypatch.setattr(program, "NETS", ["lenet_bn"])
    _, wide, narrow, net = run("winograd", "--rounds", "2")
    assert [wide[0], narrow[0]] == ["128 → 128, 16, 8", "4 → 4, 8, 8"]
    assert [wide[2], narrow[2], net[2]] == ["yes", "no", ""]
    assert net[0] == "lenet_bn, 28, 256"
    assert all(float(row[1].split("**")[1]) > 0 for row in (wide, narrow, net))
    assert len(run("winograd", "lenet_bn", "--rounds", "1")) == 2


@pytest.mark.slow
def test_the_trials_table_has_every_family(run) -> None:
    trial = importlib.import_module("trial")
    assert {find(name).family for name in trial.BATCHES} == {row.family for row in CATALOG.values()}
    _, row = run("trial", "lenet_bn", "--batch", "4", "--rounds", "2")
    assert row[:2] == ["LeNet", "lenet_bn, 28, 4"]
    assert float(row[2].removesuffix(" s")) > 0
    assert row[3] in ("float32, channels-last", "float32, contiguous") or "bfloat16" in row[3]
