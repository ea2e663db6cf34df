"""Classes with too little to learn from, counting only what can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from convatlas.data.balance import imbalance
from convatlas.data.doctor.facts import Facts
from convatlas.data.doctor.findings import Case
from convatlas.data.listing import Listing

#: pictures of the largest class for each of the smallest
MOST_UNEQUAL = 10.0
#: pictures of a class to learn from, below which there is a finding
FEWEST = 10


def check_classes(listing: Listing, facts: Sequence[Facts]) -> Iterator[tuple[str, Case]]:
    """Whether each class can be learned, and something tested on."""
    usable = torch.tensor([known.fault is None for known in facts], dtype=torch.bool)
    readable = listing.subset(usable)
    learned = readable.labels[readable.part("train")]
    counts = torch.bincount(learned, minlength=len(listing.classes)).tolist()
    for name, count in zip(listing.classes, counts, strict=True):
        if count == 0:
            yield "unusable", Case((), f"{name} has no picture to learn from")
        elif count < FEWEST:
            yield "few", Case((), f"{name} has {count} to learn from")
    if not len(readable.part("test")):
        yield "unusable", Case((), "there is no picture to test on")
    if len(learned):
        unequal = imbalance(learned, listing.classes)
        if unequal.fewest and unequal.ratio > MOST_UNEQUAL:
            yield "imbalance", Case((), str(unequal))
