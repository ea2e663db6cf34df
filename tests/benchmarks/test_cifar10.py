"""The benchmark on CIFAR-10's files, on few pictures: both sides learn, and answer."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("cifar10")


@pytest.fixture
def folder(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Dark and light pictures, and a network and batches that are small enough for them."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 10)):
        for bright, name in ((60, "dark"), (180, "light")):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(bright - 50, bright + 50, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{number}.png")
    monkeypatch.setitem(benchmark.SETTINGS, "batch_size", 8)
    monkeypatch.setitem(benchmark.OPTIONS, "width", 0.25)
    return tmp_path


@pytest.mark.slow
def test_both_sides_of_a_folder(
    benchmark: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["cifar10.py", "--data", str(folder), "--seeds", "1", "--epochs", "4"]
    monkeypatch.setattr(sys, "argv", [*argv, "--dtype", "float32"])
    benchmark.main()
    row = r"\| \d \| ([\d.]+) % in \d+ s \| ([\d.]+) % in \d+ s \| [\d.]+ \|"
    accuracies = re.findall(row, capsys.readouterr().out)
    assert len(accuracies) == 1
    assert min(float(own) for _, own in accuracies) > 80  # chance is 50


def test_only_doubtful_pictures_are_looked_at_again(benchmark: ModuleType) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10))
    images = 2 * torch.randn(600, 3, 8, 8)
    edge = F.pad(images, (1, 1, 1, 1), "reflect")
    places = [(1, 1), (0, 0), (0, 2), (2, 0), (2, 2)]

    def mean(views: list[Tensor]) -> Tensor:
        return torch.stack([net(x) for view in views for x in (view, view.flip(3))]).mean(0)

    with torch.no_grad():
        answers = benchmark.answer(net, images)
        two = mean([images])
        ten = mean([edge[:, :, i : i + 8, j : j + 8] for i, j in places])
    likeliest = two.softmax(1).topk(2).values
    sure = likeliest[:, 0] - likeliest[:, 1] >= 0.4
    assert 0 < sure.sum() < len(sure)
    expected = torch.where(sure, two.argmax(1), ten.argmax(1))
    assert torch.equal(answers, expected)
    assert not torch.equal(expected, two.argmax(1))
