"""The pictures of a listing as `ImageSet`: decoded once into a cache, or each time anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from convatlas.data.imageset import Dataset, ImageSet
from convatlas.data.listing import PARTS, Listing
from convatlas.data.pictures import Pictures
from convatlas.data.store.equal import decoded
from convatlas.data.store.from_files import from_files
from convatlas.data.store.full import decoded_full
from convatlas.data.store.outcome import Outcome
from convatlas.errors import DataError

__all__ = ["dataset"]

_NAMED = 3  # files that a line names


def dataset(
    listing: Listing,
    side: int,
    *,
    cache: bool = True,
    full_size: bool = False,
    strict: bool = False,
    channels: int | None = None,
) -> Dataset:
    """The parts of a listing, with what cannot be read left out.

    Args:
        listing: the files.
        side: what the pictures are resized to (their short side, then the centre is kept).
        cache: keep what was decoded in the user's cache, and use what is there.
        full_size: keep the pictures at their own size, for random resized crops of the originals.
        strict: refuse files that cannot be read.
        channels: 1 or 3, for a model that takes no other: where the files' own are others, they are
            decoded each time, as prediction decodes them.

    Raises:
        DataError: a class has no picture that can be read; or ``strict``, and one cannot.
        StorageError: the cache cannot be written.
    """
    listing = listing.subset(listing.parts.argsort(stable=True))
    if not cache:
        outcome = from_files(listing, side)
    elif full_size:
        outcome = decoded_full(listing, side)
    else:
        outcome = decoded(listing, side)
    if channels in (1, 3) and outcome.images.shape[1] != channels:
        outcome = from_files(listing, side, channels)
    notes = [*listing.notes, *_said(listing, outcome)]
    if strict and outcome.left_out:
        raise DataError(f"{notes[-1]}; mend or remove them, or go on without --strict")
    listing = replace(listing.subset(outcome.kept), notes=tuple(notes))
    _refuse_empty(listing)
    sets = dict(_sets(listing, outcome.images))
    return Dataset(
        listing.name, sets["train"], sets["test"], sets.get("val"), listing.notes, listing
    )


def _sets(listing: Listing, images: Tensor | Pictures) -> Iterator[tuple[str, ImageSet]]:
    """The parts, which lie one behind the other, so that each is a view."""
    for name in PARTS:
        part = listing.part(name)
        if len(part):
            span = slice(int(part[0]), int(part[-1]) + 1)
            own = images[span] if isinstance(images, Tensor) else images.subset(part)
            yield (
                name,
                ImageSet(f"{listing.name} {name}", own, listing.labels[span], listing.classes),
            )


def _said(listing: Listing, outcome: Outcome) -> Iterator[str]:
    if outcome.place is not None:
        size = sum(file.stat().st_size for file in outcome.place.iterdir())
        yield f"decoded once into {outcome.place} ({size / 1e6:,.1f} MB)"
    if outcome.left_out:
        names = [listing.files[number] for number in islice(outcome.left_out, _NAMED)]
        more = ", …" if len(outcome.left_out) > _NAMED else ""
        yield (
            f"{len(outcome.left_out)} of {len(listing)} pictures cannot be read and are left out: "
            f"{', '.join(names)}{more} (convatlas doctor {listing.root} says why)"
        )


def _refuse_empty(listing: Listing) -> None:
    """Each class must have a picture to learn from, and something must be tested on."""
    counts = torch.bincount(listing.labels[listing.part("train")], minlength=len(listing.classes))
    for name, count in zip(listing.classes, counts.tolist(), strict=True):
        if count == 0:
            raise DataError(
                f"{listing.name}: no picture of the class {name!r} can be read to learn from; "
                f"convatlas doctor {listing.root} says why"
            )
    if not len(listing.part("test")):
        raise DataError(f"{listing.name}: there is no picture to test on")
