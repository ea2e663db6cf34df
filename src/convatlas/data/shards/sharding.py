"""What is written into shards: the files of a listing as they are, or arrays as PNG."""

from __future__ import annotations

from io import BytesIO
from itertools import islice
from pathlib import Path

import torch

from convatlas.data.decode import decode
from convatlas.data.imageset import Dataset, ImageSet
from convatlas.data.layouts.scan import SUFFIXES
from convatlas.data.listing import PARTS, Listing
from convatlas.data.shards.index import Index
from convatlas.data.shards.samples import BARE
from convatlas.data.shards.writing import Part, write
from convatlas.data.store.reading import in_order
from convatlas.errors import ConfigError, DataError

_NAMED = 3  # files that a note names


def shard_files(listing: Listing, out: Path, *, shards: int, seed: int = 0) -> Index:
    """The files of a listing, byte for byte; those that cannot be decoded are left out and noted.

    Every file is decoded once to see that it can be, so that training for days does not end at one
    that cannot.

    Args:
        listing: the files.
        out: a folder that is not there yet, outside of the listing's own.
        shards: of the training part.
        seed: of the order.

    Raises:
        ConfigError, DataError, StorageError: as `write`.
    """
    if listing.table is None and out.resolve().is_relative_to(listing.root.resolve()):
        raise ConfigError(
            f"{out} lies inside {listing.root}, which is never changed: name a folder elsewhere"
        )

    def grey(index: int) -> bool | DataError:
        try:  # `least`: an eighth is enough to see, and reads all of a JPEG's bytes
            return len(decode(listing.path(index), None, least=1)) == 1
        except DataError as error:
            return error

    found = list(in_order(grey, listing, "checking"))
    bad = [number for number, one in enumerate(found) if isinstance(one, DataError)]
    good = torch.tensor([not isinstance(one, DataError) for one in found])
    notes = listing.notes
    if bad:
        names = ", ".join(listing.files[number] for number in islice(bad, _NAMED))
        more = ", …" if len(bad) > _NAMED else ""
        notes += (
            f"{len(bad)} of {len(listing)} pictures cannot be read and are left out: {names}{more} "
            f"(convatlas doctor {listing.root} says why)",
        )
    kept = listing.subset(good)
    parts = {name: _of_files(kept.subset(kept.part(name))) for name in PARTS}
    return write(
        out,
        listing.name,
        listing.classes,
        1 if all(one for one in found if isinstance(one, bool)) else 3,
        {name: part for name, part in parts.items() if len(part.labels)},
        shards=shards,
        seed=seed,
        notes=notes,
    )


def shard_arrays(data: Dataset, out: Path, *, shards: int, seed: int = 0) -> Index:
    """The pictures of a data set as PNG files, which keep every level.

    Args:
        data: with pictures of 1 or 3 channels.
        out, shards, seed: as of `shard_files`.

    Raises:
        ConfigError, DataError, StorageError: as `write`.
    """
    if not isinstance(data.train, ImageSet):
        raise ConfigError(f"{data.name} is in shards already")
    sets = {"train": data.train, "val": data.val, "test": data.test}
    parts = {name: _of_array(images) for name, images in sets.items() if images is not None}
    return write(
        out,
        data.name,
        data.train.classes,
        data.train.shape[0],
        parts,
        shards=shards,
        seed=seed,
        notes=data.notes,
    )


def _of_files(listing: Listing) -> Part:
    def content(index: int) -> tuple[str, bytes]:
        path = listing.path(index)
        suffix = path.suffix.lower()
        try:
            return (suffix if suffix in SUFFIXES else BARE), path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error

    return Part(listing.labels, content)


def _of_array(images: ImageSet) -> Part:
    def content(index: int) -> tuple[str, bytes]:
        from PIL import Image

        pixels = images.take(slice(index, index + 1))[0].permute(1, 2, 0).numpy()
        file = BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
        return ".png", file.getvalue()

    return Part(images.labels, content)
