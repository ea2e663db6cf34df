"""Both sides of the benchmark of the data path make the same batches."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("CONVATLAS_CACHE", str(tmp_path_factory.mktemp("cache")))
    return importlib.import_module("data")


@pytest.mark.slow
@pytest.mark.usefixtures("torchvision_models")
def test_photographs_go_through_both(benchmark: ModuleType, tmp_path: Path) -> None:
    root = benchmark.photographs(tmp_path, count=12)
    files = sorted(root.rglob("*.jpg"))
    assert [len(list(folder.iterdir())) for folder in sorted(root.iterdir())] == [6, 6]
    with Image.open(files[0]) as picture:
        assert picture.size == (500, 375)
    case = benchmark.Case(224, 4)
    peer = benchmark.Peer(root, case.crop, case.batch, workers=0)
    pixels, _ = next(iter(peer.loader))
    assert (pixels.shape, pixels.dtype) == ((4, 3, 224, 224), torch.float32)
    assert -2 <= pixels.min() < pixels.max() <= 2  # of [0, 1], less 0.5, by 0.25
    assert peer.epoch()[0] == 12
    data = case.load(root)
    assert len(data.train) + len(data.test) == 12
    assert sum(case.batches(data, 0)) == 8  # whole batches of the ten that are learned
    first, later = benchmark.ours(case, root, 1)
    assert first > 0 < later
