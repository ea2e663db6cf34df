"""A small data set that is learned in a moment, and a small network that learns it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from convatlas.data import Dataset, ImageSet


def bars(count: int, seed: int) -> ImageSet:
    """Grey pictures of 8×8, noise with a bright bar at one of three heights: which one?"""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 100, (count, 1, 8, 8), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % 3
    for i, label in enumerate(labels.tolist()):
        images[i, :, 3 * label : 3 * label + 2] += 150
    return ImageSet("bars", images, labels, ("high", "middle", "low"))


@pytest.fixture
def data() -> Dataset:
    return Dataset("bars", bars(96, seed=0), bars(30, seed=1))


@pytest.fixture
def small() -> Callable[[], nn.Sequential]:
    """A new network with the same weights each time; none of the atlas's."""

    def make() -> nn.Sequential:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Linear(4 * 4 * 4, 3),
            )

    return make
