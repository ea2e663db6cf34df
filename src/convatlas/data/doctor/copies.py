"""Which pictures are there several times: the same pixels, or nearly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convatlas.data.doctor import near
from convatlas.data.doctor.facts import Facts, Pixels
from convatlas.data.listing import Listing


@dataclass(frozen=True)
class Copies:
    """Groups of two and more numbers of pictures, the one worth keeping first.

    A picture that is tested on goes before one that is learned from, for a leak is mended by
    taking it from what is learned. Constant pictures are in none, since they show nothing that
    could be the same.

    Attributes:
        identical: the same size and pixels, once they are upright.
        alike: look alike; of identical ones, the first alone is in these.
    """

    identical: tuple[tuple[int, ...], ...]
    alike: tuple[tuple[int, ...], ...]


def find_copies(listing: Listing, facts: Sequence[Facts]) -> Copies:
    """All pairs that can be told by digest, and nearly all that can be by their looks."""
    groups: dict[bytes, list[int]] = {}
    seen: dict[int, Pixels] = {}
    for number, known in enumerate(facts):
        if known.pixels is not None and not known.pixels.constant:
            groups.setdefault(known.pixels.digest, []).append(number)
            seen[number] = known.pixels
    ranked = [_ranked(listing, group) for group in groups.values()]
    first = [group[0] for group in ranked]
    if not first:  # none was decoded, or all are constant
        return Copies((), ())
    looks = [seen[number] for number in first]
    near_ones = near.alike(
        np.array([one.hash for one in looks], np.uint64),
        np.array([one.thumbnail for one in looks], np.uint8).reshape(len(looks), -1),
    )
    return Copies(
        tuple(group for group in ranked if len(group) > 1),
        tuple(_ranked(listing, [first[i] for i in group]) for group in near_ones),
    )


def _ranked(listing: Listing, group: Sequence[int]) -> tuple[int, ...]:
    """The last part first: test, val, train; then as they are listed."""
    return tuple(sorted(group, key=lambda number: (-int(listing.parts[number]), number)))
