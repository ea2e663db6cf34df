from __future__ import annotations

from functools import partial

import pytest
import torch

from convatlas.data import augment
from convatlas.errors import ConfigError, ShapeError

EVERY = {
    "flip": partial(augment.flip, p=0.5),
    "shift": partial(augment.shift, pixels=2),
    "crop": partial(augment.crop, size=6),
    "erase": partial(augment.erase, side=3),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(n: int, c: int = 3, h: int = 8, w: int = 9) -> torch.Tensor:
    """Every pixel of every picture another number, from 1, so that each can be traced."""
    return torch.arange(1, n * c * h * w + 1, dtype=torch.float32).view(n, c, h, w)


@pytest.mark.parametrize("name", EVERY)
def test_the_seed_decides_and_the_input_stays(name: str) -> None:
    x = numbered(64)
    before = x.clone()
    first = EVERY[name](x, generator=seeded(1))
    assert torch.equal(first, EVERY[name](x, generator=seeded(1)))
    assert not torch.equal(first, EVERY[name](x, generator=seeded(2)))
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", EVERY)
def test_bytes_and_other_layouts_give_the_same(name: str) -> None:
    x = numbered(32) % 251
    expected = EVERY[name](x, generator=seeded())
    as_bytes = EVERY[name](x.byte(), generator=seeded())
    assert as_bytes.dtype == torch.uint8
    assert torch.equal(as_bytes.float(), expected)
    channels_last = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(EVERY[name](channels_last, generator=seeded()), expected)


@pytest.mark.parametrize("name", EVERY)
def test_a_fresh_draw_for_each_picture_and_each_call(name: str) -> None:
    x = numbered(1).expand(64, -1, -1, -1).contiguous()
    generator = seeded()
    first = EVERY[name](x, generator=generator)
    assert len(first.flatten(1).unique(dim=0)) > 1
    assert not torch.equal(first, EVERY[name](x, generator=generator))


def test_flip_exchanges_left_and_right_in_a_share_of_the_pictures() -> None:
    x = numbered(2000, 1, 2, 2)
    y = augment.flip(x, 0.3, seeded())
    flipped = (y == x.flip(-1)).flatten(1).all(1)
    kept = (y == x).flatten(1).all(1)
    assert (flipped ^ kept).all()
    assert abs(flipped.float().mean() - 0.3) < 4 * (0.3 * 0.7 / 2000) ** 0.5  # four deviations
    assert torch.equal(augment.flip(x, 0, seeded()), x)
    assert torch.equal(augment.flip(x, 1, seeded()), x.flip(-1))


def test_shift_moves_by_every_offset_equally_often_and_fills_with_zeros() -> None:
    x = numbered(5000, 2, 4, 5)
    y = augment.shift(x, 1, seeded())
    assert y.shape == x.shape
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    windows = [padded[:, :, i : i + 4, j : j + 5] for i in range(3) for j in range(3)]
    same = torch.stack([(y == window).flatten(1).all(1) for window in windows])
    assert (same.sum(0) == 1).all()
    shares = same.float().mean(1)
    assert (shares - 1 / 9).abs().max() < 4 * (1 / 9 * 8 / 9 / 5000) ** 0.5
    assert torch.equal(augment.shift(x, 0, seeded()), x)


def test_crop_cuts_every_window_equally_often() -> None:
    x = numbered(3000, 2, 4, 5)
    y = augment.crop(x, 3, seeded())
    windows = [x[:, :, i : i + 3, j : j + 3] for i in range(2) for j in range(3)]
    same = torch.stack([(y == window).flatten(1).all(1) for window in windows])
    assert (same.sum(0) == 1).all()
    assert (same.float().mean(1) - 1 / 6).abs().max() < 4 * (1 / 6 * 5 / 6 / 3000) ** 0.5
    assert torch.equal(augment.crop(x[..., :4], 4, seeded()), x[..., :4])


@pytest.mark.parametrize("side", [1, 2, 3])
def test_erase_leaves_one_square_of_zeros_with_its_middle_inside(side: int) -> None:
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


def test_what_cannot_be_is_refused() -> None:
    x = numbered(1)
    with pytest.raises(ConfigError, match=r"p is 1\.5"):
        augment.flip(x, 1.5, seeded())
    with pytest.raises(ConfigError, match="pixels is -1"):
        augment.shift(x, -1, seeded())
    with pytest.raises(ConfigError, match="side is -1"):
        augment.erase(x, -1, seeded())
    with pytest.raises(ShapeError, match="a crop of 9 does not fit into 8×9"):
        augment.crop(x, 9, seeded())
