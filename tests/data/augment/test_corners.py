from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor

from convatlas.data import augment
from convatlas.errors import ShapeError

Make = Callable[..., Tensor]


@pytest.mark.parametrize(("h", "w", "size"), [(20, 24, 16), (19, 29, 16), (16, 16, 16)])
def test_the_crops_are_torchvisions(
    torchvision_transforms: ModuleType, photos: Make, h: int, w: int, size: int
) -> None:
    x = photos(3, h=h, w=w)
    five, ten = augment.five_crops(x, size), augment.ten_crops(x, size)
    assert ten.shape == (3, 10, 3, size, size)
    for picture, crops, with_mirrors in zip(x, five, ten, strict=True):
        expected = torch.stack(torchvision_transforms.functional.five_crop(picture, [size]))
        assert torch.equal(crops, expected)
        mirrors = torchvision_transforms.functional.horizontal_flip(expected)
        assert torch.equal(with_mirrors, torch.cat([expected, mirrors]))


def test_floats_and_grey_too(numbered: Make) -> None:
    x = numbered(2, c=1, h=6, w=6)
    assert augment.ten_crops(x, 2)[1, 5, 0].tolist() == x[1, 0, :2, :2].flip(-1).tolist()


def test_what_does_not_fit_is_refused(numbered: Make) -> None:
    with pytest.raises(ShapeError, match="crops of 9 do not fit into 8×9: they must be between"):
        augment.five_crops(numbered(1), 9)
