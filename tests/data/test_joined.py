from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from convatlas import data
from convatlas.data import ImageSet
from convatlas.data.joined import Joined, joined
from convatlas.errors import DataError


@pytest.fixture
def sets(tmp_path: Path) -> tuple[ImageSet, ImageSet]:
    """Training and test pictures of a folder, each of one colour, decoded when asked for."""
    for part, count in (("train", 5), ("test", 3)):
        for i in range(count):
            folder = tmp_path / part / "ab"[i % 2]
            folder.mkdir(parents=True, exist_ok=True)
            colour = (20 * i, 100 * (part == "test"), 0)
            Image.new("RGB", (12, 10), colour).save(folder / f"{i}.png")
    made = data.load(str(tmp_path), side=8, cache=False)
    return made.train, made.test


def test_both_lie_one_behind_the_other(sets: tuple[ImageSet, ImageSet]) -> None:
    first, second = sets
    both = joined(first, second)
    pixels = torch.cat([first.take(slice(None)), second.take(slice(None))])
    assert isinstance(both.images, Joined)
    assert both.shape == first.shape
    assert torch.equal(both.take(slice(None)), pixels)
    assert both.labels.tolist() == first.labels.tolist() + second.labels.tolist()
    for chosen in ([7, 0, 5, 5, 4], [1, 2], [6], []):
        numbers = torch.tensor(chosen, dtype=torch.int64)
        assert torch.equal(both.take(numbers), pixels[numbers])
        assert torch.equal(both.subset(torch.tensor([6, 1, 5])).take(slice(1, 3)), pixels[[1, 5]])
    seen = both.images.crops(torch.tensor([6, 0]), 4, torch.Generator().manual_seed(0))
    assert torch.equal(seen, pixels[[6, 0], :, :4, :4])  # of one colour each


def test_other_pictures_have_another_fingerprint(sets: tuple[ImageSet, ImageSet]) -> None:
    both = joined(*sets)
    part = both.subset(torch.tensor([0, 1]))
    assert len({both.fingerprint(), part.fingerprint(), joined(*sets[::-1]).fingerprint()}) == 3
    assert part.fingerprint() == both.subset(torch.tensor([0, 1])).fingerprint()


def test_arrays_become_one(sets: tuple[ImageSet, ImageSet]) -> None:
    first, second = sets
    array = replace(first, images=first.take(slice(None)))
    for pair in ((array, second), (second, array)):
        both = joined(*pair)
        assert isinstance(both.images, torch.Tensor)
        assert torch.equal(both.images, torch.cat([one.take(slice(None)) for one in pair]))


def test_other_classes_are_refused(sets: tuple[ImageSet, ImageSet]) -> None:
    first, second = sets
    with pytest.raises(DataError, match="they must be the same"):
        joined(first, replace(second, classes=("a", "c")))
