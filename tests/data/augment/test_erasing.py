from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from scipy import stats
from torch import Tensor

from convatlas.data import augment
from convatlas.data.augment.erasing import draw_erasing
from convatlas.errors import ConfigError

Make = Callable[..., Tensor]
Seeded = Callable[..., torch.Generator]

PAPER = (0.5, (0.02, 0.33), (0.3, 3.3))  # p, scale, ratio


@pytest.mark.parametrize("side", [1, 2, 3])
def test_erase_leaves_one_square_of_zeros_with_its_middle_inside(
    side: int, numbered: Make, seeded: Seeded
) -> None:
    x = numbered(3000, 2, 5, 6)
    gone = augment.erase(x, side, seeded()) == 0
    assert torch.equal(augment.erase(x, side, seeded())[~gone], x[~gone])
    assert torch.equal(gone[:, 0], gone[:, 1])  # all channels alike
    rows, columns = gone[:, 0].any(2), gone[:, 0].any(1)
    assert torch.equal(gone[:, 0], rows[:, :, None] & columns[:, None, :])
    allowed = {
        tuple(i <= cell < i + side for cell in range(length))
        for length in (5, 6)
        for i in range(-(side // 2), length - side // 2)
    }
    assert {tuple(row) for row in rows.tolist() + columns.tolist()} <= allowed
    middle = gone[:, 0, 2, 2].float().mean()  # in the square for side² of the 30 places
    assert abs(middle - side**2 / 30) < 4 * (side**2 / 30 / 3000) ** 0.5
    assert torch.equal(augment.erase(x, 0, seeded()), x)


def test_random_erase_is_torchvisions_with_the_boxes_drawn(
    torchvision_transforms: ModuleType, photos: Make, seeded: Seeded
) -> None:
    x = photos(64, h=24, w=32)
    boxes = draw_erasing(x, seeded(), *PAPER)
    erased = augment.random_erase(x, seeded(), *PAPER)
    noisy = augment.random_erase(x, seeded(), *PAPER, fill="noise")
    black = torch.zeros(3, 1, 1, dtype=torch.uint8)
    for picture, box, ours, noise in zip(x, boxes.tolist(), erased, noisy, strict=True):
        expected = torchvision_transforms.functional.erase(picture, *box, black)
        assert torch.equal(ours, expected)
        i, j, h, w = box
        filled = noise[:, i : i + h, j : j + w]
        assert torch.equal(noise, torchvision_transforms.functional.erase(picture, *box, filled))


def test_random_erase_draws_boxes_as_torchvision_does(
    torchvision_transforms: ModuleType, seeded: Seeded
) -> None:
    """Shares, areas, shapes and places of two samples; a wide picture, on which many do not fit."""
    x = torch.zeros(1, 3, 40, 120).expand(4000, -1, -1, -1)
    ours = draw_erasing(x, seeded(), *PAPER)
    drawn = ours[:, 2] > 0
    assert abs(drawn.float().mean() - 0.5) < 4 * (0.25 / 4000) ** 0.5
    theirs = torchvision_transforms.RandomErasing()
    torch.manual_seed(0)
    samples = [theirs.make_params([x[0]]) for _ in range(1000)]
    expected = torch.tensor([[p[key] for key in "ijhw"] for p in samples if p["v"] is not None])
    for name, of in {
        "area": lambda box: box[:, 2] * box[:, 3],
        "shape": lambda box: box[:, 2] / box[:, 3],
        "top": lambda box: box[:, 0],
        "left": lambda box: box[:, 1],
    }.items():
        assert stats.ks_2samp(of(ours[drawn]), of(expected)).pvalue > 0.001, name


def test_the_ratio_is_that_of_height_over_width(seeded: Seeded) -> None:
    x = torch.zeros(100, 1, 500, 500)
    height, width = draw_erasing(x, seeded(), 1, (0.1, 0.2), (2, 3))[:, 2:].unbind(1)
    assert ((height / width > 1.98) & (height / width < 3.02)).all()


def test_noise_is_even_over_bytes_and_normal_over_floats(photos: Make, seeded: Seeded) -> None:
    always = (1.0, (0.5, 0.5), (1.0, 1.0))
    x = torch.zeros(8, 3, 31, 31, dtype=torch.uint8)
    top, left, height, width = draw_erasing(x, seeded(), *always)[0].tolist()
    window = (slice(top, top + height), slice(left, left + width))
    levels = augment.random_erase(x, seeded(), *always, fill="noise")[0, :, *window].flatten()
    assert stats.kstest((levels.double() + 0.5) / 256, "uniform").pvalue > 0.001
    values = augment.random_erase(x.float(), seeded(), *always, fill="noise")[0, :, *window]
    assert stats.kstest(values.flatten(), "norm").pvalue > 0.001


def test_what_fits_nowhere_is_not_erased(photos: Make, seeded: Seeded) -> None:
    x = photos(16, h=4, w=400)
    assert torch.equal(augment.random_erase(x, seeded(), 1, (0.3, 0.3), (1, 1)), x)


def test_what_cannot_be_is_refused(photos: Make, seeded: Seeded) -> None:
    x = photos(1)
    with pytest.raises(ConfigError, match="side is -1"):
        augment.erase(x, -1, seeded())
    with pytest.raises(ConfigError, match="p is -1"):
        augment.random_erase(x, seeded(), p=-1)
    with pytest.raises(ConfigError, match=r"scale is \(0\.5, 0\.1\), but it must run upwards"):
        augment.random_erase(x, seeded(), scale=(0.5, 0.1))
    with pytest.raises(ConfigError, match=r"ratio is \(0, 1\)"):
        augment.random_erase(x, seeded(), ratio=(0, 1))
    with pytest.raises(ConfigError, match="fill is 'mean'"):
        augment.random_erase(x, seeded(), fill="mean")
