"""Pictures that look alike, found without comparing each with each.

Of two hashes that differ in at most 6 of their 64 bits, at least two of the 8 bytes are the same,
so only pictures that share a pair of bytes are compared (multi-index hashing, after Norouzi,
Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012). For each of
the 28 pairs of bytes, those that share it lie side by side once they are sorted by it; each is
compared with the next `_REACH`, which bounds the work where very many share one.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

#: bits that may differ: what recompression and noise change in nearly all pictures
RADIUS = 6
#: how alike thumbnails must be; different photographs of 32 × 32 rarely reach it
CORRELATION = 0.97
_REACH = 100
_POPULATION = np.array([byte.bit_count() for byte in range(256)], np.uint8)


def alike(hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8]) -> list[list[int]]:
    """Groups of pictures that look alike, each to at least one other of its group.

    Args:
        hashes: ``(N,)``, the perceptual hashes.
        thumbnails: ``(N, D)``.

    Returns:
        The groups of two and more, as ascending numbers, in the order of the first of each.
    """
    group = np.arange(len(hashes))
    octets = hashes[:, None].view(np.uint8)
    for pair in combinations(range(8), 2):
        shared = np.ascontiguousarray(octets[:, pair]).view(np.uint16)[:, 0]
        order = np.lexsort((hashes, shared))
        _join_neighbours(order, shared[order], octets, thumbnails, group)
    members: dict[int, list[int]] = {}
    for number in np.flatnonzero(np.bincount(group, minlength=len(group))[group] > 1).tolist():
        members.setdefault(int(group[number]), []).append(number)
    return list(members.values())


def _join_neighbours(
    order: Numbers,
    shared: NDArray[np.uint16],
    octets: NDArray[np.uint8],
    thumbnails: NDArray[np.uint8],
    group: Numbers,
) -> None:
    """Join what looks alike within each run of ``shared``, which is in order."""
    here = np.arange(len(order))
    for step in range(1, _REACH + 1):
        here = here[: np.searchsorted(here, len(order) - step)]
        here = here[shared[here] == shared[here + step]]
        if not len(here):
            break
        a, b = order[here], order[here + step]
        apart = group[a] != group[b]
        a, b = a[apart], b[apart]
        close = _POPULATION[octets[a] ^ octets[b]].sum(1) <= RADIUS
        a, b = a[close], b[close]
        same = _correlation(thumbnails[a], thumbnails[b]) >= CORRELATION
        _join(group, a[same], b[same])


def _correlation(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pearson's of each pair of rows, ``(n,)``: brightness and contrast do not count."""
    x, y = (values.astype(np.float32) for values in (a, b))
    x -= x.mean(1, keepdims=True)
    y -= y.mean(1, keepdims=True)
    norms = np.sqrt((x * x).sum(1) * (y * y).sum(1))
    products: NDArray[np.float32] = (x * y).sum(1) / np.maximum(norms, 1e-6)
    return products


def _join(group: Numbers, a: Numbers, b: Numbers) -> None:
    """Give ``a`` and ``b``, and whoever is with them, the lowest number of them all."""
    while (group[a] != group[b]).any():
        lowest = np.minimum(group[a], group[b])
        np.minimum.at(group, group[a], lowest)
        np.minimum.at(group, group[b], lowest)
        while (group != group[group]).any():
            group[:] = group[group]
