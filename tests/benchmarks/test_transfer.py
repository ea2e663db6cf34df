"""The benchmark of transfer learning draws what it says, and runs to its last line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas import data

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("CONVATLAS_CACHE", str(tmp_path / "cache"))
    return importlib.import_module("transfer")


def test_few_pictures_are_drawn_anew_by_each_seed(benchmark: ModuleType) -> None:
    digits = data.load("digits").train
    few = benchmark.of_classes(digits, ("7", "1"), 5, seed=3)
    assert few.classes == ("7", "1")
    assert few.labels.tolist() == [0] * 5 + [1] * 5
    sevens = digits.images[digits.labels == 7]
    for picture in few.images[:5]:
        assert (sevens == picture).flatten(1).all(1).any()
    again = benchmark.of_classes(digits, ("7", "1"), 5, seed=3)
    other = benchmark.of_classes(digits, ("7", "1"), 5, seed=4)
    assert torch.equal(few.images, again.images)
    assert not torch.equal(few.images, other.images)
    assert len(benchmark.of_classes(digits, ("7",))) == len(sevens)


@pytest.mark.slow
def test_it_runs(
    benchmark: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw = np.random.default_rng(0)
    for part, count in (("train", 8), ("test", 3)):
        for name in ("cat", "dog", "ship", "truck", "frog"):
            folder = tmp_path / "pictures" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    monkeypatch.setattr(benchmark, "COUNTS", (2, 4))
    monkeypatch.setattr(benchmark, "PAIRS", benchmark.PAIRS[:1])
    monkeypatch.setattr(benchmark, "PRETRAINING", {"recipe": "fast", "epochs": 1})
    brief = {
        way: {**settings, "epochs": 1, "repeat": 1} for way, settings in benchmark.WAYS.items()
    }
    monkeypatch.setattr(benchmark, "WAYS", brief)
    keep = tmp_path / "keep"
    argv = ["--data", str(tmp_path / "pictures"), "--seeds", "2", "--keep", str(keep)]
    monkeypatch.setattr(sys, "argv", ["transfer.py", *argv])
    benchmark.main()
    said = capsys.readouterr().out
    assert "| cat against dog, untrained |" in said
    assert "cat against dog, 6 test pictures, n = 2 seeds" in said
    assert said.count("\n| 4 | ") == 1
    assert {path.name for path in keep.glob("*.png")} == {"cat-dog.png", "probes.png"}
