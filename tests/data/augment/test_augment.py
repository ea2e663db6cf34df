"""What holds for every function of the package."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from convatlas.data import augment

Make = Callable[..., Tensor]
Seeded = Callable[..., torch.Generator]


def mixed(mix: Callable[..., augment.Mixed]) -> Callable[..., Tensor]:
    return lambda x, generator: mix(x, torch.arange(len(x)), generator).pixels


def pca(x: Tensor, generator: torch.Generator) -> Tensor:
    return augment.pca_colour(x, generator, augment.ColourBasis.measure(x), sigma=1)


#: those that move pixels or wipe them out: any values, and grey pictures too
MOVING = {
    "flip": partial(augment.flip, p=0.5),
    "shift": partial(augment.shift, pixels=2),
    "shift with mirrors": partial(augment.shift, pixels=2, edge="reflect"),
    "crop": partial(augment.crop, size=6),
    "erase": partial(augment.erase, side=3),
    "random_erase": partial(augment.random_erase, p=0.9),
    "cutmix": mixed(augment.cutmix),
}
EVERY = MOVING | {
    "resized_crop": partial(augment.resized_crop, size=8),
    "resized_crop of larger ones": lambda x, generator: augment.resized_crop(x, 40, generator),
    "random_erase with noise": partial(augment.random_erase, fill="noise"),
    "mixup": mixed(partial(augment.mixup, alpha=1)),
    "jitter": partial(augment.jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2),
    "pca_colour": pca,
    "trivial_augment": augment.trivial_augment,
}


@pytest.mark.parametrize("name", EVERY)
def test_the_seed_decides_and_the_input_stays(name: str, photos: Make, seeded: Seeded) -> None:
    x = photos(64)
    before = x.clone()
    first = EVERY[name](x, generator=seeded(1))
    assert first.dtype == torch.uint8
    assert torch.equal(first, EVERY[name](x, generator=seeded(1)))
    assert not torch.equal(first, EVERY[name](x, generator=seeded(2)))
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", EVERY)
def test_another_layout_in_memory_gives_the_same(name: str, photos: Make, seeded: Seeded) -> None:
    x = photos(24)
    expected = EVERY[name](x, generator=seeded())
    channels_last = x.contiguous(memory_format=torch.channels_last)
    part_of_larger = torch.nn.functional.pad(x, (2, 3, 1, 1))[..., 1:-1, 2:-3]
    for same in (channels_last, part_of_larger):
        assert torch.equal(EVERY[name](same, generator=seeded()), expected)


@pytest.mark.parametrize("name", MOVING)
def test_bytes_and_floats_of_any_range_give_the_same(
    name: str, numbered: Make, seeded: Seeded
) -> None:
    x = numbered(32) % 251
    expected = MOVING[name](x, generator=seeded())
    assert expected.dtype == torch.float32
    assert torch.equal(MOVING[name](x.byte(), generator=seeded()).float(), expected)
    assert torch.equal(MOVING[name](-x.double(), generator=seeded()), -expected.double())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"trivial_augment"}))
def test_floats_of_any_width_stay_what_they_are(
    name: str, dtype: torch.dtype, photos: Make, seeded: Seeded
) -> None:
    x = photos(16) / 256  # exact in 8 bits
    changed = EVERY[name](x.to(dtype), generator=seeded())
    assert changed.dtype == dtype
    if "noise" not in name:
        expected = EVERY[name](x, generator=seeded())
        # some roundings to the 8 bits of bfloat16
        assert torch.allclose(changed.float(), expected, atol=2**-6)


@pytest.mark.parametrize("name", EVERY)
def test_a_fresh_draw_for_each_picture_and_each_call(
    name: str, photos: Make, seeded: Seeded
) -> None:
    x = photos(64) if name in ("mixup", "cutmix") else photos(1).expand(64, -1, -1, -1)
    generator = seeded()
    first = EVERY[name](x, generator=generator)
    assert len(first.flatten(1).unique(dim=0)) > 1
    assert not torch.equal(first, EVERY[name](x, generator=generator))


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"pca_colour"}))
def test_grey_pictures_stay_grey(name: str, photos: Make, seeded: Seeded) -> None:
    assert EVERY[name](photos(16, c=1), generator=seeded()).shape[1] == 1
