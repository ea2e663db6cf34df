"""Training pictures that are too many to unpack: read from shards, decoded on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain, islice
from typing import Any

import torch
from torch import Tensor

from convatlas.data.shards import order
from convatlas.data.shards.decoding import PORTION, Decoded, cropped, fitted
from convatlas.data.shards.index import Index, Shard
from convatlas.data.shards.reading import rank_of
from convatlas.data.shards.samples import Sample, samples
from convatlas.errors import ConfigError


@dataclass(eq=False)
class Stream:
    """The pictures of a part of sharded data, in a new order each epoch (`order`).

    Beside the `ImageSet` that it stands in for, it has no pictures by number, but batches, and a
    position, which is small state (`state_dict`): so many pictures into such an epoch. It moves as
    batches are handed over. ``dataclasses.replace(stream, rank=3, world=8)`` is the same stream
    from another rank's eyes; their positions are the same number, since they step together.

    Attributes:
        index: the shards.
        part: which of them.
        side: what pictures are resized to (their short side, then the centre is kept).
        seed: of the order, and of random crops.
        rank, world: this process and how many there are. Over all of them an epoch has every
            picture once.
        readers: shards that a rank reads at once.
        buffer: undecoded pictures that a rank shuffles at a time, and what memory depends on.
        epoch: the number of the epoch that the next batch is of, from 0.
        taken: pictures of it that this rank has had.

    Raises:
        ConfigError: one of these cannot be.
    """

    index: Index
    part: str = "train"
    side: int = 224
    seed: int = 0
    rank: int = 0
    world: int = 1
    readers: int = 4
    buffer: int = 2048
    epoch: int = field(default=0, kw_only=True)
    taken: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("side", "world", "readers", "buffer"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, but it must be at least 1")
        if not 0 <= self.rank < self.world:
            raise ConfigError(f"rank is {self.rank}, but it must be from 0 to {self.world - 1}")
        if len(self) < self.world:
            raise ConfigError(
                f"{self.name}: {len(self)} pictures are too few for {self.world} ranks"
            )

    @property
    def name(self) -> str:
        """What to call it in a table."""
        return f"{self.index.name} {self.part}"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names, in the order of the logits."""
        return self.index.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(C, H, W)`` of each picture."""
        return self.index.channels, self.side, self.side

    @cached_property
    def shards(self) -> tuple[Shard, ...]:
        """What is read."""
        return self.index.part(self.part)

    def __len__(self) -> int:
        """Pictures in an epoch, over all ranks."""
        return sum(shard.count for shard in self.shards)

    @cached_property
    def labels(self) -> Tensor:
        """int64 ``(N,)``, to count classes by: in the order of the classes, not of the pictures."""
        counts = torch.tensor(self.index.per_class[self.part])
        return torch.arange(len(counts)).repeat_interleave(counts)

    def fingerprint(self) -> str:
        """SHA-256 in hex of what the index says of the part: the same shards, the same line."""
        return self._sha256

    def steps(self, batch_size: int) -> int:
        """Whole batches in an epoch, the same number for every rank."""
        return len(self) // self.world // batch_size

    def left(self, batch_size: int) -> int:
        """Those of them that are still to come."""
        return (len(self) // self.world - self.taken) // batch_size

    def batches(self, batch_size: int, crops: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """What is `left` of the epoch: uint8 ``(batch_size, C, H, W)``, and int64 labels.

        Threads decode two batches ahead, and end with the iterator. Every rank gets the same
        number of batches, as training by several needs it: fewer than ``batch_size`` pictures of
        a rank (and one more, of some ranks) fill none and are left out, others in each epoch. With
        the last batch the position moves to the next epoch, whose batches another call gives.

        Args:
            batch_size: pictures a batch, of this rank.
            crops: the side of random resized crops of the originals, in place of ``side``.

        Raises:
            DataError: a shard is damaged; the line names it and the member.
            ConfigError: a batch is larger than a rank's epoch.
        """
        if not 1 <= batch_size <= len(self) // self.world:
            raise ConfigError(
                f"batches of {batch_size} pictures were asked for, but a rank has "
                f"{len(self) // self.world} in an epoch"
            )
        if not self.left(batch_size):  # of an epoch that was begun in smaller batches
            self.epoch, self.taken = self.epoch + 1, 0
        decoded = self._decoded(crops, 2 * batch_size)
        for left in reversed(range(self.left(batch_size))):
            pixels, labels = zip(*islice(decoded, batch_size), strict=True)
            # before it is handed over: what is saved after this step has it
            self.taken += batch_size
            if left == 0:
                self.epoch, self.taken = self.epoch + 1, 0
            yield torch.stack(pixels), torch.tensor(labels)

    def undecoded(self) -> Iterator[Sample]:
        """The rank's pictures from its position to the epoch's end, as the shards hold them.

        The position stays where it is.
        """
        return self._samples(self.taken)

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        """At most ``count`` pictures ``(n, C, H, W)`` and their labels, whatever the rank.

        As many of each shard as its share is, and of a shard the first ones, which is all that
        can be had without reading everything; `convatlas shard` writes mixtures.

        Raises:
            DataError: a shard is damaged.
        """
        ends = accumulate((shard.count for shard in self.shards), initial=0)
        upto = [min(count, len(self)) * end // len(self) for end in ends]
        each = zip(self.shards, upto, upto[1:], strict=False)
        some = (samples(shard.path, 0, after - before) for shard, before, after in each)
        pixels, labels = zip(*fitted(chain.from_iterable(some), self.index, self.side), strict=True)
        return torch.stack(pixels), torch.tensor(labels)

    def state_dict(self) -> dict[str, Any]:
        """The position, and what the order follows from: the same on every rank, plain JSON."""
        return {"epoch": self.epoch, "taken": self.taken, "order": self._order()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken: the same pictures in the same order from there.

        Raises:
            ConfigError: it is of other shards, or of another order; between two epochs another
                number of ranks is none.
        """
        between = state["taken"] == 0
        for name, value in self._order().items():
            found = state["order"][name]
            if found != value and not (between and name == "world"):
                raise ConfigError(
                    f"{self.name}: the position was saved with {name} {found}, and here it is "
                    f"{value}: go on with the same, or begin an epoch anew"
                )
        self.epoch, self.taken = int(state["epoch"]), int(state["taken"])

    @cached_property
    def _sha256(self) -> str:  # the position has it, and that is asked for at each step
        return self.index.fingerprint(self.part)

    def _order(self) -> dict[str, Any]:
        names = ("seed", "world", "readers", "buffer")
        return {name: getattr(self, name) for name in names} | {"sha256": self.fingerprint()}

    def _samples(self, taken: int) -> Iterator[Sample]:
        shards = order.epoch_of(self.shards, self.seed, self.epoch)
        mine = order.stretch(len(self), self.rank, self.world)
        return rank_of(
            shards,
            mine,
            readers=self.readers,
            buffer=self.buffer,
            draws=self._draws,
            taken=taken,
        )

    def _decoded(self, crops: int | None, depth: int) -> Iterator[Decoded]:
        """From the position on; the portions of an epoch are the same wherever one begins."""
        number, inside = divmod(self.taken, PORTION)
        pictures = self._samples(number * PORTION)
        if crops is None:
            decoded = fitted(pictures, self.index, self.side, depth)
        else:
            decoded = cropped(pictures, self.index, crops, depth, self._draws, number)
        return islice(decoded, inside, None)

    @property
    def _draws(self) -> tuple[int, int, int]:
        return self.seed, self.epoch, self.rank
