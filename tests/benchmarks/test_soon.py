"""The benchmark of accuracies soon reached: its sums are those of its rows."""

from __future__ import annotations

import importlib
import re
import statistics
import sys
from pathlib import Path

import pytest

from convatlas import data

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_it_sums_up_its_seeds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("CONVATLAS_CACHE", str(tmp_path / "cache"))
    digits = data.load("digits")
    monkeypatch.setattr(data, "load", lambda name: digits)
    monkeypatch.setattr(sys, "argv", ["soon.py", "--seeds", "3"])
    importlib.import_module("soon").main()
    said = capsys.readouterr().out
    rows = re.findall(r"\| 92 % \| \d \| ([\d.]+) % \| [\d.]+ s \|", said)
    accuracies = [float(accuracy) for accuracy in rows]
    assert len(accuracies) == 3
    assert len(set(accuracies)) > 1  # one seed is not the other
    assert min(accuracies) > 20  # it is learned: chance is 10
    told = re.search(r"92 %: ([\d.]+) ± ([\d.]+) % in [\d.]+ ± [\d.]+ s \(n = 3\)", said)
    assert told
    mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies)
    assert [float(value) for value in told.groups()] == pytest.approx([mean, spread], abs=0.02)
