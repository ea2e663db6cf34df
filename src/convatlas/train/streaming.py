"""Batches out of shards, in the place of `Feed`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from convatlas.data import ImageSet, Preprocess, Stream, augment
from convatlas.errors import ConfigError
from convatlas.train.config import Config
from convatlas.train.distributed import here
from convatlas.train.feed import Feed


class StreamFeed:
    """As `Feed`, from a stream: its order is of the run's seed, its position the stream's.

    Args:
        stream: what is learned from; a process of several has its rank's part of it.
        config, device, preprocess: as of `Feed`.

    Raises:
        ConfigError: the settings need pictures by number, which a stream does not have.
    """

    easiest = None  # nobody is left out

    def __init__(
        self, stream: Stream, config: Config, device: torch.device, preprocess: Preprocess
    ) -> None:
        repeat = config.repeat or 1
        for name, value, numbered in (
            ("crop", config.crop, config.crop == "ten"),
            ("balance", config.balance, config.balance == "sampler"),
            ("repeat", repeat, repeat > 1),
            ("flip_turns", config.flip_turns, config.flip_turns),
            ("skip_easy", config.skip_easy, config.skip_easy > 0),
        ):
            if numbered:
                raise ConfigError(
                    f"{name} is {value!r}, which needs pictures by number, but shards are read "
                    "from front to back: choose another, or train on the files themselves"
                )
        ranks = here()
        self.stream = replace(stream, seed=config.seed, rank=ranks.rank, world=ranks.world)
        self.config, self.device = config, device
        self.size, self.whole = preprocess.size, replace(preprocess, size=preprocess.resize)
        self.batch_size = min(config.batch_size, len(stream)) // ranks.world
        self.steps = self.stream.steps(self.batch_size)
        self.places = ranks.generator(torch.device("cpu")).manual_seed(config.seed)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """What is left of an epoch: pixels ``(n, C, H, W)`` of uint8, and labels ``(n,)``."""
        crops = self.size if self.config.crop == "resized" else None
        for pixels, labels in self.stream.batches(self.batch_size, crops):
            placed = pixels.to(self.device)
            if self.config.crop == "random":
                placed = augment.crop(self.whole.fit(placed), self.size, self.places)
            yield placed, labels.to(self.device)

    def state_dict(self) -> dict[str, Any]:
        """The position."""
        return {"stream": self.stream.state_dict(), "places": self.places.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            ConfigError: it is of other shards, or of another order.
        """
        self.stream.load_state_dict(state["stream"])
        self.places.set_state(state["places"])


def feed_of(
    images: ImageSet | Stream, config: Config, device: torch.device, preprocess: Preprocess
) -> Feed | StreamFeed:
    """Where the batches of a run come from."""
    if isinstance(images, Stream):
        return StreamFeed(images, config, device, preprocess)
    return Feed(images, config, device, preprocess)
