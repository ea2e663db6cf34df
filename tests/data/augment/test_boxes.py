from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from scipy import stats
from torch import Tensor

from convatlas.data import Preprocess, augment
from convatlas.data.augment.boxes import by_matrices, crop_boxes
from convatlas.errors import ConfigError

Make = Callable[..., Tensor]
Seeded = Callable[..., torch.Generator]


@pytest.mark.parametrize(("side", "size", "levels"), [(48, 40, 0), (48, 64, 0), (32, 32, 1)])
def test_a_resized_crop_is_torchvisions_with_the_box_drawn(
    torchvision_transforms: ModuleType,
    photos: Make,
    seeded: Seeded,
    side: int,
    size: int,
    levels: int,
) -> None:
    """The same kernel for large pictures; small ones go through float32: one level apart."""
    resize = torchvision_transforms.functional.resized_crop
    x = photos(24, h=side - 5, w=side)
    boxes = augment.draw_boxes(torch.tensor([[side - 5, side]]).expand(24, 2), seeded())
    crops = augment.resized_crop(x, size, seeded())
    floats = augment.resized_crop(x.double() / 255, size, seeded())
    for picture, box, ours, in_floats in zip(x, boxes.tolist(), crops, floats, strict=True):
        expected = resize(picture, *box, [size, size])
        assert (ours.int() - expected.int()).abs().max() <= levels
        exact = resize(picture.double() / 255, *box, [size, size])
        assert torch.allclose(in_floats, exact, atol=2e-6)  # some roundings of float32


def test_matrices_do_what_the_kernel_does_for_any_box(photos: Make, seeded: Seeded) -> None:
    x = photos(40, c=1, h=50, w=70)
    boxes = augment.draw_boxes(
        torch.tensor([[50, 70]]).expand(40, 2), seeded(), (0.001, 1), (0.1, 10)
    )
    assert boxes[:, 2:].min() < 10  # enlarged and made smaller
    by_kernel = crop_boxes(x.double(), boxes, 33)
    assert torch.allclose(by_matrices(x.double(), boxes, 33), by_kernel, atol=2e-4)  # of 255
    assert (by_matrices(x, boxes, 33).int() - crop_boxes(x, boxes, 33).int()).abs().max() <= 1


def test_one_picture_by_its_box_is_what_preprocess_makes_of_that_part(photos: Make) -> None:
    picture = photos(1, h=60, w=80)[0]
    one = augment.crop_box(picture, [7, 11, 45, 45], 40)
    prepare = Preprocess(40, 40, 3, (0.0,) * 3, (1.0,) * 3)
    assert torch.equal(one, prepare.fit(picture[:, 7:52, 11:56]))


def test_boxes_are_drawn_as_torchvision_does(
    torchvision_transforms: ModuleType, seeded: Seeded
) -> None:
    """Areas, shapes and places of two samples; a wide picture, on which many do not fit."""
    ours = augment.draw_boxes(torch.tensor([[60, 150]]).expand(4000, 2), seeded())
    theirs = torchvision_transforms.RandomResizedCrop(8)
    torch.manual_seed(0)
    samples = [theirs.make_params([torch.zeros(3, 60, 150)]) for _ in range(1000)]
    keys = ("top", "left", "height", "width")
    expected = torch.tensor([[sample[key] for key in keys] for sample in samples])
    for name, of in {
        "area": lambda box: box[:, 2] * box[:, 3],
        "shape": lambda box: box[:, 3] / box[:, 2],
        "top": lambda box: box[:, 0],
        "left": lambda box: box[:, 1],
    }.items():
        assert stats.ks_2samp(of(ours), of(expected)).pvalue > 0.001, name


def test_boxes_lie_inside_and_keep_to_their_ranges(seeded: Seeded) -> None:
    sizes = torch.randint(30, 3000, (5000, 2), generator=seeded(1))
    top, left, height, width = augment.draw_boxes(sizes, seeded()).unbind(1)
    for start, extent, side in ((top, height, sizes[:, 0]), (left, width, sizes[:, 1])):
        assert (start >= 0).all()
        assert (extent >= 1).all()
        assert (start + extent <= side).all()
    inside = (sizes[:, 0] / sizes[:, 1]).log().abs() < 0.2  # where the middle is never taken
    slack = 0.5 / torch.minimum(height, width)  # sides are rounded
    share = (height * width) / sizes.prod(1)
    assert (share >= 0.08 * (1 - 2 * slack))[inside].all()
    assert (width / height >= 3 / 4 * (1 - 2 * slack)).all()
    assert (width / height <= 4 / 3 * (1 + 3 * slack)).all()


def test_the_ratio_is_that_of_width_over_height(seeded: Seeded) -> None:
    sizes = torch.tensor([[1000, 1000]]).expand(100, 2)
    height, width = augment.draw_boxes(sizes, seeded(), (0.1, 0.2), (2, 3))[:, 2:].unbind(1)
    assert ((width / height > 1.99) & (width / height < 3.01)).all()


def test_where_none_fits_it_is_the_middle(seeded: Seeded) -> None:
    """As much of it as the ratio allows; torchvision's own fallback, by hand."""
    sizes = torch.tensor([[10, 1000], [999, 12], [1, 1]])
    boxes = augment.draw_boxes(sizes, seeded(), (0.999, 1))
    assert boxes.tolist() == [[0, 493, 10, 13], [491, 0, 16, 12], [0, 0, 1, 1]]


def test_a_box_does_not_depend_on_the_other_pictures(seeded: Seeded) -> None:
    sizes = torch.tensor([[30, 40], [300, 500], [64, 64]])
    others = torch.tensor([[5, 900], [300, 500], [7, 7]])
    assert torch.equal(
        augment.draw_boxes(sizes, seeded())[1], augment.draw_boxes(others, seeded())[1]
    )


def test_what_cannot_be_is_refused(photos: Make, seeded: Seeded) -> None:
    x = photos(1)
    with pytest.raises(ConfigError, match="size is 0, but it must be at least 1"):
        augment.resized_crop(x, 0, seeded())
    with pytest.raises(ConfigError, match=r"scale is \(0\.5, 1\.1\), .* at most 1"):
        augment.resized_crop(x, 8, seeded(), scale=(0.5, 1.1))
    with pytest.raises(ConfigError, match=r"ratio is \(1, inf\), .* finite"):
        augment.resized_crop(x, 8, seeded(), ratio=(1, float("inf")))
