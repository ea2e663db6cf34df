"""Several processes that share a batch draw for each picture what one alone would."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from convatlas.data import augment
from convatlas.data.augment import ColourBasis, draws

CPU = torch.device("cpu")
Generator = torch.Generator

BASIS = ColourBasis(torch.tensor([0.3, 0.2, 0.1]), torch.eye(3))
EVERY: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "flip": lambda x, g: augment.flip(x, 0.5, g),
    "shift": lambda x, g: augment.shift(x, 2, g),
    "crop": lambda x, g: augment.crop(x, 7, g),
    "resized crop": lambda x, g: augment.resized_crop(x, 8, g),
    "erase": lambda x, g: augment.erase(x, 4, g),
    "random erase": lambda x, g: augment.random_erase(x, g, 0.5, fill="noise"),
    "noise of floats": lambda x, g: augment.random_erase(x.float(), g, 0.5, fill="noise"),
    "trivial": augment.trivial_augment,
    "jitter": lambda x, g: augment.jitter(x, g, brightness=0.4, contrast=0.4, saturation=0.4),
    "colour": lambda x, g: augment.pca_colour(x, g, BASIS, 0.5),
}


@pytest.mark.parametrize("name", EVERY)
def test_a_share_of_a_batch_gets_what_the_batch_would(name: str) -> None:
    change = EVERY[name]
    pixels = torch.randint(
        0, 256, (24, 3, 11, 11), dtype=torch.uint8, generator=Generator().manual_seed(1)
    )
    alone = Generator().manual_seed(5)
    whole = [change(pixels, alone) for _ in range(2)]  # and the draws of the next batch follow
    assert not torch.equal(*whole)
    for world in (2, 3):
        shares = [draws.Share(CPU, rank, world) for rank in range(world)]
        for share in shares:
            share.manual_seed(5)
        for expected in whole:
            parts = [
                change(part, share) for part, share in zip(pixels.chunk(world), shares, strict=True)
            ]
            assert torch.equal(torch.cat(parts), expected)
        assert all(torch.equal(share.get_state(), alone.get_state()) for share in shares)


def test_mixed_pictures_find_their_partners_within_the_share() -> None:
    pixels = torch.arange(24, dtype=torch.uint8).view(24, 1, 1, 1).expand(24, 1, 6, 6)
    labels = torch.arange(24)
    for mix in (augment.mixup, augment.cutmix):
        weights = []
        for rank in range(2):
            share = draws.Share(CPU, rank, 2)
            share.manual_seed(3)
            own = slice(12 * rank, 12 * rank + 12)
            mixed = mix(pixels[own].contiguous(), labels[own], share, 0.8)
            assert set(mixed.partners.tolist()) == set(labels[own].tolist())
            weights.append(mixed.weight)
        assert not torch.equal(*weights)
