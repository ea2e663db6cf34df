"""The labelled pictures of a shard: members of one key, as WebDataset groups them.

::

    n01440764/0007.jpg   the picture: any suffix that a picture file may have
    n01440764/0007.cls   its label: a number in .cls, a number or a class name in .txt, or a .json
                         with either under "label", "cls" or "class"

The key is the name up to the first dot after the last slash. Members of a key follow one another;
others of the same key (a mask, say) are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from convatlas.data.layouts.scan import SUFFIXES
from convatlas.data.shards import tar
from convatlas.errors import DataError

#: what a file without a suffix of its own is called in a shard; Pillow looks at the content
BARE = ".img"
_PICTURES = (*SUFFIXES, BARE)
_LABELS = (".cls", ".txt", ".json")
_FIELDS = ("label", "cls", "class")
_BUFFER, _SHORT_BUFFER = 1 << 18, 1 << 13  # bytes, to read all, and to jump from header to header


class Sample(NamedTuple):
    """A labelled picture, not decoded.

    Attributes:
        shard: the archive it lies in.
        member: the picture's name there.
        content: the bytes of its file.
        label: number or name of its class, as the shard says it.
    """

    shard: Path
    member: str
    content: bytes
    label: int | str

    @property
    def name(self) -> str:
        """What an error calls it."""
        return f"{self.shard}: {self.member}"


def samples(
    shard: Path, start: int = 0, stop: int | None = None, contents: bool = True
) -> Iterator[Sample]:
    """The labelled pictures of a shard from the ``start``-th on, and up to ``stop``.

    Args:
        shard: the archive.
        start, stop: what lies outside is jumped over; without ``stop``, the archive's end is
            looked for.
        contents: False for labels alone: pictures are jumped over, and `Sample.content` is empty.

    Raises:
        DataError: it cannot be read, is damaged, or lacks a label.
    """
    try:
        file = shard.open("rb", _BUFFER if contents else _SHORT_BUFFER)
    except OSError as error:
        raise DataError(f"{shard} cannot be read: {error.strerror}") from error
    place = 0
    with file:
        keyed = (split for split in map(_split, tar.members(file, str(shard))) if split[0])
        for key, group in groupby(keyed, key=lambda split: split[0]):
            if place == stop:
                return
            found: dict[str, bytes] = {}
            names: dict[str, str] = {}
            for _, suffix, member in group:
                label = suffix in _LABELS
                if not label and suffix not in _PICTURES:
                    continue
                if suffix in found:
                    raise DataError(f"{shard} holds {member.name} twice, but keys must differ")
                wanted = place >= start and (label or contents)
                found[suffix] = tar.content(file, member, str(shard)) if wanted else b""
                names[suffix] = member.name
            picture = next((suffix for suffix in _PICTURES if suffix in found), None)
            if picture is None:
                if ".cls" in found:
                    raise DataError(f"{shard}: {key}.cls is a label without a picture beside it")
                continue
            place += 1
            if place > start:
                label_ = _label(found, f"{shard}: {names[picture]}", key)
                yield Sample(shard, names[picture], found[picture], label_)


def _split(member: tar.Member) -> tuple[str, str, tar.Member]:
    """Key, suffix and member; no key for a name without a suffix."""
    folder, _, base = member.name.rpartition("/")
    stem, dot, suffix = base.partition(".")
    key = f"{folder}/{stem}" if folder else stem
    return (key if stem and dot else ""), f".{suffix.lower()}", member


def _label(found: dict[str, bytes], name: str, key: str) -> int | str:
    suffix = next((suffix for suffix in _LABELS if suffix in found), None)
    if suffix is None:
        raise DataError(
            f"{name} has no label beside it: {key}.cls with the number of its class was expected, "
            "or a .txt or .json"
        )
    try:
        text = found[suffix].decode().strip()
        said = _from_json(text) if suffix == ".json" else text
        if suffix == ".cls":
            return int(text)
    except ValueError:  # bytes that are no text, digits or JSON
        said = ""
    if isinstance(said, int):
        return said
    if not said:
        raise DataError(f"{name}: the label in {key}{suffix} is {found[suffix][:40]!r}, {_WANTED}")
    return int(said) if said.isdecimal() else said


_WANTED = "but the number of a class was expected, or its name in .txt or .json"


def _from_json(text: str) -> int | str:
    known = json.loads(text)
    said = known
    if isinstance(known, dict):
        said = next((known[field] for field in _FIELDS if field in known), "")
    good = isinstance(said, int | str) and not isinstance(said, bool)
    return said if good else ""
