from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Literal

import pytest
import torch
from torch import Tensor

from convatlas.data import Dataset, ImageSet, Preprocess, augment
from convatlas.train import Config
from convatlas.train.feed import Feed

CPU = torch.device("cpu")


def spec(size: int, resize: int | None = None, channels: int = 3) -> Preprocess:
    return Preprocess(size, resize or size, channels, (0.0,) * channels, (1.0,) * channels)


def test_every_picture_comes_once_an_epoch_in_a_new_order(data: Dataset) -> None:
    feed = Feed(data.train, Config(batch_size=16), CPU, spec(8))
    numbers = {picture.numpy().tobytes(): i for i, picture in enumerate(data.train.images)}
    assert len(numbers) == 96
    seen = []
    for _ in range(2):
        batches = list(feed.epoch())
        assert [len(labels) for _, labels in batches] == [16] * 6
        seen.append([numbers[x.numpy().tobytes()] for pixels, _ in batches for x in pixels])
        labels = torch.cat([labels for _, labels in batches])
        assert torch.equal(labels, data.train.labels[seen[-1]])
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(96))
    assert seen[0] != seen[1]
    again = [labels for _, labels in Feed(data.train, Config(batch_size=16), CPU, spec(8)).epoch()]
    assert torch.equal(torch.cat(again), data.train.labels[seen[0]])


def of_size(count: int, side: int) -> ImageSet:
    """Colour pictures whose pixels say which picture and place they come from."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    place = torch.stack([y, x]).byte().expand(count, 2, side, side)
    number = torch.arange(count).byte().view(count, 1, 1, 1).expand(count, 1, side, side)
    labels = torch.arange(count) % 3
    return ImageSet("places", torch.cat([number, place], dim=1), labels, tuple("abc"))


def test_ten_crops_make_ten_pictures_of_each() -> None:
    images = of_size(6, 9)
    feed = Feed(images, Config(batch_size=7, crop="ten"), CPU, spec(5, 9))
    assert feed.steps == 60 // 7
    feed = Feed(images, Config(batch_size=20, crop="ten"), CPU, spec(5, 9))
    seen = Counter()
    for pixels, labels in feed.epoch():
        assert pixels.shape == (20, 3, 5, 5)
        assert torch.equal(labels, pixels[:, 0, 0, 0].long() % 3)
        for number, y, x, last in zip(
            *pixels[:, :, 0, 0].T.tolist(), pixels[:, 2, 0, -1].tolist(), strict=True
        ):
            seen[number, y, min(x, last), x > last] += 1
    corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    expected = {(n, y, x, m) for n in range(6) for y, x in corners for m in (False, True)}
    assert set(seen) == expected
    assert set(seen.values()) == {1}


@pytest.mark.parametrize("crop", ["random", "resized"])
def test_crops_are_drawn_anew_from_the_seed(crop: Literal["random", "resized"]) -> None:
    images, config = of_size(8, 40), Config(batch_size=8, crop=crop)
    numbers = torch.arange(8)
    feed, again = (Feed(images, config, CPU, spec(20, 40)) for _ in range(2))
    first, labels = feed.batch(numbers)
    assert first.shape == (8, 3, 20, 20)
    assert torch.equal(labels, images.labels)
    assert torch.equal(first, again.batch(numbers)[0])
    assert not torch.equal(first, feed.batch(numbers)[0])
    assert torch.equal(first[:, 0, 0, 0], numbers.byte())


@pytest.mark.parametrize("repeat", [1, 2, 3])
def test_by_turns_a_picture_is_mirrored_at_every_other_sight(repeat: int) -> None:
    config = Config(batch_size=12 * repeat, repeat=repeat, flip=True, flip_turns=True)
    feed = Feed(of_size(12, 9), config, CPU, spec(9))

    def mirrored() -> list[list[bool]]:
        """Of each picture: at the sights of an epoch."""
        (pixels, _) = next(iter(feed.epoch()))
        first = pixels[:, :, 0, 0].tolist()
        return [sorted(x == 8 for n, _, x in first if n == number) for number in range(12)]

    epochs = [mirrored() for _ in range(4)]
    assert epochs[0] == epochs[2]
    assert epochs[1] == epochs[3]
    if repeat == 2:
        assert epochs[0] == [[False, True]] * 12
    else:  # both ways equally often in two epochs, and not all pictures the same way at once
        both = [sorted(a + b) for a, b in zip(*epochs[:2], strict=True)]
        assert both == [[False] * repeat + [True] * repeat] * 12
        assert len({tuple(sights) for sights in epochs[0]}) == 2
    assert Feed(of_size(12, 9), config, CPU, spec(9)).turns.equal(feed.turns)


def test_turns_go_on_where_a_run_was_left() -> None:
    config = Config(batch_size=4, flip=True, flip_turns=True)
    feed = Feed(of_size(12, 9), config, CPU, spec(9))
    list(feed.epoch())
    batches = feed.epoch()
    next(batches)
    left = feed.state_dict()
    other = Feed(of_size(12, 9), config, CPU, spec(9))
    other.load_state_dict(left)
    for (pixels, _), (others, _) in zip(batches, other.epoch(), strict=True):
        assert torch.equal(pixels, others)


def test_a_sampler_shows_each_class_equally_often() -> None:
    labels = torch.tensor([0] * 90 + [1] * 6 + [2] * 3)
    images = ImageSet("skewed", torch.zeros(99, 1, 2, 2, dtype=torch.uint8), labels, tuple("abc"))
    feed = Feed(images, Config(batch_size=33, balance="sampler"), CPU, spec(2))
    seen = torch.cat([labels for _, labels in feed.epoch()])
    assert seen.bincount().tolist() == [33, 33, 33]


class Slow:
    """Pictures that have to be asked for one batch at a time, and who asked."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels, self.asked, self.threads = pixels, 0, set()

    @property
    def shape(self) -> torch.Size:
        return self.pixels.shape

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, chosen: Tensor) -> Tensor:
        self.asked += 1
        self.threads.add(threading.current_thread().name)
        return self.pixels[chosen]

    def crops(self, chosen: Tensor, size: int, generator: torch.Generator) -> Tensor:
        return self.pixels[chosen][..., :size, :size]

    def subset(self, indices: Tensor) -> Slow:
        return Slow(self.pixels[indices])

    def fingerprint(self) -> str:
        return "slow"


def test_what_must_be_read_first_is_read_a_batch_ahead(data: Dataset) -> None:
    pictures = Slow(data.train.images)
    slow = ImageSet("slow", pictures, data.train.labels, data.train.classes)
    config = Config(batch_size=16, seed=3)
    epoch, expected = (
        Feed(slow, config, CPU, spec(8)).epoch(),
        Feed(data.train, config, CPU, spec(8)).epoch(),
    )
    for number, (mine, theirs) in enumerate(zip(epoch, expected, strict=True), start=1):
        assert torch.equal(mine[0], theirs[0])
        assert torch.equal(mine[1], theirs[1])
        deadline = time.monotonic() + 5
        while pictures.asked < min(number + 1, 6) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert pictures.asked == min(number + 1, 6)
    assert pictures.threads == {"ahead_0"}


def test_originals_are_cropped_where_there_are_any(data: Dataset) -> None:
    slow = ImageSet("slow", Slow(data.train.images), data.train.labels, data.train.classes)
    pixels, _ = Feed(slow, Config(crop="resized"), CPU, spec(5)).batch(torch.arange(4))
    assert torch.equal(pixels, data.train.images[:4, :, :5, :5])


def test_pictures_are_resized_before_a_crop_is_cut_out(data: Dataset) -> None:
    config = Config(crop="random", batch_size=96)
    feed = Feed(data.train, config, CPU, spec(12, 16, channels=1))
    pixels, _ = feed.batch(torch.arange(96))
    larger = spec(16, channels=1).fit(data.train.images)
    places = torch.Generator().manual_seed(config.seed)
    assert torch.equal(pixels, augment.crop(larger, 12, places))
