"""What a set of shards holds: their parts, counts, lengths and hashes, and the names of classes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from convatlas import files
from convatlas.data.listing import PARTS
from convatlas.errors import DataError

#: the file beside the shards that holds an `Index`
INDEX = "index.json"
_FORMAT = "convatlas shards 1"


@dataclass(frozen=True)
class Shard:
    """One archive.

    Attributes:
        path: where it is.
        part: one of `PARTS`.
        count: labelled pictures in it.
        bytes: its length.
        sha256: of the file, in hex; empty where nobody has said it.
    """

    path: Path
    part: str
    count: int
    bytes: int
    sha256: str

    def check(self, *, thoroughly: bool = False) -> None:
        """See that the file is the one that was counted, by its length or ``thoroughly`` by hash.

        Raises:
            DataError: it is not; or it is gone.
        """
        try:
            length = self.path.stat().st_size
            if length != self.bytes:
                raise DataError(
                    f"{self.path} has {length:,} bytes, but {self.bytes:,} were written: it was "
                    "cut short or changed; copy it again"
                )
            if thoroughly and self.sha256:
                with self.path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if found != self.sha256:
                    raise DataError(
                        f"{self.path} is damaged: its sha-256 is {found[:16]}…, but "
                        f"{self.sha256[:16]}… was written; copy it again"
                    )
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}") from error


@dataclass(frozen=True)
class Index:
    """Shards and what is known of them without reading one.

    Attributes:
        name: what to call the data set.
        classes: the names, in the order of the labels.
        channels: 1 where every picture is grey, and 3 otherwise.
        shards: in the order of their names, part by part.
        per_class: pictures of each class, by part.
        notes: a line for each thing that was inferred or left out, for a person to read.
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    shards: tuple[Shard, ...]
    per_class: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Pictures in all parts."""
        return sum(shard.count for shard in self.shards)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    def number(self, label: int | str, name: str) -> int:
        """A label of a shard as a number of a class.

        Args:
            label: a number or a name.
            name: of the picture, for an error.

        Raises:
            DataError: there is no such class.
        """
        number = label if isinstance(label, int) else self._numbers.get(label, -1)
        if not 0 <= number < len(self.classes):
            raise DataError(
                f"{name} has the label {label!r}, but there are {len(self.classes)} classes, "
                f"from 0 ({self.classes[0]}) to {len(self.classes) - 1} ({self.classes[-1]})"
            )
        return number

    def part(self, name: str) -> tuple[Shard, ...]:
        """The shards of a part."""
        return tuple(shard for shard in self.shards if shard.part == name)

    def check(self, *, thoroughly: bool = False) -> None:
        """`Shard.check` of all.

        Raises:
            DataError: the first that is not as it should be.
        """
        for shard in self.shards:
            shard.check(thoroughly=thoroughly)

    def fingerprint(self, part: str) -> str:
        """SHA-256 in hex of a part: names, counts, lengths and hashes of its shards, and classes.

        It is the same wherever the shards lie.
        """
        shards = [one for one in self.to_dict()["shards"] if one["part"] == part]
        text = json.dumps([list(self.classes), self.channels, shards])
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "format": _FORMAT,
            "name": self.name,
            "classes": list(self.classes),
            "channels": self.channels,
            "parts": {
                part: {"pictures": sum(counts), "per_class": list(counts)}
                for part, counts in self.per_class.items()
            },
            "shards": [
                {
                    "file": shard.path.name,
                    "part": shard.part,
                    "pictures": shard.count,
                    "bytes": shard.bytes,
                    "sha256": shard.sha256,
                }
                for shard in self.shards
            ],
            "notes": list(self.notes),
        }

    def write(self, folder: Path) -> None:
        """Put ``index.json`` beside the shards.

        Raises:
            StorageError: it cannot be written.
        """
        files.write_bytes(folder / INDEX, json.dumps(self.to_dict(), indent=1).encode() + b"\n")

    @classmethod
    def read(cls, path: Path) -> Index:
        """What `write` wrote; the shards themselves are not looked at.

        Raises:
            DataError: it is missing, damaged, or not what `write` writes.
        """
        try:
            known = json.loads(path.read_bytes())
            if known["format"] != _FORMAT:
                raise ValueError(f"its format is {known['format']!r}, not {_FORMAT!r}")
            index = cls(
                str(known["name"]),
                tuple(map(str, known["classes"])),
                int(known["channels"]),
                tuple(_shard(path.parent, one) for one in known["shards"]),
                {part: tuple(one["per_class"]) for part, one in known["parts"].items()},
                tuple(map(str, known["notes"])),
            )
            _agree(index)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} is no index of shards, or damaged ({error}): write it again with "
                "convatlas shard"
            ) from error
        return index


def is_index(path: Path) -> bool:
    """Whether a file says that it is an index of shards."""
    try:
        with path.open("rb") as file:
            return _FORMAT.rpartition(" ")[0].encode() in file.read(100)
    except OSError:
        return False


def _shard(folder: Path, known: Mapping[str, Any]) -> Shard:
    name = str(known["file"])
    if Path(name).name != name or known["part"] not in PARTS:
        raise ValueError(f"a shard is {name!r} of the part {known['part']!r}")
    count, length = int(known["pictures"]), int(known["bytes"])
    return Shard(folder / name, str(known["part"]), count, length, str(known["sha256"]))


def _agree(index: Index) -> None:
    """Counts must add up, or an epoch would be longer or shorter than it says."""
    if index.channels not in (1, 3):
        raise ValueError(f"{index.channels} channels")
    for part, counts in index.per_class.items():
        held = sum(shard.count for shard in index.part(part))
        if len(counts) != len(index.classes) or sum(counts) != held:
            raise ValueError(f"the shards of {part} hold {held}, its classes {sum(counts)}")
