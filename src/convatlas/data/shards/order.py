"""Which pictures come when: whole shards in a new order each epoch, dealt to ranks and readers.

An epoch is the shards in an order drawn from seed and epoch, one behind the other: N pictures in a
row. Rank r of W has the r-th of W equal stretches of it, to within one picture, and inside it each
reader has a stretch, so that shards are read from front to back and only those at a border by two.
Nothing has to divide anything: there may be more ranks than shards. Within a rank the readers take
turns, and a buffer shuffles what they bring.

All of it is arithmetic on positions, before anything is read; that is what makes it resumable.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

from convatlas.data.shards.index import Shard

T = TypeVar("T")


class Piece(NamedTuple):
    """Some of the pictures of a shard: from the ``start``-th to before the ``stop``-th."""

    shard: Shard
    start: int
    stop: int


def draws(*of: int) -> random.Random:
    """Random numbers that are the same for the same seed, epoch and rank, on every machine."""
    return random.Random(" ".join(map(str, of)))


def shuffled(items: Iterable[T], size: int, draw: random.Random) -> Iterator[T]:
    """Each item once, drawn from a buffer of ``size`` that the next one refills.

    With room for all of them every order is equally likely.
    """
    buffer: list[T] = []
    for item in items:
        buffer.append(item)
        if len(buffer) > size:
            yield _drawn(buffer, draw)
    while buffer:
        yield _drawn(buffer, draw)


def _drawn(buffer: list[T], draw: random.Random) -> T:
    # of `random` alone Python promises the same numbers in every version
    at = int(draw.random() * len(buffer))
    buffer[at], buffer[-1] = buffer[-1], buffer[at]
    return buffer.pop()


def epoch_of(shards: Sequence[Shard], seed: int, epoch: int) -> list[Shard]:
    """The shards in the order of an epoch."""
    return list(shuffled(shards, len(shards), draws(seed, epoch)))


def stretch(total: int, rank: int, world: int) -> range:
    """The positions of a rank: ``world`` stretches that together are ``range(total)``.

    None is shorter than ``total // world``, and none longer by more than one.
    """
    return range(total * rank // world, total * (rank + 1) // world)


def dealt(mine: range, readers: int) -> list[range]:
    """A rank's stretch cut for its readers; the first ones have one more where it leaves a rest.

    Taking turns, then, the k-th picture of the rank is the ``k // readers``-th of reader
    ``k % readers``.
    """
    each, rest = divmod(len(mine), readers)
    ends = [reader * each + min(reader, rest) for reader in range(readers + 1)]
    return [mine[a:b] for a, b in pairwise(ends)]


def turns(mine: range, readers: int, start: int) -> list[range]:
    """What each reader has left after ``start`` pictures, the one whose turn it is first."""
    parts = dealt(mine, readers)
    order = [(start + k) % readers for k in range(readers)]
    return [parts[reader][(start - reader + readers - 1) // readers :] for reader in order]


def pieces(shards: Iterable[Shard], wanted: range) -> Iterator[Piece]:
    """The pictures at positions ``wanted`` of shards one behind the other."""
    first = 0
    for shard in shards:
        start = max(wanted.start - first, 0)
        stop = min(wanted.stop - first, shard.count)
        if start < stop:
            yield Piece(shard, start, stop)
        first += shard.count
