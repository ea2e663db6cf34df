"""The undecoded pictures of a rank in an epoch, from any place in it, in memory that stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat, takewhile, zip_longest

from convatlas.data.shards import order
from convatlas.data.shards.index import Shard
from convatlas.data.shards.samples import Sample, samples
from convatlas.data.store.reading import ahead
from convatlas.errors import DataError

_CHUNK = 16  # pictures that a reader's thread fetches at a time
_DEPTH = 2  # such portions that it is ahead


def stretch_of(shards: Sequence[Shard], wanted: range) -> Iterator[Sample]:
    """The pictures at positions ``wanted`` of shards one behind the other, front to back.

    Raises:
        DataError: a shard cannot be read, or holds another number of pictures than is known of it.
    """
    for shard, start, stop in order.pieces(shards, wanted):
        whole = stop == shard.count  # then the end is looked for, too
        found = start
        for sample in samples(shard.path, start, None if whole else stop):
            found += 1
            if found <= stop:
                yield sample
        if found != stop:
            raise DataError(
                f"{shard.path} holds {found} pictures, but {shard.count} were counted in it: it "
                "was changed; copy it again"
            )


def rank_of(
    shards: Sequence[Shard],
    mine: range,
    readers: int,
    buffer: int,
    draws: Sequence[int],
    taken: int,
) -> Iterator[Sample]:
    """The pictures of a rank in the order of an epoch, without its first ``taken``.

    That many are passed over by arithmetic alone; what has to be read again is what lay in the
    buffer, from the oldest of it on.

    Args:
        shards: in the order of the epoch.
        mine: the rank's positions in them.
        readers: how many shards are read at once, by a thread each.
        buffer: pictures that are shuffled at a time.
        draws: what the order is drawn from: seed, epoch, rank.
        taken: pictures that came already.

    Raises:
        DataError: as `stretch_of`.
    """
    wanted = order.shuffled(range(len(mine)), buffer, order.draws(*draws))
    gone = bytearray(len(mine))
    for position in islice(wanted, taken):
        gone[position] = 1
    place = gone.find(0)
    if place < 0:
        return
    arriving = _taking_turns(shards, mine, readers, place)
    waiting: dict[int, Sample] = {}
    for position in wanted:
        while place <= position:
            sample = next(arriving)
            if not gone[place]:
                waiting[place] = sample
            place += 1
        yield waiting.pop(position)


def _taking_turns(
    shards: Sequence[Shard], mine: range, readers: int, start: int
) -> Iterator[Sample]:
    each = [_fetched(stretch_of(shards, left)) for left in order.turns(mine, readers, start)]
    rounds = chain.from_iterable(zip_longest(*each))
    return (sample for sample in rounds if sample is not None)


def _fetched(pictures: Iterator[Sample]) -> Iterator[Sample]:
    """The same, read by a thread of its own a little before they are asked for."""
    portions = ahead(lambda more: list(islice(more, _CHUNK)), repeat(pictures), 1, _DEPTH)
    return chain.from_iterable(takewhile(bool, portions))
