"""Pictures at their own size, decoded once and memory-mapped, for crops of the originals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convatlas.data import augment
from convatlas.data.decode import decode
from convatlas.data.listing import Listing
from convatlas.data.preprocess import Preprocess
from convatlas.data.store import place
from convatlas.data.store.equal import in_grey_or_colour, mapped
from convatlas.data.store.outcome import Outcome
from convatlas.data.store.reading import batch_of, in_order
from convatlas.errors import DataError

_PIXELS, _SIZES = "pixels.u8", "sizes.npy"


@dataclass(frozen=True, eq=False)
class FullSize:
    """Pictures of any sizes, one behind the other in one file (`Pictures`).

    Attributes:
        pixels: uint8, all bytes of the file; each picture is ``(h, w, C)``, in which order
            torch's resizing of bytes is fastest.
        starts: int64 ``(N,)``, where each picture begins.
        sizes: int64 ``(N, 2)``, heights and widths.
        channels: 1 or 3.
        side: what indexing resizes to.
        source: fingerprint of the files.
    """

    pixels: Tensor
    starts: Tensor
    sizes: Tensor
    channels: int
    side: int
    source: str

    @property
    def shape(self) -> torch.Size:
        """``(N, C, side, side)``."""
        return torch.Size((len(self), self.channels, self.side, self.side))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        """uint8 ``(n, C, side, side)``: the short side resized, then the centre."""
        zeros, ones = (0.0,) * self.channels, (1.0,) * self.channels
        spec = Preprocess(self.side, self.side, self.channels, zeros, ones)
        numbers = torch.arange(len(self))[chosen].tolist()
        return batch_of(lambda index: spec.fit(self.original(index)), numbers, self.shape[1:])

    def crops(self, chosen: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """uint8 ``(n, C, size, size)``: a random resized crop of each original."""
        chosen = chosen.cpu()
        boxes = augment.draw_boxes(self.sizes[chosen], generator)
        return batch_of(
            lambda job: augment.crop_box(self.original(job[0]), job[1], size),
            list(zip(chosen.tolist(), boxes.tolist(), strict=True)),
            torch.Size((self.channels, size, size)),
        )

    def original(self, index: int) -> Tensor:
        """One picture as it was decoded, uint8 ``(C, h, w)``, a view of the file."""
        height, width = self.sizes[index].tolist()
        start = int(self.starts[index])
        picture = self.pixels[start : start + self.channels * height * width]
        return picture.view(height, width, self.channels).permute(2, 0, 1)

    def subset(self, indices: Tensor) -> FullSize:
        """Those pictures alone, of the same file."""
        return replace(self, starts=self.starts[indices], sizes=self.sizes[indices])

    def fingerprint(self) -> str:
        """SHA-256 in hex of the files' names, sizes and times."""
        return self.source


def decoded_full(listing: Listing, side: int) -> Outcome:
    """All pictures of a listing at their own size, from the cache or by decoding them into it.

    They have one channel if every file is grey, and three otherwise. Files that cannot be read
    are left out.

    Raises:
        StorageError: the cache cannot be written.
    """

    def fill(folder: Path) -> dict[str, Any]:
        return in_grey_or_colour(listing, lambda c: _decode(listing, folder, c))

    source = place.fingerprint(listing)
    home, known = place.filled(place.place_of(listing, "full"), source, fill)
    sizes = torch.from_numpy(np.load(home / _SIZES, allow_pickle=False))
    lengths = known["channels"] * sizes.prod(1)
    pixels = mapped(home / _PIXELS, (int(lengths.sum()),))
    starts = lengths.cumsum(0) - lengths
    pictures = FullSize(pixels, starts, sizes, known["channels"], side, source)
    return Outcome.of(pictures, len(listing), known, home)


def _decode(listing: Listing, folder: Path, channels: int) -> dict[str, Any] | None:
    """All pictures, one behind the other; None as soon as one does not fit ``channels``."""

    def one(index: int) -> Tensor | DataError | None:
        try:
            pixels = decode(listing.path(index), None)
        except DataError as error:
            return error
        return pixels.expand(channels, -1, -1) if len(pixels) <= channels else None

    left_out: dict[int, str] = {}
    sizes: list[tuple[int, int]] = []
    with (folder / _PIXELS).open("wb") as file:
        for index, pixels in enumerate(in_order(one, listing)):
            if pixels is None:
                return None
            if isinstance(pixels, DataError):
                left_out[index] = str(pixels)
            else:
                sizes.append((pixels.shape[1], pixels.shape[2]))
                file.write(pixels.permute(1, 2, 0).contiguous().numpy().data)
    np.save(folder / _SIZES, np.array(sizes, np.int64).reshape(-1, 2), allow_pickle=False)
    return {"channels": channels, "left_out": left_out}
