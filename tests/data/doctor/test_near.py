"""The search against the comparison of each with each."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from convatlas.data.doctor import near


def groups_by_definition(hashes: np.ndarray, thumbnails: np.ndarray) -> list[list[int]]:
    """Connected components of the graph of all pairs."""
    count = len(hashes)
    pairs = [
        (a, b)
        for a, b in combinations(range(count), 2)
        if (int(hashes[a]) ^ int(hashes[b])).bit_count() <= near.RADIUS
        and np.corrcoef(thumbnails[a], thumbnails[b])[0, 1] >= near.CORRELATION
    ]
    rows, columns = np.array(pairs).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(pairs)), (rows, columns)), (count, count))
    _, labels = connected_components(graph, directed=False)
    groups = [np.flatnonzero(labels == label).tolist() for label in range(labels.max() + 1)]
    return sorted(group for group in groups if len(group) > 1)


@pytest.mark.parametrize("seed", range(5))
def test_the_groups_are_those_of_all_pairs(seed: int) -> None:
    """Families around a few hashes, some bits apart, with thumbnails that agree or do not."""
    draw = np.random.default_rng(seed)
    ancestors = draw.integers(0, 2**64, 12, dtype=np.uint64)
    looks = draw.integers(0, 256, (12, 192))
    hashes, thumbnails = [], []
    for _ in range(150):
        family = draw.integers(12)
        flipped = draw.choice(64, draw.integers(0, 9), replace=False)
        hashes.append(int(ancestors[family]) ^ sum(1 << int(bit) for bit in flipped))
        noise = draw.normal(0, draw.choice([2, 12, 40]), 192)
        thumbnails.append((looks[family] * 0.8 + noise + 20).clip(0, 255).astype(np.uint8))
    arrays = np.array(hashes, np.uint64), np.array(thumbnails)
    expected = groups_by_definition(*arrays)
    assert any(len(group) > 2 for group in expected)
    assert near.alike(*arrays) == expected


def test_no_pictures_are_no_groups() -> None:
    assert near.alike(np.empty(0, np.uint64), np.empty((0, 192), np.uint8)) == []


def test_a_hundred_thousand_are_far_fewer_comparisons_than_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The work is counted, not timed; planted pairs are all found."""
    count, planted = 100_000, 500
    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 2**64, count, dtype=np.uint64)
    thumbnails = draw.integers(0, 256, (count, 12), dtype=np.uint8)
    hashes[-planted:] = hashes[:planted] ^ np.uint64(0b100001_00010000_00000011_00000000_00001000)
    thumbnails[-planted:] = thumbnails[:planted]
    compared = 0

    class Counting(np.ndarray):
        def __getitem__(self, key):
            nonlocal compared
            compared += len(key)
            return super().__getitem__(key)

    monkeypatch.setattr(near, "_POPULATION", near._POPULATION.view(Counting))
    found = near.alike(hashes, thumbnails)
    assert found == [[i, count - planted + i] for i in range(planted)]
    assert compared < count**2 / 2 / 1000
