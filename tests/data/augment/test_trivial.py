from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from scipy import stats
from torch import Tensor

from convatlas.data import augment
from convatlas.data.augment.trivial import OPERATIONS, Drawn, apply_trivial, draw_trivial
from convatlas.errors import ArgumentTypeError, ShapeError

Make = Callable[..., Tensor]
Seeded = Callable[..., torch.Generator]

#: torchvision's name of each, and by how many levels results may differ: what torchvision cuts off
#: to whole levels after each of its steps is rounded here, once
SAME = {
    "identity": ("Identity", 0),
    "turn": ("Rotate", 0),
    "shear x": ("ShearX", 0),
    "shear y": ("ShearY", 0),
    "move x": ("TranslateX", 0),
    "move y": ("TranslateY", 0),
    "brightness": ("Brightness", 1),
    "colour": ("Color", 2),
    "contrast": ("Contrast", 2),
    "sharpness": ("Sharpness", 1),
    "posterise": ("Posterize", 0),
    "solarise": ("Solarize", 0),
    "autocontrast": ("AutoContrast", 1),
    "equalise": ("Equalize", 0),
}
NAMES = [operation.name for operation in OPERATIONS]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", SAME)
def test_each_operation_at_each_strength_is_torchvisions(
    torchvision_transforms: ModuleType, photos: Make, name: str, channels: int
) -> None:
    theirs = torchvision_transforms.TrivialAugmentWide()
    known, levels = SAME[name]
    strengths_of, signed = theirs._AUGMENTATION_SPACE[known]
    strengths = strengths_of(31, 32, 34)
    strengths = torch.zeros(16) if strengths is None else strengths.float()
    if signed:
        strengths = torch.cat([strengths, -strengths])
    # a difference of sides that is even, or a quarter turn would fall between two pixels
    x = photos(len(strengths), c=channels, h=32, w=34)
    x[0, :, :, 5:] = 9  # nearly and wholly constant, for the two that spread values
    x[-1] = 200
    number = torch.full((len(x),), NAMES.index(name))
    white = 255 if name == "solarise" else 1  # a threshold is a level here, and a share of it there
    ours = apply_trivial(x, Drawn(number, strengths * white))
    for picture, strength, changed in zip(x, strengths.tolist(), ours, strict=True):
        expected = theirs._apply_image_or_video_transform(
            picture, known, strength, interpolation=theirs.interpolation, fill=theirs._fill
        )
        assert (changed.int() - expected.int()).abs().max() <= levels


def test_the_table_is_torchvisions(torchvision_transforms: ModuleType, photos: Make) -> None:
    space = torchvision_transforms.TrivialAugmentWide()._AUGMENTATION_SPACE
    assert sorted(NAMES) == sorted(SAME)
    assert len(space) == len(OPERATIONS) == 14
    for row in OPERATIONS:
        strengths_of, signed = space[SAME[row.name][0]]
        strengths = strengths_of(31, 32, 32)
        assert row.signed == signed
        if strengths is not None:
            white = 255 if row.name == "solarise" else 1
            ours = torch.linspace(row.weakest, row.strongest, 31)
            ours = ours.round() if row.name == "posterise" else ours
            assert torch.allclose(ours, strengths.float() * white)


def test_operations_strengths_and_signs_are_equally_likely(photos: Make, seeded: Seeded) -> None:
    drawn = draw_trivial(photos(1).expand(20_000, -1, -1, -1), seeded())
    assert stats.chisquare(drawn.operation.bincount(minlength=14)).pvalue > 0.001
    for number, row in enumerate(OPERATIONS):
        strength = drawn.strength[drawn.operation == number]
        if row.weakest == row.strongest:
            assert (strength == 0).all()
            continue
        step = (strength.abs() - row.weakest) / (row.strongest - row.weakest) * 30
        assert torch.allclose(step, step.round(), atol=1e-4)
        counts = step.round().long().bincount(minlength=31)
        assert stats.chisquare(counts).pvalue > 0.001, row.name
        negative = (strength < 0).sum().item()
        chance = stats.binomtest(negative, int((step.round() > 0).sum())).pvalue
        assert chance > 0.001 if row.signed else negative == 0, row.name


def test_what_is_drawn_is_applied_whatever_the_order(photos: Make, seeded: Seeded) -> None:
    """Pictures of large batches, worked on by operation and in blocks, each as if alone."""
    x = photos(40, h=160, w=170)
    drawn = draw_trivial(x, seeded())
    together = augment.trivial_augment(x, seeded())
    for i in range(40):
        alone = Drawn(drawn.operation[i : i + 1], drawn.strength[i : i + 1])
        assert torch.equal(apply_trivial(x[i : i + 1], alone)[0], together[i])


def test_what_cannot_be_is_refused(photos: Make, seeded: Seeded) -> None:
    with pytest.raises(ArgumentTypeError, match=r"TrivialAugment takes uint8, .*float32"):
        augment.trivial_augment(photos(2) / 255, seeded())
    with pytest.raises(ShapeError, match=r"TrivialAugment takes grey .* or RGB"):
        augment.trivial_augment(photos(2)[:, :2], seeded())
