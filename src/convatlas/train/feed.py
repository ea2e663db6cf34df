"""Where a run's batches come from: pictures by number in a new order each epoch, cut to size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from convatlas.data import ImageSet, Preprocess, augment
from convatlas.data.balance import balanced_order
from convatlas.train.ahead import one_ahead
from convatlas.train.config import Config
from convatlas.train.distributed import here
from convatlas.train.easiest import Easiest

_TEN = 10


class Feed:
    """Batches of labelled pictures: cropped as configured, and not yet coloured or mixed.

    What depends on a picture's number happens here: its sights, and being mirrored by turns.
    What lies in memory moves to the network's device once and is picked from there; what has to be
    read or decoded first is prepared by a thread of its own, a batch ahead.

    Its position, which is small state (`state_dict`), moves as batches are handed over,
    whatever was prepared ahead. Several processes go through the same batches, and each has its
    stretch of every one.

    Args:
        images: what is learned from.
        config: batch size, crop, balance and seed.
        device: of the network.
        preprocess: from pictures to the network's input; its sides are those of the crops.

    Attributes:
        easiest: chooses who is left out of an epoch, if anybody is; state of its own.
    """

    def __init__(
        self, images: ImageSet, config: Config, device: torch.device, preprocess: Preprocess
    ) -> None:
        self.images, self.config, self.device = images.images, config, device
        self.size, self.whole = preprocess.size, replace(preprocess, size=preprocess.resize)
        if isinstance(self.images, Tensor):
            self.images = self.images.to(device)
        self.labels = images.labels
        self.repeats = (config.repeat or 1) * (_TEN if config.crop == "ten" else 1)
        self.count = count = self.repeats * len(images)
        # the last, smaller batch is dropped: its batch statistics are the noisiest of the epoch
        self.ranks = here()
        self.batch_size = min(config.batch_size, count)
        self.batch_size -= self.batch_size % self.ranks.world
        self.steps = count // self.batch_size
        self.easiest = Easiest(count, config.skip_easy) if config.skip_easy else None
        self.order = torch.Generator().manual_seed(config.seed)
        self.places = self.ranks.generator(torch.device("cpu")).manual_seed(config.seed)
        self.begun = self.order.get_state()  # as the epoch began
        self.placed = self.places.get_state()  # after the last batch that was handed over
        self.taken = 0  # batches of the epoch that were
        self.epochs = 0  # that ended
        turns = torch.Generator().manual_seed(config.seed)
        self.turns = torch.randint(2, (len(images),), generator=turns)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """What is left of a pass in a new order: pixels, uint8 ``(n, C, H, W)``, and labels."""
        self.order.set_state(self.begun)
        self.places.set_state(self.placed)
        whole = self._order()[: self.steps * self.batch_size]
        mine = self.ranks.stretch(self.batch_size)
        chosen = [batch[mine] for batch in torch.split(whole, self.batch_size)[self.taken :]]
        for pixels, labels, placed in self._prepared(iter(chosen)):
            # before it is handed over: what is saved after this step has it
            self.placed, self.taken = placed, self.taken + 1
            if self.taken == self.steps:
                self.begun, self.taken = self.order.get_state(), 0
                self.epochs += 1
            yield pixels, labels

    def state_dict(self) -> dict[str, Any]:
        """The position."""
        return {
            "begun": self.begun,
            "placed": self.placed,
            "taken": self.taken,
            "epochs": self.epochs,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken: the same pictures in the same places from there."""
        self.begun, self.placed, self.taken = state["begun"], state["placed"], state["taken"]
        self.epochs = state.get("epochs", 0)  # older checkpoints have none, and mirror by chance

    def _prepared(self, chosen: Iterator[Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Batches, each with where the draws of places were after it."""

        def prepare(numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return *self.batch(numbers), self.places.get_state()

        prepared = map(prepare, chosen)
        return prepared if isinstance(self.images, Tensor) else one_ahead(prepared)

    def _order(self) -> Tensor:
        """The numbers of an epoch; ``i`` is sight ``i % repeats`` of picture ``i // repeats``.

        ``i + count`` is the second look at it.
        """
        if self.config.balance == "sampler":
            order = balanced_order(self.labels, self.order)
            return torch.cat([order * self.repeats + k for k in range(self.repeats)])
        if self.easiest is not None:
            return self.easiest.ordered(self.order)
        return torch.randperm(self.repeats * len(self.labels), generator=self.order)

    def batch(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures of ``numbers`` ``(n,)``, on the network's device, and their labels."""
        look, numbers = numbers // self.count, numbers % self.count
        chosen, which = numbers // self.repeats, numbers % self.repeats
        pixels = self._pixels(chosen, which)
        if self.config.flip_turns:
            turn = self.turns[chosen] + which + look + self.epochs * self.repeats
            pixels = augment.mirror(pixels, turn % 2 == 1)
        return pixels, self.labels[chosen].to(self.device)

    def _pixels(self, chosen: Tensor, which: Tensor) -> Tensor:
        """Pictures by number, each at its sight's place, on the network's device."""
        if self.config.crop == "resized" and not isinstance(self.images, Tensor):
            return self.images.crops(chosen, self.size, self.places).to(self.device)
        if isinstance(self.images, Tensor):  # of bytes ten times as fast as an index in brackets
            pixels = self.images.index_select(0, chosen.to(self.device))
        else:
            pixels = self.images[chosen].to(self.device)
        if self.config.crop == "ten":
            which = which.to(self.device) % _TEN
            pixels = augment.one_of_ten(self.whole.fit(pixels), self.size, which)
        elif self.config.crop == "random":
            pixels = augment.crop(self.whole.fit(pixels), self.size, self.places)
        elif self.config.crop == "resized":
            pixels = augment.resized_crop(pixels, self.size, self.places)
        return pixels
