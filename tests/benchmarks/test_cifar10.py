"""The benchmark on CIFAR-10's files, on few pictures: both sides learn, and answer."""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_both_sides_of_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 10)):
        for bright, name in ((60, "dark"), (180, "light")):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(bright - 50, bright + 50, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{number}.png")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("CONVATLAS_CACHE", os.environ["CONVATLAS_CACHE"])  # it sets its own
    benchmark = importlib.import_module("cifar10")
    monkeypatch.setitem(benchmark.SETTINGS, "batch_size", 8)
    monkeypatch.setitem(benchmark.OPTIONS, "width", 0.25)
    argv = ["cifar10.py", "--data", str(tmp_path), "--seeds", "1", "--epochs", "4"]
    monkeypatch.setattr(sys, "argv", [*argv, "--dtype", "float32"])
    benchmark.main()
    row = r"\| \d \| ([\d.]+) % in \d+ s \| ([\d.]+) % in \d+ s \| [\d.]+ \|"
    accuracies = re.findall(row, capsys.readouterr().out)
    assert len(accuracies) == 1
    assert min(float(own) for _, own in accuracies) > 80  # chance is 50
