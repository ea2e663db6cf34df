"""The peer that ConvAtlas is measured against does d2l's work, no more and no less."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def d2l(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("peers.d2l")


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor]:
    """Two classes, bright above and bright below, under noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 2
    images = torch.randint(0, 100, (64, 1, 28, 28), generator=generator)
    images[labels == 0, :, :14] += 100
    images[labels == 1, :, 14:] += 100
    return images.to(torch.uint8), labels


@pytest.mark.usefixtures("torchvision_models")
@pytest.mark.parametrize("size", [28, 96])
def test_a_picture_is_transformed_as_by_torchvision(
    d2l: ModuleType, pictures: tuple[Tensor, Tensor], size: int
) -> None:
    transforms = importlib.import_module("torchvision.transforms")
    theirs = transforms.Compose([transforms.Resize(size), transforms.ToTensor()])
    images, labels = pictures
    ours = d2l.Pictures(images, labels, size)
    for index in (0, 1, 63):
        pixels, label = ours[index]
        assert torch.equal(pixels, theirs(Image.fromarray(images[index, 0].numpy())))
        assert label == labels[index]


def test_it_trains(d2l: ModuleType, pictures: tuple[Tensor, Tensor]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 2))
    images, labels = pictures
    pace = d2l.train(net, images, labels, size=28, batch=16, lr=0.01, batches=40, workers=0)
    assert pace > 0
    with torch.no_grad():
        assert torch.equal(net(images.float() / 255).argmax(dim=1), labels)


def test_a_loss_that_is_no_number_measures_nothing(
    d2l: ModuleType, pictures: tuple[Tensor, Tensor]
) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.Linear(64, 2))
    with pytest.raises(ValueError, match="lower the rate"):
        d2l.train(net, *pictures, size=28, batch=16, lr=1e6, batches=20, workers=0)
