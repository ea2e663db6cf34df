"""Where a run's batches come from: pictures by number in a new order each epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from convatlas.data import ImageSet
from convatlas.train.config import Config


class Feed:
    """Batches of labelled pictures, as they are before augmentation.

    What lies in memory moves to the network's device once and is picked from there.

    Args:
        images: what is learned from.
        config: batch size and seed.
        device: of the network.
    """

    def __init__(self, images: ImageSet, config: Config, device: torch.device) -> None:
        self.images, self.device = images.images, device
        if isinstance(self.images, Tensor):
            self.images = self.images.to(device)
        self.labels = images.labels.to(device)
        # the last, smaller batch is dropped: its batch statistics are the noisiest of the epoch
        self.batch_size = min(config.batch_size, len(images))
        self.steps = len(images) // self.batch_size
        self.order = torch.Generator().manual_seed(config.seed)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass in a new order: pixels ``(n, C, H, W)`` of uint8, and labels ``(n,)``."""
        order = torch.randperm(len(self.labels), generator=self.order).to(self.device)
        for start in range(0, self.steps * self.batch_size, self.batch_size):
            yield self.batch(order[start : start + self.batch_size])

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures numbered ``chosen`` ``(n,)``, on the network's device."""
        return self.images[chosen].to(self.device), self.labels[chosen]
