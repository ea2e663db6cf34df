"""Pictures of one size, decoded once into a memory-mapped array."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convatlas.data.decode import decode, look
from convatlas.data.listing import Listing
from convatlas.data.preprocess import Preprocess
from convatlas.data.store import place
from convatlas.data.store.outcome import Outcome
from convatlas.data.store.reading import evenly, in_order
from convatlas.errors import DataError

_PIXELS = "pixels.u8"
_ASKED = 32  # files that are looked at to guess whether all are grey


def decoded(listing: Listing, side: int) -> Outcome:
    """All pictures of a listing at ``side × side``, from the cache or by decoding them into it.

    They have one channel if every file is grey, and three otherwise. Files that cannot be read
    are left out.

    Raises:
        StorageError: the cache cannot be written.
    """

    def fill(folder: Path) -> dict[str, Any]:
        return in_grey_or_colour(listing, lambda c: _decode(listing, folder / _PIXELS, side, c))

    home, known = place.filled(place.place_of(listing, str(side)), place.fingerprint(listing), fill)
    count = len(listing) - len(known["left_out"])
    images = mapped(home / _PIXELS, (count, known["channels"], side, side))
    return Outcome.of(images, len(listing), known, home)


def in_grey_or_colour(
    listing: Listing, fill: Callable[[int], dict[str, Any] | None]
) -> dict[str, Any]:
    """What ``fill`` makes with one channel if every file is grey, and with three otherwise.

    Args:
        listing: the files.
        fill: given the channels; None as soon as a picture has more.
    """
    # those that are broken are found when they are decoded
    grey = all(look(listing.path(index)) for index in evenly(listing, _ASKED))
    return (fill(1) if grey else None) or fill(3) or {}


def mapped(path: Path, shape: tuple[int, ...]) -> Tensor:
    """A file of bytes as a uint8 tensor that the system reads when it is looked at."""
    if 0 in shape:
        return torch.empty(shape, dtype=torch.uint8)
    # copy-on-write: torch wants an array that may be written to, and the file stays as it is
    return torch.from_numpy(np.memmap(path, np.uint8, "c", shape=shape))


def _decode(listing: Listing, path: Path, side: int, channels: int) -> dict[str, Any] | None:
    """All pictures, written one behind the other; None as soon as one does not fit ``channels``."""
    spec = Preprocess(side, side, channels, (0.0,) * channels, (1.0,) * channels)

    def one(index: int) -> Tensor | DataError | None:
        try:
            pixels = decode(listing.path(index), None, least=side)
        except DataError as error:
            return error
        if len(pixels) > channels:
            return None
        return spec.fit(pixels.expand(channels, -1, -1))

    left_out: dict[int, str] = {}
    with path.open("wb") as file:
        for index, pixels in enumerate(in_order(one, listing)):
            if pixels is None:
                return None
            if isinstance(pixels, DataError):
                left_out[index] = str(pixels)
            else:
                file.write(pixels.contiguous().numpy().data)
    return {"channels": channels, "left_out": left_out}
