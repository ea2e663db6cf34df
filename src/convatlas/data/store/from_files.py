"""Pictures decoded each time they are asked for: no cache, and no room for one needed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convatlas.data import augment
from convatlas.data.decode import decode, look
from convatlas.data.listing import Listing
from convatlas.data.preprocess import Preprocess
from convatlas.data.store import place
from convatlas.data.store.outcome import Outcome
from convatlas.data.store.reading import batch_of, each, in_order
from convatlas.errors import DataError


@dataclass(frozen=True, eq=False)
class FromFiles:
    """The pictures of a listing, from their files (`Pictures`).

    Attributes:
        listing: the files.
        side: what indexing resizes to.
        channels: 1 or 3.
    """

    listing: Listing
    side: int
    channels: int

    @property
    def shape(self) -> torch.Size:
        """``(N, channels, side, side)``."""
        return torch.Size((len(self), self.channels, self.side, self.side))

    def __len__(self) -> int:
        return len(self.listing)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        """uint8 ``(n, channels, side, side)``: the short side resized, then the centre.

        Raises:
            DataError: a file cannot be read.
        """
        zeros, ones = (0.0,) * self.channels, (1.0,) * self.channels
        spec = Preprocess(self.side, self.side, self.channels, zeros, ones)
        numbers = torch.arange(len(self))[chosen].tolist()
        return batch_of(
            lambda index: spec.fit(self._decode(index, self.side)), numbers, self.shape[1:]
        )

    def crops(self, chosen: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """uint8 ``(n, channels, size, size)``: a random resized crop of each original.

        Raises:
            DataError: a file cannot be read.
        """
        originals = each(lambda index: self._decode(index, None), chosen.tolist())
        sizes = torch.tensor([picture.shape[1:] for picture in originals])
        boxes = augment.draw_boxes(sizes, generator)
        return batch_of(
            lambda job: augment.crop_box(job[0], job[1], size),
            list(zip(originals, boxes.tolist(), strict=True)),
            torch.Size((self.channels, size, size)),
        )

    def _decode(self, index: int, least: int | None) -> Tensor:
        try:
            return decode(self.listing.path(index), self.channels, least)
        except DataError as error:
            raise DataError(
                f"{error}; with a cache (without --no-cache) such files are found first and left "
                "out"
            ) from error

    def subset(self, indices: Tensor) -> FromFiles:
        """Those pictures alone."""
        return FromFiles(self.listing.subset(indices), self.side, self.channels)

    def fingerprint(self) -> str:
        """SHA-256 in hex of the files' names, sizes and times."""
        return place.fingerprint(self.listing)


def from_files(listing: Listing, side: int, channels: int | None = None) -> Outcome:
    """The pictures of a listing; files whose beginning is no picture are left out.

    Args:
        listing: the files.
        side: what indexing resizes to.
        channels: 1 or 3; by default one if every file is grey, and three otherwise.
    """
    found = list(in_order(lambda index: look(listing.path(index)), listing))
    left_out = {i: one for i, one in enumerate(found) if isinstance(one, str)}
    kept = torch.tensor([i for i in range(len(listing)) if i not in left_out], dtype=torch.int64)
    if channels is None:
        channels = 1 if all(one for one in found if not isinstance(one, str)) else 3
    images = FromFiles(listing.subset(kept), side, channels)
    return Outcome(images, kept, left_out, None)
