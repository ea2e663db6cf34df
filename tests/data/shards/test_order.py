from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from convatlas.data.shards import order
from convatlas.data.shards.index import Shard


def shards_of(counts: list[int]) -> list[Shard]:
    return [Shard(Path(f"{i}"), "train", count, 0, "") for i, count in enumerate(counts)]


@given(st.integers(0, 200), st.integers(1, 20), st.integers(1, 9))
def test_ranks_and_readers_share_without_rest_or_overlap(n: int, world: int, readers: int) -> None:
    stretches = [order.stretch(n, rank, world) for rank in range(world)]
    assert [i for one in stretches for i in one] == list(range(n))
    lengths = {len(one) for one in stretches}
    assert lengths <= {n // world, n // world + 1}
    for mine in stretches:
        dealt = order.dealt(mine, readers)
        assert [i for one in dealt for i in one] == list(mine)
        assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@given(st.integers(0, 60), st.integers(1, 8), st.data())
def test_turns_go_on_where_they_stopped(n: int, readers: int, data: st.DataObject) -> None:
    def taken_in_turns(left: list[range]) -> list[int]:
        longest = max(map(len, left))
        return [one[k] for k in range(longest) for one in left if k < len(one)]

    mine = range(100, 100 + n)
    whole = taken_in_turns(order.turns(mine, readers, 0))
    assert sorted(whole) == list(mine)
    start = data.draw(st.integers(0, n))
    assert taken_in_turns(order.turns(mine, readers, start)) == whole[start:]


@given(st.lists(st.integers(0, 7), max_size=8), st.data())
def test_pieces_are_the_pictures_at_those_positions(counts: list[int], data: st.DataObject) -> None:
    every = [(str(i), k) for i, count in enumerate(counts) for k in range(count)]
    start = data.draw(st.integers(0, len(every)))
    stop = data.draw(st.integers(start, len(every)))
    pieces = order.pieces(shards_of(counts), range(start, stop))
    found = [(str(p.shard.path), k) for p in pieces for k in range(p.start, p.stop)]
    assert found == every[start:stop]


@given(st.integers(0, 300), st.integers(1, 400), st.integers())
def test_a_buffer_shuffles_each_item_once_and_never_early(n: int, size: int, seed: int) -> None:
    found = list(order.shuffled(range(n), size, order.draws(seed)))
    assert sorted(found) == list(range(n))
    # the k-th to come was among the first k + size to arrive
    assert all(item <= k + size for k, item in enumerate(found))


def test_every_order_is_as_likely() -> None:
    """720 orders a hundred times each: chi-square stays below 1.2 per degree of freedom.

    Of 719 degrees its standard deviation is √(2/719) = 0.053 about 1: below four of them.
    """
    counts = Counter(
        tuple(order.shuffled(range(6), 6, order.draws(seed))) for seed in range(72_000)
    )
    assert len(counts) == 720
    chi = sum((count - 100) ** 2 / 100 for count in counts.values()) / 719
    assert 0.8 < chi < 1.2


def test_epochs_differ_and_come_again() -> None:
    shards = shards_of([1] * 20)
    seen = [order.epoch_of(shards, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(one, key=lambda s: int(str(s.path))) == shards for one in seen)
    assert len({tuple(one) for one in seen}) == 4
    assert order.epoch_of(shards, 1, 0) == seen[2]


def test_the_numbers_are_the_same_on_every_machine() -> None:
    """Written down once: a checkpoint must go on elsewhere in the same order."""
    assert list(order.shuffled(range(10), 4, order.draws(7, 1, 0))) == [
        0,
        4,
        2,
        7,
        6,
        5,
        1,
        9,
        3,
        8,
    ]
