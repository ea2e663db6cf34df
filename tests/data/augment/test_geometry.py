from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor

from convatlas.data import augment
from convatlas.errors import ConfigError, ShapeError

Make = Callable[..., Tensor]
Seeded = Callable[..., torch.Generator]


def test_flip_exchanges_left_and_right_in_a_share_of_the_pictures(
    numbered: Make, seeded: Seeded
) -> None:
    x = numbered(2000, 1, 2, 2)
    y = augment.flip(x, 0.3, seeded())
    flipped = (y == x.flip(-1)).flatten(1).all(1)
    kept = (y == x).flatten(1).all(1)
    assert (flipped ^ kept).all()
    assert abs(flipped.float().mean() - 0.3) < 4 * (0.3 * 0.7 / 2000) ** 0.5  # four deviations
    assert torch.equal(augment.flip(x, 0, seeded()), x)
    assert torch.equal(augment.flip(x, 1, seeded()), x.flip(-1))


def test_large_pictures_are_mirrored_as_small_ones_are(seeded: Seeded) -> None:
    x = torch.randint(0, 256, (20, 1, 256, 256), dtype=torch.uint8, generator=seeded())
    before, middle = x.clone(), x[..., 96:160, 96:160]
    found = augment.flip(x, 0.5, seeded())
    assert torch.equal(found[..., 96:160, 96:160], augment.flip(middle, 0.5, seeded()))
    assert torch.equal(x, before)


def test_chosen_pictures_are_mirrored(numbered: Make) -> None:
    x, chosen = numbered(4), torch.tensor([False, True, True, False])
    y = augment.mirror(x, chosen)
    assert torch.equal(y[chosen], x[chosen].flip(-1))
    assert torch.equal(y[~chosen], x[~chosen])


@pytest.mark.parametrize(("edge", "mode"), [("zeros", "constant"), ("reflect", "reflect")])
def test_shift_moves_by_every_offset_equally_often_and_fills_the_edge(
    edge: Literal["zeros", "reflect"], mode: str, numbered: Make, seeded: Seeded
) -> None:
    x = numbered(5000, 2, 4, 5)
    y = augment.shift(x, 1, seeded(), edge)
    assert y.shape == x.shape
    padded = torch.nn.functional.pad(x.float(), (1, 1, 1, 1), mode).to(x.dtype)
    windows = [padded[:, :, i : i + 4, j : j + 5] for i in range(3) for j in range(3)]
    same = torch.stack([(y == window).flatten(1).all(1) for window in windows])
    assert (same.sum(0) == 1).all()
    shares = same.float().mean(1)
    assert (shares - 1 / 9).abs().max() < 4 * (1 / 9 * 8 / 9 / 5000) ** 0.5
    assert torch.equal(augment.shift(x, 0, seeded(), edge), x)


def test_crop_cuts_every_window_equally_often(numbered: Make, seeded: Seeded) -> None:
    x = numbered(3000, 2, 4, 5)
    y = augment.crop(x, 3, seeded())
    windows = [x[:, :, i : i + 3, j : j + 3] for i in range(2) for j in range(3)]
    same = torch.stack([(y == window).flatten(1).all(1) for window in windows])
    assert (same.sum(0) == 1).all()
    assert (same.float().mean(1) - 1 / 6).abs().max() < 4 * (1 / 6 * 5 / 6 / 3000) ** 0.5
    assert torch.equal(augment.crop(x[..., :4], 4, seeded()), x[..., :4])


def test_no_pictures_stay_none(seeded: Seeded) -> None:
    x = torch.empty(0, 3, 8, 9, dtype=torch.uint8)
    assert augment.flip(x, 0.5, seeded()).shape == x.shape
    assert augment.shift(x, 2, seeded()).shape == x.shape
    assert augment.crop(x, 5, seeded()).shape == (0, 3, 5, 5)


def test_what_cannot_be_is_refused(numbered: Make, seeded: Seeded) -> None:
    x = numbered(1)
    with pytest.raises(ConfigError, match=r"p is 1\.5"):
        augment.flip(x, 1.5, seeded())
    with pytest.raises(ConfigError, match="pixels is -1"):
        augment.shift(x, -1, seeded())
    with pytest.raises(ConfigError, match="pixels is 8, but pictures of 8×9 mirror 7 at most"):
        augment.shift(x, 8, seeded(), "reflect")
    with pytest.raises(ShapeError, match="a crop of 9 does not fit into 8×9"):
        augment.crop(x, 9, seeded())
