"""Shards without an index: who wrote them is not asked, and what they hold is counted.

One pass over the headers and labels, which the user's cache remembers.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from convatlas import progress
from convatlas.data.decode import look
from convatlas.data.listing import PARTS
from convatlas.data.shards.index import Index, Shard
from convatlas.data.shards.order import draws, shuffled
from convatlas.data.shards.samples import samples
from convatlas.data.store import place
from convatlas.errors import DataError

_NAMES = "classes.txt"
#: the part, as a word of a shard's name
_PART = re.compile(r"(?i)(?<![a-z])(train|test|val)(?:id|idation|ing)?(?![a-z])")
_ENOUGH = 10_000  # pictures to test on, beyond which more are not held back


def counted(shards: Sequence[Path], name: str, seed: int) -> Index:
    """An index of shards that have none.

    Parts are words of the shards' names (``train-00.tar``, ``pets-validation-3.tar``); where there
    are none, a fifth of the shards is held back for testing, or fewer if they hold 10,000
    pictures. Classes are named by ``classes.txt`` beside the first shard, a line each; else by
    the labels.

    Args:
        shards: the archives, each once.
        name: what to call the data set.
        seed: of what is held back.

    Raises:
        DataError: a shard is damaged, or its labels go beyond the classes; a single shard cannot
            be divided.
        StorageError: the cache cannot be written.
    """
    where = place.place_at(shards[0].parent, name, "shards")
    _, known = place.filled(where, _fingerprint(shards), lambda folder: _count(shards, name))
    counts: list[dict[str, int]] = known["labels"]
    classes, notes = _classes(shards[0].parent / _NAMES, counts, name)
    sizes = [sum(count.values()) for count in counts]
    parts, said = _parts(shards, sizes, seed)
    notes.append(said)
    per_class = {part: [0] * len(classes) for part in PARTS if part in parts}
    numbers = {label: number for number, label in enumerate(classes)}
    for part, count in zip(parts, counts, strict=True):
        for label, held in count.items():
            number = int(label) if label.isdecimal() else numbers.get(label, -1)
            if not 0 <= number < len(classes):
                raise DataError(
                    f"{name} has the label {label!r}, but {len(classes)} classes are named in "
                    f"{shards[0].parent / _NAMES}"
                )
            per_class[part][number] += held
    return Index(
        name,
        classes,
        1 if known["grey"] else 3,
        tuple(
            Shard(path, part, size, path.stat().st_size, "")
            for path, part, size in zip(shards, parts, sizes, strict=True)
        ),
        {part: tuple(held) for part, held in per_class.items()},
        tuple(notes),
    )


def _fingerprint(shards: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in shards:
        status = path.stat()
        digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _count(shards: Sequence[Path], name: str) -> dict[str, Any]:
    """Pictures of each label, shard by shard, and whether all are grey."""
    labels = []
    with progress.bar(f"counting {name}", len(shards)) as advance:
        for path in shards:
            count = Counter(str(sample.label) for sample in samples(path, contents=False))
            if not count:
                raise DataError(f"{path} holds no pictures with labels")
            labels.append(dict(count))
            advance(1)
    return {"labels": labels, "grey": all(_greys(shards))}


def _greys(shards: Sequence[Path]) -> Iterator[bool]:
    """Whether each picture is grey; whoever asks stops at the first that is not."""
    for path in shards:
        for sample in samples(path):
            seen = look(sample.content, sample.name)
            if isinstance(seen, str):
                raise DataError(seen)
            yield seen


def _classes(
    named: Path, counts: Sequence[dict[str, int]], name: str
) -> tuple[tuple[str, ...], list[str]]:
    labels = set().union(*counts)
    if named.is_file():
        lines = (line.strip() for line in named.read_text(encoding="utf-8").splitlines())
        classes = tuple(line for line in lines if line)
        notes = [f"{len(classes)} classes, named in {named}"]
    elif all(label.isdecimal() for label in labels):
        classes = tuple(map(str, range(max(map(int, labels)) + 1)))
        notes = [f"{len(classes)} classes, called by the numbers of the labels"]
    else:
        classes = tuple(sorted(labels))
        notes = [f"{len(classes)} classes, named by the labels"]
    if len(classes) < 2:
        raise DataError(f"{name} has {len(classes)} class, but telling apart takes at least two")
    return classes, notes


def _parts(shards: Sequence[Path], sizes: Sequence[int], seed: int) -> tuple[list[str], str]:
    """The part of each shard, and a line about it."""
    found = [_PART.search(path.name) for path in shards]
    parts = [match[1].lower() if match else "train" for match in found]
    if "test" in parts:
        return parts, "parts as the names of the shards say"
    if "val" in parts:
        parts = ["test" if part == "val" else part for part in parts]
        return parts, "no shard is called test, so those called val are what is tested on"
    if len(shards) < 2:
        raise DataError(
            f"{shards[0]} is a single shard, of which none can be held back for testing: add "
            "shards that are called test-…, or write several"
        )
    total, held = sum(sizes), 0
    for number in shuffled(range(len(shards)), len(shards), draws(seed)):
        parts[number] = "test"
        held += sizes[number]
        if held >= min(total // 5, _ENOUGH) or parts.count("train") == 1:
            break
    return parts, f"{parts.count('test')} of {len(shards)} shards are held back for testing"
