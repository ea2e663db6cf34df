from __future__ import annotations

import torch

from convatlas.data import Dataset
from convatlas.train import Config
from convatlas.train.feed import Feed

CPU = torch.device("cpu")


def test_every_picture_comes_once_an_epoch_in_a_new_order(data: Dataset) -> None:
    feed = Feed(data.train, Config(batch_size=16), CPU, 8)
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
    again = [labels for _, labels in Feed(data.train, Config(batch_size=16), CPU, 8).epoch()]
    assert torch.equal(torch.cat(again), data.train.labels[seen[0]])
