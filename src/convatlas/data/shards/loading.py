"""From shards to a `Dataset`: what is learned from streams, what is tested on is decoded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from convatlas import progress
from convatlas.data.imageset import Dataset, ImageSet
from convatlas.data.shards.counting import counted
from convatlas.data.shards.decoding import Decoded, fitted
from convatlas.data.shards.index import INDEX, Index, is_index
from convatlas.data.shards.pattern import shards_of
from convatlas.data.shards.reading import stretch_of
from convatlas.data.shards.samples import samples
from convatlas.data.shards.stream import Stream
from convatlas.data.store import place
from convatlas.data.store.equal import mapped
from convatlas.errors import DataError

_PIXELS = "pixels.u8"


def claims(source: str) -> bool:
    """Whether a source is a folder with an index of shards, such an index, or a pattern."""
    path = Path(source).expanduser()
    return source.endswith(".tar") or is_index(path if path.name == INDEX else path / INDEX)


def load(
    source: str, side: int, *, seed: int = 0, cache: bool = True, strict: bool = False
) -> Dataset:
    """The data set in shards: ``train`` is a `Stream`, the other parts are in memory.

    Args:
        source: a folder that `convatlas shard` wrote, its ``index.json``, or a pattern of names
            (`pattern`): of some of its shards, or of shards that others wrote.
        side: what pictures are resized to.
        seed: of what is held back where nothing says it.
        cache: keep the decoded test pictures in the user's cache; else in memory.
        strict: compare the hash of every shard, which reads them all.

    Raises:
        DataError: a shard is missing, damaged or without labels.
        StorageError: the cache cannot be written.
    """
    index = _index(source, seed)
    index.check(thoroughly=strict)
    train = Stream(index, "train", side)
    test = _in_memory(index, "test", side, cache)
    val = _in_memory(index, "val", side, cache) if index.part("val") else None
    shards = len(index.part("train"))
    notes = (*index.notes, f"{len(train):,} training pictures stream from {shards} shards")
    return Dataset(index.name, train, test, val, notes)


def _index(source: str, seed: int) -> Index:
    if not source.endswith(".tar"):
        path = Path(source).expanduser()
        index = Index.read(path if path.name == INDEX else path / INDEX)
    else:
        named = shards_of(source)
        folder = named[0].parent
        if not is_index(folder / INDEX):
            return counted(named, folder.resolve().name, seed)
        index = _chosen(Index.read(folder / INDEX), named)
    if not (index.part("train") and index.part("test")):
        raise DataError(f"{source} needs shards to learn from and to test on, and lacks one")
    return index


def _chosen(index: Index, named: Sequence[Path]) -> Index:
    """An index of the shards that were named, and of the parts of which none was."""
    chosen = set(named)
    if strange := sorted(chosen - {shard.path for shard in index.shards}):
        raise DataError(f"{strange[0]} is not in the {INDEX} beside it: name others, or remove it")
    parts = {shard.part for shard in index.shards if shard.path in chosen}
    kept = tuple(s for s in index.shards if s.path in chosen or s.part not in parts)
    fewer = replace(index, shards=kept)
    counts = {
        part: _per_class(fewer, part) if len(fewer.part(part)) < len(index.part(part)) else all_
        for part, all_ in index.per_class.items()
    }
    return replace(fewer, per_class=counts)


def _per_class(index: Index, part: str) -> tuple[int, ...]:
    counts = Counter(
        index.number(sample.label, sample.name)
        for shard in index.part(part)
        for sample in samples(shard.path, contents=False)
    )
    return tuple(counts[number] for number in range(len(index.classes)))


def _in_memory(index: Index, part: str, side: int, cache: bool) -> ImageSet:
    """All pictures of a part at ``side``: mapped from the cache, or decoded now."""
    shards = index.part(part)
    shape = (sum(shard.count for shard in shards), index.channels, side, side)
    name = f"{index.name} {part}"
    if not cache:
        images = torch.empty(shape, dtype=torch.uint8)
        labels = []
        for number, (pixels, label) in enumerate(_decoded(index, part, side)):
            images[number] = pixels
            labels.append(label)
        return ImageSet(name, images, torch.tensor(labels), index.classes)

    def fill(folder: Path) -> dict[str, Any]:
        labels = []
        with (folder / _PIXELS).open("wb") as file:
            for pixels, label in _decoded(index, part, side):
                file.write(pixels.contiguous().numpy().data)
                labels.append(label)
        return {"labels": labels}

    times = [shard.path.stat().st_mtime_ns for shard in shards]
    source = f"{index.fingerprint(part)} {times}"
    where = place.place_at(shards[0].path.parent, name, str(side))
    home, known = place.filled(where, source, fill)
    labels = known["labels"]
    return ImageSet(name, mapped(home / _PIXELS, shape), torch.tensor(labels), index.classes)


def _decoded(index: Index, part: str, side: int) -> Iterator[Decoded]:
    """The pictures of a part in the shards' order, with a bar."""
    shards = index.part(part)
    for shard in shards:  # all of them are read now, so their hashes are worth little more
        shard.check(thoroughly=True)
    total = sum(shard.count for shard in shards)
    with progress.bar(f"decoding {index.name} {part}", total) as advance:
        for one in fitted(stretch_of(shards, range(total)), index, side):
            yield one
            advance(1)
