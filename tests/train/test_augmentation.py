from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from convatlas.data import ImageSet, augment
from convatlas.data.augment import ColourBasis
from convatlas.errors import ConfigError
from convatlas.train import Config
from convatlas.train.augmentation import Augmentation

CPU = torch.device("cpu")


@pytest.fixture
def images() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (32, 3, 12, 12), dtype=torch.uint8, generator=generator)
    return ImageSet("noise", pixels, torch.arange(32) % 4, tuple("abcd"))


def noise() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.mark.parametrize(
    ("changes", "function"),
    [
        ({}, lambda x: x),
        ({"flip": True}, lambda x: augment.flip(x, 0.5, noise())),
        ({"flip": True, "flip_turns": True}, lambda x: x),  # that is the feed's
        ({"shift": 2}, lambda x: augment.shift(x, 2, noise())),
        (
            {"shift": 2, "shift_edge": "reflect"},
            lambda x: augment.shift(x, 2, noise(), "reflect"),
        ),
        ({"erase": 3}, lambda x: augment.erase(x, 3, noise())),
        ({"random_erase": 0.5}, lambda x: augment.random_erase(x, noise(), 0.5)),
        ({"trivial": True}, lambda x: augment.trivial_augment(x, noise())),
        (
            {"jitter": 0.3},
            lambda x: augment.jitter(x, noise(), brightness=0.3, contrast=0.3, saturation=0.3),
        ),
        (
            {"colour": 0.2},
            lambda x: augment.pca_colour(x, noise(), ColourBasis.measure(x), 0.2),
        ),
        (
            {"colour": 0.2, "colour_basis": "image"},
            lambda x: augment.pca_colour(x, noise(), ColourBasis.measure(x, per_image=True), 0.2),
        ),
    ],
)
def test_each_setting_is_its_function(
    images: ImageSet, changes: dict[str, Any], function: Any
) -> None:
    augmentation = Augmentation(Config(seed=7, **changes), images, CPU)
    pixels, labels = augmentation(images.images, images.labels)
    assert torch.equal(pixels, function(images.images))
    assert labels is images.labels


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixed_pictures_have_mixed_targets(images: ImageSet, name: str) -> None:
    augmentation = Augmentation(Config(seed=7, **{name: 0.8}), images, CPU)
    pixels, targets = augmentation(images.images, images.labels)
    mixed = getattr(augment, name)(images.images, images.labels, noise(), 0.8)
    assert torch.equal(pixels, mixed.pixels)
    assert torch.equal(targets, mixed.targets(4))


def test_of_two_mixtures_each_batch_gets_one(images: ImageSet) -> None:
    config = Config(mixup=1.0, cutmix=1.0)
    augmentation = Augmentation(config, images, CPU)
    pasted = 0
    for _ in range(100):
        pixels, targets = augmentation(images.images, images.labels)
        assert targets.sum(1).allclose(torch.ones(32))
        # pasted pixels are somebody's own; blended ones are mostly nobody's
        flat = images.images.flatten(1)
        pasted += (pixels.flatten(1)[:, None] == flat).any(1).float().mean().item() > 0.9
    assert 30 < pasted < 70  # 50 ± 5, within four deviations


def test_weights_make_classes_count_the_same() -> None:
    labels = torch.tensor([0] * 30 + [1] * 10)
    images = ImageSet("skewed", torch.zeros(40, 1, 4, 4, dtype=torch.uint8), labels, ("a", "b"))
    augmentation = Augmentation(Config(balance="weights"), images, CPU)
    _, targets = augmentation(images.images, images.labels)
    assert targets.sum(0).tolist() == pytest.approx([20, 20])
    logits = torch.randn(40, 2, generator=noise())
    each = F.cross_entropy(logits, labels, reduction="none")
    expected = (each[:30].mean() + each[30:].mean()) / 2
    torch.testing.assert_close(F.cross_entropy(logits, targets), expected)
    mixing = Augmentation(replace(augmentation.config, mixup=0.4), images, CPU)
    _, both = mixing(images.images, images.labels)
    assert both.sum().item() != pytest.approx(40)  # a weight follows its class


def test_grey_pictures_have_no_colours_to_vary(images: ImageSet) -> None:
    grey = replace(images, images=images.images[:, :1])
    for basis in ("set", "image"):
        with pytest.raises(ConfigError, match="and these have 1: choose colour=0"):
            Augmentation(Config(colour=0.1, colour_basis=basis), grey, CPU)
